"""Who made which gesture when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from pose_ros.core.gestures.recognizer import Gesture
from pose_ros.report.tracks import Key

_MOST = 1000  # gestures that are kept one by one
_MOST_OPEN = 256  # that go on at one time


@dataclass
class Held:
    """One gesture of one person.

    Attributes:
        key: Who.
        name: Of the gesture.
        side: The person's own ``left`` or ``right``, ``both``, or empty.
        start: Seconds of the image in which it started.
        end: Of the last image in which it was held.
        confidence: Greatest of its images, in [0, 1].
    """

    key: Key
    name: str
    side: str
    start: float
    end: float
    confidence: float


class GestureLog:
    """All gestures, those of the beginning one by one.

    Attributes:
        held: The first thousand, in the order of their start.
        counts: How often each was made, by name and side.
    """

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._open: dict[tuple[Key, str, str], Held] = {}
        self.held: list[Held] = []
        self.counts: Counter[tuple[str, str]] = Counter()

    def add(self, recording: int, gestures: Iterable[Gesture], time: float) -> list[Held]:
        """Take in the gestures of one image; returns those that started with it."""
        started = []
        for gesture in gestures:
            key = (recording, gesture.person)
            name = key, gesture.name, str(gesture.side)
            if gesture.event == "ended":
                self._open.pop(name, None)
                continue
            held = self._open.get(name)
            if held is None or gesture.event == "started":
                held = self._open[name] = Held(*name, time, time, gesture.confidence)
                self.counts[name[1:]] += 1
                if len(self._open) > _MOST_OPEN:  # whose end the recording lacks
                    del self._open[min(self._open, key=lambda key: self._open[key].end)]
                if len(self.held) < self._most:
                    self.held.append(held)
                started.append(held)
            held.end = time
            held.confidence = max(held.confidence, gesture.confidence)
        return started

    def interrupt(self) -> None:
        """Forget all: time started over."""
        self._open.clear()

    @property
    def left_out(self) -> int:
        """How many were counted only."""
        return self.counts.total() - len(self.held)
