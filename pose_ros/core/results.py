"""What was found in the images of a recording: what tables, reports and bags are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pose_ros.core.gestures.recognizer import Gesture
from pose_ros.core.gestures.targets import Goal
from pose_ros.core.records import gesture_to_dict, hand_to_dict, pose_to_dict
from pose_ros.core.timeline import NANOSECONDS
from pose_ros.core.types import Poses


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
        goals: Where a robot would drive to that goes where a person points, by person; or in
            words why that is not known.
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
    goals: Mapping[int, Goal | str] = field(default_factory=dict)

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
            ``gestures``, a list.
        """
        return {
            "source": self.source,
            "index": self.index,
            "stamp_s": round(self.stamp, 6),
            "stamp_ns": self.nanoseconds,
            "frame_id": self.frame_id or None,
            "width_px": self.width,
            "height_px": self.height,
            "skeleton": self.poses.skeleton.name,
            "poses": [pose_to_dict(pose) for pose in self.poses],
            "hands": None if self.hands is None else [hand_to_dict(hand) for hand in self.hands],
            "gestures": [gesture_to_dict(gesture) for gesture in self.gestures],
        }

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
    """

    source: str
    network: str
    provider: str
    hand_network: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
