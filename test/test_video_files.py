"""Video files, read and written with true times as OpenCV's pixels, and other files refused."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from pose_ros.errors import OutputError, SourceError
from pose_ros.video_files import VIDEO_SUFFIXES, VideoReader, VideoWriter, video_container

SIZE = (64, 48)


def gray(level: int, size: tuple[int, int] = SIZE) -> np.ndarray[Any, Any]:
    """Return a picture of one gray level in which every row is a little brighter."""
    image = np.full((size[1], size[0], 3), level, np.uint8)
    image[:, : size[0] // 2, 2] = 255 - level
    return image


def write_at(path: Path, seconds: list[float], offset: float = 0.0, **options: Any) -> Path:
    """Write a video with PyAV alone, frame i of gray level 4 i at ``seconds[i]``."""
    with av.open(str(path), "w", options=options.pop("options", {})) as container:
        stream: Any = container.add_stream(options.pop("codec", "mpeg4"), rate=30)
        stream.width, stream.height, stream.pix_fmt = *SIZE, options.pop("pix_fmt", "yuv420p")
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for i, time in enumerate(seconds):
            frame = av.VideoFrame.from_ndarray(gray(4 * i % 250), format="bgr24")
            frame.pts, frame.time_base = round(1000 * (time + offset)), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def read(path: Path, **options: Any) -> tuple[list[Any], str]:
    """Return all frames of a file, and what its reader says is lost."""
    with path.open("rb") as file:
        container = video_container(file.read(4096), path.name)
        file.seek(0)
        reader = VideoReader(file, container, path.name, **options)
        frames = []
        while (frame := reader.read()) is not None:
            frames.append(frame)
        loss = reader.loss()
        reader.close()
    return frames, loss


# A screen recording: nothing for a while, then a burst
UNEVEN = [0.0, 0.04, 0.08, 0.5, 0.52, 2.0, 2.033, 2.5, 2.533]


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.mov", "a.webm"])
@pytest.mark.parametrize("offset", [0.0, 3600.0])
def test_uneven_times_are_read_and_no_loss_is_reported(
    tmp_path: Path, name: str, offset: float
) -> None:
    codec = "libvpx" if name == "a.webm" else "mpeg4"
    frames, loss = read(write_at(tmp_path / name, UNEVEN, offset, codec=codec))
    times = [frame.seconds for frame in frames]
    np.testing.assert_allclose(np.array(times) - times[0], UNEVEN, atol=1.1e-3)
    assert loss == ""


def test_webm_of_a_browser_is_read_to_its_end(tmp_path: Path) -> None:
    """MediaRecorder writes neither a duration nor sizes, since it does not know the end."""
    path = write_at(tmp_path / "live.webm", UNEVEN, codec="libvpx", options={"live": "1"})
    assert b"\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff" in path.read_bytes()
    frames, loss = read(path)
    assert (len(frames), loss) == (len(UNEVEN), "")


@pytest.mark.parametrize("suffix", sorted(VIDEO_SUFFIXES))
def test_written_times_are_those_of_the_frames(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    writer = VideoWriter(path, 25.0)
    for i, time in enumerate(UNEVEN):
        writer.write(gray(25 * i), 100.0 + time)
    writer.close()
    frames, loss = read(path)
    assert loss == ""
    step = 0.5 / 25 + 1e-3 if suffix == ".avi" else 1.1e-3
    spaced = UNEVEN if suffix != ".avi" else [0.0, 0.04, 0.08, 0.5, 0.54, 2.0, 2.04, 2.5, 2.54]
    np.testing.assert_allclose([frame.seconds for frame in frames], spaced, atol=step)
    for i, frame in enumerate(frames):
        assert np.abs(frame.image.astype(int) - gray(25 * i))[4:-4, 4:28].mean() < 4


def test_recordings_follow_each_other_in_one_video(tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "out.mp4", 10.0)
    for time in (0.0, 0.1, 0.2, 0.0, 0.1, 5e8, 5e8 + 0.1, 3.0):
        writer.write(gray(100), time)
    writer.close()
    frames, _ = read(tmp_path / "out.mp4")
    np.testing.assert_allclose([f.seconds for f in frames], np.arange(8) / 10, atol=1e-3)


def test_video_of_odd_size_is_written_without_cropping(tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "out.mp4")
    writer.write(gray(50, (63, 47)), 0.0)
    writer.close()
    frames, _ = read(tmp_path / "out.mp4")
    assert frames[0].image.shape == (47, 63, 3)


def test_unwritable_video_gives_a_one_line_error(tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "no" / "out.mp4")
    with pytest.raises(OutputError, match=r"cannot write the video .*no/out\.mp4: no such file"):
        writer.write(gray(0), 0.0)


def opencv_frames(path: Path) -> list[np.ndarray[Any, Any]]:
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
    found = []
    while (pair := capture.read())[0]:
        found.append(pair[1])
    return found


def tagged_bt709(path: Path) -> Path:
    """Write an HD video that says that its colors are those of BT.709."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.codec_context.colorspace = 1
        rng = np.random.default_rng(3)
        for _ in range(4):
            noise = cv2.blur(rng.integers(0, 255, (SIZE[1], SIZE[0], 3), np.uint8), (5, 5))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(noise, format="bgr24")))
        container.mux(stream.encode(None))
    return path


def turned(path: Path, degrees: int) -> Path:
    """Write an MP4 that a phone held upright would: its frames lie, a matrix turns them."""
    data = bytearray(write_at(path, [0.0, 0.1]).read_bytes())
    one = 1 << 16
    matrices = {90: (0, one, -one, 0), 180: (-one, 0, 0, -one), 270: (0, -one, one, 0)}
    a, b, c, d = matrices[degrees]
    place = data.index(b"tkhd") + 4 + 4 + 20 + 8 + 8
    struct.pack_into(">9i", data, place, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    "make",
    [
        tagged_bt709,
        lambda path: turned(path, 90),
        lambda path: turned(path, 180),
        lambda path: turned(path, 270),
        lambda path: write_at(path.with_suffix(".avi"), [0.0, 0.1], codec="mjpeg",
                              pix_fmt="yuvj420p"),
    ],
)  # fmt: skip
def test_pixels_are_those_of_opencv(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    path = make(tmp_path / "a.mp4")
    frames, _ = read(path)
    expected = opencv_frames(path)
    assert len(frames) == len(expected) > 1
    for frame, image in zip(frames, expected, strict=True):
        np.testing.assert_array_equal(frame.image, image)


def test_pixels_of_a_real_clip_are_those_of_opencv(data: Path) -> None:
    path = data / "video" / "dance.avi"
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    with path.open("rb") as file:
        reader = VideoReader(file, "mov", path.name)
        for _ in range(20):
            frame = reader.read()
            assert frame is not None
            np.testing.assert_array_equal(frame.image, capture.read()[1])
        reader.close()


def test_animations_have_the_durations_of_their_frames(tmp_path: Path) -> None:
    from PIL import Image

    frames = [Image.new("RGBA", (32, 24), (40 * i, 100, 50, 255)) for i in range(3)]
    frames[1].putalpha(0)
    for name, kind in (("a.gif", "GIF"), ("a.png", "PNG")):
        frames[0].save(
            tmp_path / name, kind, save_all=True, append_images=frames[1:],
            duration=[100, 250, 400], disposal=1,
        )  # fmt: skip
        found, loss = read(tmp_path / name)
        assert loss == ""
        assert [round(frame.seconds, 3) for frame in found] == [0.0, 0.1, 0.35]
        assert [round(frame.duration, 3) for frame in found] == [0.1, 0.25, 0.4]
        colors = [frame.image[10, 10].tolist() for frame in found]
        assert colors[::2] == [[50, 100, 0], [50, 100, 80]]
    assert colors[1] == [255, 255, 255], "transparent is white"


@pytest.mark.parametrize(
    ("head", "name", "container"),
    [
        (b"#EXTM3U\n#EXT-X-VERSION:3\n/etc/passwd\n", "a.txt", ""),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "a.txt", ""),
        (b"#ROSBAG V2.0\n" + bytes(99), "a.bag", ""),
        (b"hello", "a.mp4", "mov"),
        (b"\0\0\0\x18ftypheic", "a.heic", ""),
        (b"\0\0\0\x18ftypisom", "noname", "mov"),
        (b"\xff\xd8\xff\xe0", "a.jpg", ""),
        (b"\xff\xd8\xff\xe0", "a.mjpeg", "mjpeg"),
        (b"\x47" + bytes(187) + b"\x47", "x", "mpegts"),
        (b"", "", ""),
    ],
)
def test_container_is_recognized_by_its_first_bytes(head: bytes, name: str, container: str) -> None:
    assert video_container(head, name) == container


def test_playlist_with_the_name_of_a_video_opens_no_other_file(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("#EXTM3U\n#EXTINF:1,\nother.ts\n")
    with pytest.raises(SourceError, match="no video that can be read"):
        read(tmp_path / "a.mp4")


def test_large_video_is_refused_by_its_header(tmp_path: Path) -> None:
    path = write_at(tmp_path / "a.mp4", [0.0, 0.1])
    assert len(read(path, max_pixels=SIZE[0] * SIZE[1])[0]) == 2
    with pytest.raises(
        SourceError, match=r"a\.mp4: 64x48 has 0.00307 megapixels, more than .*0\.001"
    ):
        read(path, max_pixels=1000)


def test_sound_without_video_is_refused(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream: Any = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(SourceError, match="holds no pictures, only sound"):
        read(tmp_path / "a.mkv")


def test_cut_mp4_says_how_many_frames_it_lacks(tmp_path: Path) -> None:
    times = [i / 25 for i in range(50)]
    options = {"movflags": "faststart"}
    data = write_at(tmp_path / "a.mp4", times, options=options).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: len(data) * 2 // 3])
    frames, loss = read(tmp_path / "cut.mp4")
    assert 5 < len(frames) < 48
    failed, total = (int(word) for word in loss.split() if word.isdecimal())
    assert total == 50
    assert abs(failed - (50 - len(frames))) <= 1


def test_mutated_videos_end_no_process(tmp_path: Path) -> None:
    paths = [
        write_at(tmp_path / "a.mp4", UNEVEN),
        write_at(tmp_path / "b.mkv", UNEVEN),
        write_at(tmp_path / "c.webm", UNEVEN, codec="libvpx"),
        write_at(tmp_path / "e.mp4", UNEVEN, codec="libx264"),
        write_at(tmp_path / "f.mkv", UNEVEN, codec="libx265"),
        write_at(tmp_path / "d.avi", [i / 30 for i in range(9)], codec="mjpeg", pix_fmt="yuvj420p"),
    ]
    code = (
        "import io, sys\n"
        "import numpy as np\n"
        "from pose_ros.errors import SourceError\n"
        "from pose_ros.video_files import VideoReader, video_container\n"
        "rng = np.random.default_rng(5)\n"
        "opened = refused = 0\n"
        "for i in range(600):\n"
        "    name = sys.argv[1 + i % (len(sys.argv) - 1)]\n"
        "    data = bytearray(open(name, 'rb').read())\n"
        "    for place in rng.integers(0, len(data) if i % 3 else 400, rng.integers(1, 12)):\n"
        "        data[place] = rng.integers(256)\n"
        "    if i % 5 == 0: data = data[:rng.integers(len(data))]\n"
        "    container = video_container(bytes(data[:4096]), name)\n"
        "    try:\n"
        "        reader = VideoReader(io.BytesIO(data), container, name, 10**6)\n"
        "        while reader.read() is not None: pass\n"
        "        reader.loss(), reader.close()\n"
        "    except SourceError: refused += 1\n"
        "    else: opened += 1\n"
        "print(opened, refused)\n"
    )
    command = [sys.executable, "-c", code, *map(str, paths)]
    result = subprocess.run(command, capture_output=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr.decode()[-2000:]
    opened, refused = map(int, result.stdout.split())
    assert opened + refused == 600
    assert min(opened, refused) > 20


def test_damage_that_a_decoder_conceals_is_reported(tmp_path: Path) -> None:
    data = bytearray(write_at(tmp_path / "a.mp4", [i / 25 for i in range(30)]).read_bytes())
    begin = data.index(b"mdat") + 4
    end = data.index(b"moov")
    for place in range(begin + (end - begin) // 3, begin + (end - begin) // 3 + 200, 3):
        data[place] ^= 0x5A
    frames, loss = read_bytes(bytes(data))
    assert frames > 20
    assert "damaged in parts" in loss or "cannot be read" in loss


def read_bytes(data: bytes) -> tuple[int, str]:
    reader = VideoReader(io.BytesIO(data), "mov", "a.mp4")
    count = 0
    while reader.read() is not None:
        count += 1
    loss = reader.loss()
    reader.close()
    return count, loss
