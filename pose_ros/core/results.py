"""What was found in the images of a recording: what tables, reports and bags are made of."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pose_ros.core.gestures.recognizer import Gesture, Ray
from pose_ros.core.gestures.targets import Goal, Refused, Target
from pose_ros.core.timeline import NANOSECONDS
from pose_ros.core.types import Pose, Poses, PositionSource, person_of_hand

_DIGITS = 4


@dataclass(frozen=True, eq=False, repr=False)
class Result:
    """What was found in one image.

    >>> import json
    >>> import pose_ros
    >>> result = next(pose_ros.analyze("synthetic:stand"))
    >>> result
    Result('synthetic:stand', index=0, stamp=0.0, 640x480, Poses(1 of blazepose33, ids=[0],
    scores=[1.00]))
    >>> record = result.to_dict()
    >>> sorted(record["poses"][0]["keypoints"]["left_wrist"])
    ['camera_m', 'camera_sigma_m', 'camera_source', 'score', 'world_m', 'x_px', 'y_px', 'z_px']
    >>> len(json.dumps(record)) > 1000
    True

    Attributes:
        index: Position of the image in its source, from 0; images that were skipped count.
        nanoseconds: The image's own stamp: Unix time, or media time from 0 of a video.
        width: Of the image, pixels.
        height: Of the image, pixels.
        poses: The people.
        hands: Their hands, where they were looked for.
        gestures: Those held in this image, and those that ended with it.
        frame_id: TF frame of the image; empty when unknown.
        source: What the user called the recording or picture.
        targets: Where each person who points meets the ground, by person; empty where the
            camera's place is not known.
        goals: Where a robot would drive to that goes where a person points, by person; or in
            words why that is not known.
        fused: (N, K, 3) meters in the common world of several cameras, NaN where unknown; None
            where one camera was there. ``poses`` are then as the first camera has them.
        room: (4, 4) that takes meters of ``fused``, of ``poses.camera`` where one camera was
            there, to a frame with z up; None where up is not known.
    """

    index: int
    nanoseconds: int
    width: int
    height: int
    poses: Poses
    hands: Poses | None = None
    gestures: tuple[Gesture, ...] = ()
    frame_id: str = ""
    source: str = ""
    targets: Mapping[int, Target | Refused] = field(default_factory=dict)
    goals: Mapping[int, Goal | str] = field(default_factory=dict)
    fused: NDArray[np.float64] | None = None
    room: NDArray[np.float64] | None = None

    @property
    def stamp(self) -> float:
        """Stamp in seconds; as a float it holds Unix time to a quarter of a microsecond."""
        seconds, rest = divmod(self.nanoseconds, NANOSECONDS)
        return seconds + rest / NANOSECONDS

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain values that ``json.dumps`` takes as they are.

        The names of what has a unit end in it: ``_px``, ``_m``, ``_rad``, ``_s``, ``_ns``. What
        is missing or unknown is None, never NaN.

        Returns:
            ``source``, ``index``, ``stamp_s``, ``stamp_ns``, ``frame_id``, ``width_px``,
            ``height_px``, ``skeleton``; ``poses``, a list, with ``keypoints`` by name; ``hands``,
            the same with the id of the ``person``, None where they were not looked for;
            ``gestures``, a list; ``targets``, a list of where people point, each with a
            ``position_m``, or with the ``reason`` why it has none. Where several cameras were
            fused, each keypoint has ``fused`` too: meters in their common world.
        """
        poses = [_pose(pose) for pose in self.poses]
        for pose, points in zip(poses, () if self.fused is None else self.fused, strict=False):
            for i, keypoint in enumerate(pose["keypoints"].values()):
                keypoint["fused"] = _point(points, i)
        return {
            "source": self.source,
            "index": self.index,
            "stamp_s": round(self.stamp, 6),
            "stamp_ns": self.nanoseconds,
            "frame_id": self.frame_id or None,
            "width_px": self.width,
            "height_px": self.height,
            "skeleton": self.poses.skeleton.name,
            "poses": poses,
            "hands": None if self.hands is None else [_hand(hand) for hand in self.hands],
            "gestures": [_gesture(gesture) for gesture in self.gestures],
            "targets": [_target(i, goal, self.targets.get(i)) for i, goal in self.goals.items()],
        }

    def to_record(self, network: str, *, gestures: bool) -> dict[str, Any]:
        """Return the result as a line of JSON has it: lists of keypoints, short names.

        Programs read these lines, so their names and their form stay as they are; ``to_dict`` has
        the same values by name and with units.

        Args:
            network: What found the people.
            gestures: Whether they were looked for; where not, ``gestures`` and ``targets`` are
                left out, as ``hands`` is where those were not looked for.
        """
        values = self.to_dict()
        record = {
            "source": self.source,
            "index": self.index,
            "stamp": values["stamp_s"],
            "width": self.width,
            "height": self.height,
            "network": network,
            "skeleton": values["skeleton"],
            "poses": [_with_short_names(pose) for pose in values["poses"]],
        }
        if values["hands"] is not None:
            record["hands"] = [_with_short_names(hand) for hand in values["hands"]]
        if gestures:
            record["gestures"] = [_with_short_names(found) for found in values["gestures"]]
            record["targets"] = [_with_short_names(target) for target in values["targets"]]
        return record

    def __repr__(self) -> str:
        more = "" if self.hands is None else f", hands={self.hands}"
        if self.gestures:
            more += f", gestures={[gesture.name for gesture in self.gestures]}"
        return (
            f"Result({self.source!r}, index={self.index}, stamp={self.stamp}, "
            f"{self.width}x{self.height}, {self.poses}{more})"
        )


@dataclass(frozen=True)
class RunInfo:
    """What ran over a recording: all that its results follow from, and nothing else.

    It holds no time of day and no speed, so that the same run writes the same bytes.

    Attributes:
        source: What the user called the recording.
        network: What found the people.
        provider: What ran it: ``cpu``, ``cuda`` or ``tensorrt``.
        hand_network: What found their hands; empty where they were not looked for.
        versions: Of pose_ros and of what its results depend on, by name.
        options: By name, such as ``threshold``; values that JSON takes.
        cameras: Names of those whose people were fused, the reference first; empty of one.
    """

    source: str
    network: str
    provider: str
    hand_network: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    cameras: Sequence[str] = field(default_factory=list)


def _pose(pose: Pose) -> dict[str, Any]:
    """Return a person or a hand as plain values."""
    return {
        "id": pose.id,
        "score": _number(pose.score),
        "label": pose.label,
        "label_score": None if pose.label_score is None else _number(pose.label_score),
        "box_px": _numbers(pose.box),
        "keypoints": {
            name: {
                "x_px": _number(pose.keypoints[i, 0]),
                "y_px": _number(pose.keypoints[i, 1]),
                "z_px": None if pose.depths is None else _number(pose.depths[i]),
                "score": _number(pose.keypoint_scores[i]),
                "world_m": _point(pose.world, i),
                "camera_m": _point(pose.camera, i),
                "camera_source": _source(pose, i),
                "camera_sigma_m": None
                if pose.camera_sigmas is None
                else _number(pose.camera_sigmas[i]),
            }
            for i, name in enumerate(pose.skeleton.keypoints)
        },
    }


def _with_short_names(values: dict[str, Any]) -> dict[str, Any]:
    """Return plain values without units in their names, and keypoints as a list."""

    def short(name: str, value: Any) -> Any:
        if name == "keypoints":
            return [{"name": key, **_with_short_names(point)} for key, point in value.items()]
        return _with_short_names(value) if isinstance(value, dict) else value

    return {
        re.sub("_(px|m|rad|s)$", "", name): short(name, value) for name, value in values.items()
    }


def _hand(hand: Pose) -> dict[str, Any]:
    return {"person": person_of_hand(hand.id), **_pose(hand)}


def _gesture(gesture: Gesture) -> dict[str, Any]:
    return {
        "name": gesture.name,
        "side": gesture.side or None,
        "person": gesture.person,
        "event": gesture.event,
        "confidence": _number(gesture.confidence),
        "since_s": round(gesture.since, 6),
        "ray": None if gesture.ray is None else _ray(gesture.ray),
    }


def _ray(ray: Ray) -> dict[str, Any]:
    return {
        "kind": "metric" if ray.metric else "image",
        "origin_m" if ray.metric else "origin_px": _numbers(ray.origin),
        "direction": _numbers(ray.direction),
        "sigma_rad": _number(ray.sigma),
        "origin_sigma_m": _number(ray.origin_sigma),
    }


def _target(person: int, goal: Goal | str, target: Target | Refused | None) -> dict[str, Any]:
    """Return where a person points as plain values."""
    place = goal if isinstance(goal, Goal) else None
    return {
        "person": person,
        "frame_id": place and place.frame_id,
        "position_m": place and _numbers(place.position),
        "sigma_m": _number(target.sigma) if isinstance(target, Target) else None,
        "range_m": _number(target.range) if isinstance(target, Target) else None,
        "goal_yaw_rad": place and _number(place.yaw),
        "reason": None if isinstance(goal, Goal) else goal,
    }


def _source(pose: Pose, index: int) -> str | None:
    if pose.camera_sources is None or pose.camera_sources[index] == PositionSource.NONE:
        return None
    return PositionSource(int(pose.camera_sources[index])).name.lower()


def _point(points: NDArray[np.floating[Any]] | None, index: int) -> list[float | None] | None:
    if points is None or not np.isfinite(points[index]).all():
        return None
    return _numbers(points[index])


def _numbers(values: Any) -> list[float | None]:
    return [_number(value) for value in values]


def _number(value: float) -> float | None:
    return round(float(value), _DIGITS) if math.isfinite(value) else None
