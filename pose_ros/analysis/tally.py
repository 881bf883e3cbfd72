"""What came of the images of a recording, counted as they go by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pose_ros.bags.images import RecordedImage
from pose_ros.core.results import Result
from pose_ros.errors import ImageError


@dataclass
class RunCounts:
    """What was found so far.

    Attributes:
        images: How many were analyzed.
        with_people: In how many of them a person was found.
        ids: Of all people.
        refused: How many were not analyzed, by the reason.
        notes: What a user should know of the outputs, a line each.
    """

    images: int = 0
    with_people: int = 0
    ids: set[int] = field(default_factory=set)
    refused: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    _example: str = ""

    def add(self, result: Result) -> None:
        """Count an image that was analyzed."""
        self.images += 1
        self.with_people += len(result.poses) > 0
        self.ids.update(result.poses.ids.tolist())

    def refuse(self, _shot: RecordedImage, error: ImageError) -> None:
        """Count an image that was not; the first one's reason stands for all."""
        self._example = self._example or f"not analyzed ({error})"
        self.refused[self._example] += 1


def losses(refused: Mapping[str, int], damage: Iterable[str]) -> tuple[str, ...]:
    """Return what of a recording is not in its results, a line each.

    Args:
        refused: How many images were not analyzed, by the reason.
        damage: What was lost, a line each.
    """
    images = (f"{n} {'image' if n == 1 else 'images'} {why}" for why, n in refused.items())
    return (*images, *damage)
