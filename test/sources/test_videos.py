"""Video files: times of the container, loops, and files that are damaged."""

import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from pose_ros.core.types import Frame
from pose_ros.errors import SourceError
from pose_ros.sources.videos import VideoSource


def write_video(path: Path, code: str = "MJPG", fps: float = 25.0, count: int = 40) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*code), fps, (64, 48))
    assert writer.isOpened()
    rng = np.random.default_rng(0)
    for i in range(count):
        image = rng.integers(0, 60, (48, 64, 3)).astype(np.uint8)
        image[:, :32] = 5 * i
        writer.write(image)
    writer.release()
    return path


def read_all(source: VideoSource) -> list[Frame]:
    found = []
    while (frame := source.read()) is not None:
        found.append(frame)
    return found


@pytest.mark.parametrize(
    ("name", "code", "fps", "length"),
    [("a.avi", "MJPG", 25.0, 40), ("b.mp4", "mp4v", 30.0, 40), ("c.mkv", "XVID", 12.5, None)],
)
def test_video_gives_its_frames_with_their_times(
    tmp_path: Path, name: str, code: str, fps: float, length: int | None
) -> None:
    source = VideoSource(write_video(tmp_path / name, code, fps))
    assert (source.live, source.length, source.name) == (False, length, str(tmp_path / name))
    assert source.fps == pytest.approx(fps)
    found = read_all(source)
    assert [frame.index for frame in found] == list(range(40))
    np.testing.assert_allclose([f.stamp for f in found], np.arange(40) / fps, atol=2e-3)
    assert {(f.channels, f.source, f.width, f.height) for f in found} == {("bgr", name, 64, 48)}
    levels = [float(f.image[:, 4:28].mean()) for f in found]
    np.testing.assert_allclose(levels, 5.0 * np.arange(40), atol=6)
    assert source.read() is None


def test_loop_repeats_with_rising_stamps(tmp_path: Path) -> None:
    source = VideoSource(write_video(tmp_path / "a.avi", count=5), loop=True)
    assert source.length is None
    found = [source.read() for _ in range(13)]
    np.testing.assert_allclose([f.stamp for f in found if f], np.arange(13) / 25, atol=2e-3)
    assert [f.index for f in found if f] == list(range(13))
    assert found[0] is not None
    assert found[10] is not None
    np.testing.assert_array_equal(found[0].image, found[10].image)


@pytest.mark.parametrize("name", ["a.avi", "c.mkv"])
def test_truncated_file_is_read_up_to_the_cut(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    whole = write_video(tmp_path / name, "MJPG" if name == "a.avi" else "XVID")
    data = whole.read_bytes()
    cut = tmp_path / f"cut_{name}"
    cut.write_bytes(data[: len(data) * 6 // 10])
    source = VideoSource(cut)
    with caplog.at_level(logging.WARNING, "pose_ros"):
        found = read_all(source)
        assert source.read() is None
    assert 10 <= len(found) < 35
    (said,) = [r.getMessage() for r in caplog.records]
    lost = f"{40 - len(found)} of its 40 frames cannot be read"
    if name == "c.mkv":  # which does not count its frames
        lost = f"the last {len(data) - len(cut.read_bytes())} bytes of the file are missing"
    assert said == f"{cut} is damaged or cut off: {lost}"


def test_damaged_part_of_a_file_is_skipped(tmp_path: Path) -> None:
    data = bytearray(write_video(tmp_path / "a.avi").read_bytes())
    middle = len(data) // 2
    data[middle : middle + 2500] = bytes(2500)
    (tmp_path / "hole.avi").write_bytes(data)
    stamps = [frame.stamp for frame in read_all(VideoSource(tmp_path / "hole.avi"))]
    assert 25 <= len(stamps) <= 40
    assert np.all(np.diff(stamps) > 0)
    assert stamps[-1] > 1.39  # on the other side of the hole


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "is empty"),
        (b"no video at all\n" * 20, "no video that can be read"),
        (None, "No such file"),
    ],
)
def test_file_that_is_not_a_video_gives_a_one_line_error(
    tmp_path: Path, data: bytes | None, text: str
) -> None:
    path = tmp_path / "x.mp4"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(SourceError, match=text) as error:
        VideoSource(path)
    assert str(path) in str(error.value)


def test_an_mp4_without_its_index_is_an_error(tmp_path: Path) -> None:
    data = write_video(tmp_path / "a.mp4", "mp4v").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: len(data) // 2])
    with pytest.raises(SourceError, match="cut off"):
        VideoSource(tmp_path / "cut.mp4")


def test_only_one_error_line_is_printed(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "a.mp4", "mp4v").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    # FFmpeg reads its level once in a process
    code = (
        "from pose_ros.sources.opening import open_source\n"
        "from pose_ros.errors import SourceError\n"
        "for spec in ('cut.mp4', '/dev/null', 'http://127.0.0.1:1/'):\n"
        "    try: open_source(spec)\n"
        "    except SourceError as error: print('error', spec)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == ["error", "cut.mp4", "error", "/dev/null", "error",
                                     "http://127.0.0.1:1/"]  # fmt: skip
    assert result.stderr == ""


def test_reading_after_close_is_an_error(tmp_path: Path) -> None:
    source = VideoSource(write_video(tmp_path / "a.avi", count=3))
    assert source.read() is not None
    source.close()
    source.close()
    with pytest.raises(SourceError, match="closed"):
        source.read()


def test_stamps_rise_even_where_the_container_has_no_times(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.m4v"), "w", format="m4v") as container:  # a bare stream
        stream: Any = container.add_stream("mpeg4", rate=20)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for i in range(6):
            image = np.full((48, 64, 3), 20 * i, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode(None))
    source = VideoSource(tmp_path / "a.m4v", container="m4v")
    stamps = [frame.stamp for frame in read_all(source)]
    assert len(stamps) == 6
    assert np.all(np.diff(stamps) > 0)


def test_each_frame_of_a_real_clip_has_its_time(data: Path) -> None:
    source = VideoSource(data / "video" / "dance.avi")
    assert (source.fps, source.length) == (50.0, 205)
    stamps = [frame.stamp for frame in read_all(source)]
    np.testing.assert_allclose(stamps, np.arange(205) / 50.0, atol=1e-6)
