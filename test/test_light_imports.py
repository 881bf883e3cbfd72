"""Modules that the first steps load, and modules that are loaded only on use."""

import subprocess
import sys

import pytest

_REPORT = "\nimport sys; print('loaded', *sorted({name.split('.')[0] for name in sys.modules}))"
# not needed for a picture of one person
_LATE = {"scipy", "rosbags", "matplotlib", "jinja2", "pyarrow", "pandas", "rclpy"}


def loaded(code: str) -> set[str]:
    """Return which packages a program has loaded at its end."""
    done = subprocess.run(
        [sys.executable, "-c", code + _REPORT],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    return set(done.stdout.splitlines()[-1].split()[1:])


_HELP = """
import contextlib
from pose_ros.cli.main import main
with contextlib.suppress(SystemExit):
    main(["--help"])
"""
_ESTIMATE = """
import numpy as np
import pose_ros
estimator = pose_ros.create_estimator()
for stamp in (0.0, 0.1):
    estimator.estimate(np.zeros((480, 640, 3), np.uint8), stamp)
"""

# the Python of ros2 may lack packages of the nodes' virtual environment
_LAUNCH_PLAN = """
from pose_ros.ros.launch_plan import launch_plan
assert not launch_plan({"camera": "clip.mp4", "gesture": "true", "rviz": "true"}).errors
"""


@pytest.mark.parametrize(
    ("code", "needed", "late"),
    [
        ("import pose_ros", set(), {"numpy", "cv2", "onnxruntime", "yaml", *_LATE}),
        (_HELP, set(), {"numpy", "cv2", "onnxruntime", *_LATE}),
        (_ESTIMATE, {"numpy", "cv2", "onnxruntime"}, _LATE),
        (_LAUNCH_PLAN, set(), {"numpy", "cv2", "onnxruntime", "yaml", "launch", *_LATE}),
    ],
    ids=["import pose_ros", "pose-ros --help", "create_estimator", "launch plan"],
)
def test_the_first_steps_do_not_load_what_they_do_not_need(code, needed, late) -> None:
    found = loaded(code)
    assert needed <= found
    assert not late & found


def test_a_photo_on_the_command_line_does_not_load_scipy(data) -> None:
    photo = str(data / "images" / "COCO_val2014_000000000589.jpg")
    code = f"from pose_ros.cli.main import main\nassert main(['estimate', {photo!r}]) == 0"
    found = loaded(code)
    assert {"cv2", "onnxruntime"} <= found
    assert not {"scipy", "matplotlib", "jinja2", "pyarrow", "rclpy"} & found
