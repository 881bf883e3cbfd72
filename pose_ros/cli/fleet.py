"""Many recordings on the command line: the options, the progress, and a line for each."""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from pose_ros.analysis.fleet import (
    Fleet,
    FleetOptions,
    Plan,
    Recording,
    find_recordings,
    is_glob,
    is_recording,
)
from pose_ros.analysis.jobs import RESULTS, Job
from pose_ros.analysis.task import BagTask, TaskReport
from pose_ros.analysis.workers import Images, cores
from pose_ros.errors import OptionError


def add_fleet_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``run_fleet`` to a parser."""
    group = parser.add_argument_group("many recordings")
    group.add_argument(
        "--workers", type=int, metavar="N",
        help="processes of one thread, each at a recording or slice (one a core)",
    )  # fmt: skip
    group.add_argument(
        "--scheduler", metavar="tcp://HOST:8786",
        help="of a Dask cluster that works in place of this machine's processes",
    )  # fmt: skip
    group.add_argument(
        "--slice", type=float, metavar="SECONDS",
        help="cut recordings into such slices; each is a stream, in which tracking starts over",
    )  # fmt: skip


def wants_fleet(args: argparse.Namespace) -> bool:
    """Whether many recordings are to be analyzed, or one of them in the way that many are."""
    if any(getattr(args, name) is not None for name in ("workers", "scheduler", "slice")):
        return True
    first = Path(args.bags[0])
    return (
        len(args.bags) > 1 or is_glob(args.bags[0]) or (first.is_dir() and not is_recording(first))
    )


def run_fleet(args: argparse.Namespace, template: BagTask) -> int:
    """Analyze recordings, each into a folder of its own below that of all results.

    Args:
        args: Of ``add_fleet_arguments``, and ``bags``, ``out``, ``force`` and ``quiet``.
        template: The task of each, but for its recording; its outputs are names of files in
            the recording's folder of results.

    Returns:
        1 where nothing came of a recording; otherwise 2 where one was damaged or images were
        refused; otherwise 0.

    Raises:
        PoseRosError: Nothing can be begun at all.
    """
    if args.workers is not None and args.scheduler:
        raise OptionError("--workers are of this machine, --scheduler has its own: give one")
    if not args.out:
        raise OptionError("many recordings need a folder for their results: --out OUT_DIR")
    template = replace(template, outputs=replace(template.outputs, bag=RESULTS))
    check_names(template)
    quiet = args.quiet
    options = FleetOptions(
        out=Path(args.out),
        workers=cores() if args.workers is None else args.workers,
        scheduler=args.scheduler or "",
        slice_s=args.slice,
        force=bool(args.force),
    )
    recordings = find_recordings(args.bags, exclude=options.out)
    with Fleet(options) as fleet:
        plan = fleet.plan(recordings, template)
        summary = FleetSummary(recordings, plan)
        if plan.done and not quiet:
            print(
                f"{len(plan.done)} of {len(plan.done) + len(plan.jobs)} were done before",
                file=sys.stderr,
            )
        try:
            with (
                Bar(plan.jobs, quiet=quiet) as bar,
                contextlib.closing(fleet.run(plan.jobs, bar.tick)) as results,
            ):
                for job, report in results:
                    bar.done(job, report)
                    summary.add(job.recording, report)
        except KeyboardInterrupt:
            if not quiet:
                print(summary.table(), file=sys.stderr)
                print("interrupted; the same command goes on with the rest", file=sys.stderr)
            raise
    if not quiet:
        print(summary.table())
    return summary.exit_code


def check_names(template: BagTask) -> None:
    """Check that outputs are names of files, which each recording's folder will hold.

    Raises:
        OptionError: One is a path.
    """
    outputs = template.outputs
    for name in (*outputs.paths(), *outputs.exports.files.values(), outputs.json, outputs.plots):
        if name == "-":
            raise OptionError("many recordings go into files, not to stdout: name the file in each")
        if name and (Path(name).name != name or name == ".."):
            raise OptionError(
                f"{name}: of many recordings each has a folder of its own below --out; "
                f"name the file in it: {Path(name).name}"
            )


class Bar:
    """Progress over all jobs, by the bytes that they read; use it as a context manager."""

    def __init__(self, jobs: Sequence[Job], *, quiet: bool = False) -> None:
        self._weights = {job.name: job.weight for job in jobs}
        self._bytes = 0.0
        self._images = 0
        self._start = time.monotonic()
        self._bar = tqdm(
            total=sum(self._weights.values()) or 1.0,
            bar_format="{percentage:3.0f}% |{bar}| {elapsed} < {remaining}{postfix}",
            disable=quiet or None,  # None: off where stderr is no terminal
            file=sys.stderr,
        )

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def tick(self, running: Images) -> None:
        """Show how far the running jobs are."""
        parts = [
            self._weights[name] * min(1.0, done / count)
            for name, (done, count) in running.items()
            if count
        ]
        self._show(self._bytes + sum(parts), sum(done for done, _ in running.values()))

    def done(self, job: Job, report: TaskReport) -> None:
        """Count a job that has ended."""
        self._bytes += self._weights[job.name]
        self._images += report.images
        self._show(self._bytes, 0)
        if report.error:
            tqdm.write(f"{job.name}: {report.error}", file=sys.stderr)

    def _show(self, done: float, images: int) -> None:
        images += self._images
        rate = images / max(time.monotonic() - self._start, 1e-3)
        self._bar.set_postfix_str(f"{images} images, {rate:.1f}/s", refresh=False)
        # an attempt that is begun again takes nothing back
        self._bar.update(max(0.0, done - self._bar.n))


class FleetSummary:
    """What came of each recording, in the order in which they were named."""

    def __init__(self, recordings: Sequence[Recording], plan: Plan) -> None:
        self._reports: dict[str, list[TaskReport]] = {r.name: [] for r in recordings}
        self._before = Counter(name for name, _ in plan.done)
        self._open = Counter(job.recording for job in plan.jobs)
        for name, report in plan.done:
            self._reports[name].append(report)
        for name, error in plan.failed.items():
            self._reports[name].append(TaskReport(name, error=error))

    def add(self, name: str, report: TaskReport) -> None:
        """Count what came of a recording, or of a slice of it."""
        self._reports[name].append(report)
        self._open[name] -= 1

    @property
    def exit_code(self) -> int:
        """The worst of all: 1, an error, then 2, a loss, then 0."""
        codes = {report.exit_code for reports in self._reports.values() for report in reports}
        return next((code for code in (1, 2) if code in codes), 0)

    def table(self) -> str:
        """Return a line a recording."""
        width = max(len("recording"), *(len(name) for name in self._reports))
        head = f"{'recording':<{width}}  {'images':>8} {'people in':>9} {'refused':>8}  result"
        return "\n".join([head, *(self._row(name, width) for name in self._reports)])

    def _row(self, name: str, width: int) -> str:
        reports = self._reports[name]
        images = sum(report.images for report in reports)
        people = sum(report.with_people for report in reports)
        refused = sum(sum(report.refused.values()) for report in reports)
        return f"{name:<{width}}  {images:8} {people:9} {refused:8}  {self._result(name)}"

    def _result(self, name: str) -> str:
        reports = self._reports[name]
        if errors := [report.error for report in reports if report.error]:
            rest = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
            return errors[0] + rest
        if self._open[name]:
            return f"not done: {self._open[name]} of {self._open[name] + len(reports)}"
        words = ["done before" if self._before[name] == len(reports) else "done"]
        for report in reports:
            words += [f"{count} images {reason}" for reason, count in report.refused.items()]
            words += report.damage
        return "; ".join(words)
