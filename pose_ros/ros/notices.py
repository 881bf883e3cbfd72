"""Warnings that a node gives once each, however often their cause comes back."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

MAX_NOTICES = 200
"""A sender who makes up new causes fills no log and no memory."""


class Notices:
    """Warns once for each cause.

    Args:
        logger: Of a node.
    """

    def __init__(self, logger: Any) -> None:
        self._logger = logger
        self._given: set[Hashable] = set()

    def warn(self, cause: Hashable, text: str) -> bool:
        """Log a warning where its cause is new; return whether it was."""
        if cause in self._given or len(self._given) >= MAX_NOTICES:
            return False
        self._given.add(cause)
        self._logger.warning(printable(text))
        return True

    def end(self, cause: Hashable) -> None:
        """Note that a cause is gone: it is news when it comes back."""
        self._given.discard(cause)


def printable(text: str) -> str:
    """Return a text without control characters: names come from whoever sends."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
