"""The names that ``pose_ros`` itself gives: documented by examples that run, and typed."""

import doctest
import inspect
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import pose_ros
from tools.calibrations import write_calibration

# types that a user annotates or catches, and never calls
WITHOUT_EXAMPLE = {"__version__", "Estimator", "HandEstimator", "Source", "PoseRosError"}


def python_blocks(text: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def samples(checkout: Path) -> list[str]:
    """The Python samples of the README and of the first tutorial."""
    pages = [checkout / "README.md", checkout / "docs/tutorials/first_steps.md"]
    found = [python_blocks(page.read_text(encoding="utf-8")) for page in pages]
    assert [len(blocks) for blocks in found] == [2, 3]
    return [sample for blocks in found for sample in blocks]


@pytest.mark.parametrize("name", sorted(set(pose_ros.__all__) - WITHOUT_EXAMPLE))
def test_a_public_name_has_an_example_that_runs(name: str, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    thing = getattr(pose_ros, name)
    parser, runner = (
        doctest.DocTestParser(),
        doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE),
    )
    test = parser.get_doctest(inspect.getdoc(thing) or "", {}, name, thing.__module__, 0)
    assert test.examples, f"{name} has no example"
    output: list[str] = []
    runner.run(test, out=output.append)
    assert not runner.failures, "".join(output)


def test_public_names_are_listed_and_others_are_refused() -> None:
    assert sorted(pose_ros.__all__) == list(pose_ros.__all__)
    assert set(pose_ros.__all__) <= set(dir(pose_ros))
    with pytest.raises(AttributeError, match="no attribute 'create_estimater'"):
        getattr(pose_ros, "create_estimater")  # noqa: B009


def test_samples_of_readme_and_tutorial_run(samples, data, tmp_path, monkeypatch, capsys) -> None:
    from pose_ros.synthetic.source import open_synthetic
    from pose_ros.viz.image_writers import VideoFile

    shutil.copy(data / "images" / "humans_0.jpg", tmp_path / "photo.jpg")
    shutil.copy(data / "images" / "humans_8.jpg", tmp_path / "other.jpg")
    camera = pose_ros.Camera.from_hfov(413, 300, hfov_degrees=69.0)
    write_calibration(tmp_path / "camera.yaml", pose_ros.Calibration(camera))
    source = open_synthetic("synthetic:wave", fps=10, live=False)
    video = VideoFile(tmp_path / "clip.mp4", 10.0)
    for _ in range(5):
        frame = source.read()
        assert frame
        video.write(frame, frame.image)
    video.close()
    monkeypatch.chdir(tmp_path)
    for sample in samples:
        exec(compile(sample, "sample", "exec"), {})
    out = capsys.readouterr().out
    assert out.count("photo.jpg Pose(id=") == 2
    assert out.count("other.jpg Pose(id=0") == 1
    assert out.count("in meters [") == 1
    assert len(re.findall(r"^0 \[", out, re.MULTILINE)) == 1
    assert out.count("0.4 0 [") == 2
    assert out.count('"stamp_s": 0.4') == 1
    assert out.count('"left_wrist": {"x_px": ') == 5


def test_samples_of_readme_and_tutorial_are_typed(samples, tmp_path) -> None:
    for number, sample in enumerate(samples):
        (tmp_path / f"sample_{number}.py").write_text(sample, encoding="utf-8")
    wrong = ["import pose_ros", "pose_ros.create_estimater()", "pose_ros.open_source(3)"]
    (tmp_path / "wrong.py").write_text("\n".join(wrong), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--no-error-summary", "."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    lines = done.stdout.splitlines()
    assert [line for line in lines if not line.startswith("wrong.py")] == []
    assert 'wrong.py:2: error: Module has no attribute "create_estimater"' in done.stdout
    assert "wrong.py:3: error: Argument 1" in done.stdout
