"""``pose-ros bag run``: every image of a recording through the live nodes' steps, into a bag."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from tqdm import tqdm

from pose_ros.analysis.task import BagTask, Settings, TaskOutputs, TaskReport
from pose_ros.analysis.whole import JSON_LINES, PAGES, check_suffix
from pose_ros.bags.writer import STORAGES
from pose_ros.cli.analysis_options import (
    add_gesture_arguments,
    add_meter_arguments,
    gesture_options,
    lift_options,
    mount_options,
    target_options,
)
from pose_ros.cli.bag_report import add_report_arguments, report_options
from pose_ros.cli.export_options import add_export_arguments, export_options
from pose_ros.cli.fleet import add_fleet_arguments, run_fleet, wants_fleet
from pose_ros.cli.input_options import add_input_arguments
from pose_ros.cli.network_options import (
    add_hand_arguments,
    add_network_arguments,
    engine_options,
    estimator_options,
    hand_options,
)
from pose_ros.cli.stopping import nothing_is_kept, say
from pose_ros.errors import DocumentError, OptionError
from pose_ros.files import read_file, user_path
from pose_ros.settings.command_line import add_to_parser
from pose_ros.settings.drawing import OverlayOptions, parse_parts
from pose_ros.settings.lifting import LiftOptions
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
    add_input_arguments(group)
    group.add_argument("--depth", metavar="TOPIC", help="of depth images, registered to the images")
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
        camera_info="topic of its CameraInfo, or a calibration file, .yaml (the topic beside the "
        "images')",
    )
    add_gesture_arguments(parser, wanted=True)
    group = parser.add_argument_group("output")
    group.add_argument(
        "--out", metavar="OUT_BAG",
        help="folder of the bag with the results; of many recordings: of a folder for each",
    )  # fmt: skip
    group.add_argument(
        "--storage",
        choices=sorted(STORAGES),
        default=TaskOutputs.storage,
        help="of it (%(default)s)",
    )
    group.add_argument(
        "--copy-images", action="store_true",
        help="put the images, their camera_info and depth into it too",
    )  # fmt: skip
    add_export_arguments(parser)
    add_report_arguments(parser)
    group.add_argument("--json", metavar="FILE", help="one line of JSON an image; - for stdout")
    group.add_argument("--overlay", metavar="VIDEO", help="the images with the people drawn in")
    group.add_argument(
        "--overlay-parts", default=OverlayOptions.overlay, metavar="PARTS", help="(%(default)s)"
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
    began = time.monotonic()
    with (
        nothing_is_kept("pose-ros bag run"),
        Progress(Path(task.bag).name, quiet=args.quiet) as progress,
    ):
        report = run_task(task, progress)
    say_losses(report)
    if not args.quiet:
        say(summary(report, time.monotonic() - began))
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
    if args.copy_images and not args.out:
        raise OptionError("--copy-images is of --out OUT_BAG: give both or neither")
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
        estimator=estimator_options(args),
        hands=hand_options(args),
        lift=lift_options(args),
        mount=mount_options(args),
        gestures=gesture_options(args),
        targets=target_options(args),
    )
    outputs = TaskOutputs(
        bag=args.out or "",
        storage=args.storage,
        copy_images=args.copy_images,
        exports=exports,
        json=args.json or "",
        overlay=args.overlay or "",
        overlay_parts=parse_parts(args.overlay_parts),
        report=args.report or "",
        plots=args.plots or "",
        report_options=report_options(args),
        force=args.force,
    )
    return BagTask(
        args.bags[0],
        settings,
        outputs,
        start=args.start,
        end=args.end,
        engine=engine_options(args),
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
    return (
        f"{report.images} images, {report.with_people} with people ({report.people} ids), "
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
