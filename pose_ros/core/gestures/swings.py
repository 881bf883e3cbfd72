"""Movements to and fro in a series of angles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple


class Swing(NamedTuple):
    """One movement from a turning point to the next, or to where the series ends.

    Attributes:
        start: Stamp of the turning point that it begins at, seconds.
        end: Stamp of the farthest point that it has reached, seconds.
        size: How far it has come, signed, in the unit of the series.
    """

    start: float
    end: float
    size: float


def swings(stamps: Sequence[float], values: Sequence[float], least: float) -> list[Swing]:
    """Return the movements of a series, in order of time.

    A turning point counts once the series has come back from it by ``least``: smaller
    movements, such as noise, belong to the larger one that they interrupt.

    Args:
        stamps: Seconds, rising.
        values: One a stamp.
        least: Size of the smallest movement, above 0.
    """
    found: list[Swing] = []
    start = farthest = 0
    direction = 0.0

    def present() -> Swing:
        return Swing(stamps[start], stamps[farthest], values[farthest] - values[start])

    for i, value in enumerate(values):
        ahead = value - values[farthest]
        if direction == 0.0 and ahead != 0.0:
            direction = math.copysign(1.0, ahead)
        if ahead * direction > 0.0:
            farthest = i
        elif abs(ahead) >= least:
            found.append(present())
            direction, start, farthest = -direction, farthest, i
    if values:
        found.append(present())
    # before its first turning point a series may have come a little way only
    return [swing for swing in found if abs(swing.size) >= least]
