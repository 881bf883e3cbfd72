"""Options of what is written of a run: exports for other programs, and the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pose_ros.errors import OptionError, did_you_mean
from pose_ros.settings.option import check, documented, option

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
