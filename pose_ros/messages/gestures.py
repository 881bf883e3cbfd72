"""Gestures to messages and back; targets and goals to messages."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, get_args

import numpy as np

from pose_ros.core.gestures.recognizer import Event, Gesture, GestureSide, Ray
from pose_ros.core.gestures.targets import Goal
from pose_ros.errors import OptionError
from pose_ros.messages.headers import HeaderMsg, Types, stamp_from_msg, stamp_to_msg

# the constants of Gesture.msg
EVENTS: dict[Event, int] = {"started": 1, "held": 2, "ended": 3}
RAY_NONE, RAY_IMAGE, RAY_METRIC = 0, 1, 2


def gestures_to_msg(types: Types, gestures: Iterable[Gesture], header: HeaderMsg) -> Any:
    """Return the GestureArray of one image.

    Args:
        types: Of messages.
        gestures: Of all people.
        header: The image's own.
    """
    found = [_gesture_to_msg(types, gesture) for gesture in gestures]
    return types("pose_ros/msg/GestureArray")(header=header, gestures=found)


def target_to_msg(types: Types, goal: Goal, header: HeaderMsg) -> Any:
    """Return the PointStamped of where a person points.

    Args:
        types: Of messages.
        goal: Of a robot there.
        header: In the goal's frame, with the stamp of the image.
    """
    x, y, z = goal.position
    point = types("geometry_msgs/msg/Point")(x=x, y=y, z=z)
    return types("geometry_msgs/msg/PointStamped")(header=header, point=point)


def goal_to_msg(types: Types, goal: Goal, header: HeaderMsg) -> Any:
    """Return the PoseStamped of a goal; arguments are those of ``target_to_msg``."""
    x, y, z = goal.position
    turn = types("geometry_msgs/msg/Quaternion")(
        x=0.0, y=0.0, z=math.sin(goal.yaw / 2), w=math.cos(goal.yaw / 2)
    )
    place = types("geometry_msgs/msg/Point")(x=x, y=y, z=z)
    pose = types("geometry_msgs/msg/Pose")(position=place, orientation=turn)
    return types("geometry_msgs/msg/PoseStamped")(header=header, pose=pose)


def gestures_from_msg(msg: Any) -> tuple[Gesture, ...]:
    """Return the gestures of a GestureArray.

    Raises:
        OptionError: One has an event, a side or a ray that there is not.
    """
    return tuple(_gesture_from_msg(gesture) for gesture in msg.gestures)


def _gesture_to_msg(types: Types, gesture: Gesture) -> Any:
    ray, kind = gesture.ray, RAY_NONE
    if ray is not None:
        kind = RAY_METRIC if ray.metric else RAY_IMAGE
    unknown = np.full(3, np.nan)
    origin, direction = (unknown, unknown) if ray is None else (ray.origin, ray.direction)
    point, vector = types("geometry_msgs/msg/Point"), types("geometry_msgs/msg/Vector3")
    return types("pose_ros/msg/Gesture")(
        name=gesture.name,
        side=gesture.side,
        person=gesture.person,
        event=EVENTS[gesture.event],
        confidence=gesture.confidence,
        since=stamp_to_msg(types, gesture.since),
        ray=kind,
        origin=point(**dict(zip("xyz", origin.tolist(), strict=True))),
        direction=vector(**dict(zip("xyz", direction.tolist(), strict=True))),
        sigma=math.nan if ray is None else ray.sigma,
        origin_sigma=math.nan if ray is None else ray.origin_sigma,
    )


def _gesture_from_msg(msg: Any) -> Gesture:
    event = next((event for event, number in EVENTS.items() if number == msg.event), None)
    if event is None:
        raise OptionError(f"gesture {msg.name}: unknown event {msg.event}")
    if msg.side not in get_args(GestureSide):
        raise OptionError(f"gesture {msg.name}: unknown side {msg.side!r}")
    if msg.ray not in (RAY_NONE, RAY_IMAGE, RAY_METRIC):
        raise OptionError(f"gesture {msg.name}: unknown ray {msg.ray}")
    ray = None
    if msg.ray != RAY_NONE:
        ray = Ray(
            origin=np.array([msg.origin.x, msg.origin.y, msg.origin.z]),
            direction=np.array([msg.direction.x, msg.direction.y, msg.direction.z]),
            sigma=msg.sigma,
            metric=msg.ray == RAY_METRIC,
            origin_sigma=msg.origin_sigma,
        )
    return Gesture(
        name=msg.name,
        side=msg.side,
        person=int(msg.person),
        event=event,
        confidence=msg.confidence,
        since=stamp_from_msg(msg.since),
        ray=ray,
    )
