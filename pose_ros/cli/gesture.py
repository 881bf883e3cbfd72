"""``pose-ros gesture``: teach gestures by examples, and ask what pictures show."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from contextlib import closing

from pose_ros.build import create_estimator
from pose_ros.cli.terminal import say
from pose_ros.core.camera import Float64Array
from pose_ros.core.gestures.taught import TaughtGestures, landmarks_of
from pose_ros.core.gestures.teaching import EVERY_SECONDS, MOST_EXAMPLES, Teaching
from pose_ros.core.skeletons import SIDES
from pose_ros.core.types import Pose
from pose_ros.errors import OptionError, printable
from pose_ros.files import user_path
from pose_ros.settings.gestures import GestureOptions
from pose_ros.sources.opening import expand_inputs

FILE = "gestures.yaml"
NETWORKS = {"hand": "blazehand-full", "body": "blazepose-full"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    teach = actions.add_parser("teach", help="take examples of a gesture")
    teach.add_argument("name", metavar="NAME", help="what the gesture is called")
    _add_inputs(teach)
    kind = teach.add_mutually_exclusive_group()
    kind.add_argument(
        "--hand", dest="kind", action="store_const", const="hand", default="hand",
        help="the gesture is one of a hand (the default)",
    )  # fmt: skip
    kind.add_argument(
        "--body",
        dest="kind",
        action="store_const",
        const="body",
        help="the gesture is a posture of a whole body",
    )
    teach.add_argument("--side", choices=SIDES, help="take examples of this hand alone")
    teach.add_argument(
        "--examples", type=int, default=MOST_EXAMPLES, metavar="N",
        help=f"most examples to take (default {MOST_EXAMPLES})",
    )  # fmt: skip
    _add_inputs(actions.add_parser("test", help="say what pictures, a video or a camera show"))
    remove = actions.add_parser("remove", help="forget a gesture")
    remove.add_argument("name", metavar="NAME", help="name of the gesture")
    actions.add_parser("list", help="say what is taught")
    for action in actions.choices.values():
        action.add_argument(
            "--file", default=FILE, metavar="FILE", help=f"the taught gestures (default {FILE})"
        )


def _add_inputs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--from", dest="inputs", nargs="+", required=True, metavar="INPUT",
        help="pictures, folders, videos, bags, a camera (/dev/video0) or synthetic",
    )  # fmt: skip
    parser.add_argument("--network", help="network that finds the hands or bodies")
    parser.add_argument("--topic", help="topic of the images in a bag")
    parser.add_argument(
        "--every", type=float, default=EVERY_SECONDS, metavar="SECONDS",
        help="time between two images of a video or camera that are looked at (default "
        f"{EVERY_SECONDS})",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Run the command; 1 when nothing was found."""
    taught = _load(args)
    if args.action == "list":
        for name, count in taught.counts.items():
            print(f"{name}: {count} examples of {taught.skeleton.name}")
        return 0
    if args.action == "remove":
        taught.remove(args.name)
        taught.save(args.file)
        return 0
    return _teach(args, taught) if args.action == "teach" else _test(args, taught)


def _load(args: argparse.Namespace) -> TaughtGestures:
    """Return the gestures of the file; a new one is made by teaching alone."""
    if args.action == "teach" and not user_path(args.file).exists():
        network = create_estimator(args.network or NETWORKS[args.kind])
        return TaughtGestures(network.skeleton)
    return TaughtGestures.load(args.file)


def _teach(args: argparse.Namespace, taught: TaughtGestures) -> int:
    teaching = Teaching(
        taught,
        args.name,
        is_hand=args.kind == "hand",
        side=args.side or "",
        most=args.examples,
        min_score=GestureOptions().min_score,
    )
    for _, pose in _poses(args, taught):
        teaching.take(pose)
        if teaching.is_over:
            break
    if teaching.taken:
        taught.save(args.file)
    say(teaching.summary())
    return 0 if teaching.taken else 1


def _test(args: argparse.Namespace, taught: TaughtGestures) -> int:
    seen = Counter[str]()
    for source, pose in _poses(args, taught):
        if pose is None:
            print(f"{source}: nothing found")
            continue
        name, confidence = taught.classify(_landmarks(pose, taught))
        seen[name or "none"] += 1
        print(f"{source}: {name or 'none'} ({confidence:.2f})")
    say(", ".join(f"{name} {count}" for name, count in seen.most_common()) or "nothing found")
    return 0 if seen else 1


def _landmarks(pose: Pose, taught: TaughtGestures) -> Float64Array:
    return landmarks_of(pose, taught.skeleton, GestureOptions().min_score)


def _poses(args: argparse.Namespace, taught: TaughtGestures) -> Iterator[tuple[str, Pose | None]]:
    """Yield the name of each image that is looked at, with the first hand or body in it."""
    kind = "hand" if taught.skeleton.is_hand else "body"
    estimator = create_estimator(args.network or NETWORKS[kind])
    if estimator.skeleton.is_hand != taught.skeleton.is_hand:
        raise OptionError(
            f"{args.file} holds gestures of a {kind}, and {estimator.network} finds none"
        )
    for source in expand_inputs(args.inputs, topic=args.topic):
        with closing(source):
            estimator.reset()
            looked = -args.every
            while (frame := source.read()) is not None:
                poses = estimator.estimate(frame.image, frame.stamp, channels=frame.channels)
                if frame.index and frame.stamp - looked < args.every:
                    continue
                looked = frame.stamp
                name = printable(source.name)
                place = name if source.length == 1 else f"{name} at {frame.stamp:.2f} s"
                yield place, next(iter(poses), None)
