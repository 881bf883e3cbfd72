"""Repetitions: how often a person goes from one taught pose to another and back."""

from __future__ import annotations

from collections.abc import Iterable

REACHED_SECONDS = 0.1
"""A pose is reached when it is seen for so long: one image alone may be wrong."""
SHARE_SEEN = 0.5
"""How much of a pose must be seen: from aside, the far arm and leg are hidden. Who counts moves no
robot."""
UP, DOWN = "_up", "_down"
"""Ends of the names of the two poses of a movement."""


def movements(gestures: Iterable[str]) -> tuple[str, ...]:
    """Return the movements of taught gestures: of ``squat_up`` and ``squat_down``, ``squat``."""
    names = list(gestures)
    stems = [name.removesuffix(UP) for name in names if name.endswith(UP)]
    return tuple(stem for stem in stems if stem and stem + DOWN in names)


class RepetitionCounter:
    """Follows one person through one movement: up, down, and up again is one repetition.

    Args:
        movement: Its name.
    """

    def __init__(self, movement: str) -> None:
        self.poses = (movement + UP, movement + DOWN)
        """Names of the two poses."""
        self._seen: str | None = None  # of the two, in the last image
        self._since = 0.0
        self._was_down = False
        self._left_up: float | None = None  # when the person was last seen up

    def step(self, gesture: str | None, stamp: float) -> float | None:
        """Take in which taught gesture the next image shows.

        Args:
            gesture: Its name; None: none of them.
            stamp: Of the image, seconds; rising.

        Returns:
            When a repetition is complete with this image, the stamp of the image in which the
            person was last up before it; None otherwise.
        """
        if gesture not in self.poses:
            self._seen = None
            return None
        if gesture != self._seen:
            self._seen, self._since = gesture, stamp
        if stamp - self._since < REACHED_SECONDS - 1e-6:
            return None
        if gesture == self.poses[1]:
            self._was_down = self._left_up is not None
            return None
        begun = self._left_up if self._was_down else None
        self._left_up, self._was_down = stamp, False
        return begun
