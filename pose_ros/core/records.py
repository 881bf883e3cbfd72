"""Results as plain values: the records of JSON lines, and ``Result.to_dict``."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pose_ros.core.gestures.recognizer import Gesture, Ray
from pose_ros.core.types import Frame, Pose, Poses, PositionSource, person_of_hand

_DIGITS = 4


def to_record(
    frame: Frame,
    poses: Poses,
    network: str,
    hands: Poses | None = None,
    gestures: Iterable[Gesture] | None = None,
) -> dict[str, Any]:
    """Return one frame's result as a record that ``json.dumps`` takes as it is.

    What is missing or unknown is None, never NaN, so that the JSON is valid.

    Args:
        frame: The frame.
        poses: The people in it.
        network: What found them.
        hands: Those of the people, where they were looked for; a ``HandEstimator``'s.
        gestures: Theirs, where they were looked for.
    """
    record = {
        "source": frame.source,
        "index": frame.index,
        "stamp": round(frame.stamp, 6),
        "width": frame.width,
        "height": frame.height,
        "network": network,
        "skeleton": poses.skeleton.name,
        "poses": [_pose(pose) for pose in poses],
    }
    if hands is not None:
        record["hands"] = [{"person": person_of_hand(hand.id), **_pose(hand)} for hand in hands]
    if gestures is not None:
        record["gestures"] = [_gesture(gesture) for gesture in gestures]
    return record


def _gesture(gesture: Gesture) -> dict[str, Any]:
    ray = gesture.ray
    return {
        "name": gesture.name,
        "side": gesture.side or None,
        "person": gesture.person,
        "event": gesture.event,
        "confidence": _number(gesture.confidence),
        "since": round(gesture.since, 6),
        "ray": None if ray is None else _ray(ray),
    }


def _ray(ray: Ray) -> dict[str, Any]:
    return {
        "kind": "metric" if ray.metric else "image",
        "origin": [_number(v) for v in ray.origin],
        "direction": [_number(v) for v in ray.direction],
        "sigma": _number(ray.sigma),
        "origin_sigma": _number(ray.origin_sigma),
    }


def _pose(pose: Pose) -> dict[str, Any]:
    return {
        "id": pose.id,
        "score": _number(pose.score),
        "label": pose.label,
        "label_score": None if pose.label_score is None else _number(pose.label_score),
        "box": [_number(v) for v in pose.box],
        "keypoints": [
            {
                "name": name,
                "x": _number(pose.keypoints[i, 0]),
                "y": _number(pose.keypoints[i, 1]),
                "score": _number(pose.keypoint_scores[i]),
                "z": None if pose.depths is None else _number(pose.depths[i]),
                "world": _point(pose.world, i),
                "camera": _point(pose.camera, i),
                "camera_source": _source(pose, i),
                "camera_sigma": None
                if pose.camera_sigmas is None
                else _number(pose.camera_sigmas[i]),
            }
            for i, name in enumerate(pose.skeleton.keypoints)
        ],
    }


def pose_to_dict(pose: Pose) -> dict[str, Any]:
    """Return a person or a hand as plain values, with keypoints by name and units in the names."""
    return {
        "id": pose.id,
        "score": _number(pose.score),
        "label": pose.label,
        "label_score": None if pose.label_score is None else _number(pose.label_score),
        "box_px": [_number(v) for v in pose.box],
        "keypoints": {
            point["name"]: {
                "x_px": point["x"],
                "y_px": point["y"],
                "z_px": point["z"],
                "score": point["score"],
                "world_m": point["world"],
                "camera_m": point["camera"],
                "camera_source": point["camera_source"],
                "camera_sigma_m": point["camera_sigma"],
            }
            for point in _pose(pose)["keypoints"]
        },
    }


def hand_to_dict(hand: Pose) -> dict[str, Any]:
    """Return a person's hand as plain values, with the person's id."""
    return {"person": person_of_hand(hand.id), **pose_to_dict(hand)}


def gesture_to_dict(gesture: Gesture) -> dict[str, Any]:
    """Return a gesture as plain values; the origin of its ray is in meters or pixels."""
    record, ray = _gesture(gesture), gesture.ray
    record["since_s"] = record.pop("since")
    if ray is not None:
        told = record["ray"]
        record["ray"] = {
            "kind": told["kind"],
            "origin_m" if ray.metric else "origin_px": told["origin"],
            "direction": told["direction"],
            "sigma_rad": told["sigma"],
            "origin_sigma_m": told["origin_sigma"],
        }
    return record


def _source(pose: Pose, index: int) -> str | None:
    if pose.camera_sources is None or pose.camera_sources[index] == PositionSource.NONE:
        return None
    return PositionSource(int(pose.camera_sources[index])).name.lower()


def _point(points: NDArray[np.float32] | None, index: int) -> list[float | None] | None:
    if points is None or not np.isfinite(points[index]).all():
        return None
    return [_number(v) for v in points[index]]


def _number(value: float) -> float | None:
    return round(float(value), _DIGITS) if math.isfinite(value) else None
