"""Options of what a run draws and writes: the overlay, exports for other programs, the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pose_ros.errors import OptionError, did_you_mean
from pose_ros.settings.option import check, documented, option

PARTS = ("box", "links", "keypoints")
NONE = "none"

# what jetson-inference understands as well
_OTHER_WORDS = {
    "boxes": ("box",),
    "link": ("links",),
    "keypoint": ("keypoints",),
    "default": ("links", "keypoints"),
}


def parse_parts(text: str) -> tuple[str, ...]:
    """Read an overlay option such as ``box,links,keypoints`` or ``none``.

    jetson-inference's ``boxes``, ``default`` and ``|`` for a comma will do, too.

    Raises:
        OptionError: A part is unknown.
    """
    words = [w.strip() for w in text.lower().replace("|", ",").split(",") if w.strip()]
    if words == [NONE]:
        return ()
    parts = [part for word in words for part in _OTHER_WORDS.get(word, (word,))]
    if not parts or any(part not in PARTS for part in parts):
        odd = next((part for part in parts if part not in PARTS), "")
        raise OptionError(
            f"overlay must be {NONE} or some of {','.join(PARTS)}, got {text!r}"
            + did_you_mean(odd, PARTS)
        )
    return tuple(dict.fromkeys(parts))


def _scale(what: str) -> Any:
    return option(
        None,
        help=f"{what}, for large and small people alike.",
        minimum=0.0001,
        maximum=1.0,
        unit="of the image's longer side",
        unset=0.0,
        meaning_of_unset="one that fits each person",
        parameter="",
        metavar="F",
    )


@documented
@dataclass(frozen=True)
class OverlayOptions:
    """What is drawn of people on an image."""

    overlay: str = option(
        ",".join(PARTS),
        help="What to draw of people: box, links, keypoints with commas between them, or none.",
        parse=parse_parts,
        live=True,
        metavar="PARTS",
    )
    keypoint_scale: float | None = _scale("Radius of a keypoint")
    link_scale: float | None = _scale("Width of a link")

    def __post_init__(self) -> None:
        check(self)


JOINTS = ("elbow", "shoulder", "hip", "knee")
"""Joints whose angles are measured, those of both sides."""


def parse_joints(text: str) -> tuple[str, ...]:
    """Read the joints of a report such as ``elbow,left_knee``.

    Raises:
        OptionError: A joint is unknown.
    """
    known = [*JOINTS, *(f"{side}_{joint}" for joint in JOINTS for side in ("left", "right"))]
    joints = tuple(filter(None, (name.strip() for name in text.split(","))))
    for joint in joints:
        if joint not in known:
            raise OptionError(
                f"joints must be some of {', '.join(known)}; got {joint!r}"
                + did_you_mean(joint, known)
            )
    return joints


@documented
@dataclass(frozen=True)
class ExportOptions:
    """Which files are written of a run, and how. Plain data, the same in every process.

    ``files`` has, for each format, by its name in ``FORMATS``, the file; ``%s`` in it stands for
    the recording's name.
    """

    files: Mapping[str, str] = field(default_factory=dict)
    person: int | None = option(
        None,
        help="Id of the person whose motion BVH, TRC, MOT and C3D are of.",
        minimum=0,
        maximum=4294967295,
        unset=-1,
        meaning_of_unset="who is seen in most images",
        parameter="",
        metavar="ID",
    )
    wide: bool = option(
        False,
        help="Tables of joints and angles have a row for each person and image, in CSV and "
        "Parquet; a row is a joint's or an angle's otherwise.",
        parameter="",
    )
    coco17: bool = option(
        False,
        help="The COCO data set has COCO's 17 keypoints in place of the network's.",
        parameter="",
    )
    rrd_images: bool = option(
        False, help="The recording for Rerun has the images too, as JPEG.", parameter=""
    )
    coco_ids: Literal["index", "name"] = option(
        "index",
        help="Ids of images in COCO's files: their index in the recording, or the number that a "
        "picture's name ends with, as in 000000000785.jpg.",
        choices=("index", "name"),
        parameter="",
    )

    def __post_init__(self) -> None:
        check(self)


@documented
@dataclass(frozen=True)
class ReportOptions:
    """What a report shows."""

    title: str = option(
        "", help="Title of the report; empty: the recording's name.", parameter="", metavar="TITLE"
    )
    pictures: bool = option(
        True,
        help="The report has pictures of moments; faces may be recognized in them.",
        off="No pictures of moments in the report: faces may be recognized in them.",
        parameter="",
    )
    joints: str = option(
        ",".join(JOINTS),
        help="Joints whose angles the report shows, such as elbow,left_knee.",
        parse=parse_joints,
        parameter="",
        metavar="NAMES",
    )

    def __post_init__(self) -> None:
        check(self)


@documented
@dataclass(frozen=True)
class AnonymizeOptions:
    """What of people is covered in the images of a bag, and how."""

    cover: Literal["faces", "people"] = option(
        "faces",
        help="What is covered: heads, or whole people.",
        choices=("faces", "people"),
        parameter="",
    )
    style: Literal["blur", "fill"] = option(
        "blur",
        help="How it is covered: by a few averages of its colors, or by plain gray.",
        choices=("blur", "fill"),
        parameter="",
    )
    margin: float = option(
        1.4,
        help="Size of what is covered, as a multiple of the head or person that was found.",
        minimum=1.0,
        maximum=4.0,
        parameter="",
    )
    hold: float = option(
        1.0,
        help="Time for which a person stays covered, before and after the images in which they "
        "are found.",
        minimum=0.0,
        maximum=60.0,
        unit="seconds",
        parameter="",
    )

    def __post_init__(self) -> None:
        check(self)
