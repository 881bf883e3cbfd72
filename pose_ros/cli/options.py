"""Options that several commands share: the network, hands, meters, gestures, exports."""

from __future__ import annotations

import argparse
from collections.abc import Collection

from pose_ros.analysis.exports.writing import FORMATS
from pose_ros.analysis.outputs import check_suffix
from pose_ros.build import create_body_hands, create_estimator
from pose_ros.core.types import Estimator, HandEstimator
from pose_ros.errors import OptionError
from pose_ros.networks.body_hands import hand_joints
from pose_ros.settings.command_line import add_to_parser, from_args
from pose_ros.settings.estimation import (
    EngineOptions,
    EstimatorOptions,
    HandOptions,
    NetworkOptions,
)
from pose_ros.settings.gestures import GestureOptions, TargetOptions
from pose_ros.settings.images import LensOptions
from pose_ros.settings.lifting import LiftOptions, MountOptions
from pose_ros.settings.outputs import ExportOptions


def add_network_arguments(
    parser: argparse.ArgumentParser, *, leave_out: Collection[str] = ()
) -> None:
    """Add the options of ``build_estimator`` to a parser.

    Args:
        parser: Of a command.
        leave_out: Options that would change nothing in this command.
    """
    group = parser.add_argument_group("network")
    for options in (NetworkOptions, EstimatorOptions, EngineOptions):
        add_to_parser(options, group, leave_out=leave_out)


def add_hand_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``build_hands`` to a parser that has those of a network."""
    group = parser.add_argument_group("hands")
    add_to_parser(HandOptions, group)
    parser.set_defaults(hand_network=None)  # so that it is known whether it was given


def build_estimator(args: argparse.Namespace) -> Estimator:
    """Create the estimator that the options ask for.

    Raises:
        PoseRosError: As ``pose_ros.create_estimator``.
    """
    return create_estimator(
        args.network,
        options=from_args(EstimatorOptions, args),
        engine=from_args(EngineOptions, args),
    )


def hand_options(args: argparse.Namespace) -> HandOptions:
    """Return whether and how hands are looked for.

    Raises:
        OptionError: The options say how, and do not ask for hands.
    """
    hands = from_args(HandOptions, args)
    for flag in ("--hand-network", "--detect-palms"):
        if not hands.enabled and getattr(args, flag[2:].replace("-", "_")):
            raise OptionError(f"{flag} works only with --hands: give both or neither")
    return hands


def build_hands(args: argparse.Namespace, estimator: Estimator) -> HandEstimator | None:
    """Create what finds the hands of the estimator's people, if the options ask for it.

    Raises:
        PoseRosError: As ``pose_ros.create_body_hands``, or the network finds no bodies.
    """
    hands = hand_options(args)
    if not hands.enabled:
        return None
    hand_joints(estimator.skeleton)
    return create_body_hands(
        hands.network,
        detect_palms=hands.detect_palms,
        options=from_args(EstimatorOptions, args),
        engine=from_args(EngineOptions, args),
    )


def add_meter_arguments(parser: argparse.ArgumentParser, *, camera_info: str) -> None:
    """Add the options of ``LiftOptions``, of ``mount_options`` and of the camera to a parser.

    Args:
        parser: Of a command.
        camera_info: What the option of that name takes, in words.
    """
    group = parser.add_argument_group("meters")
    group.add_argument("--camera-info", metavar="CAMERA", help=camera_info)
    add_to_parser(LensOptions, group)
    add_to_parser(LiftOptions, group, leave_out=("max_depth_skew", "smoothing"))
    add_to_parser(MountOptions, group)


def add_gesture_arguments(parser: argparse.ArgumentParser, *, wanted: bool) -> None:
    """Add the options of ``gesture_options`` and ``TargetOptions`` to a parser.

    Args:
        parser: Of a command.
        wanted: Whether gestures are recognized unless it is said otherwise.
    """
    group = parser.add_argument_group("gestures")
    if wanted:
        group.add_argument(
            "--no-gestures", dest="gestures", action="store_false", help="recognize none"
        )
    else:
        group.add_argument("--gestures", action="store_true", help="recognize gestures")
    add_to_parser(GestureOptions, group)
    # only bag run reads /tf of its own choice
    add_to_parser(TargetOptions, group, leave_out=() if wanted else ("target_frame",))


def mount_options(args: argparse.Namespace) -> MountOptions:
    """Return how the camera is mounted.

    Raises:
        OptionError: A number is out of its range, or the height is missing.
    """
    mount = from_args(MountOptions, args)
    if mount.camera_height is None:
        for name in ("camera_pitch", "camera_roll"):
            if getattr(mount, name):
                flag = name.replace("_", "-")
                raise OptionError(f"--{flag} works only with --camera-height: give both or neither")
    return mount


def gesture_options(args: argparse.Namespace) -> GestureOptions | None:
    """Return how the options recognize gestures; None where they ask for none.

    Raises:
        OptionError: A number is out of its range.
    """
    if not args.gestures:
        return None
    return from_args(GestureOptions, args)


def add_export_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``export_options`` to a parser."""
    group = parser.add_argument_group("exports", "docs/reference/exports.md says what is in them")
    for name, kind in FORMATS.items():
        group.add_argument(f"--{name.replace('_', '-')}", metavar="FILE", help=kind.help)
    add_to_parser(ExportOptions, group)


def export_options(args: argparse.Namespace) -> ExportOptions:
    """Return what is to be exported.

    Raises:
        OptionError: An option is out of its range, or a file's name is that of another format.
    """
    files = {name: getattr(args, name) for name in FORMATS}
    for name, file in files.items():
        if file is not None:
            check_suffix(f"--{name.replace('_', '-')}", file, FORMATS[name].suffixes)
    named = {name: file for name, file in files.items() if file is not None}
    return from_args(ExportOptions, args, files=named)
