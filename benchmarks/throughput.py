"""How much of the time of an analysis its networks take, and how much memory it needs.

    python -m benchmarks.throughput RECORDING

Analyzes a recording as ``pose-ros bag run`` does, with one thread.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2

from benchmarks.command import run_command
from pose_ros.analysis.run import run_task
from pose_ros.analysis.task import BagTask, Settings, TaskOutputs
from pose_ros.cli.options import add_network_arguments
from pose_ros.errors import SourceError
from pose_ros.runtime.session import OrtSession
from pose_ros.settings.command_line import from_args
from pose_ros.settings.estimation import EngineOptions, EstimatorOptions
from pose_ros.settings.gestures import GestureOptions

WARM_UP = 10
"""Images before the first that is counted: the networks' first runs take longer."""


@dataclass(frozen=True)
class Throughput:
    """CPU time of an analysis from reading to writing; with one thread a wall time without others.

    Attributes:
        images: How many were counted.
        cpu_ms: CPU milliseconds an image, of all threads.
        networks_ms: Of these, within the networks.
        peak_mb: The most memory that this process has had, MB of resident pages.
    """

    images: int
    cpu_ms: float
    networks_ms: float
    peak_mb: float

    @property
    def share(self) -> float:
        """The networks' share: throughput over that of the bare networks."""
        return self.networks_ms / self.cpu_ms

    @property
    def images_per_core_s(self) -> float:
        """Images that one core analyzes in a second."""
        return 1e3 / self.cpu_ms


def measure(task: BagTask) -> Throughput:
    """Analyze a recording with one thread, into a bag that is thrown away.

    Args:
        task: Its outputs are not written.

    Raises:
        SourceError: The recording cannot be read, or has too few images.
        PoseRosError: As ``run_task``.
    """
    marks: list[tuple[float, float]] = []
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder, _timed_networks() as networks:

        def progress(_done: int, _count: int | None) -> None:
            marks.append((time.process_time(), networks[0]))

        outputs = TaskOutputs(bag=str(Path(folder) / "results"), storage=task.outputs.storage)
        run_task(replace(task, outputs=outputs, engine=replace(task.engine, threads=1)), progress)
    images = len(marks) - WARM_UP
    if images < WARM_UP:
        raise SourceError(f"{task.bag} has {len(marks)} images: too few to measure anything")
    (cpu, inside), (cpu_end, inside_end) = marks[WARM_UP - 1], marks[-1]
    return Throughput(
        images=images,
        cpu_ms=1e3 * (cpu_end - cpu) / images,
        networks_ms=1e3 * (inside_end - inside) / images,
        peak_mb=_peak_mb(),
    )


@contextlib.contextmanager
def _timed_networks() -> Iterator[list[float]]:
    """Count the seconds that this thread spends in networks, all of whose work it does."""
    seconds = [0.0]
    run = OrtSession.run

    def timed(session: OrtSession, *inputs: Any) -> Any:
        start = time.thread_time()
        outputs = run(session, *inputs)
        seconds[0] += time.thread_time() - start
        return outputs

    OrtSession.run = timed  # type: ignore[assignment, method-assign]
    try:
        yield seconds
    finally:
        OrtSession.run = run  # type: ignore[method-assign]


def _peak_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the program's arguments."""
    parser.add_argument("recording", metavar="RECORDING", help="a bag with images")
    parser.add_argument("--json", action="store_true", help="for a program")
    add_network_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Print how much of the time of an analysis of a recording its networks take."""
    settings = Settings(
        network=args.network, estimator=from_args(EstimatorOptions, args), gestures=GestureOptions()
    )
    found = measure(BagTask(args.recording, settings, engine=from_args(EngineOptions, args)))
    figures = {
        "images": found.images,
        "CPU ms an image": found.cpu_ms,
        "of these in the networks": found.networks_ms,
        "networks' share": found.share,
        "images a second and core": found.images_per_core_s,
        "peak of memory, MB": found.peak_mb,
    }
    if args.json:
        print(json.dumps(figures))
        return 0
    for what, value in figures.items():
        print(f"{what:<26} {value:8.4g}")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns the exit code."""
    return run_command("benchmarks.throughput", __doc__, add_arguments, run, argv)


if __name__ == "__main__":
    sys.exit(main())
