"""What suits the nodes to a drawn scene, for ``pose-ros up`` and the launch file alike."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pose_ros.sources.names import commanding_scene, with_option

if TYPE_CHECKING:
    from pose_ros.synthetic.source import SyntheticSource

SCENE_TIMEOUT = 1.0
"""Seconds, the gesture node's ``timeout`` for a drawn scene."""


@dataclass(frozen=True)
class SceneParameters:
    """A drawn scene and the parameters that suit the nodes to it.

    Attributes:
        source: Name of the scene, as ``open_source`` takes it.
        pose: Parameters of the pose node.
        gesture: Parameters of the gesture node.
        note: What is missing; empty: nothing.
    """

    source: str
    pose: Mapping[str, float] = field(default_factory=dict)
    gesture: Mapping[str, float] = field(default_factory=dict)
    note: str = ""


def scene_meters(source: SyntheticSource) -> dict[str, float]:
    """Return the pose node's parameters that say how large people are and where the floor is.

    Without ``person_height`` where the scene's actors are not of one height.
    """
    heights = {round(truth.height, 3) for truth in source.truths(0.0)}
    transform = source.view.transform
    return {
        **({"person_height": heights.pop()} if len(heights) == 1 else {}),
        "camera_height": round(float(transform[2, 3]), 3),
        "camera_pitch": round(-math.degrees(math.asin(transform[2, 2])), 3),
    }


def gesture_scene(spec: str) -> SceneParameters:
    """Return a drawn scene in which gestures can command a robot, and what the nodes need for it.

    The scene begins when the camera opens it. With the height of its people and the place of its
    camera a direction is certain enough to move a robot by. And where one machine draws, finds
    and commands, an image may be older than one of a real camera.

    Args:
        spec: The name of a drawn scene, with or without options.

    Raises:
        OptionError: There is no such scene or option, or a value is out of its range.
    """
    # late: the Python of ros2 may lack what they need, and a launch without a scene needs neither
    from pose_ros.synthetic.source import affordable_fps, open_synthetic

    spec = with_option(commanding_scene(spec), "fps", f"{affordable_fps():g}")
    spec = with_option(spec, "begin", "now")
    return SceneParameters(spec, scene_meters(open_synthetic(spec)), {"timeout": SCENE_TIMEOUT})
