"""``pose-ros calibrate``: where several cameras stand, from people or a board that they see."""

from __future__ import annotations

import argparse
import contextlib
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from pose_ros.analysis.rig_calibration import (
    SeenPeople,
    images_to_look_at,
    look_for_board,
    look_for_people,
    with_hands,
)
from pose_ros.bags.finding import is_bag
from pose_ros.bags.images import base_topic, camera_names, image_topics, is_depth
from pose_ros.bags.reader import open_bag
from pose_ros.build import create_body_hands
from pose_ros.cli.bag_info import table
from pose_ros.cli.options import add_network_arguments, build_estimator
from pose_ros.cli.terminal import say
from pose_ros.core.camera import Camera
from pose_ros.core.encoded_images import max_pixels_from
from pose_ros.core.multiview.boards import BoardTrack, CalibrationBoard, calibrate_from_board
from pose_ros.core.multiview.calibration import (
    RigCalibration,
    calibrate_from_person,
)
from pose_ros.core.multiview.clock_offset import (
    MAX_LATENCY,
    MAX_OFFSET,
    calibrate_from_people,
    calibrate_with_clocks,
)
from pose_ros.core.multiview.rig import CameraRig
from pose_ros.core.multiview.views import camera_of_size
from pose_ros.core.skeletons import SIDES, Skeleton
from pose_ros.core.types import HandEstimator, Source
from pose_ros.errors import OptionError, OutputError, SourceError, did_you_mean
from pose_ros.files import user_path
from pose_ros.settings.command_line import add_to_parser, from_args
from pose_ros.settings.estimation import EngineOptions, EstimatorOptions, HandOptions
from pose_ros.settings.images import ImageOptions, StereoOptions
from pose_ros.settings.lifting import LiftOptions
from pose_ros.sources.calibration import read_calibration
from pose_ros.sources.camera_rig import read_rig, write_rig
from pose_ros.sources.opening import open_source
from pose_ros.sources.stereo import HalfSource

NETWORK = "blazepose-heavy"
"""Where there is no hurry, the most exact network finds the person."""
MOST_PEOPLE = 6
"""Who are looked for at once, unless more are asked for."""
_SEVERAL = 0.15
"""Share of a camera's images with several people, from which on each of them is followed. Fewer
are mistakes, or a guest who passes by: these images are left out."""
GUESSED_HFOV = 65.0
"""Degrees: of a webcam that nothing is known of."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "inputs", nargs="+", metavar="INPUT",
        help="a video of each camera, or one bag with a topic of each",
    )  # fmt: skip
    parser.add_argument(
        "--output",
        required=True,
        metavar="FILE",
        help="where the calibration goes, such as room.yaml",
    )
    parser.add_argument("--force", action="store_true", help="replace that file")
    parser.add_argument(
        "--topics",
        nargs="+",
        metavar="TOPIC",
        help="topics of the images in the bag (default: all of them)",
    )
    parser.add_argument(
        "--board", metavar="BOARD",
        help="calibrate from a board: charuco:5x7:0.04:0.03 (squares, meters of a square and of a "
        "marker) or checkerboard:8x6:0.025 (inner corners, meters of a square)",
    )  # fmt: skip
    add_to_parser(LiftOptions, parser, leave_out=("max_depth_skew", "smoothing"))
    parser.add_argument(
        "--baseline", nargs=3, metavar=("CAMERA", "CAMERA", "METERS"),
        help="two cameras and the distance between their lenses",
    )  # fmt: skip
    parser.add_argument(
        "--intrinsics", nargs="+", metavar="FILE",
        help="a calibration file of each camera, in the order of the inputs, or one file of all: "
        ".yaml, .xml or .toml",
    )  # fmt: skip
    parser.add_argument(
        "--hfov", type=float, metavar="DEGREES",
        help=f"horizontal field of view of cameras without intrinsics (default: a "
        f"guess of {GUESSED_HFOV:g})",
    )  # fmt: skip
    parser.add_argument(
        "--offsets", nargs="+", type=float, metavar="S",
        help="seconds to add to the stamps of each camera; they are found by motion unless given",
    )  # fmt: skip
    parser.add_argument(
        "--no-hands", action="store_true", help="do not look for the joints of hands"
    )
    add_to_parser(StereoOptions, parser)
    add_to_parser(ImageOptions, parser, leave_out=("topic",))
    add_network_arguments(parser, leave_out=("smoothing", "upper_body_only", "masks"))
    parser.set_defaults(network=NETWORK)
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no table")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    output = user_path(args.output)
    if output.exists() and not args.force:
        raise OutputError(f"{args.output} is there already: --force replaces it")
    if not output.parent.is_dir():
        raise OutputError(f"cannot write {args.output}: there is no folder {output.parent}")
    with contextlib.ExitStack() as stack:
        sources = list(_open(args, stack))
        names = camera_names([name for name, _ in sources])
        if len(names) < 2:
            raise OptionError(
                f"two or more cameras are needed, got {', '.join(names)}: give a video of each, or "
                "a bag with their topics"
            )
        if args.offsets is not None and len(args.offsets) != len(names):
            raise OptionError(f"--offsets takes a number for each of {len(names)} cameras")
        if args.board:
            board = CalibrationBoard.parse(args.board)
            found = _by_board(args, board, sources)
        else:
            found = _by_person(args, sources, one_clock=is_bag_of(args.inputs))
    # when each video began says nothing of the next recording
    kept = found.offsets if is_bag_of(args.inputs) else None
    rig = CameraRig(found.views, found.up, found.floor, kept)
    write_rig(output, rig)
    for note in found.notes:
        say(note)
    if not args.quiet:
        for line in described(found):
            print(line)
        print(f"wrote {args.output}")
    return 0


def is_bag_of(inputs: Sequence[str]) -> bool:
    """Return whether the input is one bag, whose topics have one clock."""
    return len(inputs) == 1 and is_bag(user_path(inputs[0]))


def described(found: RigCalibration) -> list[str]:
    """Return the lines of a table: where each camera stands and how sure that is."""
    offsets = found.offsets
    first = found.views[0].extrinsics.center
    rows = []
    for i, (view, fit) in enumerate(zip(found.views, found.fits, strict=True)):
        far = float(np.linalg.norm(view.extrinsics.center - first))
        rows.append([
            view.name,
            " ".join(f"{value:.2f}" for value in view.extrinsics.center),
            f"{far:.2f} m ± {100 * fit.baseline_sigma:.0f}%" if i else "",
            f"± {math.degrees(fit.rotation_sigma):.1f}°" if i else "",
            f"{fit.median_pixels:.1f} / {fit.high_pixels:.1f}",
            str(fit.frames),
            f"{100 * fit.coverage:.0f}%",
            *([_with_sigma(f"{offsets[i]:+.3f}", f"{fit.clock_sigma:.3f}")]
              if offsets is not None else []),
        ])  # fmt: skip
    titles = ["camera", "at x y z (m)", f"from {found.views[0].name}", "turned", "error px",
              "instants", "image", *(["clock (s)"] if offsets is not None else [])]  # fmt: skip
    lines = table(titles, rows)
    if found.up is None:
        lines.append(f"the world is the optical frame of {found.views[0].name}")
    else:
        name = found.views[0].name
        up = _with_sigma("up", f"{math.degrees(found.up_sigma):.1f}°")
        if found.floor is not None:
            floor = _with_sigma("the floor", f"{100 * found.floor_sigma:.0f} cm")
            name = f"{floor} below {name}"
        lines.append(f"z points {up} from {name}, which looks along x")
    return lines


def _with_sigma(value: str, sigma: str) -> str:
    """Return a value with its sigma behind it, where that is known."""
    return value if sigma.startswith("nan") else f"{value} ± {sigma}"


def _open(args: argparse.Namespace, stack: contextlib.ExitStack) -> Iterator[tuple[str, Source]]:
    """Open the recording of each camera, with its name."""
    pixels = max_pixels_from(args.max_megapixels)
    if is_bag_of(args.inputs):
        path = user_path(args.inputs[0])
        for topic in args.topics or _topics(path):
            source = open_source(str(path), topic=topic, max_pixels=pixels, live=False)
            stack.callback(source.close)
            yield topic, source
        return
    if args.topics:
        raise OptionError("--topics is for a bag: leave it out for videos")
    stereo = from_args(StereoOptions, args).is_stereo
    if stereo and len(args.inputs) != 1:
        raise OptionError("--stereo takes one input with both halves")
    sides = [(args.inputs[0], side) for side in SIDES]
    for spec, side in sides if stereo else [(spec, "") for spec in args.inputs]:
        source = open_source(spec, max_pixels=pixels, live=False)
        stack.callback(source.close)
        if source.live:
            raise SourceError(f"{spec} has no end: record a video of each camera first")
        yield (side, HalfSource(source, side)) if side else (Path(spec).stem, source)


def _topics(path: Path) -> list[str]:
    """Return the topics of a bag that are a camera's images, one for each camera."""
    with contextlib.closing(open_bag(path)) as bag:
        images = [topic for topic in image_topics(bag) if not is_depth(bag, topic)]
        names = {topic.name for topic in images}
        return sorted(
            topic.name
            for topic in images
            if "overlay" not in topic.name.split("/")
            and (base_topic(topic) == topic.name or base_topic(topic) not in names)
        )


def _by_person(
    args: argparse.Namespace, sources: Sequence[tuple[str, Source]], *, one_clock: bool
) -> RigCalibration:
    names = camera_names([name for name, _ in sources])
    lift = LiftOptions(height=args.person_height)
    baseline = _baseline(args.baseline, names)
    given = _intrinsics(args.intrinsics, names)
    seen: list[SeenPeople] = []
    skeleton: Skeleton | None = None
    args.max_people, args.smoothing = max(MOST_PEOPLE, args.max_people), False
    args.finder = "blazepose" if args.network.startswith("blazepose") else args.finder
    for i, ((spec, source), name) in enumerate(zip(sources, names, strict=True)):
        estimator, hands = build_estimator(args), _hands(args)
        body = estimator.skeleton
        skeleton = body if hands is None else with_hands(body, hands.skeleton)
        with _bar(source, name, quiet=args.quiet) as bar:
            people = look_for_people(source, name, estimator, hands, bar.update)
        if people is None:
            raise SourceError(f"{spec} holds no image")
        if not people.each:
            raise SourceError(f"{spec} never shows a person: walk through the views")
        seen.append(people.of_camera(_camera(args, given[i], people.camera, people.size, name)))
    assert skeleton is not None  # noqa: S101 - there are two sources or more
    max_offset = MAX_LATENCY if one_clock else MAX_OFFSET
    if max(people.several for people in seen) > _SEVERAL:
        return calibrate_from_people(
            [people.each for people in seen],
            skeleton,
            height=lift.height,
            baseline=baseline,
            offsets=args.offsets,
            max_offset=max_offset,
        )
    tracks = [people.alone for people in seen]
    if args.offsets is not None:
        return calibrate_from_person(
            tracks, skeleton, height=lift.height, baseline=baseline, offsets=args.offsets
        )
    return calibrate_with_clocks(
        tracks, skeleton, height=lift.height, baseline=baseline, max_offset=max_offset
    )


def _hands(args: argparse.Namespace) -> HandEstimator | None:
    if args.no_hands or not args.network.startswith("blazepose"):
        return None
    options, engine = from_args(EstimatorOptions, args), from_args(EngineOptions, args)
    return create_body_hands(HandOptions.network, options=options, engine=engine)


def _by_board(
    args: argparse.Namespace, board: CalibrationBoard, sources: Sequence[tuple[str, Source]]
) -> RigCalibration:
    for option, value in (("--person-height", args.person_height), ("--baseline", args.baseline)):
        if value is not None:
            raise OptionError(f"{option} is not of --board, which knows its size: leave it out")
    names = camera_names([name for name, _ in sources])
    given = _intrinsics(args.intrinsics, names)
    offsets = args.offsets or [0.0] * len(names)
    tracks: list[BoardTrack] = []
    for i, ((spec, source), name) in enumerate(zip(sources, names, strict=True)):
        with _bar(source, name, quiet=args.quiet) as bar:
            track, known = look_for_board(source, name, board, bar.update)
        if not len(track.stamps):
            raise SourceError(f"{spec} never shows the board {args.board}")
        camera: Camera | None = None
        if given[i] is not None or known is not None or args.hfov is not None:
            camera = _camera(args, given[i], known, track.size, name)
        tracks.append(replace(track, camera=camera, stamps=track.stamps + offsets[i]))
    found = calibrate_from_board(tracks, board)
    return replace(found, offsets=np.array(offsets) if args.offsets else None)


def _bar(source: Source, name: str, *, quiet: bool) -> tqdm[Any]:
    _, count = images_to_look_at(source)
    return tqdm(
        desc=name, total=count, unit="image", disable=quiet or None, file=sys.stderr, leave=False
    )


def _camera(
    args: argparse.Namespace,
    given: Camera | None,
    known: Camera | None,
    size: tuple[int, int],
    name: str,
) -> Camera:
    """Return the intrinsics: of a file, else of the recording, else a guess."""
    camera = given or known
    if camera is None:
        hfov = args.hfov if args.hfov is not None else GUESSED_HFOV
        if args.hfov is None:
            say(
                f"the intrinsics of {name} are not known: a guess of {hfov:g} degrees is taken, "
                "and distances are off with it; give --intrinsics or --hfov"
            )
        return Camera.from_hfov(*size, hfov_degrees=hfov)
    return camera_of_size(camera, name, size)


def _intrinsics(files: Sequence[str] | None, names: Sequence[str]) -> list[Camera | None]:
    """Return each camera's intrinsics from files; None where none are given."""
    if not files:
        return [None] * len(names)
    if len(files) == 1:
        rig = read_rig(user_path(files[0]))
        by_name = {view.name: view.camera for view in rig.views}
        if set(names) <= by_name.keys():
            return [by_name[name] for name in names]
        if len(rig.views) == len(names):
            return [view.camera for view in rig.views]
        raise OptionError(
            f"{files[0]} has the cameras {', '.join(by_name)}; the inputs are {', '.join(names)}"
        )
    if len(files) != len(names):
        raise OptionError(f"--intrinsics takes one file, or one for each of {len(names)} cameras")
    return [read_calibration(user_path(file)).camera for file in files]


def _baseline(given: Sequence[str] | None, names: Sequence[str]) -> tuple[int, int, float] | None:
    """Return indices of two cameras and the meters between them, as the user gives them."""
    if given is None:
        return None
    indices = []
    for name in given[:2]:
        if name not in names:
            raise OptionError(
                f"--baseline: there is no camera {name}{did_you_mean(name, names)}; there are "
                f"{', '.join(names)}"
            )
        indices.append(names.index(name))
    try:
        meters = float(given[2])
    except ValueError:
        raise OptionError(f"--baseline ends with meters, got {given[2]!r}") from None
    if not (0.0 < meters < math.inf) or indices[0] == indices[1]:
        raise OptionError("--baseline takes two different cameras and meters above 0")
    return indices[0], indices[1], meters
