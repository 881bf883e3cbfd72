"""``pose-ros bench``: how fast this machine is, how like MediaPipe, and how good in meters."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pose_ros.analysis import throughput
from pose_ros.analysis.task import BagTask, Settings
from pose_ros.bench import lifting, lifting_plot, parity, real_people, speed
from pose_ros.bench.peer import MediaPipe
from pose_ros.build import open_card, open_sessions
from pose_ros.cli.network_options import (
    add_network_arguments,
    build_estimator,
    engine_options,
    estimator_options,
)
from pose_ros.core.types import Image
from pose_ros.errors import OptionError, OutputError, SourceError
from pose_ros.models.card import Card
from pose_ros.networks.blazepose import BlazePose
from pose_ros.settings.gestures import GestureOptions
from pose_ros.sources import open_source

POSES = {"blazepose-lite": 0, "blazepose-full": 1, "blazepose-heavy": 2}
HANDS = {"blazehand-lite": 0, "blazehand-full": 1}
"""The networks that MediaPipe has too, by what it calls their complexity."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "input", nargs="?", default="synthetic", metavar="INPUT",
        help="a video, pictures of one size, or synthetic (%(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--mediapipe", action="store_true",
        help="in turns with MediaPipe's own Python, in an environment that is made for it",
    )  # fmt: skip
    parser.add_argument(
        "--against", action="append", default=[], metavar="NETWORK",
        help="in turns with this network too, in fp32; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--parity", action="store_true", help="compare the landmarks with MediaPipe's, not the time"
    )
    parser.add_argument(
        "--lift", action="store_true",
        help="how well drawn people are placed in meters, over --frames pictures, not the time",
    )  # fmt: skip
    parser.add_argument(
        "--real", metavar="FOLDER",
        help="--lift over real people: a folder of sets, each with truth.npz, cameras.json and a "
        "video of each camera, of which --frames pictures each (docs/measurements/lifting.md)",
    )  # fmt: skip
    parser.add_argument(
        "--bag", action="store_true",
        help="what share of the CPU time of `pose-ros bag run INPUT` its networks take, and "
        "how much memory it needs, with one thread",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=2026, help="of --lift (%(default)s)")
    parser.add_argument("--plot", metavar="FILE", help="a picture of the errors of --lift")
    parser.add_argument("--frames", type=int, default=100, metavar="N", help="%(default)s")
    parser.add_argument(
        "--rounds", type=int, default=5, metavar="N", help="times through them (%(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="for a program")
    add_network_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    for name, least in (("frames", 10), ("rounds", 1)):
        if getattr(args, name) < least:
            raise OptionError(f"--{name} must be at least {least}, got {getattr(args, name)}")
    if args.real and (not args.lift or args.plot):
        raise OptionError("--real is of --lift, without --plot")
    if args.lift:
        return place_real(args) if args.real else place(args)
    if args.bag:
        return analyze(args)
    frames = read_frames(args.input, args.frames)
    if args.parity:
        return compare(args, frames)
    return race(args, frames)


def race(args: argparse.Namespace, frames: list[Image]) -> int:
    """Measure and print the time a frame of everything, in turns."""
    contenders = {f"{args.network}, whole chain": _whole_chain(args, frames)}
    for network in args.against:
        other = argparse.Namespace(**{**vars(args), "network": network, "precision": "fp32"})
        name = f"{network}, whole chain"
        contenders[f"{name}, fp32" if name in contenders else name] = _whole_chain(other, frames)
    card = open_card(args.network)
    contenders.update(_bare_networks(card, args))
    if not args.mediapipe:
        return _print(speed.race(contenders, len(frames), rounds=args.rounds), args)
    with MediaPipe(frames) as peer:
        complexity = _complexity(card)
        if card.name in HANDS:
            peer.open("hands", max_num_hands=args.max_people, model_complexity=complexity)
        else:
            smooth = args.smoothing
            peer.open("pose", smooth_landmarks=smooth, model_complexity=complexity)

        def block(first: int, last: int) -> tuple[float, float]:
            answer = peer.run(first, last)
            return answer["wall"], answer["cpu"]

        contenders["MediaPipe"] = block
        return _print(speed.race(contenders, len(frames), rounds=args.rounds), args)


def compare(args: argparse.Namespace, frames: list[Image]) -> int:
    """Print how far the landmarks lie from MediaPipe's."""
    estimator = build_estimator(args)
    card, static = open_card(args.network), args.static
    complexity = _complexity(card)
    how = "picture by picture" if static else "as a clip"
    if card.name in HANDS:
        compared = parity.compare_hands(estimator, frames, static=static, complexity=complexity)
    else:
        compared = parity.compare(
            estimator,
            frames,
            static=static,
            smooth=args.smoothing,
            complexity=complexity,
        )
    results = {how: compared}
    if isinstance(estimator, BlazePose) and not static:
        results["step by step"] = parity.compare_steps(estimator, frames, complexity)
    figures = {
        name: {"frames": result.frames, "disagreements": result.disagreements, **result.figures()}
        for name, result in results.items()
    }
    if args.json:
        print(json.dumps(figures))
        return 0
    for name, values in figures.items():
        print(f"{name}:")
        for what, value in values.items():
            print(f"  {what:<42} {value:.4g}")
    return 0


def place(args: argparse.Namespace) -> int:
    """Print how far drawn people are from where they are placed in meters."""
    if args.plot and not Path(args.plot).resolve().parent.is_dir():
        raise OutputError(f"cannot write the picture {args.plot}: there is no such folder")
    args.static = True
    frames = lifting.draw(build_estimator(args), args.frames, args.seed)
    if not frames:
        raise SourceError(f"{args.network} finds no person in {args.frames} drawn pictures")
    if args.plot and not _written(args.plot, lifting_plot.plot(frames)):
        raise OutputError(f"cannot write the picture {args.plot}")
    figures, keypoints = lifting.report(frames), lifting.keypoint_offsets(frames)
    if args.json:
        print(json.dumps({"lifting": figures, "keypoints": keypoints}))
    else:
        print(lifting.table(figures), lifting.table(keypoints), sep="\n\n")
    return 0


def place_real(args: argparse.Namespace) -> int:
    """Print how far real people are from where they are placed in meters."""
    args.static = True
    seen = real_people.look(build_estimator(args), args.real, args.frames)
    if not seen:
        raise SourceError(f"{args.network} finds no person in the clips of {args.real}")
    figures = real_people.report(seen)
    if args.json:
        rows = {
            clip: {name: value if np.isfinite(value) else None for name, value in row.items()}
            for clip, row in figures.items()
        }
        print(json.dumps({"lifting": rows}))
    else:
        print(lifting.table(figures))
    return 0


def analyze(args: argparse.Namespace) -> int:
    """Print how much of the time of an analysis of a recording its networks take."""
    settings = Settings(
        network=args.network,
        estimator=estimator_options(args),
        gestures=GestureOptions(),
    )
    found = throughput.measure(BagTask(args.input, settings, engine=engine_options(args)))
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


def read_frames(spec: str, count: int) -> list[Image]:
    """Return at most ``count`` RGB frames of one size, in memory.

    Raises:
        SourceError: There is none, or they differ in size.
    """
    source = open_source(spec, fps=30, live=False)
    frames: list[Image] = []
    try:
        while len(frames) < count and (frame := source.read()) is not None:
            image = frame.image if frame.channels == "rgb" else frame.image[..., ::-1]
            frames.append(np.ascontiguousarray(image))
    finally:
        source.close()
    if len(frames) < 2 or len({frame.shape for frame in frames}) != 1:
        raise SourceError(f"{spec}: expected two or more frames of one size")
    return frames


def _written(path: str, image: Image) -> bool:
    try:
        done, data = cv2.imencode(Path(path).suffix, image)
        Path(path).write_bytes(data.tobytes())
    except (cv2.error, OSError):  # a name without an ending that it knows, or a full disk
        return False
    return bool(done)


def _whole_chain(args: argparse.Namespace, frames: list[Image]) -> speed.Block:
    """Return what times the network of ``args`` with all that is around it."""
    estimator = build_estimator(args)
    return speed.timed(_in_one_stream(lambda i, stamp: estimator.estimate(frames[i], stamp)))


def _in_one_stream(estimate: Any) -> Any:
    """Give rising stamps to frames that are gone through again and again."""
    stamps = iter(float(i) / 30 for i in range(sys.maxsize))
    return lambda i: estimate(i, next(stamps))


def _bare_networks(card: Card, args: argparse.Namespace) -> dict[str, speed.Block]:
    """Return the engine's own time for each network of a card, on a fixed input."""
    blocks = {}
    sessions = open_sessions(card, card.files, engine_options(args))
    for role, file in card.files.items():
        session = sessions[role]
        inputs = [
            np.zeros(value.shape, value.image.dtype if value.image else np.float32)
            for value in file.inputs
        ]
        blocks[f"its {role} network alone"] = speed.timed(
            lambda _, session=session, inputs=inputs: session.run(*inputs)  # type: ignore[misc]
        )
    return blocks


def _complexity(card: Card) -> int:
    try:
        return (POSES | HANDS)[card.name]
    except KeyError:
        known = ", ".join(POSES | HANDS)
        raise OptionError(f"only {known} can be compared with MediaPipe") from None


def _print(timings: dict[str, speed.Timing], args: argparse.Namespace) -> int:
    ours, *others = timings
    ratios = {name: speed.ratio(timings[ours], timings[name]) for name in others}
    if args.json:
        rows = {name: timing.row() for name, timing in timings.items()}
        print(json.dumps({"ms": rows, "ratios": ratios}))
        return 0
    print(speed.table(timings))
    for name, pair in ratios.items():
        wall, cpu = ("unknown" if value is None else f"{value:.2f}" for value in pair)
        print(f"{ours} / {name}: wall {wall}, CPU {cpu}")
    return 0
