"""The example of a node hears the poses and publishes what it makes of them."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path
from typing import Any

import pytest
from geometry_msgs.msg import Point
from std_msgs.msg import Float32

from pose_ros.msg import HumanPose, Keypoint, PoseArray


@pytest.fixture
def example(checkout: Path) -> Any:
    path = checkout / "examples" / "nearest_person.py"
    spec = importlib.util.spec_from_file_location("nearest_person", path)
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def person(*meters: float) -> HumanPose:
    """Return a person with one joint at each distance straight ahead, NaN: unknown."""
    joints = []
    for z in meters:
        joint = Keypoint(name="nose", position=Point(x=0.0, y=0.0, z=z))
        joint.position_source = Keypoint.SOURCE_NONE if math.isnan(z) else Keypoint.SOURCE_MODEL
        joints.append(joint)
    return HumanPose(keypoints=joints)


def test_nearest_person_is_published_as_nan_while_meters_are_unknown(
    ros: Any, example: Any
) -> None:
    ros.executor.add_node(node := example.NearestPerson())
    try:
        publisher = ros.node.create_publisher(PoseArray, "pose/poses", 10)
        found = ros.collect(Float32, "nearest_person")
        assert ros.spin_until(
            lambda: publisher.get_subscription_count() and node.publisher.get_subscription_count()
        )
        for poses in ([person(4.0, 3.5), person(2.5, math.nan)], [person(math.nan)], []):
            publisher.publish(PoseArray(poses=poses))
        assert ros.spin_until(lambda: len(found) == 3)
    finally:
        node.destroy_node()
    assert found[0].data == pytest.approx(2.5)
    assert math.isnan(found[1].data)
    assert math.isnan(found[2].data)
