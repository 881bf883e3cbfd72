"""Gestures of people, from their poses and the images' stamps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from pose_ros.core.pointing import Ray
from pose_ros.errors import OptionError

__all__ = ["Event", "Gesture", "Ray", "Side"]

Side: TypeAlias = Literal["left", "right", "both", ""]
Event: TypeAlias = Literal["started", "held", "ended"]


@dataclass(frozen=True)
class Gesture:
    """What somebody does with an arm, both arms or a hand, in one image.

    Attributes:
        name: Such as ``point``.
        side: The person's own left or right, ``both`` arms, or empty where nobody says which
            hand it is.
        person: Id of the person.
        event: ``started`` in the first image that it is recognized in, after it has been seen
            for the hold time; ``held`` in the next ones; ``ended`` once, in the first image
            that it is not recognized in any more.
        confidence: In [0, 1], from the scores of the joints that it was seen by.
        since: Stamp in seconds of the image in which it was first seen, the hold time before
            it started.
        ray: Where it points, if it does.
    """

    name: str
    side: Side
    person: int
    event: Event
    confidence: float
    since: float
    ray: Ray | None = None

    def __post_init__(self) -> None:
        if not 0.0 <= self.confidence <= 1.0:
            raise OptionError(f"Gesture.confidence must be in [0, 1], got {self.confidence}")
