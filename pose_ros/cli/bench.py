"""``pose-ros bench``: how fast a network is on this machine, with all that is around it."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pose_ros.build import open_card, open_sessions
from pose_ros.cli.options import add_network_arguments, build_estimator
from pose_ros.core.types import Image
from pose_ros.errors import OptionError, SourceError
from pose_ros.settings.command_line import from_args
from pose_ros.settings.estimation import EngineOptions
from pose_ros.sources.opening import open_source

Block = Callable[[int, int], tuple[float, float]]
"""Works on frames ``first`` to before ``last``; returns wall and CPU seconds."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "--against", action="append", default=[], metavar="NETWORK",
        help="measure this network too, in fp32 and in turns; may be given more than once",
    )  # fmt: skip
    add_frame_arguments(parser)
    parser.add_argument(
        "--rounds",
        type=int,
        default=5,
        metavar="N",
        help="how often they are run (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON for a program to read")
    add_network_arguments(parser)


def add_frame_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``read_frames``."""
    parser.add_argument(
        "input", nargs="?", default="synthetic", metavar="INPUT",
        help="a video, pictures of one size, or synthetic (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--frames", type=int, default=100, metavar="N", help="frames to take (default: %(default)s)"
    )


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    frames = read_frames(args)
    return time_in_turns(contenders(args, frames), len(frames), args)


def read_frames(args: argparse.Namespace) -> list[Image]:
    """Return at most ``--frames`` RGB frames of one size, in memory.

    Raises:
        OptionError: Too few frames are asked for.
        SourceError: There is none, or they differ in size.
    """
    if args.frames < 10:
        raise OptionError(f"--frames must be at least 10, got {args.frames}")
    source = open_source(args.input, fps=30, live=False)
    frames: list[Image] = []
    try:
        while len(frames) < args.frames and (frame := source.read()) is not None:
            image = frame.image if frame.channels == "rgb" else frame.image[..., ::-1]
            frames.append(np.ascontiguousarray(image))
    finally:
        source.close()
    if len(frames) < 2 or len({frame.shape for frame in frames}) != 1:
        raise SourceError(f"{args.input}: expected two or more frames of one size")
    return frames


def contenders(args: argparse.Namespace, frames: list[Image]) -> dict[str, Block]:
    """Return what takes turns: the network, the others that are asked for, and its bare parts."""
    found = {f"{args.network}, whole chain": _whole_chain(args, frames)}
    for network in args.against:
        other = argparse.Namespace(**{**vars(args), "network": network, "precision": "fp32"})
        name = f"{network}, whole chain"
        found[f"{name}, fp32" if name in found else name] = _whole_chain(other, frames)
    return found | _bare_networks(args)


def time_in_turns(contenders: dict[str, Block], frames: int, args: argparse.Namespace) -> int:
    """Measure and print the time a frame of each, and of the first one over each other's."""
    if args.rounds < 1:
        raise OptionError(f"--rounds must be at least 1, got {args.rounds}")
    timings = race(contenders, frames, rounds=args.rounds)
    ours, *others = timings
    ratios = {name: ratio(timings[ours], timings[name]) for name in others}
    if args.json:
        rows = {name: timing.row() for name, timing in timings.items()}
        print(json.dumps({"ms": rows, "ratios": ratios}))
        return 0
    print(table(timings))
    for name, pair in ratios.items():
        wall, cpu = ("unknown" if value is None else f"{value:.2f}" for value in pair)
        print(f"{ours} / {name}: wall {wall}, CPU {cpu}")
    return 0


def _whole_chain(args: argparse.Namespace, frames: list[Image]) -> Block:
    """Return what times the network of ``args`` with all that is around it."""
    estimator = build_estimator(args)
    stamps = iter(float(i) / 30 for i in range(sys.maxsize))  # rising, round after round
    return timed(lambda i: estimator.estimate(frames[i], next(stamps)))


def _bare_networks(args: argparse.Namespace) -> dict[str, Block]:
    """Return the engine's own time for each network of the card, on a fixed input."""
    card = open_card(args.network)
    if args.masks:
        card = card.with_masks()
    blocks = {}
    sessions = open_sessions(card, card.files, from_args(EngineOptions, args))
    for role, file in card.files.items():
        session = sessions[role]
        inputs = [
            np.zeros(value.shape, value.image.dtype if value.image else np.float32)
            for value in file.inputs
        ]
        blocks[f"its {role} network alone"] = timed(
            lambda _, session=session, inputs=inputs: session.run(*inputs)  # type: ignore[misc]
        )
    return blocks


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
