"""How fast: contenders take turns on the same frames, block by block."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Block = Callable[[int, int], tuple[float, float]]
"""Works on frames ``first`` to before ``last``; returns wall and CPU seconds."""


@dataclass(frozen=True)
class Timing:
    """Milliseconds a frame of one contender, one value a block.

    Attributes:
        wall_ms: (B,) wall time.
        cpu_ms: (B,) CPU time of all threads.
    """

    wall_ms: NDArray[np.float64]
    cpu_ms: NDArray[np.float64]

    def row(self) -> tuple[float, float, float, float]:
        """Return the medians and 95th percentiles of wall and CPU milliseconds."""
        return (
            float(np.median(self.wall_ms)),
            float(np.percentile(self.wall_ms, 95)),
            float(np.median(self.cpu_ms)),
            float(np.percentile(self.cpu_ms, 95)),
        )


def timed(work: Callable[[int], object]) -> Block:
    """Return a block that calls ``work`` with the number of each frame, in this process."""

    def block(first: int, last: int) -> tuple[float, float]:
        wall, cpu = time.perf_counter(), time.process_time()
        for i in range(first, last):
            work(i)
        return time.perf_counter() - wall, time.process_time() - cpu

    return block


def race(
    contenders: dict[str, Block], frames: int, *, block: int = 10, rounds: int = 3
) -> dict[str, Timing]:
    """Let contenders take turns; the first round warms up and is not counted.

    A block, not a frame, is timed: some clocks are too coarse for a frame. The
    order turns from block to block, so that none always runs first.

    Args:
        contenders: By name.
        frames: Number of frames; they are gone through in every round.
        block: Frames a block; all of them where there are fewer.
        rounds: How often to go through the frames, the warm-up not counted.
    """
    names, block = list(contenders), min(block, frames)
    wall: dict[str, list[float]] = {name: [] for name in names}
    cpu: dict[str, list[float]] = {name: [] for name in names}
    for round_ in range(rounds + 1):
        for number, first in enumerate(range(0, frames - block + 1, block)):
            turn = number % len(names)
            for name in names[turn:] + names[:turn]:
                seconds = contenders[name](first, first + block)
                if round_:
                    wall[name].append(1000 * seconds[0] / block)
                    cpu[name].append(1000 * seconds[1] / block)
    return {name: Timing(np.array(wall[name]), np.array(cpu[name])) for name in names}


def ratio(a: Timing, b: Timing) -> tuple[float | None, float | None]:
    """Return a's wall and CPU time over b's, in all: a coarse clock averages out.

    None where b took less than the clock can tell.
    """
    return _over(a.wall_ms, b.wall_ms), _over(a.cpu_ms, b.cpu_ms)


def _over(a: NDArray[np.float64], b: NDArray[np.float64]) -> float | None:
    return float(a.sum() / b.sum()) if b.sum() > 0 else None


def table(timings: dict[str, Timing]) -> str:
    """Return a table for a person: milliseconds a frame."""
    width = max(len(name) for name in timings)
    head = f"{'ms a frame':<{width}}  {'wall':>7} {'p95':>7} {'CPU':>7} {'p95':>7}"
    rows = [
        f"{name:<{width}}  " + " ".join(f"{value:7.2f}" for value in timing.row())
        for name, timing in timings.items()
    ]
    return "\n".join([head, *rows])
