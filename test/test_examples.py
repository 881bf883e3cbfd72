"""The examples run unchanged."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

import pose_ros


def run(checkout: Path, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(checkout / "examples" / name), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_picture_example_prints_the_wrists_and_draws_the_person(
    checkout: Path, tmp_path: Path
) -> None:
    frame = pose_ros.open_source("synthetic:t_pose", live=False).read()
    assert frame is not None
    cv2.imwrite(str(tmp_path / "photo.png"), frame.image)
    done = run(
        checkout, "estimate_picture.py", f"{tmp_path}/photo.png", "--out", f"{tmp_path}/found.png"
    )
    assert done.returncode == 0, done.stderr
    left, right, last = done.stdout.splitlines()
    found = re.findall(r"person 0: (\w+) at (\d+), (\d+)", f"{left}\n{right}")
    (_, left_x, left_y), (_, right_x, right_y) = found
    assert int(left_x) > int(right_x) + 100  # their left is on the right of the picture
    assert abs(int(left_y) - int(right_y)) < 30
    assert last == f"people: 1; drawn in {tmp_path}/found.png"
    assert (cv2.imread(str(tmp_path / "found.png")) != frame.image).any()


def test_camera_example_prints_distances_and_gestures(checkout: Path) -> None:
    scene = "synthetic:t_pose?fps=10&live=0"
    done = run(checkout, "follow_camera.py", scene, "--height", "1.78", "--frames", "15")
    assert done.returncode == 0, done.stderr
    assert "person 0: t_pose both started" in done.stdout.splitlines()
    meters = [float(text) for text in re.findall(r"person 0: ([\d.]+) m away", done.stdout)]
    assert len(meters) == 2
    assert all(meter == pytest.approx(3.0, abs=0.3) for meter in meters)


def test_two_cameras_example_is_near_the_truth(checkout: Path) -> None:
    done = run(checkout, "two_cameras.py", "--frames", "10")
    assert done.returncode == 0, done.stderr
    (error,) = re.findall(r"error of a joint: ([\d.]+) cm", done.stdout)
    assert float(error) < 8.0
    assert "left wrist at x" in done.stdout


@pytest.mark.parametrize(
    ("name", "argument", "words"),
    [
        ("estimate_picture.py", "/no/such.jpg", "cannot read /no/such.jpg"),
        ("follow_camera.py", "/no/such.mp4", "there is no file /no/such.mp4"),
    ],
)
def test_example_says_in_one_line_that_its_input_is_missing(
    checkout: Path, name: str, argument: str, words: str
) -> None:
    done = run(checkout, name, argument)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == words


def test_readme_of_the_examples_lists_each(checkout: Path) -> None:
    page = (checkout / "examples/README.md").read_text(encoding="utf-8")
    files = {path.name for path in (checkout / "examples").glob("*.py")}
    assert set(re.findall(r"\]\((\w+\.py)\)", page)) == files


def test_taught_gesture_example_sees_what_it_was_shown_and_nothing_else(checkout: Path) -> None:
    done = run(checkout, "taught_gesture.py")
    assert done.returncode == 0, done.stderr
    assert "s: mine (" in done.stdout
    other = run(checkout, "taught_gesture.py", "--watch", "synthetic:stand")
    assert other.returncode == 0, other.stderr
    assert "seen in 0 of" in other.stdout
