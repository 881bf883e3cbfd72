"""What is exported, and what every exporter does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from pose_ros.core.results import Result
from pose_ros.errors import OptionError


@dataclass(frozen=True)
class ExportOptions:
    """Which files are written of a run, and how. Plain data, the same in every process.

    Attributes:
        files: For each format, by its name in ``FORMATS``, the file; ``%s`` in it stands for
            the recording's name.
        person: Id of whose motion the BVH is; None for who is seen in most images.
        coco17: Whether the COCO data set has COCO's 17 keypoints in place of the network's.
        wide: Whether tables of joints and angles have a row for each person and image; a row is
            a joint's or an angle's otherwise.
        coco_ids: What images are called in COCO's files: their ``index`` in the recording, or
            the number that their ``name`` ends with, as in ``000000000785.jpg``.
    """

    files: Mapping[str, str] = field(default_factory=dict)
    person: int | None = None
    coco17: bool = False
    wide: bool = False
    coco_ids: Literal["index", "name"] = "index"

    def __post_init__(self) -> None:
        if self.coco_ids not in ("index", "name"):
            raise OptionError(f"coco_ids must be 'index' or 'name', got {self.coco_ids!r}")
        if self.person is not None and self.person < 0:
            raise OptionError(f"person must be an id, 0 or more, got {self.person}")


class Exporter(Protocol):
    """Writes one format."""

    def write(self, result: Result) -> None:
        """Take in the result of the next image."""

    def finish(self) -> tuple[str, ...]:
        """Complete the files; returns what a user should know of them, a line each."""

    def abandon(self) -> None:
        """Let go of the files as they are."""
