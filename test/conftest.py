"""Fixtures for every test: the installed package, a temporary folder and the public data."""

import contextlib
import importlib.util
import os
import re
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]

# `python -m pytest` puts the checkout first on the path; its pose_ros has no messages.
sys.path[:] = [p for p in sys.path if Path(p).resolve() != CHECKOUT]

# These are of the checkout alone.
for _name in ("benchmarks", "tools"):
    _spec = importlib.util.spec_from_file_location(_name, CHECKOUT / _name / "__init__.py")
    assert _spec
    sys.modules[_name] = importlib.util.module_from_spec(_spec)


_BASE = Path(os.environ.get("XDG_CACHE_HOME", ""))
USER_CACHE = _BASE if _BASE.is_absolute() else Path.home() / ".cache"

ALLOWED_SKIPS = CHECKOUT / "test" / "allowed_skips.txt"
UNEXPECTED_SKIPS = "unexpected_skips"


class StrictSkips:
    """Fails a run in which a test was skipped for a reason that ``allowed_skips.txt`` lacks.

    With pytest-xdist each process finds its own, and hands them to the one that reports.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._allowed = list(allowed_skips(ALLOWED_SKIPS.read_text(encoding="utf-8")))
        self._found: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if not hasattr(report, "wasxfail"):
            self._look_at(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._look_at(report)

    def _look_at(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if not report.skipped:
            return
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reason = reason.removeprefix("Skipped: ")
        if not any(pattern.fullmatch(reason) for pattern in self._allowed):
            self._found.add(f"{report.nodeid}: {reason}")

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if hasattr(self._config, "workeroutput"):
            self._config.workeroutput[UNEXPECTED_SKIPS] = sorted(self._found)
        elif self._found and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(optionalhook=True)  # pytest-xdist's
    def pytest_testnodedown(self, node: Any) -> None:
        self._found.update(getattr(node, "workeroutput", {}).get(UNEXPECTED_SKIPS, ()))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._found:
            terminalreporter.section("unexpected skips", red=True)
            for line in sorted(self._found):
                terminalreporter.line(line)
            terminalreporter.line(f"install what they need, or add a reason to {ALLOWED_SKIPS}")


def allowed_skips(text: str) -> Iterator[re.Pattern[str]]:
    """Return the patterns of reasons; each line has one, and behind two spaces and # why."""
    for line in text.splitlines():
        if line and not line.startswith("#"):
            pattern, why, comment = line.partition("  #")
            if not (why and comment.strip()):
                raise pytest.UsageError(f"{ALLOWED_SKIPS}: no comment says why: {line}")
            yield re.compile(pattern.strip())


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--strict-skips",
        action="store_true",
        help=f"fail when a test is skipped for a reason that is not in {ALLOWED_SKIPS.name}",
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--strict-skips"):
        config.pluginmanager.register(StrictSkips(config), "strict-skips")


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Close the connection over which pytest-rerunfailures counts in a process of pytest-xdist."""
    counts = getattr(config, "failures_db", None)
    if hasattr(config, "workerinput") and hasattr(counts, "sock"):
        counts.sock.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the accuracy gates as slow; run slow files first, so that processes end together."""
    for item in items:
        if item.path.is_relative_to(CHECKOUT / "test" / "accuracy"):
            item.add_marker(pytest.mark.slow)
    slow_files = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow_files)


@pytest.fixture(scope="session", autouse=True)
def _signals() -> Iterator[None]:
    """Hear the signals that a background shell or nohup lets its children ignore."""
    handlers = {
        signal.SIGINT: signal.default_int_handler,
        signal.SIGHUP: signal.SIG_DFL,
        signal.SIGQUIT: signal.SIG_DFL,
    }
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The source tree."""
    return CHECKOUT


@pytest.fixture(scope="session", autouse=True)
def _elsewhere(tmp_path_factory):
    """Run in a folder where `python -m` finds the installed package and output does no harm."""
    before = Path.cwd()
    os.chdir(tmp_path_factory.mktemp("cwd"))
    yield
    os.chdir(before)


@pytest.fixture(scope="session")
def user_cache() -> Path:
    """The folder of networks that the user of this machine has fetched: to be read only."""
    return USER_CACHE / "pose_ros"


@pytest.fixture(scope="session", autouse=True)
def _own_cache(user_cache, tmp_path_factory):
    """Give the tests a cache with what ``make setup`` fetches, and nothing of it to the user's.

    ``finder=auto`` takes any finder that it sees there: what else this machine has fetched, or
    another test just now, would change how many people are found.
    """
    base = tmp_path_factory.mktemp("cache")
    (base / "pose_ros").mkdir()
    for pattern in ("blazepose-*", "blazehand-*"):
        for path in user_cache.glob(pattern):
            (base / "pose_ros" / path.name).symlink_to(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(base))
        yield


@pytest.fixture(scope="session", autouse=True)
def _plain_kernels():
    """Let onnxruntime add up in another order where ``make portable`` asks for it."""
    from tools.other_processors import PLAIN_KERNELS, plain_kernels

    with plain_kernels() if os.environ.get(PLAIN_KERNELS) else contextlib.nullcontext():
        yield


@pytest.fixture(scope="session")
def data(checkout) -> Path:
    """The folder of public test data: pictures, clips and what other programs find in them."""
    path = Path(os.environ.get("POSE_ROS_DATA") or checkout.parent / "shared" / "data").resolve()
    if not path.is_dir():
        pytest.skip(f"no test data: {path} is missing (POSE_ROS_DATA names the folder)")
    return path


@pytest.fixture(scope="session")
def lite_models(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model cache with blazepose-lite, its landmarks from the test data: nothing is fetched."""
    from pose_ros.models import store
    from pose_ros.models.card import load_card

    source = data / "blazepose" / "pose_landmark_lite.tflite"
    if not source.is_file():
        pytest.skip(f"no test data: {source} is missing")
    folder = tmp_path_factory.mktemp("lite")
    detector = store.get(load_card("blazepose-full"))["detector"]
    for path in detector.parent.glob("blazepose-detector.*"):
        shutil.copy(path, folder)
    store.get(load_card("blazepose-lite"), folder, sources=[source])
    return folder


def models_from(source: Path, network: str, folder: Path) -> Path:
    """Return a model cache with one network, made from a file of the test data."""
    from pose_ros.models import store
    from pose_ros.models.card import load_card

    if not source.is_file():
        pytest.skip(f"no test data: {source} is missing")
    store.get(load_card(network), folder, sources=[source])
    return folder


@pytest.fixture(scope="session")
def posenet_models(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model cache with posenet-mobilenet from the test data: nothing is fetched."""
    source = data / "posenet" / "posenet_mobilenet_v1_075_353_481_quant.tflite"
    return models_from(source, "posenet-mobilenet", tmp_path_factory.mktemp("posenet"))


@pytest.fixture(scope="session")
def finder_models(posenet_models: Path) -> Path:
    """That cache with blazepose-full besides, which then finds people by posenet-mobilenet."""
    from pose_ros.models import store
    from pose_ros.models.card import load_card

    path = store.get(load_card("blazepose-full"))["detector"]
    for file in path.parent.glob("blazepose-*"):
        shutil.copy(file, posenet_models)
    return posenet_models


@pytest.fixture(scope="session")
def openpose_models(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model cache with openpose-mobilenet from the test data: nothing is fetched."""
    source = data / "openpose" / "mobilenet_v2_small.onnx"
    return models_from(source, "openpose-mobilenet", tmp_path_factory.mktemp("openpose"))


@pytest.fixture(scope="session")
def scene_bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small recording of a person who raises a hand: images, depth, camera_info and /tf."""
    from pose_ros.synthetic.scene_bag import BagOptions, write_scene_bag
    from pose_ros.synthetic.source import open_synthetic

    path = tmp_path_factory.mktemp("bags") / "raised"
    source = open_synthetic("synthetic:raise_hand?width=320&height=240&fps=10", live=False)
    write_scene_bag(path, source, BagOptions(storage="mcap", seconds=1.2))
    return path
