"""Animated pictures and pages: every frame, for as long as it is shown."""

from __future__ import annotations

import io
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pose_ros.core.types import Frame
from pose_ros.errors import SourceError
from pose_ros.sources.file_kinds import ANIMATED_WEBP
from pose_ros.sources.opening import expand_inputs, open_source
from pose_ros.sources.videos import AnimationReader

DURATIONS = [100, 250, 400, 150]


def moving(count: int = 4) -> list[Image.Image]:
    """Return frames in which a half transparent block moves over a colored ground."""
    frames = []
    for i in range(count):
        image = Image.new("RGBA", (48, 36), (10, 120, 200, 255))
        image.paste((250, 30 + 20 * i, 0, 255), (4 + 8 * i, 6, 14 + 8 * i, 20))
        frames.append(image)
    return frames


def save(path: Path, frames: list[Image.Image], **options: Any) -> Path:
    kind = {".webp": "WEBP", ".png": "PNG", ".gif": "GIF", ".tif": "TIFF"}[path.suffix]
    durations = {} if kind == "TIFF" else {"duration": DURATIONS[: len(frames)]}
    frames[0].save(path, kind, save_all=True, append_images=frames[1:], **durations, **options)
    return path


def read_all(path: Path, **options: Any) -> list[Frame]:
    source = open_source(str(path), **options)
    found = []
    while (frame := source.read()) is not None:
        found.append(frame)
    source.close()
    return found


def on_white(image: Image.Image) -> np.ndarray[Any, Any]:
    ground = Image.new("RGBA", image.size, (255, 255, 255, 255))
    return np.asarray(Image.alpha_composite(ground, image.convert("RGBA")))[..., 2::-1]


@pytest.mark.parametrize("suffix", [".webp", ".png", ".gif"])
def test_every_frame_has_its_color_and_stamp(tmp_path: Path, suffix: str) -> None:
    options = {"lossless": True} if suffix == ".webp" else {}
    found = read_all(save(tmp_path / f"a{suffix}", moving(), **options))
    stamps = np.cumsum([0, *DURATIONS[:-1]]) / 1000
    np.testing.assert_allclose([frame.stamp for frame in found], stamps, atol=1e-6)
    assert [(frame.index, frame.source) for frame in found] == [(i, f"a{suffix}") for i in range(4)]
    for frame, image in zip(found, moving(), strict=True):
        tolerance = 24 if suffix == ".gif" else 0  # of its palette
        assert np.abs(frame.image.astype(int) - on_white(image)).max() <= tolerance


@pytest.mark.parametrize("options", [{"lossless": True}, {"quality": 95}, {"minimize_size": True}])
def test_webp_frames_are_those_of_pillow(tmp_path: Path, options: dict[str, Any]) -> None:
    """Frames that are parts of the canvas: drawn over it, replacing it, or cleared."""
    frames = moving()
    frames[2] = Image.new("RGBA", (48, 36), (0, 0, 0, 0))
    frames[2].paste((9, 200, 90, 128), (10, 10, 30, 30))
    path = save(tmp_path / "a.webp", frames, **options)
    with Image.open(path) as opened:
        expected: Any = opened
        found = read_all(path)
        assert len(found) == expected.n_frames
        for i, frame in enumerate(found):
            expected.seek(i)
            assert np.abs(frame.image.astype(int) - on_white(expected)).max() <= 3


def test_animations_repeat_with_rising_stamps(tmp_path: Path) -> None:
    source = open_source(str(save(tmp_path / "a.webp", moving(2))), loop=True)
    stamps = [frame.stamp for _ in range(5) if (frame := source.read())]
    np.testing.assert_allclose(stamps, [0.0, 0.1, 0.35, 0.45, 0.7], atol=1e-6)
    source.close()


def test_pages_of_a_tiff_are_frames(tmp_path: Path) -> None:
    path = save(tmp_path / "a.tif", [frame.convert("RGB") for frame in moving()])
    found = read_all(path)
    np.testing.assert_allclose([frame.stamp for frame in found], np.arange(4) / 30)
    assert [frame.stamp for frame in read_all(path, fps=2.0)] == [0.0, 0.5, 1.0, 1.5]
    for frame, image in zip(found, moving(), strict=True):
        np.testing.assert_array_equal(frame.image, on_white(image))
    (source,) = expand_inputs([str(path)])
    assert source.length == 4
    source.close()


def test_still_pictures_stay_pictures(tmp_path: Path) -> None:
    for name, kind in (("a.webp", "WEBP"), ("a.png", "PNG"), ("a.tif", "TIFF")):
        moving()[0].save(tmp_path / name, kind)
        assert len(read_all(tmp_path / name)) == 1


def test_cut_animation_is_read_as_far_as_it_goes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = save(tmp_path / "a.webp", moving(), lossless=True)
    path.write_bytes(path.read_bytes()[:-30])
    with caplog.at_level(logging.WARNING, "pose_ros"):
        found = read_all(path)
    assert len(found) == 3
    assert "a.webp is damaged or cut off: 1 of its 4 pictures" in caplog.text


def test_large_canvas_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.webp", moving())
    with pytest.raises(SourceError, match=r"a\.webp: 48x36 has .* megapixels"):
        read_all(path, max_pixels=1000)


def test_mutated_animations_end_no_process(tmp_path: Path) -> None:
    paths = [
        save(tmp_path / "a.webp", moving(), lossless=True),
        save(tmp_path / "b.webp", moving(), quality=80),
        save(tmp_path / "c.tif", [frame.convert("RGB") for frame in moving()]),
        save(tmp_path / "d.png", moving()),
        save(tmp_path / "e.gif", moving()),
    ]
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "import numpy as np\n"
        "from pose_ros.errors import SourceError\n"
        "from pose_ros.sources.opening import open_source\n"
        "rng = np.random.default_rng(3)\n"
        "done = refused = 0\n"
        "for i in range(500):\n"
        "    name = Path(sys.argv[1 + i % (len(sys.argv) - 1)])\n"
        "    data = bytearray(name.read_bytes())\n"
        "    for place in rng.integers(4, len(data), rng.integers(1, 10)):\n"
        "        data[place] = rng.integers(256)\n"
        "    if i % 7 == 0: data = data[:rng.integers(20, len(data))]\n"
        "    changed = name.with_name('x' + name.suffix)\n"
        "    changed.write_bytes(data)\n"
        "    try:\n"
        "        source = open_source(str(changed), max_pixels=10**6)\n"
        "        for _ in range(50):\n"
        "            if source.read() is None: break\n"
        "        source.close()\n"
        "    except SourceError: refused += 1\n"
        "    else: done += 1\n"
        "print(done, refused)\n"
    )
    command = [sys.executable, "-c", code, *map(str, paths)]
    result = subprocess.run(command, capture_output=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr.decode()[-2000:]
    assert sum(map(int, result.stdout.split())) == 500


def test_frame_outside_of_the_canvas_is_left_out() -> None:
    buffer = io.BytesIO()
    frames = moving(2)
    frames[0].save(buffer, "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    data = bytearray(buffer.getvalue())
    data[data.index(b"ANMF") + 8] = 200  # x of the first frame
    reader = AnimationReader(bytes(data), ANIMATED_WEBP, "a.webp", 10_000)
    count = 0
    while reader.read() is not None:
        count += 1
    assert count == 1
    assert reader.loss() == "1 of its 2 pictures cannot be read"
