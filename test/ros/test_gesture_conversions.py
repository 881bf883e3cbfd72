from __future__ import annotations

import math

import numpy as np
import pytest
from rclpy.serialization import deserialize_message, serialize_message
from std_msgs.msg import Header

from pose_ros.core.gestures.recognizer import Gesture, Ray
from pose_ros.core.types import NO_BODY, hand_id
from pose_ros.errors import OptionError
from pose_ros.messages.gestures import gestures_from_msg
from pose_ros.msg import GestureArray, HumanPose
from pose_ros.ros.messages import gestures_to_msg

RAYS = {
    "none": None,
    "metric": Ray([0.1, -0.2, 3.0], [0.6, 0.0, -0.8], 0.125, metric=True, origin_sigma=0.25),
    "unplaced": Ray([math.nan] * 3, [0.6, 0.0, -0.8], 0.125, metric=True),
    "image": Ray([320.0, 240.0, 0.0], [0.0, 1.0, 0.0], 0.5, metric=False),
}


def a_gesture(ray: Ray | None = None) -> Gesture:
    return Gesture("point", "left", 7, "started", 0.75, 1234.5, ray)


@pytest.mark.parametrize("kind", RAYS)
def test_gestures_are_unchanged_after_a_round_trip_through_a_message(kind: str) -> None:
    ray = RAYS[kind]
    header = Header(frame_id="camera_optical_frame")
    sent = gestures_to_msg([a_gesture(ray), Gesture("ok", "", 3, "ended", 0.5, 2.0)], header)
    msg = deserialize_message(serialize_message(sent), GestureArray)
    assert msg.header == header
    first, second = gestures_from_msg(msg)
    assert (first.name, first.side, first.person, first.event) == ("point", "left", 7, "started")
    assert (first.confidence, first.since) == (0.75, 1234.5)
    assert second == Gesture("ok", "", 3, "ended", 0.5, 2.0)
    if ray is None:
        assert first.ray is None
        assert math.isnan(msg.gestures[0].direction.x)
        return
    assert first.ray is not None
    np.testing.assert_array_equal(first.ray.origin, ray.origin)
    np.testing.assert_array_equal(first.ray.direction, ray.direction)
    np.testing.assert_array_equal(first.ray.origin_sigma, ray.origin_sigma)
    assert (first.ray.sigma, first.ray.metric) == (ray.sigma, ray.metric)


def test_hand_without_a_body_keeps_its_ids_in_messages() -> None:
    of_hand = Gesture("fist", "right", NO_BODY + 3, "held", 0.5, 2.0)
    msg = serialize_message(gestures_to_msg([of_hand], Header()))
    assert gestures_from_msg(deserialize_message(msg, GestureArray)) == (of_hand,)
    hand = HumanPose(id=hand_id(NO_BODY + 3, 1))
    assert deserialize_message(serialize_message(hand), HumanPose).id == 2 * (NO_BODY + 3) + 1


@pytest.mark.parametrize(("field", "value"), [("event", 0), ("side", "up"), ("ray", 9)])
def test_unknown_gesture_values_are_refused(field: str, value: object) -> None:
    msg = gestures_to_msg([a_gesture()], Header())
    setattr(msg.gestures[0], field, value)
    with pytest.raises(OptionError, match=field):
        gestures_from_msg(msg)
