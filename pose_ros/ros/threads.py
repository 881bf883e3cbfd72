"""Threads of the nodes: one that works on the newest item, and one that keeps a steady rate."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")

STOP_SECONDS = 10.0

_JOIN_SECONDS = 2.0


class Worker(Generic[Item]):
    """One thread behind an inbox of one place.

    A slow ``handle`` never builds up a queue of old images: the newest item
    wins and the one it replaces is dropped.

    Args:
        handle: Called in the thread with one item at a time.
        on_error: Called in the thread with what ``handle`` raised; the thread
            goes on with the next item.
        name: Of the thread, for debuggers.
    """

    def __init__(
        self,
        handle: Callable[[Item], None],
        on_error: Callable[[Exception], None],
        name: str = "worker",
    ) -> None:
        self._handle = handle
        self._on_error = on_error
        self._changed = threading.Condition()
        self._waiting: list[Item] = []
        self._dropped = 0
        self._began: float | None = None
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Number of items that a newer one replaced before their turn came."""
        return self._dropped

    @property
    def thread_id(self) -> int:
        """Identifier of the thread."""
        return self._thread.ident or 0

    @property
    def busy_seconds(self) -> float:
        """For how long ``handle`` has worked on the present item; 0 while it waits for one."""
        began = self._began
        return 0.0 if began is None else time.monotonic() - began

    def put(self, item: Item) -> bool:
        """Hand in an item without waiting; nothing is taken after ``stop``.

        Returns:
            Whether it took a free place: False when it replaced an older item.
        """
        with self._changed:
            if self._stopping:
                return True
            free = not self._waiting
            self._dropped += not free
            self._waiting = [item]
            self._changed.notify()
            return free

    def stop(self, timeout_seconds: float = STOP_SECONDS) -> bool:
        """Let the item in work finish, forget the waiting one and end the thread.

        Returns:
            Whether the thread has ended in time.
        """
        with self._changed:
            self._stopping = True
            self._waiting = []
            self._changed.notify()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._stopping)
                if self._stopping:
                    return
                item = self._waiting.pop()
                self._began = time.monotonic()
            try:
                self._handle(item)
            except Exception as error:  # noqa: BLE001
                self._on_error(error)
            finally:
                self._began = None


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
