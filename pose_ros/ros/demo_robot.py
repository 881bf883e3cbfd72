"""A robot for the demo: it takes goals and speeds over ROS, and is drawn from above."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from action_msgs.srv import CancelGoal
from diagnostic_msgs.msg import KeyValue
from geometry_msgs.msg import PoseStamped, TwistStamped

from pose_ros.core.types import Channels, Image
from pose_ros.messages.headers import stamp_from_msg
from pose_ros.ros.qos import LATCHED_QOS, RESULT_QOS
from pose_ros.ros.robot import ACTION
from pose_ros.synthetic.diff_drive import BaseState, moved, speeds_to
from pose_ros.synthetic.source import SyntheticSource
from pose_ros.viz.floor_map import FloorView, Place, draw_floor

PERIOD = 0.05
# as twist_mux has it: speeds win over goals while they are fresh
SPEEDS_SECONDS = 0.3
START = BaseState(x=0.4)

COMMANDS = "'point: {do: goal}'"
"""The gesture node's: an arm that points sends the robot to the spot."""


@dataclass
class Errand:
    """One spot that was pointed at; ``distance`` is the robot's to it, meters, at last."""

    spot: Place
    distance: float


class DemoRobot:
    """Drives in the axes of the scene's ``base_link``, where the camera stays.

    Args:
        node: For its subscriptions, timer and service.
        source: The scene that the camera shows, as a recording; only asked for what is true.
    """

    def __init__(self, node: Any, source: SyntheticSource) -> None:
        self.begin = 0.0
        """Stamp at which the scene began, seconds."""
        self.errands: list[Errand] = []
        self.let_go = False
        self._source = source
        self.state, self._trail = START, [(START.x, START.y)]
        self._goal: tuple[float, float, float] | None = None
        self._speeds, self._speeds_at = (0.0, 0.0), -math.inf
        self._stepped = time.monotonic()
        self._state_text = ""
        node.create_subscription(PoseStamped, "goal_pose", self._on_goal, RESULT_QOS)
        node.create_subscription(TwistStamped, "cmd_vel", self._on_speeds, RESULT_QOS)
        node.create_subscription(KeyValue, "gesture/state", self._on_state, LATCHED_QOS)
        node.create_service(CancelGoal, f"{ACTION}/_action/cancel_goal", self._on_cancel)
        node.create_timer(PERIOD, self._step)

    def beside(self, image: Image, channels: Channels, stamp: float) -> Image:
        """Return an image with the floor from above to its right, of the same height."""
        truths = self._source.truths(stamp - self.begin)
        hips = [truth.world[truth.skeleton.index("left_hip")] for truth in truths]
        people = [(float(x), float(y)) for x, y, _ in hips]
        state, errands = self.state, self.errands
        picture = draw_floor(
            FloorView(pixels=image.shape[0]),
            (state.x, state.y, state.yaw),
            self._trail,
            people=people,
            spot=errands[-1].spot if errands else None,
            goal=None if self._goal is None else self._goal[:2],
            text=self._state_text,
            legend=True,
        )
        floor = picture if channels == "bgr" else picture[..., ::-1]
        return np.asarray(cv2.hconcat([image, np.ascontiguousarray(floor)]), np.uint8)

    def summary(self) -> str:
        """Return how near the robot came to each spot."""
        if not self.errands:
            return "robot: it was sent nowhere"
        ends = ", ".join(f"{errand.distance:.2f} m" for errand in self.errands)
        return f"robot: sent to {len(self.errands)} spots; stood at last {ends} from them"

    def _on_goal(self, msg: Any) -> None:
        place, turn = msg.pose.position, msg.pose.orientation
        self._goal = (place.x, place.y, 2.0 * math.atan2(turn.z, turn.w))
        stamp = stamp_from_msg(msg.header.stamp)
        target = self._source.truth(stamp - self.begin).target
        if np.isnan(target).any():
            return
        spot = (float(target[0]), float(target[1]))
        if not self.errands or self.errands[-1].spot != spot:
            self.errands.append(Errand(spot, math.inf))

    def _on_speeds(self, msg: Any) -> None:
        self._speeds = (msg.twist.linear.x, msg.twist.angular.z)
        self._speeds_at = time.monotonic()

    def _on_cancel(self, _request: Any, response: Any) -> Any:
        self._goal = None
        return response

    def _on_state(self, msg: Any) -> None:
        self._state_text = f"{msg.key}: {msg.value}"
        self.let_go = bool(self.errands) and msg.key == "disengaged"

    def _step(self) -> None:
        now = time.monotonic()
        state, speeds = self.state, (0.0, 0.0)
        if now - self._speeds_at < SPEEDS_SECONDS:
            speeds = self._speeds
        elif self._goal is not None:
            speeds = speeds_to(state, *self._goal)
        # a machine that was busy for a while has not driven on in between
        self.state = state = moved(state, *speeds, min(now - self._stepped, 2 * PERIOD))
        self._stepped = now
        if math.dist(self._trail[-1], (state.x, state.y)) > 0.02:
            self._trail.append((state.x, state.y))
        if self.errands:
            self.errands[-1].distance = math.dist(self.errands[-1].spot, (state.x, state.y))
