"""A node's own source: a thread reads it and gives each frame the stamp it has on ROS' clock."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pose_ros.core.timeline import went_back
from pose_ros.core.types import Frame, Source
from pose_ros.ros.node import ManagedNode

OnFrame = Callable[[Frame, float], None]

# A recording that falls behind by this much goes on from now: its stamps would
# otherwise leave the present further and further behind.
BEHIND_SECONDS = 0.5
# A clock that is not the system's may stand still, and run at any speed.
_SIMULATED_LOOK_SECONDS = 0.005
# Discovery takes a moment: so long does a recording wait for its first reader.
READER_SECONDS = 5.0
_LOOK_SECONDS = 0.02
_JOIN_SECONDS = 5.0


@dataclass(frozen=True)
class CaptureEvents:
    """What a capture calls, each from the capture's thread.

    Attributes:
        frame: A frame and its stamp, Unix seconds.
        ended: The source has no more frames.
        broke: The source broke and does not come back, or there is a defect.
        behind: A recording cannot be read as fast as it was made; once.
        rewound: The clock went back, and a recording plays on from there; each time.
    """

    frame: OnFrame
    ended: Callable[[], None]
    broke: Callable[[Exception], None]
    behind: Callable[[], None]
    rewound: Callable[[], None] = lambda: None


class Pacer:
    """Maps the media time of a recording to the present.

    The first frame's stamp is the clock's time; after it, stamps keep the
    spacing of the recording, until the clock goes back.

    Args:
        clock: ROS seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._offset = math.nan
        self._shown = -math.inf
        self.behind = False
        self.rewinds = 0
        """How many times the clock went back."""

    def due(self, media: float) -> float:
        """Return the stamp of the frame at a media time, which is when it is due."""
        now = self._clock()
        before, self._shown = self._shown, now
        if math.isnan(self._offset):
            self._offset = now - media
        elif went_back(before, now):
            self._offset = now - media
            self.rewinds += 1
        elif now - (media + self._offset) > BEHIND_SECONDS:
            self._offset = now - media
            self.behind = True
        return media + self._offset


class RateLimiter:
    """Thins frames out to a rate by their stamps, evenly; never adds any.

    Args:
        rate: Frames a second to keep at most; 0 keeps all.
        fps: Nominal frames a second of the source, NaN when unknown.
    """

    def __init__(self, rate: float, fps: float) -> None:
        self._period = 1.0 / rate if rate > 0 else 0.0
        # a frame that is early by less than half a frame is the one that is due
        self._early = 0.5 / max(fps, rate) if rate > 0 and fps > 0 else 0.25 * self._period
        self._due = -math.inf

    def keep(self, stamp: float) -> bool:
        """Return whether the frame at ``stamp`` (seconds, rising) is to be kept."""
        if self._period == 0.0:
            return True
        if stamp < self._due - self._early:
            return False
        following = self._due + self._period
        self._due = following if following > stamp else stamp + self._period
        return True


class CaptureThread:
    """Reads a source in a thread of its own until it ends or is stopped.

    A live source's stamps are the times of capture and pass as they are. This is
    also what plays a recording: its frames come when they are due.

    Args:
        source: It is closed when the capture stops.
        events: What to call.
        rate: Frames a second at most; 0 for all.
        clock: ROS seconds, from which a recording is stamped.
        has_reader: Whether the frames have a reader; a recording waits for one, not for
            ever, so that its first frames are not lost without a subscriber.
        simulated: Whether the clock is a simulation's or a bag's: a recording waits for it
            to begin, and then plays by it.
        keep_stamps: Give a recording's frames their own stamps, as those of a bag are Unix
            times, and nothing of the past passes for the present.
    """

    def __init__(
        self,
        source: Source,
        events: CaptureEvents,
        rate: float,
        clock: Callable[[], float],
        has_reader: Callable[[], bool] = lambda: True,
        *,
        simulated: Callable[[], bool] = lambda: False,
        keep_stamps: bool = False,
    ) -> None:
        self._source = source
        self._events = events
        self._limiter = RateLimiter(rate, source.fps)
        self._pacer = Pacer(clock)
        self._clock = clock
        self._has_reader = has_reader
        self._simulated = simulated
        self._keep_stamps = keep_stamps
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)
        self._thread.start()

    @property
    def trouble(self) -> str:
        """Why no frames come from a camera, in words; empty while they do."""
        return str(getattr(self._source, "trouble", ""))

    def stop(self) -> bool:
        """End the thread and close the source; return whether it ended in time."""
        self._stop.set()
        self._source.close()
        self._thread.join(_JOIN_SECONDS)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            if not self._source.live:
                self._wait_for_clock()
                self._wait_for_reader()
            while not self._stop.is_set():
                frame = self._source.read()
                if self._stop.is_set():
                    return
                if frame is None:
                    self._events.ended()
                    return
                self._hand_on(frame)
        except Exception as error:  # noqa: BLE001
            # a source that is closed while it is read may say so
            if not self._stop.is_set():
                self._events.broke(error)

    def _wait_for_clock(self) -> None:
        while self._simulated() and self._clock() == 0.0:
            if self._stop.wait(_LOOK_SECONDS):
                return

    def _wait_for_reader(self) -> None:
        end = time.monotonic() + READER_SECONDS
        while not self._has_reader() and time.monotonic() < end:
            if self._stop.wait(_LOOK_SECONDS):
                return

    def _hand_on(self, frame: Frame) -> None:
        if not self._limiter.keep(frame.stamp):
            return
        if self._source.live:
            self._events.frame(frame, frame.stamp)
            return
        stamp = self._due(frame.stamp)
        while stamp > self._clock():
            simulated = self._simulated()
            seconds = _SIMULATED_LOOK_SECONDS if simulated else max(0.0, stamp - self._clock())
            if self._stop.wait(seconds):
                return
            if not simulated:
                break
            stamp = self._due(frame.stamp)
        self._events.frame(frame, frame.stamp if self._keep_stamps else stamp)

    def _due(self, media: float) -> float:
        """Return when a frame is due, and report a clock that went back."""
        was_behind, rewinds = self._pacer.behind, self._pacer.rewinds
        stamp = self._pacer.due(media)
        if self._pacer.behind and not was_behind:
            self._events.behind()
        if self._pacer.rewinds > rewinds:
            self._events.rewound()
        return stamp


def start_capture(
    node: ManagedNode[Any],
    source: Source,
    frame: OnFrame,
    ended: Callable[[str], None],
    broke: Callable[[Exception], None],
    *,
    rate: float = 0.0,
    has_reader: Callable[[], bool] = lambda: True,
) -> CaptureThread:
    """Capture from a node's own source by the node's clock, and log what happens to the clock.

    Args:
        node: For its clock and its log.
        source: It is closed with the capture.
        frame: Called with each frame and its stamp, in the capture's thread.
        ended: Called with what has ended, in words, when there are no more frames.
        broke: Called when the source broke, or with a defect.
        rate: Frames a second at most; 0 for all.
        has_reader: Whether the frames are taken: a recording waits for that a moment.
    """
    if source.live and node.simulated:
        node.get_logger().warning(
            f"use_sim_time is set, and the images of {source.name} carry the system's time all "
            "the same: leave use_sim_time out for the node that captures"
        )
    seen = False

    def take(given: Frame, stamp: float) -> None:
        nonlocal seen
        if not seen:  # not before: a camera may be missing at the start
            seen = True
            node.get_logger().info(f"images from {source.name}")
        frame(given, stamp)

    def end() -> None:
        text = f"{source.name} has ended"
        node.get_logger().info(text)
        ended(text)

    events = CaptureEvents(
        frame=take,
        ended=end,
        broke=broke,
        behind=lambda: node.get_logger().warning(
            f"{source.name} cannot be read as fast as it was recorded; it plays slower"
        ),
        rewound=lambda: node.get_logger().warning(
            f"the clock went back: {source.name} plays on from there"
        ),
    )
    return CaptureThread(
        source,
        events,
        rate,
        node.now,
        has_reader,
        simulated=lambda: node.simulated,
        keep_stamps=getattr(source, "keeps_stamps", False),
    )
