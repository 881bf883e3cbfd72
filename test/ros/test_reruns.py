"""Failed tests over ROS run once more, except tests of safety."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("pytest_rerunfailures", reason="pytest-rerunfailures is not installed")

CONFTEST = """
import importlib.util, sys
from pathlib import Path
spec = importlib.util.spec_from_file_location("ours", {path!r})
ours = importlib.util.module_from_spec(spec)
sys.modules["ours"] = ours
spec.loader.exec_module(ours)
ours.FOLDER = Path(__file__).parent / "ros"
pytest_collection_modifyitems, ros = ours.pytest_collection_modifyitems, ours.ros
"""
CONFIG = "[pytest]\naddopts = -raR\nmarkers =\n    safety: of a robot\n"
FLAKY = """
import pytest
seen = []
def once(ros):
    seen.append(ros)
    assert len(seen) == len({id(each) for each in seen}) == 2
def test_flaky(ros): once(ros)
"""
SAFETY = FLAKY.replace("def test_flaky", "@pytest.mark.safety\ndef test_safety")
# Words by which a test is one of speeds, goals or locks of a robot.
ROBOT = ("cmd_vel", "goal_pose", "gesture_stage")
NO_ROBOT = {
    "test_fusion_node": "a robot listens, and no movement is asserted",
    "test_doctor_findings": "the doctor looks on",
    "test_launch_plan": "only names topics",
    "test_reruns": "this file",
}


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_failed_test_runs_again_with_a_new_ros_context_unless_marked_safety(
    tmp_path: Path, checkout: Path, workers: tuple[str, ...]
) -> None:
    (tmp_path / "ros").mkdir()
    conftest = CONFTEST.format(path=str(checkout / "test" / "ros" / "conftest.py"))
    (tmp_path / "conftest.py").write_text(conftest, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text(CONFIG, encoding="utf-8")
    (tmp_path / "ros" / "test_flaky.py").write_text(FLAKY, encoding="utf-8")
    (tmp_path / "ros" / "test_safety.py").write_text(SAFETY, encoding="utf-8")
    (tmp_path / "test_elsewhere.py").write_text(FLAKY, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *workers]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert all(words in done.stdout for words in ("2 failed, 1 passed", ", 1 rerun")), done.stdout
    assert "RERUN ros/test_flaky.py::test_flaky" in done.stdout
    for name in ("ros/test_safety.py::test_safety", "test_elsewhere.py::test_flaky"):
        assert f"FAILED {name}" in done.stdout


def test_each_test_of_a_robot_is_marked_safety() -> None:
    unmarked = []
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
        module = any(
            isinstance(node, ast.Assign)
            and ast.unparse(node.targets[0]) == "pytestmark"
            and "safety" in ast.unparse(node.value)
            for node in tree.body
        )
        if module or path.stem in NO_ROBOT:
            continue
        for node in tree.body:
            of_robot = any(word in (ast.get_source_segment(text, node) or "") for word in ROBOT)
            marked = any("safety" in ast.unparse(d) for d in getattr(node, "decorator_list", ()))
            if of_robot and not marked:
                unmarked.append(f"{path.name}:{node.lineno}")
    assert unmarked == []
