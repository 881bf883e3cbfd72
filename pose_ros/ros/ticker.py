"""A timer that does not wait for the executor: what it does is done whatever else hangs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

_JOIN_SECONDS = 2.0


class Ticker:
    """Calls a function at a steady rate in a thread of its own.

    Args:
        tick: What to call; it must not raise.
        seconds: From one call to the next.
        name: Of the thread.
    """

    def __init__(self, tick: Callable[[], None], seconds: float, name: str) -> None:
        self._tick, self._seconds = tick, seconds
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def stop(self) -> bool:
        """End it; return whether the last call has returned."""
        self._end.set()
        self._thread.join(_JOIN_SECONDS)
        return not self._thread.is_alive()

    def _run(self) -> None:
        due = time.monotonic()
        while True:
            # after a delay no calls are made up for
            due = max(due + self._seconds, time.monotonic())
            if self._end.wait(max(0.0, due - time.monotonic())):
                return
            self._tick()
