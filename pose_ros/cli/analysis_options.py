"""Options of what is worked out beside the poses: meters and gestures, offline as in the nodes."""

from __future__ import annotations

import argparse

from pose_ros.errors import OptionError
from pose_ros.settings.command_line import add_to_parser, from_args
from pose_ros.settings.gestures import GestureOptions, TargetOptions
from pose_ros.settings.images import LensOptions
from pose_ros.settings.lifting import LiftOptions, MountOptions


def add_meter_arguments(parser: argparse.ArgumentParser, *, camera_info: str) -> None:
    """Add the options of ``lift_options``, ``mount_options`` and the camera to a parser.

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
    """Add the options of ``gesture_options`` and ``target_options`` to a parser.

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


def lift_options(args: argparse.Namespace) -> LiftOptions:
    """Return how the options place people in meters.

    Raises:
        OptionError: No person is that tall.
    """
    return from_args(LiftOptions, args)


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
                raise OptionError(f"--{flag} is of --camera-height: give both or neither")
    return mount


def gesture_options(args: argparse.Namespace) -> GestureOptions | None:
    """Return how the options recognize gestures; None where they ask for none.

    Raises:
        OptionError: A number is out of its range.
    """
    if not args.gestures:
        return None
    return from_args(GestureOptions, args)


def target_options(args: argparse.Namespace) -> TargetOptions:
    """Return which places that people point at are refused.

    Raises:
        OptionError: A number is out of its range.
    """
    return from_args(TargetOptions, args)
