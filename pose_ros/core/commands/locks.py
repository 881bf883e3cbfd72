"""Who locks a robot: each publisher of the lock by itself, so that any lock locks."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, field

MAX_SENDERS = 200
"""More publishers than that are an attack: what they say locks, and unlocks nothing."""

ANYBODY = b""
"""A sender who is not known."""


@dataclass
class _Voice:
    """What one publisher says.

    Attributes:
        order: Of its newest message.
        heard: When that came, seconds.
        periodic: It has spoken more than once.
    """

    order: int = -1
    heard: float = -math.inf
    periodic: bool = False


@dataclass
class _Lock:
    """A lock that holds, of one publisher.

    Attributes:
        witnesses: Publishers that were there when it was last said: they do not undo it.
    """

    witnesses: set[bytes] = field(default_factory=set)


class Locks:
    """The locks that hold.

    A publisher's ``true`` holds until the same publisher says ``false``. When that publisher is
    gone, the lock stays until a publisher says ``false`` that was not there when it locked: one
    that was there beside it, and says ``false`` by habit, does not speak for it.
    """

    def __init__(self) -> None:
        self._locks: dict[bytes, _Lock] = {}
        self._voices: dict[bytes, _Voice] = {}

    @property
    def holders(self) -> tuple[bytes, ...]:
        """Ids of the publishers that lock; empty where the robot is not locked."""
        return tuple(self._locks)

    def hear(
        self, sender: bytes, locked: bool, order: int, now: float, there: Collection[bytes]
    ) -> None:
        """Take in a message.

        Args:
            sender: Id of its publisher; ``ANYBODY`` where it is not known.
            locked: What it says.
            order: Rises from one message of a publisher to its next.
            now: Seconds, by a clock that never jumps.
            there: Ids of all publishers that there are now.
        """
        if len(self._voices) >= MAX_SENDERS and sender not in self._voices:
            self._voices = {gid: voice for gid, voice in self._voices.items() if gid in there}
            if len(self._voices) >= MAX_SENDERS:
                sender = ANYBODY
        voice = self._voices.setdefault(sender, _Voice())
        # each message comes once by each subscription, and not always in order
        old = order < voice.order and sender != ANYBODY
        voice.periodic |= 0 <= voice.order < order
        voice.order, voice.heard = max(order, voice.order), now
        if locked:
            self._lock(sender, there)
        elif not old and sender != ANYBODY:
            self._unlock(sender, there)

    def notice_silence(self, now: float, patience: float) -> None:
        """Let a publisher lock that spoke more than once and is silent for ``patience`` seconds."""
        for sender, voice in self._voices.items():
            if voice.periodic and now - voice.heard > patience and sender not in self._locks:
                self._lock(sender, [s for s, v in self._voices.items() if v.heard >= voice.heard])

    def _lock(self, sender: bytes, there: Collection[bytes]) -> None:
        if len(self._locks) >= MAX_SENDERS:
            sender = ANYBODY
        lock = self._locks.setdefault(sender, _Lock())
        lock.witnesses.update(list(there)[: MAX_SENDERS - len(lock.witnesses)])

    def _unlock(self, sender: bytes, there: Collection[bytes]) -> None:
        for holder, lock in tuple(self._locks.items()):
            gone = holder not in there and len(lock.witnesses) < MAX_SENDERS
            if holder == sender or (gone and sender not in lock.witnesses):
                del self._locks[holder]
