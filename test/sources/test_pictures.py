"""Pictures of every kind, upright and in natural order."""

import logging
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from pose_ros.errors import OptionError, SourceError
from pose_ros.files import natural_key
from pose_ros.sources.pictures import PictureSource, pictures_in, read_picture

Turn = Callable[[np.ndarray], np.ndarray]


def write(path: Path, image: np.ndarray) -> Path:
    assert cv2.imwrite(str(path), image)
    return path


def with_orientation(jpeg: bytes, orientation: int) -> bytes:
    """Put an EXIF segment with one tag, the orientation, behind a JPEG's first marker."""
    tiff = b"II*\0" + (8).to_bytes(4, "little") + (1).to_bytes(2, "little")
    tiff += (0x0112).to_bytes(2, "little") + (3).to_bytes(2, "little") + (1).to_bytes(4, "little")
    tiff += orientation.to_bytes(4, "little") + bytes(4)
    body = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body + jpeg[2:]


@pytest.mark.parametrize(
    ("orientation", "upright"),
    [
        (1, lambda a: a),
        (2, lambda a: a[:, ::-1]),
        (3, lambda a: a[::-1, ::-1]),
        (4, lambda a: a[::-1]),
        (6, lambda a: np.rot90(a, -1)),
        (8, np.rot90),
    ],
)
def test_jpeg_orientation_is_applied(tmp_path: Path, orientation: int, upright: Turn) -> None:
    image = np.zeros((32, 64, 3), np.uint8)
    image[:16, :32] = (0, 0, 255)
    encoded, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 100])
    assert encoded
    (tmp_path / "a.jpg").write_bytes(with_orientation(data.tobytes(), orientation))
    found = read_picture(tmp_path / "a.jpg")
    expected = upright(image)
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).mean() < 4


@pytest.mark.parametrize(
    ("pixel", "kind", "expected"),
    [
        ((10, 20, 30), np.uint8, (10, 20, 30)),
        (90, np.uint8, (90, 90, 90)),
        (40_000, np.uint16, (156, 156, 156)),
        ((0, 25_700, 65_535), np.uint16, (0, 100, 255)),
        ((10, 20, 30, 255), np.uint8, (10, 20, 30)),
        ((10, 20, 30, 0), np.uint8, (255, 255, 255)),
        ((0, 100, 200, 51), np.uint8, (204, 224, 244)),
        ((0, 0, 0, 0), np.uint16, (255, 255, 255)),
    ],
)
def test_png_of_every_pixel_type_is_read_as_rgb(
    tmp_path: Path, pixel: tuple[int, ...] | int, kind: type, expected: tuple[int, int, int]
) -> None:
    depth = () if isinstance(pixel, int) else (len(pixel),)
    path = write(tmp_path / "a.png", np.full((4, 6, *depth), pixel, kind))
    found = read_picture(path)
    assert found.shape == (4, 6, 3)
    assert found.dtype == np.uint8
    assert np.abs(found[1, 2].astype(int) - expected).max() <= 1


@pytest.mark.parametrize("suffix", [".bmp", ".tif", ".webp", ".ppm"])
def test_bmp_and_other_formats_are_read(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"a{suffix}", np.full((20, 30, 3), (40, 120, 200), np.uint8))
    assert np.abs(read_picture(path).astype(int) - (40, 120, 200)).max() < 6


def test_broken_pictures_are_errors_that_name_the_file(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (60, 60, 3)).astype(np.uint8)
    png = write(tmp_path / "whole.png", noise).read_bytes()
    (tmp_path / "text.jpg").write_text("no picture")
    (tmp_path / "empty.png").touch()
    (tmp_path / "head.png").write_bytes(png[:30])
    (tmp_path / "folder.png").mkdir()
    for name in ("text.jpg", "empty.png", "head.png", "folder.png", "missing.png"):
        with pytest.raises(SourceError, match=name):
            read_picture(tmp_path / name)


@pytest.mark.parametrize(
    ("mixed", "ordered"),
    [
        (["f10", "f9", "f1"], ["f1", "f9", "f10"]),
        (["b", "A", "a2", "a"], ["A", "a", "a2", "b"]),
        (["7", "x", "07", "10"], ["07", "7", "10", "x"]),
        (["a1b10", "a1b9", "a01b2"], ["a01b2", "a1b9", "a1b10"]),
        (["a", "1a", "a1"], ["1a", "a", "a1"]),
    ],
)
def test_numbers_in_names_sort_by_value(mixed: list[str], ordered: list[str]) -> None:
    assert sorted(mixed, key=natural_key) == ordered


def test_folder_gives_its_pictures_only(tmp_path: Path) -> None:
    image = np.zeros((4, 4, 3), np.uint8)
    for name in ("p10.jpg", "p2.PNG", ".hidden.png"):
        write(tmp_path / name, image)
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "below.d").mkdir()
    assert [path.name for path in pictures_in(tmp_path)] == ["p2.PNG", "p10.jpg"]
    with pytest.raises(SourceError, match=r"no picture in the folder .*below\.d"):
        pictures_in(tmp_path / "below.d")


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    return [
        write(tmp_path / f"{i}.png", np.full((4 + i, 6, 3), 10 * i, np.uint8)) for i in range(3)
    ]


def test_pictures_are_frames_at_the_given_rate(paths: list[Path]) -> None:
    source = PictureSource(paths, name="frames", fps=10)
    assert (source.live, source.fps, source.length, source.name) == (False, 10.0, 3, "frames")
    found = [source.read() for _ in range(3)]
    assert source.read() is None
    assert [(f.index, f.stamp, f.source, f.height) for f in found if f] == [
        (0, 0.0, "0.png", 4), (1, 0.1, "1.png", 5), (2, 0.2, "2.png", 6),
    ]  # fmt: skip


def test_looped_pictures_go_on_with_rising_stamps(paths: list[Path]) -> None:
    source = PictureSource(paths, name="frames", fps=10, loop=True)
    assert source.length is None
    found = [source.read() for _ in range(7)]
    np.testing.assert_allclose([f.stamp for f in found if f], np.arange(7) / 10)
    assert [f.source for f in found if f] == ["0.png", "1.png", "2.png"] * 2 + ["0.png"]


def test_broken_picture_among_several_is_skipped_and_logged_once(
    paths: list[Path], caplog: pytest.LogCaptureFixture
) -> None:
    paths[1].write_bytes(b"x")
    source = PictureSource(paths, name="frames", fps=10, loop=True)
    with caplog.at_level(logging.WARNING, "pose_ros"):
        found = [source.read() for _ in range(4)]
    assert [f.index for f in found if f] == [0, 2, 3, 5]
    assert [f.stamp for f in found if f] == [0.0, 0.2, 0.3, 0.5]
    assert len(caplog.records) == 1
    assert "1.png" in caplog.records[0].getMessage()


def test_folder_of_broken_pictures_is_an_error(paths: list[Path]) -> None:
    for path in paths:
        path.write_bytes(b"x")
    with pytest.raises(SourceError, match="none of the pictures"):
        PictureSource(paths, name="frames", loop=True).read()
    with pytest.raises(SourceError, match=r"0\.png"):
        PictureSource(paths[:1], name="frames").read()


def test_pictures_need_a_rate_and_a_file(paths: list[Path]) -> None:
    with pytest.raises(OptionError, match="fps"):
        PictureSource(paths, name="x", fps=0.0)
    with pytest.raises(SourceError, match="no pictures"):
        PictureSource([], name="x")
    source = PictureSource(paths, name="x")
    source.close()
    with pytest.raises(SourceError, match="closed"):
        source.read()
