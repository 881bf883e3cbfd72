"""What a stamp means, in one place: next, the same, late, after a gap, back, or too old.

=================  ==============================================================
``step_from``      how a stamp follows the one before it
``went_back``      whether a stamp is of a round before another one's end
``Timeline``       which images of a topic or a recording are taken, and where all starts over
``StampOrder``     images that come late, against a stream that starts over
``Rewinds``        that time went back, by clock and stamps, reported once
``Stream``         what the next image may draw on
``Freshness``      whether images still come, by a clock that is passed in
``ClockWatch``     a clock that stands still
``StillWatch``     a picture that stands still
``LossCounter``    images that were lost on the way
=================  ==============================================================
"""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import Generic, NamedTuple, Protocol, TypeVar

import numpy as np

from pose_ros.core.types import Image
from pose_ros.errors import ImageError

_LOG = logging.getLogger(__name__)

NANOSECONDS = 1_000_000_000
"""In a second."""

FOLLOW_SECONDS = 0.5
"""Longest time between two images over which a person is followed from where they were. After a
longer gap people are found again, as if the images between had been empty."""

REWIND_SECONDS = 0.5
"""What is older than the last by more than this is of a new round: a bag that is played again, a
simulation that was reset. What is older by less came late on its way."""

_MOST_LATE = 3

_SWITCH_SECONDS = 2.0
"""After so long without an image of the first camera, another one may take its place."""


class StampStep(Enum):
    """How a stamp follows the one before it."""

    FIRST = "first"
    """There was none before."""
    NEXT = "next"
    """The stream goes on."""
    SAME = "same"
    """It is the one before."""
    GAP = "gap"
    """It goes on after a time without stamps."""
    BACK = "back"
    """It is older, or one of the two is NaN."""


def step_from(before: float, stamp: float, longest: float = math.inf) -> StampStep:
    """Return how a stamp follows the one before it.

    Args:
        before: Seconds; -inf where there was none.
        stamp: Seconds.
        longest: Seconds between the two, beyond which there is a gap.
    """
    if before == -math.inf:
        return StampStep.FIRST
    elapsed = stamp - before
    if elapsed == 0.0:
        return StampStep.SAME
    if not elapsed > 0.0:  # NaN too
        return StampStep.BACK
    return StampStep.GAP if elapsed > longest else StampStep.NEXT


def went_back(before: float, stamp: float) -> bool:
    """Return whether a stamp is so much older than the one before that it is of a new round.

    Args:
        before: Seconds.
        stamp: Seconds.
    """
    return before - stamp > REWIND_SECONDS


class Order(Enum):
    """What an image's stamp says of its place in the stream."""

    NEXT = "next"
    """The stream goes on."""
    LATE = "late"
    """It is older than one that was there before it, and has to be left out."""
    REWIND = "rewind"
    """Time went back: all that was remembered is of another round."""


class StampOrder:
    """Tells a stream that starts over from images that overtook each other.

    A few late images say nothing; where more than three come in a row, each older than the one
    that came before all of them, time went back too, by however little.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin a new stream."""
        self._newest = -math.inf
        self._late = 0
        self.back = 0.0
        """Seconds by which the last image was older than the newest before it; 0 for NEXT."""

    @property
    def began(self) -> bool:
        """Whether there was an image."""
        return self._newest > -math.inf

    def take(self, stamp: float) -> Order:
        """Note an image by its stamp, in seconds."""
        self.back = max(0.0, self._newest - stamp)
        if self.back == 0.0:
            self._newest, self._late = stamp, 0
            return Order.NEXT
        if self.back <= REWIND_SECONDS and self._late < _MOST_LATE:
            self._late += 1
            return Order.LATE
        self._newest, self._late = stamp, 0
        return Order.REWIND

    def check(self, stamp: float) -> Order:
        """Note an image by its stamp, in seconds; it is never late.

        Raises:
            ImageError: It is.
        """
        order = self.take(stamp)
        if order is Order.LATE:
            raise ImageError(
                "it is older than one that came before it; who sends images has to keep their order"
            )
        return order


class StreamChange(NamedTuple):
    """What a user should know of an image that is taken.

    Attributes:
        back: Seconds by which time went back with it: all starts over; 0 where it went on.
        camera_before: The frame_id of the camera whose place another one takes with it; empty
            for the same camera.
    """

    back: float
    camera_before: str


class Timeline:
    """Decides which images of one topic, or of one recording, are taken.

    =====================  ======================================================
    the image              what becomes of it
    =====================  ======================================================
    is of a second camera  it is refused until the first has gone, since people
                           are followed from image to image
    has the last stamp     it is refused
    is late                it is refused
    goes back in time, as  it is taken, and all starts over
    a bag that loops does
    =====================  ======================================================

    What follows the people sees the same stamps, and starts over by itself: its ``Stream`` and
    the recognizer of gestures decide by ``step_from``.
    """

    def __init__(self) -> None:
        self._order = StampOrder()
        self.reset()

    def reset(self) -> None:
        """Begin a new stream."""
        self._order.reset()
        self._frame_id: str | None = None
        self._heard = -math.inf
        self._stamp = math.nan

    def check(self, stamp: float, frame_id: str, now: float, remembered: float) -> StreamChange:
        """Note an image.

        Args:
            stamp: Of its header, seconds.
            frame_id: Of its header: the camera.
            now: Seconds of a clock that does not go back, as the image came or was recorded.
            remembered: For how many seconds people out of sight are remembered: another
                camera is not taken before those of the first are forgotten.

        Raises:
            ImageError: It is of another camera, is late, or has the stamp of the image before.
        """
        before = self._frame_id
        keep = max(remembered, _SWITCH_SECONDS)
        near = not went_back(self._stamp, stamp) and stamp - self._stamp <= keep
        if before not in (None, frame_id) and (near or now - self._heard <= keep):
            raise ImageError(
                f"its frame_id is {frame_id!r}, and images of {before!r} come on the same topic: "
                "two cameras need a topic and a pose node each, as in a namespace each "
                "(--ros-args -r __ns:=/left)"
            )
        if stamp == self._stamp and frame_id == before:
            self._heard = now
            raise ImageError(
                "its stamp is that of the image before it: let the driver stamp each image when "
                "it is captured, and send it once"
            )
        self._frame_id, self._heard, self._stamp = frame_id, now, stamp
        rewound = self._order.check(stamp) is Order.REWIND
        another = before if before is not None and before != frame_id else ""
        return StreamChange(self._order.back if rewound else 0.0, another)


class Rewinds:
    """Tells of each step back in time once, though the clock and the stamps both show it.

    A clock may jump as it likes before the first image: a player sets it.
    """

    def __init__(self) -> None:
        self._order = StampOrder()
        self.reset()

    def reset(self) -> None:
        """Begin a new stream."""
        self._order.reset()
        self._shown = -math.inf
        self._shown_by = ""
        self.back = 0.0
        """Seconds of the last step back, by whichever showed it."""

    def clock(self, now: float) -> bool:
        """Note the time in seconds; return whether it is news that it went back."""
        back, self._shown = self._shown - now, now
        if not self._order.began or back <= REWIND_SECONDS:
            return False
        return self._is_news("clock", back)

    def stamp(self, stamp: float) -> bool:
        """Note an image by its stamp in seconds; return whether it is news that time went back."""
        if self._order.take(stamp) is not Order.REWIND:
            return False
        return self._is_news("stamps", self._order.back)

    def _is_news(self, shown_by: str, back: float) -> bool:
        if self._shown_by not in ("", shown_by):
            self._shown_by = ""
            return False
        self._shown_by, self.back = shown_by, back
        return True


class Memory(Protocol):
    """What an estimator remembers of the people in a stream."""

    def lose_sight(self) -> None:
        """Follow no person into the next image; who was where stays known."""

    def forget(self) -> None:
        """Forget everybody; no id is used again."""


M = TypeVar("M", bound=Memory)


class Stream(Generic[M]):
    """Decides what the next image of a stream may draw on, by its stamp and its size.

    =====================  ======================================================
    the image              what it may draw on
    =====================  ======================================================
    has no stamp           nothing: it is a picture by itself, beside the stream
    comes next             all that is remembered
    comes after a gap      who was where, by ``Memory.lose_sight``
    goes back in time      nothing but the ids that are used, by ``Memory.forget``
    has another size       the same, and a warning once
    has the last stamp     it is refused
    =====================  ======================================================

    Args:
        begin: Makes an empty memory, whose ids begin at 0.
    """

    def __init__(self, begin: Callable[[], M]) -> None:
        self._begin = begin
        self.reset()

    def reset(self) -> None:
        """Begin a new stream: no person is remembered, ids begin at 0."""
        self._memory = self._begin()
        self._stamp = -math.inf
        self._size: tuple[int, ...] | None = None
        self._warned = False

    def take(
        self, size: tuple[int, ...], stamp: float | None, *, static: bool = False
    ) -> tuple[M, float]:
        """Note an image.

        Args:
            size: Height and width in pixels.
            stamp: Seconds; None for a picture by itself.
            static: Whether each image is a picture by itself.

        Returns:
            What the image may draw on and has to be remembered in, and its stamp; 0.0 where it
            has none.

        Raises:
            ImageError: The stamp is not finite, or that of the image before.
        """
        if stamp is not None and not math.isfinite(stamp):
            raise ImageError(f"expected a finite stamp in seconds, got {stamp}")
        if stamp is None or static:
            return self._begin(), 0.0
        step = step_from(self._stamp, stamp, FOLLOW_SECONDS)
        if step is StampStep.SAME:
            raise ImageError(
                f"its stamp, {stamp} s, is that of the image before it; give each image of a "
                "stream its own time; pictures that do not follow each other need no stamp, or "
                "the static option"
            )
        before = self._size
        self._stamp, self._size = stamp, size
        if before is None:
            return self._memory, stamp
        if before != size:
            self._memory.forget()
            self._warn(before, size)
        elif step is StampStep.BACK:
            self._memory.forget()
        elif step is StampStep.GAP:
            self._memory.lose_sight()
        return self._memory, stamp

    def _warn(self, before: tuple[int, ...], size: tuple[int, ...]) -> None:
        if self._warned:
            return
        self._warned = True
        _LOG.warning(
            "the images change from %dx%d to %dx%d pixels: people are not followed from one size "
            "to another, and get new ids; give no stamp to pictures that do not follow each other",
            *before[::-1],
            *size[::-1],
        )


class Arrival(Enum):
    """What a new image's stamp says of the stream."""

    NEXT = "next"
    """It goes on."""
    SAME = "same"
    """The image was there before: as good as none."""
    GAP = "gap"
    """It goes on after a time without images."""
    JUMP = "jump"
    """It is another stream, or one that cannot be relied on."""


class Freshness:
    """Watches the stamps of a stream of images.

    Args:
        timeout: Seconds, above 0, after which the last image is too old.
        compare_clock: Whether stamps are of the clock that is passed in, so that an image
            is as old as its stamp says and not as when it came. Not so in a replay.
    """

    def __init__(self, timeout: float, *, compare_clock: bool = True) -> None:
        self._timeout = timeout
        self._compare = compare_clock
        self.reset()

    def reset(self) -> None:
        """Begin a new stream."""
        self._stamp = -math.inf
        self._arrived = -math.inf
        self._now = -math.inf
        self._repeated = False

    def take(self, stamp: float, now: float) -> tuple[Arrival, str]:
        """Note an image.

        Args:
            stamp: Its own, seconds.
            now: Seconds.

        Returns:
            What it is, and what is wrong in words, if anything is.
        """
        if not math.isfinite(stamp) or not math.isfinite(now):
            self.reset()
            return Arrival.JUMP, f"a stamp or the clock is no number ({stamp}, {now})"
        before = self._stamp
        step = step_from(before, stamp, self._timeout)
        if step is StampStep.SAME:
            self._repeated = True
            return Arrival.SAME, "the stamps of the images stand still"
        # an image of the past or of another clock is where the new stream begins, if it is one
        self._stamp, self._arrived, self._repeated = stamp, now, False
        if self._compare and stamp - now > self._timeout:
            return Arrival.JUMP, f"a stamp is {stamp - now:.2f} s in the future: set the clocks"
        if step is StampStep.BACK:
            return Arrival.JUMP, f"the stamps jumped back by {before - stamp:.2f} s"
        if step is StampStep.GAP:
            return Arrival.GAP, f"no image for {stamp - before:.2f} s by their stamps"
        return Arrival.NEXT, ""

    def clock_jumped(self, now: float) -> str:
        """Note the time; return in words that it went back, or is no number."""
        before, self._now = self._now, now
        if not math.isfinite(now):
            self.reset()
            return f"the clock is no number ({now})"
        if now < before:
            self.reset()
            return f"the clock jumped back by {before - now:.2f} s"
        return ""

    def age(self, now: float) -> float:
        """Return how old the last image is in seconds; infinite when there was none."""
        age = now - self._arrived
        return max(age, now - self._stamp) if self._compare else age

    def stale(self, now: float) -> str:
        """Return in words that the last image is too old; empty while it is not."""
        # written so that NaN is stale
        if self.age(now) <= self._timeout:
            return ""
        if self._arrived == -math.inf:
            return "no image yet"
        if self._repeated:
            return "the stamps of the images stand still"
        since, delay = now - self._arrived, self._arrived - self._stamp
        limit = f"timeout is {self._timeout:g} s"
        if self._compare and delay > self._timeout:
            return f"the images are {delay:.1f} s old when their poses come; {limit}"
        if since > self._timeout:
            return f"no poses for {since:.1f} s; {limit}"
        return (
            f"poses are {self.age(now):.2f} s old ({since:.2f} s since they came + {delay:.2f} s "
            f"from the image to them); {limit}"
        )


class ClockWatch:
    """Notices by a steady clock that another one stands still.

    Args:
        now: The other one, seconds.
        steady: Seconds that never stop.
    """

    def __init__(self, now: Callable[[], float], steady: Callable[[], float]) -> None:
        self._now, self._steady = now, steady
        self.restart()

    def restart(self) -> None:
        """Count from now on."""
        self._shown, self._since = self._now(), self._steady()

    def stands(self) -> float:
        """Return for how many seconds it has shown the same, as far as anybody looked."""
        shown, steady = self._now(), self._steady()
        if shown != self._shown:
            self._shown, self._since = shown, steady
        return steady - self._since


_STRIDE = 32
"""Pixels between the points that are compared first; nearly every new picture differs there."""


class StillWatch:
    """Finds images that repeat the one before, pixel for pixel.

    Sensor noise never repeats; a driver that hangs does.
    """

    def __init__(self) -> None:
        self._grid: Image | None = None
        self._image: Image | None = None
        self._since = 0.0
        self.seconds = 0.0
        """For how long by its stamps the picture has been the same; 0 for a new one."""

    def repeats(self, image: Image, stamp: float) -> bool:
        """Return whether an image is the one before once more.

        Args:
            image: (H, W, 3) uint8; it is kept until the next one and must not change.
            stamp: Its own, seconds.
        """
        # the grid is a copy: it costs 20 microseconds at 1280x720, and the whole image is only
        # compared where the grid is the same
        grid = np.ascontiguousarray(image[::_STRIDE, ::_STRIDE])
        before, self._grid = self._grid, grid
        image_before, self._image = self._image, image
        same = (
            before is not None
            and image_before is not None
            and image_before.shape == image.shape
            and np.array_equal(before, grid)
            and np.array_equal(image_before, image)
        )
        if not same:
            self._since = stamp
        self.seconds = stamp - self._since
        return same


_WINDOW = 60
"""Images over which the share is taken."""
_ENOUGH = 20
"""Images, lost ones counted, before a share says anything."""
_PERIOD_QUANTILE = 0.1
"""The shortest spacings are those between images with none lost in between."""
_LONGEST_GAP_PERIODS = 20
"""A longer pause by the stamps is a driver that paused."""


class LossCounter:
    """Counts what a driver sent against what came.

    A middleware that numbers its messages shows each loss. Where it does not, the spacing of
    the stamps does: a camera's period is that of its closest images, and a spacing of three
    periods means two lost images.
    """

    def __init__(self) -> None:
        self.lost_total = 0
        """Images that were sent and did not come."""
        self.restart()

    def restart(self) -> None:
        """Begin again with another publisher or subscription; the total stays."""
        self._number: int | None = None
        self._stamp = math.nan
        self._spacings: deque[float] = deque(maxlen=_WINDOW)
        self._losses: deque[int] = deque(maxlen=_WINDOW)

    def take(self, stamp: float, number: int | None) -> None:
        """Note an image that came.

        Args:
            stamp: Its own, seconds.
            number: What its publisher counts, one more for each image; None where that is
                not known, or where several publish.
        """
        if number is None:
            lost = self._lost_by_stamp(stamp)
        else:
            last, self._number = self._number, number
            # a smaller number is a publisher that started again
            lost = number - last - 1 if last is not None and number > last else 0
        self._losses.append(lost)
        self.lost_total += lost

    @property
    def share(self) -> float:
        """Share of the recent images that were lost, 0 to 1; 0 while too few were sent."""
        lost = sum(self._losses)
        sent = lost + len(self._losses)
        return lost / sent if sent >= _ENOUGH else 0.0

    def _lost_by_stamp(self, stamp: float) -> int:
        last, self._stamp = self._stamp, stamp
        spacing = stamp - last
        if not spacing > 0.0:  # NaN, for the first
            return 0
        self._spacings.append(spacing)
        if len(self._spacings) < _ENOUGH:
            return 0
        periods = spacing / float(np.quantile(self._spacings, _PERIOD_QUANTILE))
        return round(periods) - 1 if periods < _LONGEST_GAP_PERIODS else 0
