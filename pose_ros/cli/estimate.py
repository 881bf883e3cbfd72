"""``pose-ros estimate``: people in pictures, videos, bags, cameras or the synthetic actor."""

from __future__ import annotations

import argparse
import contextlib
import logging
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from pose_ros.analysis.exports import check_exports
from pose_ros.analysis.exports.writing import export_paths
from pose_ros.analysis.fused import FusedRecording, camera_lines
from pose_ros.analysis.images import GivenCamera, images_of
from pose_ros.analysis.outputs import (
    JSON_LINES,
    PAGES,
    OutputPlaces,
    check_apart,
    check_suffix,
    is_stream,
    open_pictures,
)
from pose_ros.analysis.run import run_info
from pose_ros.analysis.task import RunCounts, losses
from pose_ros.analysis.writers import (
    Write,
    drawings,
    exports,
    in_room,
    json_lines,
    page,
    place_plots,
    viewer,
)
from pose_ros.bags.images import BagImages, RecordedImage
from pose_ros.cli.fusing import (
    add_fusion_arguments,
    check_fusion_arguments,
    fusion_record,
    open_fused,
)
from pose_ros.cli.options import (
    add_export_arguments,
    add_gesture_arguments,
    add_hand_arguments,
    add_meter_arguments,
    add_network_arguments,
    build_estimator,
    build_hands,
    export_options,
    gesture_options,
    mount_options,
)
from pose_ros.cli.terminal import ending, nothing_is_kept, say
from pose_ros.core.encoded_images import max_pixels_from
from pose_ros.core.gestures.repetitions import DOWN, UP, movements
from pose_ros.core.gestures.taught import TaughtGestures
from pose_ros.core.results import Result, RunInfo
from pose_ros.core.timeline import NANOSECONDS
from pose_ros.core.types import Source
from pose_ros.errors import OptionError, OutputError, SourceError, printable
from pose_ros.files import recording_name
from pose_ros.pipeline import Pipeline, PipelineOptions
from pose_ros.report import RecordingFacts, ReportBuilder
from pose_ros.report.page import check_installed
from pose_ros.settings.command_line import add_to_parser, from_args
from pose_ros.settings.estimation import EstimatorOptions
from pose_ros.settings.gestures import TargetOptions
from pose_ros.settings.images import ImageOptions
from pose_ros.settings.lifting import LiftOptions
from pose_ros.settings.outputs import OverlayOptions, ReportOptions
from pose_ros.sources.calibration import read_calibration
from pose_ros.sources.opening import Input, expand_inputs, find_inputs, open_source
from pose_ros.sources.videos import VideoSource
from pose_ros.viz.image_writers import OUTPUT_SUFFIXES, Pictures, VideoFile, is_video

_LOG = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "inputs", nargs="+", metavar="INPUT",
        help="pictures, globs, folders, videos, bags, devices (/dev/video0), streams, or synthetic",
    )  # fmt: skip
    parser.add_argument(
        "--fps", type=float, metavar="F",
        help="the pictures of a folder or glob are one sequence, at this rate",
    )  # fmt: skip
    add_to_parser(ImageOptions, parser)
    add_network_arguments(parser)
    add_hand_arguments(parser)
    add_meter_arguments(parser, camera_info="calibration file of the camera, .yaml")
    add_gesture_arguments(parser, wanted=False)
    add_fusion_arguments(parser)
    add_export_arguments(parser)
    add_to_parser(ReportOptions, parser.add_argument_group("report"))
    group = parser.add_argument_group("output")
    add_to_parser(OverlayOptions, group)
    group.add_argument(
        "--out", metavar="PATTERN_OR_VIDEO",
        help="out/ (a folder), out/%%s.jpg (name of the input), out/%%04i.png (number), or out.mp4",
    )  # fmt: skip
    group.add_argument("--json", metavar="FILE", help="one line of JSON a frame; - for stdout")
    group.add_argument(
        "--count", nargs="+", default=[], metavar="MOVEMENT",
        help="count repetitions: of squat, which goes from squat_up to squat_down and back, both "
        "taught (--taught)",
    )  # fmt: skip
    group.add_argument("--frames", type=int, metavar="N", help="stop after N frames an input")
    group.add_argument("--report", metavar="FILE", help="a page about what was found, .html")
    group.add_argument(
        "--plots", metavar="FOLDER", help="that page's drawings as PNG files, angles of joints too"
    )
    group.add_argument(
        "--force", action="store_true", help="replace outputs that are there; inputs never are"
    )
    group.add_argument("--quiet", action="store_true", help="no progress bar, no summary")
    parser.set_defaults(viewer=None)


def run(args: argparse.Namespace) -> int:
    """Run the command; 1 when an input could not be read, 2 when a part of one, 0 otherwise."""
    if args.frames is not None and args.frames < 1:
        raise OptionError(f"--frames must be at least 1, got {args.frames}")
    _check_movements(args)
    inputs = find_inputs(args.inputs, fps=args.fps)
    check_fusion_arguments(args, inputs)
    _check_outputs(args, inputs)
    summary = EstimateSummary()
    with (
        nothing_is_kept("pose-ros estimate"),
        _an_output_beside_a_broken_pipe_is_lost(args),
        OutputPlaces(force=args.force) as places,
    ):
        text = _estimate(args, inputs, places, summary)
        if not summary.counts.images:
            places.give_up()
    for note in summary.counts.notes:
        say(note)
    for line in summary.repetitions.lines(args.count):
        if args.json == "-":
            say(line)
        else:
            print(line)
    if not args.quiet:
        say(text)
        say(_written(args, places))
    return 1 if summary.failures else 2 if summary.losses else 0


def _check_movements(args: argparse.Namespace) -> None:
    """Refuse movements that were not taught; what is counted is looked for."""
    if not args.count:
        return
    if not args.taught:
        raise OptionError(
            f"--count {args.count[0]} needs --taught FILE with {args.count[0]}{UP} and "
            f"{args.count[0]}{DOWN}: pose-ros gesture teach makes it"
        )
    taught = TaughtGestures.load(args.taught)
    for name in args.count:
        if name not in movements(taught.counts):
            known = ", ".join(taught.counts) or "nothing"
            raise OptionError(
                f"--count {name} needs {name}{UP} and {name}{DOWN} in {args.taught}, which has "
                f"{known}"
            )
    args.gestures = True


def _estimate(
    args: argparse.Namespace, inputs: list[Input], places: OutputPlaces, summary: EstimateSummary
) -> str:
    """Find people in all inputs and write what is asked for; returns one line about the run."""
    given = _given_camera(args)
    options = PipelineOptions(
        from_args(LiftOptions, args),
        mount_options(args),
        gesture_options(args),
        from_args(TargetOptions, args),
    )
    with contextlib.ExitStack() as stack:
        outputs = _Outputs(args, inputs, places)  # refuses before a network is loaded
        if args.fuse:
            fused = open_fused(args, inputs, options)
            return _estimate_fused(args, fused, outputs, summary, stack)
        estimator = build_estimator(args)
        pipeline = Pipeline(estimator, build_hands(args, estimator), options)
        info = run_info(" ".join(args.inputs), pipeline, _recorded_options(args, options))
        outputs.open(info, summary, stack)
        # a camera has no end but this one, and who looks on may have seen enough
        looks_on = args.viewer is not None
        stop = stack.enter_context(ending(looks_on or any(source.is_live for source in inputs)))
        sources = expand_inputs(
            args.inputs,
            fps=args.fps,
            max_pixels=max_pixels_from(args.max_megapixels),
            topic=args.topic,
        )
        for source in _open(sources, summary):
            stack.callback(source.close)
            outputs.begin(source, stack)
            images = _progress(_read(source, given, summary), source, args.frames, args.quiet)
            for image, result in estimate_images(pipeline, images, summary):
                outputs.write(image, result)
                if stop.is_set():
                    break
            summary.end(source)
            source.close()
            if stop.is_set():
                break
    return summary.text(pipeline)


def _estimate_fused(
    args: argparse.Namespace,
    fused: FusedRecording,
    outputs: _Outputs,
    summary: EstimateSummary,
    stack: contextlib.ExitStack,
) -> str:
    """Do the same with inputs that are one event, seen by several cameras."""
    options, stage = fused.options, fused.cameras[0].stage
    pipeline = Pipeline(stage.estimator, stage.hands, options)
    recorded = _recorded_options(args, options) | fusion_record(args, fused)
    names = [view.name for view in fused.views]
    info = run_info(" ".join(args.inputs), pipeline, recorded, names)
    outputs.open(info, summary, stack, fused)
    first = open_source(args.inputs[0], fps=args.fps, live=False, topic=args.topic)
    stack.callback(first.close)
    outputs.begin(first, stack)
    for image, result in summary.timed(fused.run_all(summary.counts.refuse)):
        outputs.write(image, result)
    summary.end(first)
    for line in () if args.quiet else camera_lines(fused.facts()):
        say(line)
    return summary.text(pipeline)


@contextlib.contextmanager
def _an_output_beside_a_broken_pipe_is_lost(args: argparse.Namespace) -> Iterator[None]:
    """Say so where the reader of the standard output is gone; quiet where that was all."""
    try:
        yield
    except BrokenPipeError:
        if outputs_of(args) == ["-"]:
            raise
        raise OutputError(
            "the reader of the standard output is gone; nothing was written"
        ) from None


def outputs_of(args: argparse.Namespace) -> list[str]:
    """Return all outputs that the options name, as they name them."""
    named = [args.json, args.report, args.plots, args.out, *export_options(args).files.values()]
    return [name for name in named if name]


def _check_outputs(args: argparse.Namespace, inputs: list[Input]) -> None:
    """Refuse outputs that cannot end well, before anything runs."""
    exports = export_options(args)
    name = recording_name(args.inputs[0])
    for option, value, suffixes in (
        ("--json", args.json, JSON_LINES),
        ("--report", args.report, PAGES),
    ):
        if value is not None and not Path(value).name:
            raise OptionError(f"{option} takes the name of a file, got {value!r}")
        if value is not None and value != "-":
            check_suffix(option, value, suffixes)
    if args.out is not None and not args.out:
        raise OptionError("--out takes the name of a video, a folder or a pattern, got ''")
    check_exports(exports, [name], force=args.force)
    outputs = [Path(path) for path in (args.json, args.report) if path and path != "-"]
    if args.out and is_video(args.out):
        outputs.append(Path(args.out))
    read = [path for source in inputs for path in source.files]
    read += [Path(path) for path in (args.camera_info, args.calibration) if path]
    check_apart(read, [*outputs, *export_paths(exports, name)])


class _Outputs:
    """All that is written of a run."""

    def __init__(
        self,
        args: argparse.Namespace,
        inputs: list[Input],
        places: OutputPlaces,
    ) -> None:
        """Give each output its place.

        Raises:
            OutputError: One is there already, or cannot be written.
        """
        self._args, self._drawing = args, from_args(OverlayOptions, args)
        self._whole = places
        self._writers: list[Write] = []
        self._pictures: Pictures | None = None
        self._fused: FusedRecording | None = None
        self._is_picture = {printable(i.name): i.is_picture for i in inputs}
        self._video: Path | None = None
        for path in (args.json, args.report):
            if path and path != "-":
                places.place(Path(path))
        self._plots: Path | None = None
        if args.plots:
            check_installed()
            self._plots = place_plots(args.plots, places, force=args.force)
        if args.out and is_video(args.out):
            self._video = places.place(Path(args.out))
        elif args.out:
            self._pictures = open_pictures(
                args.out, inputs, places, frames=args.frames, force=args.force
            )

    def open(
        self,
        info: RunInfo,
        summary: EstimateSummary,
        stack: contextlib.ExitStack,
        fused: FusedRecording | None = None,
    ) -> None:
        """Open all but a video, whose rate the first input tells."""
        self._fused = fused
        args, places = self._args, self._whole
        name, notes = recording_name(args.inputs[0]), summary.counts.notes
        self._writers = [
            stack.enter_context(exports(export_options(args), info, places, notes, name))
        ]
        if args.report or args.plots:
            others = fused.others if fused else None
            builder = ReportBuilder(info, from_args(ReportOptions, args), others=others)
            path = places.made(args.report) if args.report else None

            def known() -> RecordingFacts:
                return replace(summary.recording(), cameras=fused.facts() if fused else ())

            made = page(builder, path, self._plots, known, lambda i: in_room(fused, i))
            self._writers.append(stack.enter_context(made))
        if args.json:
            made = json_lines(args.json, places, info.network, gestures=args.gestures)
            self._writers.append(stack.enter_context(made))
        if args.viewer is not None:
            self._writers.append(stack.enter_context(viewer(info, args.viewer)))
        if self._pictures is not None:
            self._writers.append(drawings(self._pictures, self._drawing, fused))

    def begin(self, source: Source, stack: contextlib.ExitStack) -> None:
        """Take notice of the next input."""
        if self._pictures is not None:
            self._pictures.single = self._is_picture.get(source.name, False)
        if self._video is not None:
            writer = VideoFile(self._video, source.fps, name=self._args.out)
            stack.callback(writer.close)
            self._writers.append(drawings(writer, self._drawing, self._fused))
            self._video = None

    def write(self, image: RecordedImage, result: Result) -> None:
        """Write what was found in an image."""
        for write in self._writers:
            write(image, result)


def _written(args: argparse.Namespace, places: OutputPlaces) -> str:
    """Return one line that says what was written."""
    if not outputs_of(args) and args.viewer is not None:
        return "shown in Rerun; nothing was written"
    if not outputs_of(args):
        return (
            "nothing was written: name an output, such as --json people.jsonl, --csv people.csv, "
            "--out out/ (pictures) or --report people.html"
        )
    files = [printable(path) for path in places.written]
    files += [printable(p) for p in outputs_of(args) if p != "-" and is_stream(Path(p))]
    folders: dict[Path, list[str]] = {}
    for path in files:
        if Path(path).suffix.lower() in OUTPUT_SUFFIXES:
            folders.setdefault(Path(path).parent, []).append(path)
    for pictures in folders.values():
        if len(pictures) > 2:
            files = [path for path in files if path not in set(pictures)]
            files.append(f"{len(pictures):,} pictures, {pictures[0]} to {pictures[-1]}")
    if args.json == "-":
        files.append("JSON to the standard output")
    return f"written: {', '.join(files)}" if files else "nothing was written"


class RepetitionTable:
    """How often each person made each movement, and how long that took."""

    def __init__(self) -> None:
        self._seconds: dict[tuple[str, str, int], list[float]] = {}

    def add(self, result: Result) -> None:
        """Take in the gestures of an image."""
        now = result.nanoseconds / NANOSECONDS
        for gesture in result.gestures:
            if gesture.event == "started":
                key = (gesture.name, result.source, gesture.person)
                self._seconds.setdefault(key, []).append(now - gesture.since)

    def lines(self, names: Sequence[str]) -> Iterator[str]:
        """Yield a line for each movement and person who made it, or that none did."""
        for name in names:
            rows = {key: s for key, s in self._seconds.items() if key[0] == name}
            for (_, source, person), seconds in rows.items():
                who = f"person {person} of {printable(source)}"
                each = f"{statistics.median(seconds):.1f} s each"
                yield (
                    f"{name}: {len(seconds)} by {who}, {each} "
                    f"({min(seconds):.1f} to {max(seconds):.1f})"
                )
            if not rows:
                yield f"{name}: 0"


@dataclass
class EstimateSummary:
    """What a run did, counted as it goes."""

    counts: RunCounts = field(default_factory=RunCounts)
    people: int = 0
    hands: int = 0
    seconds: float = 0.0
    failures: int = 0
    losses: list[str] = field(default_factory=list)
    repetitions: RepetitionTable = field(default_factory=RepetitionTable)

    def fail(self, error: SourceError) -> None:
        """Say that an input could not be read, and count it."""
        self.failures += 1
        _say_beside_bar(f"pose-ros estimate: {error}")

    def end(self, source: Source) -> None:
        """Say what of an input was lost or could not be used, and count it."""
        refused, self.counts.refused = self.counts.refused, Counter()
        lost, notes = losses(refused, ()), tuple[str, ...]()
        if isinstance(source, BagImages):
            lost, notes = losses(source.refused + refused, source.bag.damage), source.notes
        for line in (*notes, *lost):
            _say_beside_bar(f"{source.name}: {line}")
        self.losses += lost
        if isinstance(source, VideoSource) and source.loss:  # it has said so itself
            self.losses.append(f"{source.name}: {source.loss}")

    def recording(self) -> RecordingFacts:
        """Return what a report says about all inputs."""
        return RecordingFacts(self.counts.images, lost=tuple(self.losses))

    def timed(
        self, results: Iterator[tuple[RecordedImage, Result]]
    ) -> Iterator[tuple[RecordedImage, Result]]:
        """Pass results on, counting and timing them."""
        start = time.perf_counter()
        for image, result in results:
            self.seconds += time.perf_counter() - start
            self.count(result)
            yield image, result
            start = time.perf_counter()

    def count(self, result: Result) -> None:
        """Count an image."""
        self.counts.add(result)
        self.repetitions.add(result)
        self.people += len(result.poses)
        self.hands += len(result.hands or ())

    def text(self, pipeline: Pipeline) -> str:
        """Return one line for a person."""
        frames = self.counts.images
        if not frames:
            return "no frame was read"
        count = f"{self.people} {'pose' if self.people == 1 else 'poses'} in all"
        networks = pipeline.estimator.network
        if pipeline.hands:
            count += f", {self.hands} hands"
            networks += f" and {pipeline.hands.network}"
        return (
            f"{frames} {'frame' if frames == 1 else 'frames'}, "
            f"{self.counts.with_people} with people ({count}), "
            f"{1e3 * self.seconds / frames:.1f} ms a frame "
            f"({networks} on {pipeline.estimator.provider})"
        )


def _say_beside_bar(line: str) -> None:
    """Say a line as ``say`` does, without a tear in a progress bar."""
    with contextlib.suppress(OSError):
        tqdm.write(printable(line), file=sys.stderr)


def estimate_images(
    pipeline: Pipeline, images: Iterable[RecordedImage], summary: EstimateSummary
) -> Iterator[tuple[RecordedImage, Result]]:
    """Find people, and all about them, in the images of one source, counting and timing."""
    start = 0.0

    def timed() -> Iterator[RecordedImage]:
        nonlocal start
        for image in images:
            start = time.perf_counter()
            yield image

    for image, result in pipeline.run_all(timed(), summary.counts.refuse):
        summary.seconds += time.perf_counter() - start
        summary.count(result)
        yield image, result


def _open(sources: Iterator[Source], summary: EstimateSummary) -> Iterator[Source]:
    """Yield the sources; one that does not open is reported and the run goes on."""
    while True:
        try:
            source = next(sources, None)
        except SourceError as error:
            summary.fail(error)
            continue
        if source is None:
            return
        yield source


def _read(
    source: Source, given: GivenCamera | None, summary: EstimateSummary
) -> Iterator[RecordedImage]:
    """Yield a source's images; one that breaks is reported and the run goes on with the next."""
    try:
        yield from images_of(source, given)
    except SourceError as error:
        summary.fail(error)


def _progress(
    images: Iterator[RecordedImage], source: Source, limit: int | None, quiet: bool
) -> Iterator[RecordedImage]:
    total = source.length if limit is None else limit
    bar = tqdm(
        total=total,
        desc=printable(Path(source.name).name),
        unit="frame",
        disable=quiet or source.length == 1 or None,  # None: off where stderr is no terminal
        file=sys.stderr,
    )
    with bar:
        for count, image in enumerate(images, start=1):
            yield image
            bar.update()
            if count == limit:
                return


def _given_camera(args: argparse.Namespace) -> GivenCamera | None:
    """Return what the options say of the camera; None where that is nothing."""
    if args.camera_info is None and args.hfov is None:
        return None
    given = read_calibration(args.camera_info) if args.camera_info is not None else None
    return GivenCamera(given, args.hfov, _LOG.warning)


def _recorded_options(args: argparse.Namespace, options: PipelineOptions) -> dict[str, Any]:
    """Return what the results follow from, beside the networks that ran."""
    gestures = options.gestures
    return {
        "estimator": asdict(from_args(EstimatorOptions, args)),
        "precision": args.precision,
        "camera_info": printable(args.camera_info or ""),
        "hfov": args.hfov,
        "lift": asdict(options.lift),
        **asdict(options.mount),
        "gestures": gestures and asdict(gestures),
        "targets": asdict(options.targets),
    }
