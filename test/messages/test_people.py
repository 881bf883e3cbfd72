"""People as messages of packages that PyPI's ROS lacks: their fields, in stand-ins of them."""

from types import SimpleNamespace

import numpy as np
import pytest

from pose_ros.core import skeletons
from pose_ros.core.types import Poses
from pose_ros.messages.people import PlacedPerson, detections_to_msg, people_to_msg

HEADER = SimpleNamespace(stamp=None, frame_id="odom")

# as of wg-perception/people and ros-perception/vision_msgs, 4.1
FIELDS = {
    "geometry_msgs/msg/Point": "x y z",
    "people_msgs/msg/People": "header people",
    "people_msgs/msg/Person": "name position velocity reliability tagnames tags",
    "vision_msgs/msg/BoundingBox2D": "center size_x size_y",
    "vision_msgs/msg/Detection2D": "header results bbox id",
    "vision_msgs/msg/Detection2DArray": "header detections",
    "vision_msgs/msg/ObjectHypothesis": "class_id score",
    "vision_msgs/msg/ObjectHypothesisWithPose": "hypothesis pose",
    "vision_msgs/msg/Point2D": "x y",
    "vision_msgs/msg/Pose2D": "position theta",
}


def types(kind):
    def make(**fields):
        assert set(fields) <= set(FIELDS[kind].split())
        return SimpleNamespace(**fields)

    return make


def test_unknown_speed_is_0_with_a_tag_that_says_so():
    walks = PlacedPerson("p1", np.array([1.0, 2, 0.9]), np.array([0.5, 0, 0]), 0.8)
    new = PlacedPerson("p2", np.array([3.0, 2, 0.9]), np.full(3, np.nan), 0.7)
    msg = people_to_msg(types, [walks, new], HEADER)
    assert msg.header is HEADER
    one, other = msg.people
    assert (one.name, one.reliability, one.tagnames, one.tags) == (
        "p1",
        0.8,
        ["velocity"],
        ["measured"],
    )
    assert vars(one.position) == {"x": 1.0, "y": 2.0, "z": 0.9}
    assert vars(one.velocity) == {"x": 0.5, "y": 0.0, "z": 0.0}
    assert vars(other.velocity) == {"x": 0.0, "y": 0.0, "z": 0.0}
    assert other.tags == ["unknown"]


def test_detections_are_the_known_boxes():
    poses = Poses(
        skeletons.get("coco17"),
        ids=np.array([3, 4]),
        scores=np.array([0.9, 0.8], np.float32),
        boxes=np.array([[10, 20, 30, 80], [np.nan] * 4], np.float32),
        keypoints=np.zeros((2, 17, 2), np.float32),
        keypoint_scores=np.ones((2, 17), np.float32),
    )
    msg = detections_to_msg(types, poses, HEADER, ["p3", "p4"])
    (found,) = msg.detections
    assert (found.id, found.header) == ("p3", HEADER)
    assert (found.bbox.size_x, found.bbox.size_y) == (20, 60)
    assert vars(found.bbox.center.position) == {"x": 20.0, "y": 50.0}
    (result,) = found.results
    assert result.hypothesis.class_id == "person"
    assert result.hypothesis.score == pytest.approx(0.9)
