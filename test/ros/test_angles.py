"""Joint angles as PlotJuggler takes them: plain names and numbers, for each person."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pose_ros.core.types import Poses, PositionSource
from pose_ros.ros.messages import header_to_msg, poses_to_msg
from pose_ros.ros.outputs import Motions
from pose_ros.synthetic.source import SyntheticSource

TruePoses = Callable[..., Poses]


def measured(poses: Poses) -> Poses:
    """Return people whose joints a depth camera measured."""
    sources = np.full(poses.keypoint_scores.shape, PositionSource.DEPTH, np.uint8)
    return poses.replace(camera_sources=sources)


def test_angles_message_has_names_radians_and_speeds(true_poses: TruePoses) -> None:
    source, motions = SyntheticSource("wave", live=False), Motions("p")
    messages = [
        motions.angles(
            measured(true_poses([source.truth(i / 30)], [7])), header_to_msg(100 + i / 30, "c")
        )
        for i in range(12)
    ]
    last = messages[-1]
    assert last.header.frame_id == "c"
    assert len(last.name) == len(last.position) == len(last.velocity)
    values = dict(zip(last.name, last.position, strict=True))
    assert all(name.startswith("p7/") for name in values)
    # the actor waves with a raised hand, the other arm hangs
    assert values["p7/right_elbow_flexion"] > 0.5
    assert values["p7/left_shoulder_elevation"] < 0.5
    flexions = [m.position[m.name.index("p7/right_elbow_flexion")] for m in messages]
    speed = last.velocity[last.name.index("p7/right_elbow_flexion")]
    assert speed == pytest.approx((flexions[-1] - flexions[-6]) * 6, abs=1.0)
    assert np.isnan(messages[0].velocity).all()


def test_angles_of_a_missing_joint_are_left_out(true_poses: TruePoses) -> None:
    poses = measured(true_poses([SyntheticSource("stand", live=False).truth(0.0)], [7]))
    scores = poses.keypoint_scores.copy()
    scores[0, poses.skeleton.index("left_wrist")] = 0.1
    names = Motions("p").angles(poses.replace(keypoint_scores=scores), header_to_msg(1, "c")).name
    assert "p7/left_elbow_flexion" not in names
    assert "p7/right_elbow_flexion" in names


def test_keypoints_have_bone_orientations_and_people_have_velocities(
    true_poses: TruePoses,
) -> None:
    poses = true_poses([SyntheticSource("stand", live=False).truth(0.0)], [7])
    header = header_to_msg(1, "c")
    person = poses_to_msg(poses, header, "n", width=640, height=480).poses[0]
    turns = {point.name: point.orientation for point in person.keypoints}
    knee = turns["left_knee"]
    assert np.linalg.norm([knee.x, knee.y, knee.z, knee.w]) == pytest.approx(1.0)
    assert np.isnan(turns["left_eye"].w)
    assert np.isnan(person.velocity.x)
    moving = poses.replace(velocities=np.array([[0.5, 0.0, -0.25]], np.float32))
    velocity = poses_to_msg(moving, header, "n", width=640, height=480).poses[0].velocity
    assert (velocity.x, velocity.y, velocity.z) == (0.5, 0.0, -0.25)
