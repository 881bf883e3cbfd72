"""Markers of where people point, from the gesture node over real ROS."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from geometry_msgs.msg import TransformStamped
from tf2_msgs.msg import TFMessage
from visualization_msgs.msg import Marker, MarkerArray

from pose_ros.core.geometry import angle_between
from pose_ros.core.gestures.recognizer import Ray
from pose_ros.ros.markers import OPEN_METERS, PointingMarkers
from tools.gesture_stage import LATCHED, SUCCESS, Stage

pytestmark = pytest.mark.safety

COMMANDS = "point: {do: goal}"
ORIGIN = np.array([0.3, 0.2, 3.0])
# 1.2 m down, as the camera below is 1.4 m up
DIRECTION = np.array([0.6, 0.8, 0.0])
SIGMA = 0.1


def ray(**changes: Any) -> Ray:
    given = {"origin": ORIGIN, "direction": DIRECTION, "sigma": SIGMA, "metric": True}
    return Ray(**{**given, "origin_sigma": 0.05, **changes})


def mounting() -> TransformStamped:
    """A camera 1.4 m above the base that looks ahead, level."""
    made = TransformStamped(child_frame_id="camera")
    made.header.frame_id = "base_link"
    made.transform.translation.z = 1.4
    q = made.transform.rotation
    q.x, q.y, q.z, q.w = -0.5, 0.5, -0.5, 0.5
    return made


def points(marker: Marker) -> Any:
    return np.array([[p.x, p.y, p.z] for p in marker.points])


def by_name(array: MarkerArray) -> dict[str, Marker]:
    assert {marker.id for marker in array.markers} == {7}
    return {marker.ns: marker for marker in array.markers}


def actions(array: MarkerArray) -> dict[str, int]:
    return {marker.ns: marker.action for marker in array.markers}


def test_line_cone_and_target_are_shown_and_deleted(
    ros: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[MarkerArray] = []
    update = PointingMarkers.update

    def noted(*arguments: Any) -> MarkerArray:
        made.append(update(*arguments))
        return made[-1]

    monkeypatch.setattr(PointingMarkers, "update", noted)
    stage = Stage(ros, commands=COMMANDS)
    stage.up()
    stage.seen.ray = ray()
    # no one subscribes: nothing is made
    assert stage.until(lambda: len(stage.seen.stamps) > 5, "point")
    assert made == []
    found = ros.collect(MarkerArray, "gesture/markers")
    # no frame yet: where the arm leads, and no target
    assert stage.until(lambda: found, "point")
    shown = by_name(found[0])
    assert set(shown) == {"ray", "cone"}
    assert points(shown["ray"]) == pytest.approx(
        np.array([ORIGIN, ORIGIN + OPEN_METERS * DIRECTION])
    )
    frames = ros.node.create_publisher(TFMessage, "/tf_static", LATCHED)
    frames.publish(TFMessage(transforms=[mounting()]))
    assert stage.until(lambda: "target" in by_name(found[-1]), "point")
    shown = by_name(found[-1])
    assert {marker.action for marker in shown.values()} == {Marker.ADD}
    assert (shown["ray"].header.frame_id, shown["cone"].header.frame_id) == ("camera", "camera")
    # 1.2 m down at 0.8 a meter: 1.5 m along the arm
    assert points(shown["ray"]) == pytest.approx(np.array([ORIGIN, ORIGIN + 1.5 * DIRECTION]))
    target = shown["target"]
    assert target.header.frame_id == "base_link"
    place = target.pose.position
    assert (place.x, place.y, place.z) == pytest.approx((3.0, -1.2, 0.0), abs=1e-6)
    assert target.color.a == 1.0
    # every rim point is as far off as sigma says, all around
    triangles = points(shown["cone"]).reshape(-1, 3, 3)
    assert triangles[:, 0] == pytest.approx(np.tile(ORIGIN, (len(triangles), 1)))
    rim = (triangles[:, 1:].reshape(-1, 3) - ORIGIN) / 1.5
    sigma = np.radians(angle_between(rim, DIRECTION))
    assert sigma == pytest.approx(np.full(len(rim), SIGMA))
    assert rim.mean(axis=0) == pytest.approx(np.cos(SIGMA) * DIRECTION, abs=1e-6)
    assert 0.0 < shown["cone"].color.a < 1.0
    # the arm points at the sky: line and cone stay, the target goes
    up = np.array([0.6, -0.8, 0.0])
    stage.seen.ray = ray(direction=up)
    reported = {"ray": Marker.ADD, "cone": Marker.ADD, "target": Marker.DELETE}
    assert stage.until(lambda: any(actions(array) == reported for array in found), "point")
    assert points(by_name(found[-1])["ray"])[1] == pytest.approx(ORIGIN + OPEN_METERS * up)
    # the arm goes down: all is deleted, once
    reported = {"ray": Marker.DELETE, "cone": Marker.DELETE}
    assert stage.until(lambda: actions(found[-1]) == reported)
    count, seen = len(found), len(stage.seen.stamps)
    assert stage.until(lambda: len(stage.seen.stamps) > seen + 5)
    assert len(found) == count
    # and when the node is deactivated
    assert stage.until(lambda: Marker.ADD in actions(found[-1]).values(), "point")
    assert stage.node.trigger_deactivate() == SUCCESS
    assert ros.spin_until(lambda: actions(found[-1]) == reported)


@pytest.mark.parametrize(
    "unplaced",
    [
        {"metric": False, "direction": np.array([1.0, 0.0, 0.0])},
        {"origin": np.full(3, np.nan)},
    ],
)
def test_ray_without_an_origin_is_not_shown(ros: Any, unplaced: dict[str, Any]) -> None:
    stage = Stage(ros, commands=COMMANDS)
    found = ros.collect(MarkerArray, "gesture/markers")
    stage.up()
    stage.seen.ray = ray()
    assert stage.until(lambda: found, "point")
    stage.seen.ray = ray(**unplaced)
    assert stage.until(lambda: set(actions(found[-1]).values()) == {Marker.DELETE}, "point")
    count, seen = len(found), len(stage.seen.stamps)
    assert stage.until(lambda: len(stage.seen.stamps) > seen + 5, "point")
    assert len(found) == count
