"""The health of a node on /diagnostics and in its log: counted where it happens, said once."""

from __future__ import annotations

import math
import re
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from pose_ros.errors import printable

STALE_WARN_SECONDS = 2.0
STALE_ERROR_SECONDS = 10.0
FLOOD_HZ = 60.0
"""More images per second than this, and most of them unused, are worth a word."""
FLOOD_RATIO = 4.0

MAX_NOTICES = 200
"""Causes that are kept at most: a sender of ever new ones must not fill log and memory."""
SAME_STATE_SECONDS = 10.0
"""A state that comes and goes is logged no more often."""
RECENT_SECONDS = 2.5
"""A notice of this time still holds: a node looks once a second."""
AGAIN_SECONDS = 60.0
"""After this time without a notice its cause had ended, and is news when it comes back."""


class Level(IntEnum):
    """Levels of diagnostic_msgs/DiagnosticStatus."""

    OK = 0
    WARN = 1
    ERROR = 2


@dataclass(frozen=True)
class Report:
    """What a node says of itself: a level, one line, and values by name.

    ``logged`` says that the line is in the node's log already.
    """

    level: Level
    message: str
    values: Sequence[tuple[str, str]] = ()
    logged: bool = False
    notices: Sequence[str] = ()
    """What is wrong besides, each with its cure; it stands in the log already."""

    @property
    def noticed(self) -> bool:
        """Whether a notice says what the message says."""
        return any(self.message in text for text in self.notices)

    @property
    def whole(self) -> tuple[Level, str]:
        """Level and one line, the notices included."""
        if not self.notices:
            return self.level, self.message
        own = [self.message] if self.level > Level.OK and not self.noticed else []
        return max(self.level, Level.WARN), "; ".join([*own, *self.notices])


class StreamHealth:
    """Counters of a stream of images; every method may be called from any thread.

    Args:
        clock: Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self.restart()

    def restart(self) -> None:
        """Count from nothing again, as when a node is activated."""
        with self._lock:
            self._since = self._last_arrival = self._clock()
            self.arrived_total = self.dropped_total = self.refused_total = self.done_total = 0
            self._last_error = ""
            self.repeated_total = 0
            self._ended = ""
            self._clear_interval()

    def _flood(self, seconds: float) -> str:
        return (
            f"{self._arrived / seconds:.0f} images per second come and "
            f"{self._done / seconds:.0f} are used: lower the driver's rate, each costs time to "
            "receive"
        )

    def _clear_interval(self) -> None:
        self._arrived = self._done = 0
        self._latencies: list[float] = []
        self._durations: list[float] = []
        self._refusal = self._failure = ""

    def arrived(self) -> None:
        """Count an image that came in."""
        with self._lock:
            self._arrived += 1
            self.arrived_total += 1
            self._last_arrival = self._clock()

    def dropped(self) -> None:
        """Count an image that a newer one replaced before its turn."""
        with self._lock:
            self.dropped_total += 1

    def repeated(self) -> None:
        """Count an image that was the one before once more."""
        with self._lock:
            self.repeated_total += 1

    def refused(self, reason: str) -> None:
        """Count an image that cannot be used."""
        with self._lock:
            self.refused_total += 1
            self._refusal = self._last_error = reason

    def failed(self, reason: str) -> None:
        """Note what kept an image from being worked on or the stream from going on."""
        with self._lock:
            self._failure = self._last_error = reason

    def ended(self, reason: str) -> None:
        """Note that no more images are to come, as at the end of a file."""
        with self._lock:
            self._ended = reason

    def done(self, latency_seconds: float, duration_seconds: float) -> None:
        """Count a result: seconds since the image's stamp, NaN if unknown, and seconds of work."""
        with self._lock:
            self._done += 1
            self.done_total += 1
            if math.isfinite(latency_seconds):
                self._latencies.append(latency_seconds)
            self._durations.append(duration_seconds)

    def report(self, clock_trouble: str = "") -> Report:
        """Return the health since the last report, and start the next interval.

        Args:
            clock_trouble: Why the node's time stands still, which is no fault of the images
                that do not come: a replay is paused.
        """
        with self._lock:
            now = self._clock()
            seconds = max(now - self._since, 1e-9)
            silent = now - self._last_arrival
            values = [
                ("images received", str(self.arrived_total)),
                ("images per second", f"{self._arrived / seconds:.1f}"),
                ("results", str(self.done_total)),
                ("results per second", f"{self._done / seconds:.1f}"),
                ("images dropped", str(self.dropped_total)),
                ("images refused", str(self.refused_total)),
                ("images repeated", str(self.repeated_total)),
                ("latency ms", _milliseconds(self._latencies)),
                ("processing ms", _milliseconds(self._durations)),
                ("last error", self._last_error),
                ("ended", "yes" if self._ended else "no"),
            ]
            level, message = Level.OK, f"{self._done / seconds:.1f} results per second"
            if self._ended:
                message = self._ended
            elif silent > STALE_ERROR_SECONDS:
                level, message = Level.ERROR, f"no image for {silent:.0f} s"
            elif silent > STALE_WARN_SECONDS:
                level, message = Level.WARN, f"no image for {silent:.0f} s"
            elif self._arrived > max(FLOOD_HZ * max(seconds, 0.5), FLOOD_RATIO * self._done):
                level, message = Level.WARN, self._flood(seconds)
            if clock_trouble and not self._ended:
                level, message = Level.WARN, f"{message}: {clock_trouble}"
            if self._refusal:
                level, message = max(level, Level.WARN), self._refusal
            if self._failure:
                level, message = Level.ERROR, self._failure
            self._since = now
            self._clear_interval()
            return Report(level, message, values)


def _milliseconds(seconds: list[float]) -> str:
    """Return the median, or nothing where nothing was measured."""
    return f"{sorted(seconds)[len(seconds) // 2] * 1e3:.1f}" if seconds else ""


def report_to_msg(report: Report, name: str, hardware_id: str, stamp: Any) -> DiagnosticArray:
    """Return the /diagnostics message of one node's report."""
    level, message = report.whole
    status = DiagnosticStatus(
        level=bytes([level]),
        name=name,
        message=message,
        hardware_id=hardware_id,
        values=[KeyValue(key=key, value=value) for key, value in report.values],
    )
    msg = DiagnosticArray(status=[status])
    msg.header.stamp = stamp
    return msg


class Notices:
    """Warns once for each cause; from any thread.

    Args:
        logger: Of a node.
    """

    def __init__(self, logger: Any) -> None:
        self._logger = logger
        self._lock = threading.Lock()
        self._given: dict[Hashable, tuple[float, str]] = {}

    def warn(self, cause: Hashable, text: str) -> None:
        """Log a warning where its cause is new."""
        with self._lock:
            new = cause not in self._given
            if new and len(self._given) >= MAX_NOTICES:
                return
            text = printable(text)
            self._given[cause] = (time.monotonic(), text)
        if new:
            self._logger.warning(text)

    def note(self, text: str) -> None:
        """Note that something is wrong at this moment, and log it where that is news.

        The cause is the text without its numbers. It has ended when it is not noted for a
        minute.
        """
        cause = re.sub(r"\d+(\.\d+)?", "#", text)
        long_ago = time.monotonic() - AGAIN_SECONDS
        with self._lock:
            if cause in self._given and self._given[cause][0] < long_ago:
                del self._given[cause]
        self.warn(cause, text)

    def recent(self) -> list[str]:
        """Return what is wrong now, the last text of each cause."""
        since = time.monotonic() - RECENT_SECONDS
        with self._lock:
            return [text for noted, text in self._given.values() if noted >= since]

    def end(self, cause: Hashable) -> None:
        """Note that a cause is gone: it is news when it comes back."""
        with self._lock:
            self._given.pop(cause, None)

    def clear(self) -> None:
        """Note that all causes are gone, as when a node is activated."""
        with self._lock:
            self._given.clear()


class StateLog:
    """Logs states; one that comes and goes with other numbers is logged every few seconds.

    Args:
        logger: Of a node.
    """

    def __init__(self, logger: Any) -> None:
        self._logger = logger
        self._logged_at: dict[str, float] = {}  # seconds

    def log(self, text: str) -> None:
        """Log a state, unless it was logged a moment ago."""
        kind = re.sub(r"[\d.]+", "", text)
        now = time.monotonic()
        if now - self._logged_at.get(kind, -math.inf) >= SAME_STATE_SECONDS:
            if len(self._logged_at) >= MAX_NOTICES:
                self._logged_at.clear()
            self._logged_at[kind] = now
            self._logger.info(printable(text))

    def clear(self) -> None:
        """Log each state at once again, as when a node is activated."""
        self._logged_at.clear()


def once(warn: Callable[[str], None]) -> Callable[[str, str], None]:
    """Return what warns of each kind of trouble once: it takes the kind and the text."""
    given: set[str] = set()

    def say(kind: str, text: str) -> None:
        if kind not in given:
            given.add(kind)
            warn(text)

    return say
