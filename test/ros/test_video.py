"""The demo's video: images at their times, encoded in a thread."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pose_ros.core.types import Image
from pose_ros.errors import OutputError
from pose_ros.ros.overlay import VideoRecorder
from pose_ros.sources.opening import open_source


def gray(value: int, width: int = 64) -> Image:
    return np.full((48, width, 3), value, np.uint8)


def written(path: Path) -> list[tuple[float, int]]:
    """Return stamps and brightness of the frames of a video."""
    source = open_source(str(path))
    frames = [frame for frame in iter(source.read, None) if frame is not None]
    source.close()
    return [(frame.stamp, round(float(frame.image.mean()))) for frame in frames]


def test_every_image_is_at_its_time(tmp_path: Path) -> None:
    with VideoRecorder(tmp_path / "new" / "o.mp4") as recorder:
        for stamp, value in ((100.0, 20), (100.25, 90), (100.2, 0), (100.5, 160), (160.5, 230)):
            recorder.add(gray(value), "bgr", stamp)
    assert recorder.frames == 4
    stamps, values = zip(*written(recorder.path), strict=True)
    # one that is late is left out, and a long time without images is cut to 5 s
    np.testing.assert_allclose(stamps, (0.0, 0.25, 0.5, 5.5), atol=0.01)
    np.testing.assert_allclose(values, (20, 90, 160, 230), atol=6)


def test_more_images_than_may_wait_are_all_written(tmp_path: Path) -> None:
    with VideoRecorder(tmp_path / "o.mp4") as recorder:
        for i in range(100):
            recorder.add(gray(2 * i), "rgb", 0.1 * i)
    assert recorder.frames == len(written(recorder.path)) == 100


def test_image_of_another_size_is_scaled(tmp_path: Path) -> None:
    with VideoRecorder(tmp_path / "o.avi") as recorder:
        recorder.add(gray(50), "bgr", 0.0)
        recorder.add(gray(200, width=128), "bgr", 1.0)
    assert len(written(tmp_path / "o.avi")) == 2


def test_suffix_of_no_video_becomes_mp4(tmp_path: Path) -> None:
    assert VideoRecorder(tmp_path / "o.txt").path == tmp_path / "o.mp4"


def test_file_that_cannot_be_written_is_an_error_of_add(tmp_path: Path) -> None:
    (tmp_path / "o.mp4").mkdir()
    recorder = VideoRecorder(tmp_path / "o.mp4")
    with pytest.raises(OutputError, match=r"o\.mp4"):
        add_many(recorder)
    with pytest.raises(OutputError):
        recorder.close()


def add_many(recorder: VideoRecorder) -> None:
    for i in range(1000):
        recorder.add(gray(0), "bgr", float(i))


def test_nothing_added_writes_nothing(tmp_path: Path) -> None:
    with VideoRecorder(tmp_path / "o.mp4"):
        pass
    assert list(tmp_path.iterdir()) == []
