"""What ``pose-ros estimate`` writes: never over what it reads, whole or not at all, and said."""

import importlib.util
import json
import os
import resource
import signal
import sys
import threading
import time
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

import cv2
import numpy as np
import pytest

from pose_ros.cli.main import main
from pose_ros.errors import printable
from tools.mjpeg_server import MjpegServer


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Three small pictures and a clip, without people: the network takes as long for them."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own").mkdir()
    image = np.full((96, 128, 3), 90, np.uint8)
    for name in ("me.jpg", "own/a.jpg", "own/b.png"):
        cv2.imwrite(name, image)
    clip = cv2.VideoWriter("d.avi", cv2.VideoWriter.fourcc(*"MJPG"), 10, (128, 96))
    for _ in range(4):
        clip.write(image)
    clip.release()
    (tmp_path / "link.jpg").symlink_to("me.jpg")
    os.link("me.jpg", "second_name.jpg")
    return tmp_path


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def estimate(*words):
    return main(["estimate", *words, "--overlay", "none"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["me.jpg", "--out", "me.jpg"], "only read"),
        (["me.jpg", "--out", "./own/../me.jpg"], "only read"),
        (["me.jpg", "--out", "link.jpg"], "only read"),
        (["link.jpg", "--out", "me.jpg"], "only read"),
        (["me.jpg", "--out", "second_name.jpg"], "only read"),
        (["me.jpg", "--out", "%s.jpg"], "only read"),
        (["own/", "--out", "own/"], "only read"),
        (["own", "--out", "own"], "only read"),
        (["own/*", "--out", "own/"], "only read"),
        (["own/a.jpg", "--out", "own/%s.jpg"], "only read"),
        (["own", "--fps", "10", "--out", "own/%s.jpg"], "only read"),
        (["d.avi", "--out", "d.avi"], "only read"),
        (["me.jpg", "--json", "second_name.jpg"], "--json takes a file that ends with .jsonl or"),
        (["me.jpg", "--report", "r.pdf"], "--report takes a file that ends with .html or .htm"),
        (["me.jpg", "--csv", "x.xlsx"], "--csv takes a file that ends with .csv"),
        (["me.jpg", "--parquet", "x.csv"], "--parquet takes a file that ends with .parquet"),
        (["me.jpg", "--out", "x.pdf"], "pictures end with .bmp, .jpeg, .jpg"),
        (["me.jpg", "--json", "a.json", "--coco", "./a.json"], "written twice"),
        (["d.avi", "--out", "x.jpg"], "x.jpg would be written twice: d.avi has many images"),
        (["own/a.jpg", "own/b.png", "--out", "x.jpg"], "x.jpg would be written twice"),
        (["own/a.jpg", "own/a.jpg", "--out", "x/%s_%i.jpg"], "x/a_0.jpg would be written twice"),
    ],
)  # fmt: skip
def test_output_that_would_lose_results_is_refused_before_a_network_is_loaded(
    folder, capsys, monkeypatch, words, message
):
    monkeypatch.setattr("pose_ros.cli.estimate.build_estimator", None)
    before = contents(folder)
    assert estimate(*words, "--force") == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert contents(folder) == before


@pytest.mark.parametrize(
    ("there", "words"),
    [
        ("x.json", ["me.jpg", "--json", "x.json"]),
        ("x.mp4", ["d.avi", "--out", "x.mp4"]),
        ("o/me.jpg", ["me.jpg", "--out", "o/"]),
        ("o/d_000007.jpg", ["d.avi", "--out", "o/"]),
        ("o/7.png", ["d.avi", "--out", "o/%i.png"]),
        ("o/b.jpg", ["own", "--fps", "10", "--out", "o/%s.jpg"]),
        ("x.html", ["me.jpg", "--report", "x.html"]),
        ("x.images.csv", ["me.jpg", "--csv", "x.csv"]),
    ],
)
def test_existing_output_is_replaced_only_with_force(folder, capsys, there, words):
    path = folder / there
    path.parent.mkdir(exist_ok=True)
    path.write_text("older")
    assert estimate(*words) == 1
    assert f"{there} is there already; --force replaces it" in capsys.readouterr().err
    assert path.read_text() == "older"
    if there == "x.json":
        assert estimate(*words, "--force") == 0
        assert json.loads(path.read_text())["source"] == "me.jpg"


def test_pictures_of_one_name_get_an_output_each_and_all_are_listed(folder, capsys):
    words = ["me.jpg", "link.jpg", "./me.jpg", "d.avi", "--frames", "2", "--out", "o/"]
    assert estimate(*words, "--json", "deep/x.jsonl", "--csv", "x.csv") == 0
    names = ["d_000000.jpg", "d_000001.jpg", "link.jpg", "me.jpg", "me_2.jpg"]
    assert sorted(path.name for path in (folder / "o").iterdir()) == names
    *_, said = capsys.readouterr().err.splitlines()
    assert said == (
        "written: deep/x.jsonl, x.csv, x.angles.csv, x.images.csv, x.gestures.csv, "
        "5 pictures, o/d_000000.jpg to o/me_2.jpg"
    )


def test_run_without_an_output_prints_that_nothing_was_written(folder, capsys):
    before = contents(folder)
    assert estimate("me.jpg") == 0
    assert "nothing was written: name an output, such as --json" in capsys.readouterr().err
    assert contents(folder) == before


def test_a_run_in_which_no_image_could_be_read_writes_nothing(folder, capsys):
    (folder / "bad.jpg").write_text("no picture")
    before = contents(folder)
    assert estimate("bad.jpg", "--json", "x.json", "--csv", "x.csv", "--out", "o/") == 1
    assert capsys.readouterr().err.splitlines()[1:] == ["no frame was read", "nothing was written"]
    assert contents(folder) == before
    assert not (folder / "o").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_run_that_is_stopped_leaves_nothing(folder, capsys, number):
    before = contents(folder)
    words = ["--json", "x.json", "--csv", "x.csv", "--coco", "c.json", "--report", "r.html"]
    ended = pytest.raises(SystemExit, match=str(128 + number))
    # so many images that the run is not over before the signal comes
    source = "synthetic:crossing?width=320&height=240&fps=200"
    with (
        signal_once(folder / "x.json.partial" / "x.json", number),
        nullcontext() if number == signal.SIGINT else ended,
    ):
        assert estimate(source, "--out", "v.mp4", *words) == 130
    assert capsys.readouterr().err == (
        "pose-ros estimate: stopped before the end; nothing was written\n"
    )
    assert contents(folder) == before
    assert [path.name for path in folder.iterdir() if "partial" in path.name] == []
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@contextmanager
def signal_once(path, number):
    """Send this process a signal when a file is there, and never after the block has ended."""
    ended = threading.Event()

    def send():
        end = time.monotonic() + 60.0
        while not ended.wait(0.02):
            if path.exists() or time.monotonic() > end:
                os.kill(os.getpid(), number)
                return

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield
    finally:
        ended.set()
        sender.join()


def test_ctrl_c_ends_a_camera_and_its_results_are_kept(folder, capsys):
    server = MjpegServer(0, np.full((96, 128, 3), 90, np.uint8))
    words = ["--json", "x.json", "--out", "v.avi"]
    try:
        with signal_once(folder / "v.avi.partial" / "v.avi", signal.SIGINT):
            assert estimate(f"http://127.0.0.1:{server.port}/", *words) == 0
    finally:
        server.stop()
    records = (folder / "x.json").read_text().splitlines()
    assert len(records) > 0
    assert cv2.VideoCapture("v.avi").read()[0]
    assert "written: x.json, v.avi" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [["--json", "x.json"], ["--csv", "x.csv"], ["--parquet", "x.parquet"], ["--coco", "x.json"],
     ["--coco-results", "x.json"], ["--bvh", "x.bvh"], ["--report", "x.html"], ["--out", "o/"],
     ["--out", "v.avi"], ["--out", "v.mp4"], ["--plots", "p"]],
)  # fmt: skip
def test_a_full_disk_gives_a_one_line_error_and_leaves_nothing(folder, capsys, words):
    """A limit on file sizes replaces a full disk: the system refuses the same writes."""
    source = ["synthetic:wave", "--frames", "4"]
    before = contents(folder)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    # a video fails in its middle, where PyAV has the file in its hands
    most = 20_000 if words[1].startswith("v.") else 256
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, limits[1]))
    try:
        code = estimate(*source, *words, "--quiet")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    error = capsys.readouterr().err
    assert code == 1, error
    assert error.startswith("pose-ros estimate: cannot write ")
    assert error.count("\n") == 1
    assert contents(folder) == before
    assert sorted(path.name for path in folder.iterdir()) == [
        "d.avi", "link.jpg", "me.jpg", "own", "second_name.jpg",
    ]  # fmt: skip


def test_pipes_and_devices_are_written_as_they_are(folder, capsys):
    os.mkfifo("pipe")
    read = []
    # a thread that waits for a writer which never comes must not hold up the end of the tests
    reader = threading.Thread(
        target=lambda: read.append((folder / "pipe").read_text()), daemon=True
    )
    reader.start()
    assert estimate("me.jpg", "--json", "pipe") == 0
    reader.join(60.0)
    assert json.loads(read[0])["source"] == "me.jpg"
    assert estimate("me.jpg", "--json", "/dev/null", "--force", "--quiet") == 0
    assert not Path("/dev/null").is_file()
    capsys.readouterr()
    assert estimate("me.jpg", "--json", "/dev/full", "--quiet") == 1
    error = capsys.readouterr().err
    assert error == "pose-ros estimate: cannot write /dev/full: No space left on device\n"


def test_home_of_an_unknown_user_is_part_of_a_file_name(folder):
    assert estimate("me.jpg", "--json", "~no_such_user.json", "--quiet") == 0
    assert (folder / "~no_such_user.json").exists()


@pytest.mark.parametrize("words", [["estimate", "me.jpg", "--json", "-", "--quiet"], ["doctor"]])
def test_full_standard_output_gives_a_one_line_error(folder, capsys, monkeypatch, words):
    full = Path("/dev/full").open("w", encoding="utf-8")  # noqa: SIM115 - closing it fails
    monkeypatch.setattr(sys, "stdout", full)
    assert main(words) == 1
    monkeypatch.undo()
    error = capsys.readouterr().err
    assert error.startswith("pose-ros")
    assert error.endswith("cannot write to the standard output: No space left on device\n")
    assert error.count("\n") == 1
    with suppress(OSError):
        full.close()


def test_names_of_files_are_escaped_in_lines_and_in_results(folder, capsys):
    """A terminal obeys control characters in a name, and a log is read by lines."""
    name = "<script>\n\x1b[31m'\"&.jpg"
    Path("me.jpg").rename(name)
    (folder / f"bad{name}").write_text("no picture")
    words = ["--json", "x.jsonl", "--coco", "c.json", "--out", f"o{name}/"]
    assert estimate(name, f"bad{name}", *words) == 1
    error = capsys.readouterr().err
    assert "\x1b" not in error
    assert len(error.splitlines()) == 3
    assert "<script>\\n\\x1b[31m'\"&.jpg" in error
    (record,) = [json.loads(line) for line in (folder / "x.jsonl").read_text().splitlines()]
    assert record["source"] == printable(name)
    (image,) = json.loads((folder / "c.json").read_text())["images"]
    assert image["file_name"] == printable(name)
    assert [path.name for path in (folder / f"o{name}").iterdir()] == [printable(name)]


def test_plots_are_pictures_in_a_folder_and_need_the_extra(folder, capsys, monkeypatch):
    (folder / "plots").mkdir()
    (folder / "plots" / "mine.png").write_text("mine")
    words = ["synthetic:wave", "--frames", "4", "--plots", "plots", "--quiet"]
    assert estimate(*words) == 0
    names = ["angles_id_0.png", "floor.png", "isb_id_0.png", "mine.png", "people.png"]
    assert sorted(path.name for path in (folder / "plots").iterdir()) == names
    assert estimate(*words) == 1
    assert "angles_id_0.png is there already; --force" in capsys.readouterr().err
    found = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "matplotlib" else found(name)
    )
    assert estimate("me.jpg", "--plots", "other") == 1
    error = capsys.readouterr().err
    assert "reports and plots need matplotlib: pip install 'pose_ros[report]'" in error
    assert error.count("\n") == 1
    assert not (folder / "other").exists()


def test_closed_pipe_is_an_error_only_if_results_are_lost(folder, capsys, monkeypatch):
    for words, code, lost in (([], 0, ""), (["--csv", "x.csv"], 1, "nothing was written")):
        reading, writing = os.pipe()
        os.close(reading)
        with monkeypatch.context() as patch, os.fdopen(writing, "w", encoding="utf-8") as pipe:
            patch.setattr(sys, "stdout", pipe)
            assert estimate("me.jpg", "--json", "-", "--quiet", *words) == code
        error = capsys.readouterr().err
        assert lost in error
        assert error.count("\n") == bool(lost)
    assert not (folder / "x.csv").exists()
