"""``pose-ros bag run``: every image of one recording, or of many, through the live nodes' steps."""

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
from pose_ros.analysis.jobs import Job
from pose_ros.analysis.outputs import JSON_LINES, PAGES, RESULTS, check_suffix
from pose_ros.analysis.task import BagTask, Settings, TaskOutputs, TaskReport
from pose_ros.analysis.workers import Images, cores
from pose_ros.bags.writer import STORAGES
from pose_ros.cli.fusing import add_fusion_arguments, further_bags, fused_settings
from pose_ros.cli.options import (
    add_export_arguments,
    add_gesture_arguments,
    add_hand_arguments,
    add_meter_arguments,
    add_network_arguments,
    export_options,
    gesture_options,
    hand_options,
    mount_options,
)
from pose_ros.cli.terminal import nothing_is_kept, say
from pose_ros.errors import DocumentError, OptionError, printable
from pose_ros.files import read_file, user_path
from pose_ros.settings.command_line import add_to_parser, from_args
from pose_ros.settings.estimation import EngineOptions, EstimatorOptions
from pose_ros.settings.gestures import TargetOptions
from pose_ros.settings.images import ImageOptions
from pose_ros.settings.lifting import LiftOptions
from pose_ros.settings.outputs import OverlayOptions, ReportOptions
from pose_ros.sources.calibration import parse_calibration
from pose_ros.video_files import VIDEO_SUFFIXES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "bags", nargs="+", metavar="BAG",
        help="a recording: its folder, an .mcap or a .db3; or many: their names, globs or a "
        "folder that they lie in",
    )  # fmt: skip
    group = parser.add_argument_group("what is analyzed")
    add_to_parser(ImageOptions, group)
    group.add_argument(
        "--depth", metavar="TOPIC", help="topic of depth images that are registered to the images"
    )
    add_to_parser(LiftOptions, group, leave_out=("height", "smoothing"))
    group.add_argument(
        "--every", type=int, default=1, metavar="N", help="one image of N, from the first one on"
    )
    group.add_argument("--start", type=float, metavar="S", help="seconds from the bag's beginning")
    group.add_argument("--end", type=float, metavar="S", help="seconds from the bag's beginning")
    add_network_arguments(parser)
    add_hand_arguments(parser)
    add_meter_arguments(
        parser,
        camera_info="topic of its CameraInfo, or a calibration file, .yaml (default: the "
        "topic beside the images')",
    )
    add_gesture_arguments(parser, wanted=True)
    add_fusion_arguments(parser, of_bags=True)
    group = parser.add_argument_group("output")
    group.add_argument(
        "--out", metavar="OUT_BAG",
        help="folder of the bag with the results; for many recordings, it holds a folder for each",
    )  # fmt: skip
    group.add_argument(
        "--storage",
        choices=sorted(STORAGES),
        default=TaskOutputs.storage,
        help="format of that bag (default: %(default)s)",
    )
    group.add_argument(
        "--copy-images", action="store_true",
        help="put the images, their camera_info and depth into it too",
    )  # fmt: skip
    group.add_argument(
        "--foxglove", action="store_true",
        help="put people into it as Lichtblick and Foxglove draw them, on the image and in meters",
    )  # fmt: skip
    add_export_arguments(parser)
    add_to_parser(ReportOptions, parser.add_argument_group("report"))
    group.add_argument("--json", metavar="FILE", help="one line of JSON an image; - for stdout")
    group.add_argument("--overlay", metavar="VIDEO", help="the images with the people drawn in")
    group.add_argument(
        "--overlay-parts",
        default=OverlayOptions.overlay,
        metavar="PARTS",
        help="what to draw of people (default: %(default)s)",
    )
    group.add_argument("--report", metavar="FILE", help="a page about the recording, .html")
    group.add_argument(
        "--plots", metavar="FOLDER", help="that page's drawings as PNG files, angles of joints too"
    )
    group.add_argument(
        "--force", action="store_true", help="replace outputs that are there: files, and our bags"
    )
    group.add_argument("--quiet", action="store_true", help="no progress bar, no summary")
    add_fleet_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command; 1 when nothing came of it, 2 when something was lost, 0 otherwise."""
    from pose_ros.analysis.run import run_task

    task = task_from(args)
    if wants_fleet(args):
        return run_fleet(args, task)
    task = replace(task, others=further_bags(args))
    began = time.monotonic()
    with (
        nothing_is_kept("pose-ros bag run"),
        Progress(Path(task.bag).name, quiet=args.quiet) as progress,
    ):
        report = run_task(task, progress)
    say_losses(report)
    if not args.quiet:
        say(summary(report, time.monotonic() - began))
        files = (*task.outputs.paths(), *task.outputs.exports.files.values(), task.outputs.plots)
        if written := [path for path in files if path]:
            say(f"written: {', '.join(printable(path) for path in written)}")
    return report.exit_code


def task_from(args: argparse.Namespace) -> BagTask:
    """Return the task that the options ask for.

    Raises:
        OptionError: One is out of its range, or they do not go together.
    """
    exports = export_options(args)
    if not (args.out or args.json or args.overlay or args.report or args.plots or exports.files):
        raise OptionError("nothing would be written: give --out OUT_BAG, or another output")
    for option, value, suffixes in (
        ("--json", args.json, JSON_LINES),
        ("--report", args.report, PAGES),
        ("--overlay", args.overlay, tuple(sorted(VIDEO_SUFFIXES))),
    ):
        if value and value != "-":
            check_suffix(option, value, suffixes)
    for option, given in (("--copy-images", args.copy_images), ("--foxglove", args.foxglove)):
        if given and not args.out:
            raise OptionError(f"{option} works only with --out OUT_BAG: give both or neither")
    camera_info, calibration = args.camera_info or "", ""
    if camera_info.endswith((".yaml", ".yml")):
        calibration, camera_info = _read(camera_info), ""
    settings = Settings(
        topic=args.topic or "",
        camera_info=camera_info,
        calibration=calibration,
        hfov=args.hfov,
        depth=args.depth or "",
        every=args.every,
        max_megapixels=args.max_megapixels,
        network=args.network,
        estimator=from_args(EstimatorOptions, args),
        hands=hand_options(args),
        lift=from_args(LiftOptions, args),
        mount=mount_options(args),
        gestures=gesture_options(args),
        targets=from_args(TargetOptions, args),
    )
    outputs = TaskOutputs(
        bag=args.out or "",
        storage=args.storage,
        copy_images=args.copy_images,
        foxglove=args.foxglove,
        exports=exports,
        json=args.json or "",
        overlay=args.overlay or "",
        drawing=OverlayOptions(overlay=args.overlay_parts),
        report=args.report or "",
        plots=args.plots or "",
        report_options=from_args(ReportOptions, args),
        force=args.force,
    )
    return BagTask(
        args.bags[0],
        fused_settings(args, settings),
        outputs,
        start=args.start,
        end=args.end,
        engine=from_args(EngineOptions, args),
    )


class Progress:
    """A bar with images a second and the time that is left; use it as a context manager."""

    def __init__(self, name: str, *, quiet: bool = False) -> None:
        self._bar = tqdm(
            desc=name,
            unit="image",
            disable=quiet or None,  # None: off where stderr is no terminal
            file=sys.stderr,
        )

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def __call__(self, done: int, count: int | None) -> None:
        """Show how many images are done, and of how many."""
        self._bar.total = count
        self._bar.update(done - self._bar.n)


def say_losses(report: TaskReport) -> None:
    """Say on stderr what of a recording was lost or not used, a line each."""
    for line in (*report.notes, *report.lost):
        say(f"{report.bag}: {line}")


def summary(report: TaskReport, seconds: float) -> str:
    """Return one line for a person."""
    if not report.images:
        return f"{report.bag}: no image was analyzed"
    images = "image" if report.images == 1 else "images"
    ids = "id" if report.people == 1 else "ids"
    return (
        f"{report.images} {images}, {report.with_people} with people ({report.people} {ids}), "
        f"{report.images / max(seconds, 1e-3):.1f} images/s"
    )


def _read(path: str) -> str:
    """Return what a calibration file holds, once it is known to be one."""
    try:
        data = read_file(user_path(path))
    except DocumentError as error:
        raise OptionError(f"calibration: {error}") from None
    parse_calibration(data, path)
    return data.decode("utf-8")


def add_fleet_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``run_fleet`` to a parser."""
    group = parser.add_argument_group("many recordings")
    group.add_argument(
        "--workers", type=int, metavar="N",
        help="processes, each of which works on one recording or slice (default: one a core)",
    )  # fmt: skip
    group.add_argument(
        "--scheduler", metavar="tcp://HOST:8786",
        help="address of a Dask cluster that works in place of this machine's processes",
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
        (len(args.bags) > 1 and not args.topics)
        or is_glob(args.bags[0])
        or (first.is_dir() and not is_recording(first))
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
        raise OptionError(
            "--workers run on this machine, and --scheduler has its own: give one of them"
        )
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
                ProgressBar(plan.jobs, quiet=quiet) as bar,
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


class ProgressBar:
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

    def __enter__(self) -> ProgressBar:
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
