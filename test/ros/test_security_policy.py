"""The SROS 2 policy allows exactly what the running nodes use."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from rclpy.parameter import Parameter

from pose_ros.ros.camera_node import CameraNode
from pose_ros.ros.fusion_node import FusionNode
from pose_ros.ros.gesture_node import GestureNode
from pose_ros.ros.pose_node import PoseNode

pytestmark = pytest.mark.safety

# Allowed, and not there by default: options of the nodes, and the services of newer ROS.
OPTIONAL = {
    "camera": {
        "/left/image",
        "/left/camera_info",
        "/left/depth",
        "/right/image",
        "/right/camera_info",
    },
    # people_msgs, vision_msgs and foxglove_msgs may not be installed
    "pose": {
        "image/compressed",
        "/humans/bodies/*",
        "~/get_type_description",
        "/people",
        "~/detections",
        "~/image_annotations",
        "~/scene",
        "/tf",
        "/tf_static",
    },
    "fusion": {"/tf_static", "~/scene", "~/get_type_description"},
    "gesture": {
        "~/get_type_description",
        "~/taught",
        "~/teach",
        "~/remove",
        "/humans/bodies/*",
        "/humans/persons/*",
    },
}
ACTION = {"navigate_to_pose/_action/cancel_goal"}

# Topics that every node of ROS has.
OF_ROS = re.compile(r"/rosout|/parameter_events|.*/transition_event")
KINDS = ("publish", "subscribe", "reply")

Rights = dict[str, set[str]]


def full(name: str, node: str) -> str:
    """Return a name of the policy as the graph has it."""
    if name.startswith("~"):
        return f"/{node}{name[1:]}"
    return name if name.startswith("/") else f"/{name}"


def policy_rights(path: Path) -> dict[str, Rights]:
    root = ElementTree.parse(path).getroot()
    rights: dict[str, Rights] = {}
    for profile in root.iter("profile"):
        node = profile.attrib["node"]
        allowed = rights.setdefault(
            node, {kind: set() for kind in ("publish", "subscribe", "reply")}
        )
        for group in profile:
            for kind, names in allowed.items():
                if group.get(kind) == "ALLOW":
                    names.update(full((entry.text or "").strip(), node) for entry in group)
    return rights


def graph_rights(observer: Any, node: str) -> Rights:
    """Return what a running node publishes, subscribes to and serves."""

    def names(kind: str) -> set[str]:
        return {name for name, _ in getattr(observer, f"get_{kind}_by_node")(node, "/")}

    return {
        "publish": names("publisher_names_and_types"),
        "subscribe": names("subscriber_names_and_types"),
        "reply": names("service_names_and_types"),
    }


def parameters(**values: Any) -> list[Parameter]:
    return [Parameter(name, value=value) for name, value in values.items()]


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (CameraNode, {"source": "synthetic:gestures"}),
        (PoseNode, {"hands": True, "use_depth": True, "masks": True, "publish_cloud": True}),
        (FusionNode, {"cameras": "left, right", "hands": True}),
        (GestureNode, {"hands": True}),
    ],
    ids=["camera", "pose", "fusion", "gesture"],
)
def test_policy_allows_what_a_node_uses_and_no_more(
    kind: Any, values: dict[str, Any], ros: Any, checkout: Path
) -> None:
    node = ros.add(kind(parameter_overrides=parameters(**values)))
    node.trigger_configure()
    node.trigger_activate()
    name = node.get_name()
    allowed = policy_rights(checkout / "config" / "sros2.policy.xml")[name]
    optional = {full(entry, name) for entry in OPTIONAL[name]}

    def used() -> Rights:
        return graph_rights(ros.node, name)

    # the graph takes a moment to show everything
    ros.spin_until(
        lambda: all(allowed[right] - optional <= names for right, names in used().items())
    )
    for right, names in used().items():
        assert sorted(names - allowed[right]) == [], f"{name} may not {right}"
        assert sorted(allowed[right] - names - optional) == [], f"{name} need not {right}"


def test_only_the_gesture_node_may_command(checkout: Path) -> None:
    rights = policy_rights(checkout / "config" / "sros2.policy.xml")
    for topic in ("/cmd_vel", "/goal_pose"):
        assert [node for node, allowed in rights.items() if topic in allowed["publish"]] == [
            "gesture"
        ]


def test_topics_of_the_policy_and_of_the_reference_page_are_the_same(checkout: Path) -> None:
    page = (checkout / "docs" / "reference" / "topics.md").read_text(encoding="utf-8")
    firsts = re.findall(r"^\| (`[^|]*) \|", page, re.MULTILINE)
    listed = {full(name, "") for first in firsts for name in re.findall("`([^`]+)`", first)}
    allowed = {
        topic
        for rights in policy_rights(checkout / "config" / "sros2.policy.xml").values()
        for topic in rights["publish"] | rights["subscribe"]
        if not OF_ROS.fullmatch(topic)
    }
    assert sorted(allowed - listed) == [], "not in docs/reference/topics.md"
    assert sorted(listed - allowed) == [], "not in config/sros2.policy.xml"
