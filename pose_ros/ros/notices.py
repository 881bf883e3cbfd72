"""Warnings that a node gives once each, however often their cause comes back."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Hashable
from typing import Any

MAX_NOTICES = 200
"""A sender who makes up new causes fills no log and no memory."""
RECENT_SECONDS = 2.5
"""What was noted within this time holds now; a node looks around once a second."""
AGAIN_SECONDS = 60.0
"""What was not noted for so long had ended."""


class Notices:
    """Warns once for each cause; from any thread.

    Args:
        logger: Of a node.
        clock: Monotonic seconds.
    """

    def __init__(self, logger: Any, clock: Callable[[], float] = time.monotonic) -> None:
        self._logger, self._clock = logger, clock
        self._lock = threading.Lock()
        self._given: dict[Hashable, tuple[float, str]] = {}

    def warn(self, cause: Hashable, text: str) -> bool:
        """Log a warning where its cause is new; return whether it was."""
        with self._lock:
            new = cause not in self._given
            if new and len(self._given) >= MAX_NOTICES:
                return False
            text = printable(text)
            self._given[cause] = (self._clock(), text)
        if new:
            self._logger.warning(text)
        return new

    def note(self, text: str) -> None:
        """Note that something is wrong at this moment, and log it where that is news.

        The cause is the text without its numbers. It has ended when it is not noted for a
        minute.
        """
        cause = re.sub(r"\d+(\.\d+)?", "#", text)
        long_ago = self._clock() - AGAIN_SECONDS
        with self._lock:
            if cause in self._given and self._given[cause][0] < long_ago:
                del self._given[cause]
        self.warn(cause, text)

    def recent(self) -> list[str]:
        """Return what is wrong now, the last text of each cause."""
        since = self._clock() - RECENT_SECONDS
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


def printable(text: str) -> str:
    """Return a text without control characters: names come from whoever sends."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def once(warn: Callable[[str], None]) -> Callable[[str, str], None]:
    """Return what warns of each kind of trouble once: it takes the kind and the text."""
    given: set[str] = set()

    def say(kind: str, text: str) -> None:
        if kind not in given:
            given.add(kind)
            warn(text)

    return say
