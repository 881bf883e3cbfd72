"""Two hundred random walks through the transitions of the three nodes: nothing stays behind."""

from __future__ import annotations

import gc
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter

from pose_ros.errors import ModelError
from pose_ros.ros.camera_node import CameraNode
from pose_ros.ros.gesture_node import GestureNode
from pose_ros.ros.pose_node import PoseNode

pytestmark = pytest.mark.slow

WALKS = 200
STEPS = 7
SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE

# From each state: the transitions that ROS 2 allows, and where they lead.
ALLOWED = {
    "unconfigured": {"configure": "inactive"},
    "inactive": {"activate": "active", "cleanup": "unconfigured"},
    "active": {"deactivate": "inactive"},
}


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def threads() -> int:
    return len(list(Path("/proc/self/task").iterdir()))


class Walker:
    """Makes nodes, and lets one in five configurations of the pose node fail."""

    def __init__(self, fake: Any, seed: int) -> None:
        self.chance = np.random.default_rng(seed)
        self.fake = fake
        self.fails = False

    def estimator(self, _parameters: Any) -> Any:
        self.fails = bool(self.chance.random() < 0.2)
        if self.fails:
            raise ModelError("no such network")
        return self.fake

    def node(self, kind: type) -> Any:
        self.fails = False
        if kind is PoseNode:
            return PoseNode(make_estimator=self.estimator, parameter_overrides=[])
        if kind is CameraNode:
            source = "synthetic:wave?width=64&height=48&fps=5"
            return CameraNode(parameter_overrides=[Parameter("source", value=source)])
        return GestureNode()

    def walk(self, ros: Any, kind: type) -> int:
        """Take random steps; return how many a node took as ROS 2 says."""
        node = self.node(kind)
        ros.executor.add_node(node)
        state, taken = "unconfigured", 0
        for _ in range(STEPS):
            transition = str(self.chance.choice(list(ALLOWED[state])))
            result = getattr(node, f"trigger_{transition}")()
            if transition == "configure" and self.fails:
                assert result == FAILURE
            else:
                assert result == SUCCESS, (kind, state, transition)
                state = ALLOWED[state][transition]
            taken += 1
            if self.chance.random() < 0.3:
                ros.executor.spin_once(timeout_sec=0.001)
        if self.chance.random() < 0.5:
            node.trigger_shutdown()
        ros.executor.remove_node(node)
        node.destroy_node()
        return taken


@pytest.mark.parametrize("kind", [CameraNode, GestureNode, PoseNode])
def test_random_transitions_leave_nothing_behind(kind: type, ros: Any, fake: Any) -> None:
    walker = Walker(fake, seed=7)
    for _ in range(5):  # objects made once, with the first node
        walker.walk(ros, kind)
    gc.collect()
    gc.disable()  # objects that only the garbage collector frees count as left behind
    try:
        before = threads(), open_files(), threading.active_count()
        steps = sum(walker.walk(ros, kind) for _ in range(WALKS // 3 + 1))
        ros.spin_until(lambda: threads() <= before[0] and open_files() <= before[1])
        after = threads(), open_files(), threading.active_count()
    finally:
        gc.enable()
    assert steps == STEPS * (WALKS // 3 + 1)
    assert after[0] <= before[0], "threads"
    assert after[1] <= before[1], "open files"
    assert after[2] <= before[2], "threads of Python"
    assert ros.spin_until(lambda: set(ros.node.get_node_names()) <= {"test"})
