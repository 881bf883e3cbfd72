"""A clock that stands still, as that of a replay that is paused."""

from __future__ import annotations

import time
from collections.abc import Callable


class ClockWatch:
    """Notices by a steady clock that another one stands still.

    Args:
        now: The other one, seconds.
        steady: Seconds that never stop.
    """

    def __init__(
        self, now: Callable[[], float], steady: Callable[[], float] = time.monotonic
    ) -> None:
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
