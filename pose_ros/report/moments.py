"""Pictures of moments worth a look, small and few."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, TypeAlias

import cv2
import numpy as np

from pose_ros.core.results import Result
from pose_ros.core.types import Channels, Image
from pose_ros.report.statistics import GestureSpan, Key
from pose_ros.viz import overlay

Kind: TypeAlias = Literal["first", "gesture", "unsure", "crowd"]

_SIDE = 480  # pixels of a picture, the longer one
_QUALITY = 80  # of a JPEG, percent
_KEPT = {"first": 24, "gesture": 24, "unsure": 4, "crowd": 1}
SHOWN = {"first": 8, "gesture": 8, "unsure": 3, "crowd": 1}
"""How many pictures of a kind a page shows."""

WELL = 0.9
"""Mean score of a person's joints from which on all are found well."""

APART = 1.0
"""Seconds between two moments of a kind that are chosen by their rank."""


@dataclass
class Moment:
    """A picture, and why it is there.

    Attributes:
        kind: ``first``: an id is seen for the first time; ``gesture``: one starts;
            ``unsure``: a person's joints are found least surely; ``crowd``: most people.
        time: Seconds.
        index: Of the image in its source.
        jpeg: With the people drawn in.
        size: Of it, pixels: width and height.
        person: Id of its person; None for all.
        gesture: Its name and side, of a ``gesture``.
        rank: What it is chosen by, the greater the better; of a ``first`` one, in how many
            images the person was since.
    """

    kind: Kind
    time: float
    index: int
    jpeg: bytes
    size: tuple[int, int]
    person: Key | None = None
    gesture: tuple[str, str] = ("", "")
    rank: float = 0.0


@dataclass(frozen=True, eq=False)
class Seen:
    """An image with what was found in it.

    Attributes:
        result: What was found.
        image: (H, W, 3) uint8.
        channels: Order of its color channels.
        time: Seconds.
    """

    result: Result
    image: Image
    channels: Channels
    time: float

    def moment(self, kind: Kind, **fields: Any) -> Moment:
        """Return it as a moment."""
        jpeg, size = self.picture
        return Moment(kind, self.time, self.result.index, jpeg, size, **fields)

    @cached_property
    def picture(self) -> tuple[bytes, tuple[int, int]]:
        """A small JPEG with the people drawn in, and its width and height."""
        drawn = self.image.copy()
        overlay.draw(drawn, self.result.poses, hands=self.result.hands, channels=self.channels)
        if self.channels == "rgb":
            drawn = np.ascontiguousarray(drawn[..., ::-1])
        height, width = drawn.shape[:2]
        scale = min(1.0, _SIDE / max(width, height))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        small = cv2.resize(drawn, size, interpolation=cv2.INTER_AREA)
        _, jpeg = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
        return jpeg.tobytes(), size


@dataclass
class Moments:
    """Chooses the moments as they come; keeps a few dozen at most."""

    found: dict[Kind, list[Moment]] = field(
        default_factory=lambda: {"first": [], "gesture": [], "unsure": [], "crowd": []}
    )

    def look(
        self,
        seen: Seen,
        *,
        new: list[Key],
        started: list[GestureSpan],
        people: dict[Key, float],
    ) -> None:
        """Take in an image.

        Args:
            seen: The image.
            new: Who is seen for the first time.
            started: Gestures that start with it.
            people: All who are in it, with the mean score of their joints.
        """
        for moment in self.found["first"]:
            moment.rank += moment.person in people
        for key in new:
            self._keep(seen.moment("first", person=key, rank=1.0))
        for held in started:
            gesture = (held.name, held.side)
            rank = float(not any(m.gesture == gesture for m in self.found["gesture"]))
            self._keep(seen.moment("gesture", person=held.key, gesture=gesture, rank=rank))
        if people:
            key, score = min(people.items(), key=lambda item: item[1])
            self._rank(seen, "unsure", -score, key)
        if len(people) > 1:
            self._rank(seen, "crowd", float(len(people)), None)

    def _rank(self, seen: Seen, kind: Kind, rank: float, person: Key | None) -> None:
        """Keep a moment if it is among the best of its kind; of neighbors only one."""
        kept = self.found[kind]
        near = [m for m in kept if abs(m.time - seen.time) < APART]
        if near:
            if rank <= max(m.rank for m in near):
                return
            self.found[kind] = kept = [m for m in kept if m not in near]
        elif len(kept) >= _KEPT[kind]:
            worst = min(kept, key=lambda m: m.rank)
            if rank <= worst.rank:
                return
            kept.remove(worst)
        kept.append(seen.moment(kind, person=person, rank=rank))

    def _keep(self, moment: Moment) -> None:
        """Keep a moment; when there are too many, an older one of the least rank goes."""
        kept = self.found[moment.kind]
        if len(kept) >= _KEPT[moment.kind]:
            least = min(reversed(kept), key=lambda m: m.rank)
            if least.rank > moment.rank and moment.kind != "first":
                return
            kept.remove(least)
        kept.append(moment)

    def chosen(self, kind: Kind, longest: list[Key]) -> list[Moment]:
        """Return the moments of a kind for a page, in order of time.

        Args:
            kind: Which.
            longest: Those who were there for longest, the longest first: of first moments,
                theirs are shown.
        """
        kept = self.found[kind]
        if kind == "first":
            place = {key: float(i) for i, key in enumerate(longest)}
            kept = sorted(
                (m for m in kept if m.person in place),
                key=lambda m: place.get(m.person, math.inf) if m.person else math.inf,
            )
        else:
            kept = sorted(kept, key=lambda m: (-m.rank, m.time))
            if kind == "unsure":  # who is found well everywhere is least sure in one picture
                kept = [m for i, m in enumerate(kept) if i == 0 or -m.rank < WELL]
        return sorted(kept[: SHOWN[kind]], key=lambda m: m.time)
