"""Options of recordings of one event by several cameras: ``estimate --fuse``, ``bag run``."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from pose_ros.analysis.fused import FusedCamera, FusedRecording
from pose_ros.analysis.images import images_of
from pose_ros.analysis.task import Settings
from pose_ros.bags.images import RecordedImage
from pose_ros.cli.options import build_estimator, build_hands
from pose_ros.core.encoded_images import max_pixels_from
from pose_ros.core.multiview.views import choose_views, views_of_size
from pose_ros.core.skeletons import SIDES
from pose_ros.core.types import Source
from pose_ros.errors import OptionError, SourceError, printable
from pose_ros.pipeline import PeopleStage, PipelineOptions
from pose_ros.settings.command_line import add_to_parser, from_args
from pose_ros.settings.images import StereoOptions
from pose_ros.settings.multiview import FusionOptions
from pose_ros.sources.camera_rig import read_rig, rig_text
from pose_ros.sources.opening import Input, open_source
from pose_ros.sources.stereo import HalfSource

_FLAGS = ("calibration", "offset", "camera_info", "hfov")


def add_fusion_arguments(parser: argparse.ArgumentParser, *, of_bags: bool = False) -> None:
    """Add the options of several cameras to a parser that has those of a network.

    Args:
        parser: Of a command.
        of_bags: Whether cameras are topics of bags; they are inputs otherwise.
    """
    group = parser.add_argument_group("several cameras")
    add_to_parser(StereoOptions, group)
    if of_bags:
        group.add_argument(
            "--topics", nargs="+", metavar="TOPIC",
            help="images of several cameras, in one bag or a bag each: give each person one "
            "skeleton, by camera_info and /tf or by --calibration",
        )  # fmt: skip
    else:
        group.add_argument(
            "--fuse", action="store_true",
            help="the inputs are one event seen by several cameras: give each person one skeleton",
        )  # fmt: skip
    group.add_argument(
        "--calibration", metavar="RIG",
        help="where the cameras stand: .yaml of pose-ros calibrate, OpenCV or Kalibr, .toml of "
        "Pose2Sim or caliscope, or .json; cameras are found by names, else by their order",
    )  # fmt: skip
    group.add_argument(
        "--offset", type=float, nargs="+", metavar="S",
        help="seconds to add to the stamps of the second camera (and the third, ...); those of "
        "the calibration, or 0, unless given" if of_bags else
        "seconds by which the second input (and the third, ...) begins after the first one; "
        "found by how people move unless given, and 0 of bags, whose stamps are of one clock",
    )  # fmt: skip
    add_to_parser(FusionOptions, group, leave_out=("smoothing",))


def check_fusion_arguments(args: argparse.Namespace, inputs: Sequence[Input]) -> None:
    """Refuse options of several cameras that cannot be obeyed.

    Raises:
        OptionError: They do not fit each other, or the inputs.
    """
    given = {name: getattr(args, name) is not None for name in _FLAGS}
    stereo = from_args(StereoOptions, args).is_stereo
    if stereo:
        _check_stereo(args, inputs)
    if not args.fuse:
        for name in ("calibration", "offset"):
            if given[name]:
                raise OptionError(f"--{name} works only with --fuse: give both or neither")
        return
    if len(inputs) < 2 and not stereo:
        raise OptionError("--fuse takes two or more inputs, one of each camera")
    if not given["calibration"]:
        raise OptionError("--fuse needs --calibration, the file that says where the cameras stand")
    for name in ("camera_info", "hfov"):
        if given[name]:
            flag = name.replace("_", "-")
            raise OptionError(f"--{flag} is for one camera: --calibration has it for all")
    _check_recordings(args, inputs)


def _check_stereo(args: argparse.Namespace, inputs: Sequence[Input]) -> None:
    if not args.fuse:
        raise OptionError("--stereo works only with --fuse: give both or neither")
    if len(inputs) != 1 or args.offset is not None:
        raise OptionError("--stereo takes one input with both halves, and no --offset")


def _check_recordings(args: argparse.Namespace, inputs: Sequence[Input]) -> None:
    if any(each.is_picture or each.is_live for each in inputs):
        raise OptionError("--fuse takes recordings: videos, bags or synthetic scenes")
    if args.static:
        raise OptionError("--fuse is for images over time: leave out --static")
    _check_offsets(args.offset, len(inputs) - 1)


def fused_settings(args: argparse.Namespace, settings: Settings) -> Settings:
    """Return the settings of a bag's analysis with the options of several cameras.

    Raises:
        OptionError: They do not fit each other, or the bags.
    """
    two_lenses = from_args(StereoOptions, args)
    if two_lenses.is_stereo:
        _check_stereo_bag(args)
        return replace(
            settings,
            calibration=rig_text(read_rig(args.calibration)),
            fusion=from_args(FusionOptions, args),
            two_lenses=two_lenses,
        )
    if not args.topics:
        for name in ("calibration", "offset"):
            if getattr(args, name) is not None:
                raise OptionError(
                    f"--{name} works only with --topics, several cameras, or --stereo: give both "
                    "or neither"
                )
        return settings
    for name in ("topic", "camera_info", "hfov", "depth"):
        if getattr(args, name):
            flag = name.replace("_", "-")
            raise OptionError(f"--{flag} is for one camera, and --topics for several: leave it out")
    if len(args.topics) < 2:
        raise OptionError("--topics takes the images of two or more cameras; --topic takes one")
    if args.static:
        raise OptionError("--topics is for images over time: leave out --static")
    _check_offsets(args.offset, len(args.topics) - 1)
    return replace(
        settings,
        topics=tuple(args.topics),
        calibration="" if args.calibration is None else rig_text(read_rig(args.calibration)),
        fusion=from_args(FusionOptions, args),
        offsets=None if args.offset is None else tuple(args.offset),
    )


def _check_stereo_bag(args: argparse.Namespace) -> None:
    """Refuse what does not go with one topic whose images hold those of two lenses."""
    for name in ("topics", "offset", "camera_info", "hfov", "depth"):
        if getattr(args, name):
            flag = name.replace("_", "-")
            raise OptionError(
                f"--{flag} does not go with --stereo: one --topic has both halves, and "
                "--calibration says how they see"
            )
    if args.calibration is None:
        raise OptionError("--stereo needs --calibration, the file that says where the lenses are")
    if args.static:
        raise OptionError("--stereo is for images over time: leave out --static")


def further_bags(args: argparse.Namespace) -> tuple[str, ...]:
    """Return the bags of the cameras but the first, where each has one of its own.

    Raises:
        OptionError: There are not as many bags as topics.
    """
    if not args.topics or len(args.bags) == 1:
        return ()
    if len(args.bags) != len(args.topics):
        raise OptionError(
            f"{len(args.bags)} bags and {len(args.topics)} topics: give one bag with all topics, a "
            "bag for each topic, or with --workers many bags that have all of them"
        )
    return tuple(args.bags[1:])


def _check_offsets(offsets: Sequence[float] | None, count: int) -> None:
    if offsets is None:
        return
    if len(offsets) != count:
        raise OptionError(
            f"--offset takes a number for each camera but the first: {count}, got {len(offsets)}"
        )
    if not all(map(math.isfinite, offsets)):
        raise OptionError("--offset must be finite seconds")


def open_fused(
    args: argparse.Namespace, inputs: Sequence[Input], options: PipelineOptions
) -> FusedRecording:
    """Return what runs the cameras that the options name.

    Raises:
        PoseRosError: A file cannot be read, or a network is not available.
    """
    rig = read_rig(args.calibration)
    stereo = from_args(StereoOptions, args).is_stereo
    names = SIDES if stereo else [Path(each.name).stem for each in inputs]
    views = choose_views(rig, names)
    opened = [_opener(args, each) for each in inputs]
    if stereo:
        opened = [_half(opened[0], side) for side in SIDES]
    views = views_of_size(views, [_size(open_) for open_ in opened])
    # filtered keypoints lag where a network swaps left and right; the fusion filters in meters
    unfiltered = argparse.Namespace(**{**vars(args), "smoothing": False})
    cameras: list[FusedCamera] = []
    for view, open_ in zip(views, opened, strict=True):
        estimator = build_estimator(unfiltered)
        stage = PeopleStage(estimator, build_hands(args, estimator), options.lift, is_alone=False)
        cameras.append(FusedCamera(view, _images(open_, args.frames), stage))
    offsets: tuple[float, ...] | None = None
    if args.offset is not None:
        offsets = (0.0, *args.offset)
    elif stereo or all(each.is_bag for each in inputs):
        offsets = (0.0,) * len(views)  # stamps of one clock
    return FusedRecording(cameras, rig, options, from_args(FusionOptions, args), offsets)


def fusion_record(args: argparse.Namespace, fused: FusedRecording) -> dict[str, Any]:
    """Return what the results follow from beside what one camera's do."""
    return {
        "calibration": printable(args.calibration),
        "offset": args.offset,
        "fusion": asdict(fused.fusion),
    }


def _opener(args: argparse.Namespace, given: Input) -> Callable[[], Source]:
    return lambda: open_source(
        given.name,
        fps=args.fps,
        live=False,
        max_pixels=max_pixels_from(args.max_megapixels),
        topic=args.topic if given.is_bag else None,
    )


def _half(open_: Callable[[], Source], side: str) -> Callable[[], Source]:
    return lambda: HalfSource(open_(), side)


def _size(open_: Callable[[], Source]) -> tuple[int, int]:
    source = open_()
    try:
        frame = source.read()
    finally:
        source.close()
    if frame is None:
        raise SourceError(f"{source.name} holds no image")
    return frame.width, frame.height


def _images(
    open_: Callable[[], Source], limit: int | None
) -> Callable[[], Iterator[RecordedImage]]:
    def images() -> Iterator[RecordedImage]:
        source = open_()
        try:
            for count, image in enumerate(images_of(source), start=1):
                yield image
                if count == limit:
                    return
        finally:
            source.close()

    return images
