"""Imports point one way: errors <- settings <- core <- networks, ... <- build <- ros."""

import ast
import functools

import pytest

ROOTS = frozenset({"documents", "errors", "files", "settings"})
MIDDLE = frozenset(
    {
        "bags",
        "messages",
        "models",
        "networks",
        "report",
        "runtime",
        "sources",
        "synthetic",
        "video_files",
        "viz",
    }
)
SHARED = frozenset({"messages", "video_files"})  # by the others of the middle
# Layer -> the layers that it may import, beside itself.
ALLOWED = {
    "errors": frozenset(),
    "documents": frozenset({"errors", "files"}),
    "files": frozenset({"errors"}),
    "settings": frozenset({"errors"}),
    "core": ROOTS,
    **dict.fromkeys(SHARED, ROOTS | {"core"}),
    **dict.fromkeys(MIDDLE - SHARED, ROOTS | {"core"} | SHARED),
    # the engine reads inputs and outputs of a file; a card states them too
    "models": ROOTS | {"core", "runtime"} | SHARED,
    # scenes are written as bags; sources open scenes by name
    "synthetic": ROOTS | {"core", "bags"} | SHARED,
    "sources": ROOTS | {"core", "bags", "synthetic"} | SHARED,
    # a picture of its moments is drawn as any other
    "report": ROOTS | {"core", "viz"} | SHARED,
    "int8": ROOTS | {"core"} | MIDDLE,
    "build": ROOTS | {"core", "int8"} | MIDDLE,
    "pipeline": ROOTS | {"core"} | MIDDLE,
    "analysis": ROOTS | {"core", "build", "pipeline"} | MIDDLE,
    "compat": ROOTS | {"core", "build", "pipeline"} | MIDDLE,
    "cli": ROOTS | {"core", "build", "pipeline", "analysis"} | MIDDLE,
    "ros": ROOTS | {"core", "build", "pipeline"} | MIDDLE,
    # the package's __init__ lists the public names and loads them on first use
    "__init__": ROOTS | {"core", "build", "pipeline", "analysis"} | MIDDLE,
}
ROS_PACKAGES = frozenset(
    {"ament_index_python", "launch", "launch_ros", "rclpy", "rpyutils", "tf2_ros"}
)
# Libraries that few modules may import.
ENCLOSED = {
    # what runs networks, and what rewrites them with the tools that come with it
    "onnxruntime": ("pose_ros.runtime.session", "pose_ros.runtime.quantization"),
    "av": ("pose_ros.video_files",),
    # they are not installed
    **dict.fromkeys(("benchmarks", "examples", "tools"), ()),
}


@functools.cache
def nodes(source):
    """Return the nodes of a module's syntax: several tests look at each."""
    return list(ast.walk(ast.parse(source)))


def is_ros(module):
    """Whether a module comes with ROS or is one of the generated messages."""
    top = module.split(".")[0]
    messages = top.endswith(("_msgs", "_srvs", "_interfaces"))
    return messages or top in ROS_PACKAGES or module.startswith(("pose_ros.msg", "pose_ros.srv"))


def imported(source, module, is_package=False):
    """Yield (line, dotted name) for each import of a module's source, wherever it stands in it."""
    for node in nodes(source):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = module.split(".") if is_package else module.split(".")[:-1]
                base = ".".join([*parts[: len(parts) - node.level + 1], *filter(None, [base])])
            for alias in node.names:
                # `from pose_ros import viz` names a layer by the alias
                yield node.lineno, f"{base}.{alias.name}" if base == "pose_ros" else base
        elif (
            isinstance(node, ast.Call)
            and ast.unparse(node.func) in ("importlib.import_module", "import_module", "__import__")
            and node.args
            and isinstance(node.args[0], ast.Constant)
        ):
            yield node.lineno, str(node.args[0].value)


def edges(checkout):
    """Return, for each module, the modules of the package that it imports, wherever it does.

    The package's __init__ is left out: it lists the public names and loads them on first use.
    """
    known = dict(modules(checkout))
    graph = {}
    for module, path in known.items():
        names = set()
        for node in nodes(path.read_text(encoding="utf-8")):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    # `from package import module` names a module by the alias
                    inner = f"{node.module}.{alias.name}"
                    names.add(inner if inner in known else node.module)
        graph[module] = names & set(known) - {module, "pose_ros"}
    return graph


def cycles(graph):
    """Return the groups of modules that import each other, each sorted."""

    def reached(start):
        found: set[str] = set()
        waiting = [start]
        while waiting:
            new = graph[waiting.pop()] - found
            found |= new
            waiting += new
        return found

    reach = {module: reached(module) for module in graph}
    groups = {
        tuple(sorted({a} | {b for b in reach[a] if a in reach[b]})) for a in graph if a in reach[a]
    }
    return sorted(groups)


def violations(source, module, is_package=False):
    """Return a line for each import of a module that breaks a rule."""
    parts = module.split(".")
    layer = parts[1] if len(parts) > 1 else "__init__"
    found = []
    for line, name in imported(source, module, is_package):
        where = f"{module}:{line}"
        top, *rest = name.split(".")
        if is_ros(name):
            if layer != "ros":
                found.append(f"{where} imports {name}: only pose_ros.ros may")
        elif top in ENCLOSED:
            if module not in ENCLOSED[top]:
                allowed = " and ".join(ENCLOSED[top]) or "a checkout"
                found.append(f"{where} imports {name}: only {allowed} may")
        elif top == "pose_ros" and rest:
            target = rest[0]
            if target.startswith("__") or target == layer:
                continue
            # names that pose_ros/__init__.py makes public are those of its own layers
            if target not in ALLOWED and layer in ("cli", "ros"):
                continue
            if target not in ALLOWED.get(layer, ROOTS):
                found.append(f"{where} imports {name}: {layer} may not import {target}")
    return found


def modules(checkout):
    """Yield (dotted name, path) of every module of the source tree."""
    for path in sorted((checkout / "pose_ros").rglob("*.py")):
        parts = path.relative_to(checkout).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def test_imports_point_one_way(checkout):
    found = []
    count = 0
    for module, path in modules(checkout):
        source = path.read_text(encoding="utf-8")
        found += violations(source, module, is_package=path.name == "__init__.py")
        count += 1
    assert count > 20, "the sources were not found"
    assert not found, "\n".join(found)


def test_no_modules_import_each_other(checkout):
    graph = edges(checkout)
    assert sum(map(len, graph.values())) > 500, "the imports were not found"
    assert cycles(graph) == []


def test_a_cycle_of_imports_is_found():
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set(), "e": {"a"}}
    assert cycles(graph) == [("b", "c")]


def test_no_class_name_is_defined_twice(checkout):
    homes: dict[str, list[str]] = {}
    for module, path in modules(checkout):
        for node in nodes(path.read_text(encoding="utf-8")):
            if isinstance(node, ast.ClassDef):
                homes.setdefault(node.name, []).append(module)
    assert len(homes) > 200, "the classes were not found"
    assert {name: found for name, found in homes.items() if len(found) > 1} == {}


def test_every_part_of_the_package_has_a_layer(checkout):
    parts = {p.stem for p in (checkout / "pose_ros").iterdir() if p.suffix == ".py" or p.is_dir()}
    assert parts - {"__pycache__"} <= set(ALLOWED)


def test_only_the_build_makes_messages(checkout):
    assert not (checkout / "pose_ros" / "msg").exists()


@pytest.mark.parametrize(
    ("module", "source", "expected"),
    [
        ("pose_ros.core.types", "from pose_ros.viz import overlay", "core may not import viz"),
        ("pose_ros.core.types", "import pose_ros.runtime.session", "core may not import runtime"),
        ("pose_ros.core.types", "from pose_ros import build", "core may not import build"),
        ("pose_ros.core.types", "from .. import networks", "core may not import networks"),
        ("pose_ros.core.types", "from ..cli.main import main", "core may not import cli"),
        (
            "pose_ros.viz.overlay",
            "from pose_ros.sources import videos",
            "viz may not import sources",
        ),
        (
            "pose_ros.bags.reader",
            "from pose_ros.sources import pictures",
            "bags may not import sources",
        ),
        (
            "pose_ros.synthetic.source",
            "from pose_ros.sources import opening",
            "synthetic may not import sources",
        ),
        ("pose_ros.networks.paf", "def f():\n  import pose_ros.runtime", "may not import runtime"),
        (
            "pose_ros.runtime.session",
            "from pose_ros.models.card import Card",
            "runtime may not import models",
        ),
        ("pose_ros.errors", "from pose_ros.core import types", "errors may not import core"),
        ("pose_ros.build", "from pose_ros.ros import parameters", "build may not import ros"),
        ("pose_ros.cli.up", "from pose_ros.ros.pose_node import main", "cli may not import ros"),
        ("pose_ros.cli.up", "import_module('pose_ros.ros.node')", "cli may not import ros"),
        ("pose_ros.ros.node", "from pose_ros.cli import main", "ros may not import cli"),
        ("pose_ros.cli.up", "import rclpy", "only pose_ros.ros may"),
        ("pose_ros.viz.plots", "from sensor_msgs.msg import Image", "only pose_ros.ros may"),
        ("pose_ros.build", "from pose_ros.msg import PoseArray", "only pose_ros.ros may"),
        ("pose_ros.cli.bench", "from benchmarks import speed", "only a checkout may"),
        ("pose_ros.build", "import onnxruntime as ort", "only pose_ros.runtime.session and"),
        ("pose_ros.ros.node", "from onnxruntime import X", "only pose_ros.runtime.session and"),
    ],
)
def test_a_forbidden_import_is_found(module, source, expected):
    (line,) = violations(source, module)
    assert expected in line


@pytest.mark.parametrize(
    ("module", "source", "is_package"),
    [
        ("pose_ros.cli.estimate", "from pose_ros.build import create_estimator", False),
        ("pose_ros.cli.main", "from pose_ros import __version__", False),
        ("pose_ros.ros.node", "import rclpy\nfrom pose_ros.msg import PoseArray", False),
        ("pose_ros.runtime.session", "import onnxruntime", False),
        ("pose_ros.models.store", "from pose_ros.runtime.session import read_signature", False),
        ("pose_ros.core.types", "import numpy\nfrom . import skeletons", False),
        ("pose_ros.sources", "from .videos import VideoSource", True),
        ("pose_ros", "from pose_ros.build import create_estimator", True),
    ],
)
def test_an_allowed_import_passes(module, source, is_package):
    assert violations(source, module, is_package) == []
