"""Options of what is worked out beside the poses: meters and gestures, offline as in the nodes."""

from __future__ import annotations

import argparse
from typing import get_args

from pose_ros.core.gestures import GestureOptions, StopKind
from pose_ros.core.lift import LiftOptions, level_floor
from pose_ros.core.pointing import RayKind
from pose_ros.core.trunk_fit import Floor
from pose_ros.errors import OptionError


def add_meter_arguments(parser: argparse.ArgumentParser, *, camera_info: str) -> None:
    """Add the options of ``lift_options``, ``check_floor`` and the camera to a parser.

    Args:
        parser: Of a command.
        camera_info: What the option of that name takes, in words.
    """
    group = parser.add_argument_group("meters")
    group.add_argument("--camera-info", metavar="CAMERA", help=camera_info)
    group.add_argument(
        "--hfov", type=float, metavar="DEGREES",
        help="horizontal field of view, where nothing else tells of the camera",
    )  # fmt: skip
    group.add_argument(
        "--person-height", type=float, metavar="M",
        help="height of the people, 0.5 to 2.5; distances are as good as it is",
    )  # fmt: skip
    group.add_argument(
        "--camera-height", type=float, metavar="M", help="of the camera above a level floor"
    )
    group.add_argument(
        "--camera-pitch", type=float, metavar="DEGREES",
        help="by which that camera looks down (0)",
    )  # fmt: skip
    group.add_argument(
        "--camera-roll", type=float, metavar="DEGREES",
        help="by which it is turned clockwise, seen from behind it (0)",
    )  # fmt: skip


def add_gesture_arguments(parser: argparse.ArgumentParser, *, wanted: bool) -> None:
    """Add the options of ``gesture_options`` to a parser.

    Args:
        parser: Of a command.
        wanted: Whether gestures are recognized unless it is said otherwise.
    """
    defaults = GestureOptions()
    group = parser.add_argument_group("gestures")
    if wanted:
        group.add_argument(
            "--no-gestures", dest="gestures", action="store_false", help="recognize none"
        )
    else:
        group.add_argument("--gestures", action="store_true", help="recognize gestures")
    group.add_argument(
        "--hold-time", type=float, default=defaults.hold_time, metavar="S",
        help="seconds for which a gesture has to be seen before it starts (%(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--gesture-score", type=float, default=defaults.min_score, metavar="T",
        help="least score, 0 to 1, of a joint that a gesture is seen by (%(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--ray", choices=get_args(RayKind), default=defaults.ray,
        help="what a pointing arm points along (%(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--stop-gesture", choices=get_args(StopKind), default=defaults.stop,
        help="what means stop: a palm held out, both hands up, or either (%(default)s)",
    )  # fmt: skip


def lift_options(args: argparse.Namespace) -> LiftOptions:
    """Return how the options place people in meters.

    Raises:
        OptionError: Nobody is that tall.
    """
    skew = getattr(args, "max_depth_skew", LiftOptions.max_depth_skew)
    return LiftOptions(
        height=args.person_height, max_depth_skew=skew, smoothing=not args.no_smoothing
    )


def check_floor(args: argparse.Namespace) -> Floor | None:
    """Return the floor below the camera, where the options tell of it.

    Raises:
        OptionError: A number is out of its range, or the height is missing.
    """
    if args.camera_height is None:
        for name in ("pitch", "roll"):
            if getattr(args, f"camera_{name}") is not None:
                raise OptionError(f"--camera-{name} is of --camera-height: give both or neither")
        return None
    return level_floor(args.camera_height, args.camera_pitch or 0.0, args.camera_roll or 0.0)


def gesture_options(args: argparse.Namespace) -> GestureOptions | None:
    """Return how the options recognize gestures; None where they ask for none.

    Raises:
        OptionError: A number is out of its range.
    """
    if not args.gestures:
        return None
    return GestureOptions(
        hold_time=args.hold_time, min_score=args.gesture_score, ray=args.ray, stop=args.stop_gesture
    )
