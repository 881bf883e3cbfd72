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

    def swing() -> Swing:
        return Swing(stamps[start], stamps[farthest], values[farthest] - values[start])

    for i, value in enumerate(values):
        ahead = value - values[farthest]
        if ahead * direction > 0.0:
            farthest = i
        elif abs(ahead) >= least:
            if direction:
                found.append(swing())
                start = farthest
            direction, farthest = math.copysign(1.0, ahead), i
    return [*found, swing()] if direction else found
