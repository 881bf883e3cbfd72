"""The tests themselves: their skips, and private attributes of other modules."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

# names with an underscore that a library documents as public
PUBLIC = {"_replace", "_perform_substitutions"}

CONFTEST = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("ours", {path!r})
ours = importlib.util.module_from_spec(spec)
before = list(sys.path)
spec.loader.exec_module(ours)
sys.path[:] = before
pytest_addoption, pytest_configure = ours.pytest_addoption, ours.pytest_configure
"""
SKIPS = """
import pytest
def test_allowed(): pytest.skip("npm is not installed")
def test_unexpected(): pytest.skip("no npm is not installed")
"""


@pytest.fixture
def folder(tmp_path: Path, checkout: Path) -> Path:
    """A folder with a test that is skipped for a reason that is allowed, and one that is not."""
    conftest = CONFTEST.format(path=str(checkout / "test" / "conftest.py"))
    (tmp_path / "conftest.py").write_text(conftest, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    (tmp_path / "test_it.py").write_text(SKIPS, encoding="utf-8")
    return tmp_path


def pytest_in(folder: Path, *arguments: str) -> tuple[int, str]:
    """Return exit code and output."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_unexpected_skip_fails_a_strict_run_and_is_named(
    folder: Path, workers: tuple[str, ...]
) -> None:
    assert pytest_in(folder, *workers)[0] == 0
    code, output = pytest_in(folder, "--strict-skips", *workers)
    assert code == 1
    assert "test_it.py::test_unexpected: no npm is not installed" in output
    assert "test_allowed:" not in output
    assert pytest_in(folder, "--strict-skips", "-k", "allowed", *workers)[0] == 0


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_unexpected_skip_of_a_module_fails_a_strict_run(
    folder: Path, workers: tuple[str, ...]
) -> None:
    text = 'import pytest\npytest.importorskip("no_such_module", reason="it is missing")\n'
    (folder / "test_more.py").write_text(text, encoding="utf-8")
    code, output = pytest_in(folder, "--strict-skips", "-k", "allowed or more", *workers)
    assert code == 1
    assert "test_more.py: it is missing" in output


def private_names(tree: ast.Module) -> list[str]:
    """Return the private attributes of other modules that a module reads."""
    nodes = list(ast.walk(tree))
    own = {n.name for n in nodes if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    of_self = [n for n in nodes if isinstance(n, ast.Attribute) and is_self(n.value)]
    own |= {n.attr for n in of_self} | PUBLIC
    found = [n.attr for n in nodes if isinstance(n, ast.Attribute) and n not in of_self]
    found += [a.name for n in nodes if isinstance(n, ast.ImportFrom) for a in n.names]
    return [name for name in found if name[0] == "_" != name[1] and name not in own]


def is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in ("self", "cls")


def test_tests_read_no_private_attributes_of_other_modules(checkout: Path) -> None:
    found = {
        path.name: names
        for path in sorted((checkout / "test").rglob("*.py"))
        if (names := private_names(ast.parse(path.read_text(encoding="utf-8"))))
    }
    assert found == {}


def test_check_on_another_ros_runs_each_test_that_sees_ros(checkout: Path) -> None:
    script = (checkout / ".ci" / "run").read_text(encoding="utf-8")
    (listed,) = re.findall(r'BESIDE_ROS="([^"]+)"', script)
    run = [checkout / name for name in listed.replace("\\", " ").split()]
    assert [path for path in run if not path.exists()] == []
    run.append(checkout / "test" / "ros")
    for path in sorted((checkout / "test").rglob("test_*.py")):
        if not any(path.is_relative_to(listed) for listed in run):
            assert not sees_ros(path.read_text(encoding="utf-8")), f"{path.name} is not in .ci/run"


def sees_ros(source: str) -> bool:
    """Return whether a module of tests imports ROS, or has a test that is marked so."""
    nodes = list(ast.walk(ast.parse(source)))
    imported = {n.module or "" for n in nodes if isinstance(n, ast.ImportFrom)}
    imported |= {a.name for n in nodes if isinstance(n, ast.Import) for a in n.names}
    marked = any(ast.unparse(n) == "pytest.mark.ros" for n in nodes if isinstance(n, ast.Attribute))
    return marked or any(re.match(r"rclpy|\w+_msgs\b|pose_ros\.(ros|msg)\b", m) for m in imported)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("from rclpy.node import Node", True),
        ("import sensor_msgs.msg", True),
        ("from pose_ros.ros import qos", True),
        ("def test_it():\n    from pose_ros.msg import Keypoint", True),
        ("import pytest\n@pytest.mark.ros\ndef test_it(): ...", True),
        ("from pose_ros.messages.headers import header_of", False),
    ],
)
def test_test_that_sees_ros_is_noticed(source: str, expected: bool) -> None:
    assert sees_ros(source) is expected
