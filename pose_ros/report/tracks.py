"""When which person was there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from pose_ros.core.types import Pose

Key = tuple[int, int]
"""A person: which recording it is in, from 1 on, and the id."""

_MOST = 256  # people who are remembered
_MOST_SPANS = 64  # a person, that are kept apart


@dataclass
class Track:
    """One person.

    Attributes:
        key: Who.
        number: Place in the order of appearance, from 0.
        first: Seconds of the first image.
        last: Seconds of the last image.
        images: In how many images.
        score: Sum of the person's scores.
        spans: When the person was there without a gap, [first, last] seconds each.
    """

    key: Key
    number: int
    first: float
    last: float
    images: int = 0
    score: float = 0.0
    spans: list[list[float]] = field(default_factory=list)
    _image: int = -1

    def see(self, image: int, time: float, score: float, hole: float) -> None:
        """Take in an image, by its number and seconds, in which the person is."""
        goes_on = self.spans and image == self._image + 1 and time - self.last <= hole
        self._image, self.last = image, time
        self.images += 1
        self.score += score
        if goes_on:
            self.spans[-1][1] = time
            return
        self.spans.append([time, time])
        if len(self.spans) > _MOST_SPANS:
            gaps = [b[0] - a[1] for a, b in zip(self.spans, self.spans[1:], strict=False)]
            i = gaps.index(min(gaps))
            self.spans[i : i + 2] = [[self.spans[i][0], self.spans[i + 1][1]]]


class Tracks:
    """All people, as many as can be remembered.

    Attributes:
        people: How many ids there were.
        forgotten: Of these, the ones without room: those with the fewest images.
    """

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._tracks: dict[Key, Track] = {}
        self._gone: set[Key] = set()
        self.people = 0

    @property
    def forgotten(self) -> int:
        """How many people there was no room for."""
        return self.people - len(self._tracks)

    def see(self, recording: int, pose: Pose, image: int, time: float, hole: float) -> Track:
        """Take in one person of an image; returns all that is known of the person."""
        key = (recording, pose.id)
        track = self._tracks.get(key)
        if track is None:
            if len(self._tracks) >= self._most:
                self._forget(time)
            self.people += key not in self._gone
            number = self.people - 1
            track = self._tracks[key] = Track(key, number, time, time)
        track.see(image, time, pose.score, hole)
        return track

    def _forget(self, time: float) -> None:
        # those of this very image are the last to go
        least = min(self._tracks.values(), key=lambda t: (t.last == time, t.images, -t.number))
        del self._tracks[least.key]
        self._gone.add(least.key)

    def __iter__(self) -> Iterator[Track]:
        """In the order of appearance."""
        return iter(sorted(self._tracks.values(), key=lambda track: track.number))

    def longest(self, count: int) -> list[Track]:
        """Return those with most images, in the order of appearance."""
        chosen = sorted(self._tracks.values(), key=lambda t: (-t.images, t.number))[:count]
        return sorted(chosen, key=lambda track: track.number)
