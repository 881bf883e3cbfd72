"""Source names of the user and the sources that they open."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from pose_ros.core.types import Source
from pose_ros.errors import OptionError, PoseRosError, SourceError
from pose_ros.sources.opening import expand_inputs, open_source
from pose_ros.sources.pictures import PictureSource
from pose_ros.sources.videos import VideoSource
from pose_ros.synthetic.source import SyntheticSource


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three pictures, a broken one, a video, and a file of another kind."""
    image = np.full((24, 32, 3), 80, np.uint8)
    for name in ("p10.png", "p9.png"):
        cv2.imwrite(str(tmp_path / name), image)
    cv2.imwrite(str(tmp_path / "odd[1].png"), image)
    writer = cv2.VideoWriter(
        str(tmp_path / "clip.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 25, (32, 24)
    )
    for _ in range(4):
        writer.write(image)
    writer.release()
    (tmp_path / "broken.jpg").write_text("x")
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "empty").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("spec", "kind", "length"),
    [
        ("p9.png", PictureSource, 1),
        ("odd[1].png", PictureSource, 1),
        ("p*.png", PictureSource, 2),
        (".", PictureSource, 4),
        ("clip.avi", VideoSource, 4),
        ("*.avi", VideoSource, 4),
    ],
)
def test_file_opens_as_the_source_of_its_kind(
    folder: Path, spec: str, kind: type[Source], length: int
) -> None:
    source = open_source(str(folder / spec))
    assert type(source) is kind
    assert source.length == length
    assert source.name == str(folder / spec)
    source.close()


def test_globs_are_in_natural_order(folder: Path) -> None:
    source = open_source(str(folder / "p*.png"))
    assert [f.source for _ in range(2) if (f := source.read())] == ["p9.png", "p10.png"]


def test_picture_without_a_suffix_is_recognized_by_its_content(folder: Path) -> None:
    (folder / "p9.png").rename(folder / "nameless")
    assert isinstance(open_source(str(folder / "nameless")), PictureSource)


def test_options_reach_the_sources(folder: Path) -> None:
    assert open_source(str(folder / "p*.png"), fps=5).fps == 5
    assert open_source(str(folder / "clip.avi"), loop=True).length is None
    actor = open_source("synthetic", width=320, height=200, fps=15)
    assert isinstance(actor, SyntheticSource)
    assert (actor.camera.width, actor.camera.height, actor.fps) == (320, 200, 15)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("synthetic", {"live": True, "fps": 30.0}),
        ("synthetic:wave?fps=12.5&live=0", {"live": False, "fps": 12.5, "length": 25}),
        ("synthetic?live=false&seed=4&arm=left", {"live": False, "length": 360}),
        ("synthetic:stand?width=320&height=240&hfov=90", {"name": "synthetic:stand?width=320&"
                                                           "height=240&hfov=90"}),
    ],
)  # fmt: skip
def test_synthetic_address_sets_options_of_the_source(
    spec: str, expected: dict[str, object]
) -> None:
    source = open_source(spec)
    assert isinstance(source, SyntheticSource)
    assert {name: getattr(source, name) for name in expected} == expected


def test_synthetic_view_is_in_the_spec() -> None:
    near, far = (open_source(f"synthetic?distance={d}&pitch=5&camera_height=1.4") for d in (2, 5))
    assert isinstance(near, SyntheticSource)
    assert isinstance(far, SyntheticSource)
    tall = [np.ptp(source.truth(0.0).pixels[:, 1]) for source in (near, far)]
    assert 2.2 < tall[0] / tall[1] < 2.8


@pytest.mark.parametrize(
    ("spec", "error", "text"),
    [
        ("synthetic:fly", OptionError, "known: stand, point_left"),
        ("synthetic?size=3", OptionError, "known: arm, width"),
        ("synthetic?width=wide", OptionError, "width has no such value: 'wide'"),
        ("synthetic?live=maybe", OptionError, "live has no such value"),
        ("synthetic?fps=-1", OptionError, "fps"),
        ("synthetik", SourceError, "expected a device .* or synthetic"),
        ("missing.jpg", SourceError, "there is no file missing.jpg"),
        ("no/such/folder", SourceError, "there is no file no/such/folder"),
        ("no/such/*.jpg", SourceError, "no file matches no/such"),
        ("{folder}/empty", SourceError, "no picture in the folder"),
        ("{folder}/notes.txt", SourceError, "no video that can be read"),
        ("{folder}/[on]*", SourceError, "several kinds"),
    ],
)
def test_unknown_address_is_refused(
    folder: Path, spec: str, error: type[PoseRosError], text: str
) -> None:
    with pytest.raises(error, match=text):
        open_source(spec.format(folder=folder))


def test_broken_picture_is_reported_as_a_broken_picture(folder: Path) -> None:
    source = open_source(str(folder / "broken.jpg"))
    with pytest.raises(
        SourceError, match=r"cannot read the picture .*broken\.jpg: it is no picture"
    ):
        source.read()


def test_file_and_v4l2_urls_are_opened(folder: Path) -> None:
    """As jetson-inference writes them."""
    assert open_source(f"file://{folder}/clip.avi").length == 4
    (source,) = expand_inputs([f"file://{folder}/p9.png"])
    assert source.length == 1
    with pytest.raises(SourceError, match="/dev/video99"):
        open_source("v4l2:///dev/video99")


def test_inputs_come_one_by_one_in_order(folder: Path) -> None:
    specs = [str(folder / "p*.png"), "synthetic:stand?fps=5", str(folder / "clip.avi")]
    found = list(expand_inputs(specs))
    names = [Path(source.name).name for source in found]
    assert names == ["p9.png", "p10.png", "synthetic:stand?fps=5", "clip.avi"]
    assert [source.length for source in found] == [1, 1, 10, 4]
    assert not any(source.live for source in found)


def test_pictures_of_one_sequence_stay_together(folder: Path) -> None:
    found = list(expand_inputs([str(folder / "p*.png")], fps=20))
    assert [(source.length, source.fps) for source in found] == [(2, 20.0)]


def test_input_that_cannot_be_opened_does_not_stop_the_others(folder: Path) -> None:
    specs = [str(folder / name) for name in ("p9.png", "notes.txt", "clip.avi")]
    sources = expand_inputs(specs)
    assert next(sources).length == 1
    with pytest.raises(SourceError, match=r"notes\.txt"):
        next(sources)
    assert next(sources).length == 4
    assert next(sources, None) is None


def test_missing_input_is_reported_before_any_input_is_read(folder: Path) -> None:
    with pytest.raises(SourceError, match="an input without a name"):
        expand_inputs([str(folder), ""])
    with pytest.raises(SourceError, match=r"typo\.png"):
        expand_inputs([str(folder / "p9.png"), str(folder / "typo.png")])
    with pytest.raises(SourceError, match="no input"):
        expand_inputs([])
