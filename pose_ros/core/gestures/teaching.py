"""Teaching: taking examples of one gesture from what is seen."""

from __future__ import annotations

from pose_ros.core.gestures.postures import POSTURE_NAMES
from pose_ros.core.gestures.recognizer import NAMES
from pose_ros.core.gestures.repetitions import movements
from pose_ros.core.gestures.taught import TaughtGestures, check_name, landmarks_of
from pose_ros.core.skeletons import SIDES
from pose_ros.core.types import Pose
from pose_ros.errors import OptionError, short

MOST_EXAMPLES = 20
"""How many examples are taken where no number is given: more make little difference."""
EVERY_SECONDS = 0.3
"""Time between two examples of a stream: images in between show the same."""


class Teaching:
    """Takes examples of one gesture, and says what came of it.

    Args:
        taught: Takes the examples.
        name: Of the gesture.
        is_hand: Whether a hand makes it; a body does otherwise.
        side: Of hands, ``left`` or ``right`` alone; empty: either.
        most: Examples after which it is over.
        min_score: Least score of a joint that is an example's.

    Raises:
        OptionError: This cannot be taught.
    """

    def __init__(
        self,
        taught: TaughtGestures,
        name: str,
        *,
        is_hand: bool,
        side: str = "",
        most: int = MOST_EXAMPLES,
        min_score: float,
    ) -> None:
        check_name(name)
        for own in (name, *movements((*taught.counts, name))):
            if own in (*NAMES, *POSTURE_NAMES):
                raise OptionError(f"{own} is the name of a gesture that is built in")
        if most < 1:
            raise OptionError(f"at least 1 example is needed, got {most}")
        if taught.skeleton.is_hand != is_hand:
            kinds = ("hands", "bodies") if taught.skeleton.is_hand else ("bodies", "hands")
            raise OptionError(
                f"the file holds gestures of {kinds[0]} ({taught.skeleton.name}): "
                f"those of {kinds[1]} need another file"
            )
        if side not in ("", *SIDES):
            raise OptionError(f"a side is left or right, got {short(side)}")
        if side and not is_hand:
            raise OptionError("a side is for hands: a body is taught whole, with left and right")
        self.name = name
        self._taught, self._side, self._most, self._min_score = taught, side, most, min_score
        self._taken = self._unusable = self._without = 0

    @property
    def taken(self) -> int:
        """How many examples were taken."""
        return self._taken

    @property
    def is_over(self) -> bool:
        """Whether there are as many as asked for."""
        return self._taken >= self._most

    def take(self, pose: Pose | None) -> bool:
        """Take the hand or body of an image as an example; return whether it is one.

        Args:
            pose: What was found; None: nothing. A hand of the other side is passed over.
        """
        if pose is None:
            self._without += 1
            return False
        if self._side and pose.label != self._side:
            return False
        before = self._taught.counts.get(self.name, 0)
        try:
            self._taught.add(self.name, landmarks_of(pose, self._taught.skeleton, self._min_score))
        except OptionError:
            self._unusable += 1
        gained = self._taught.counts.get(self.name, 0) > before
        self._taken += gained
        return gained

    def summary(self) -> str:
        """Return what came of it, in a line."""
        total = self._taught.counts.get(self.name, 0)
        lost = f"; {self._unusable} lacked joints" if self._unusable else ""
        lost += f"; nothing was found in {self._without} images" if self._without else ""
        return f"{self.name}: {self._taken} examples taken, {total} in all{lost}"
