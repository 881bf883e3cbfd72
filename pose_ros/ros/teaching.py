"""Teaching gestures over ROS: services that take examples from the people in view, and remove."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from rclpy.clock import Clock, ClockType

from pose_ros.core.gestures.taught import TaughtGestures
from pose_ros.core.gestures.teaching import EVERY_SECONDS, MOST_EXAMPLES, Teaching
from pose_ros.core.types import Pose, Poses
from pose_ros.errors import OptionError, PoseRosError, printable
from pose_ros.files import user_path
from pose_ros.msg import GestureExamples
from pose_ros.ros.node import ManagedNode
from pose_ros.ros.qos import LATCHED_QOS
from pose_ros.settings.nodes import GestureParameters
from pose_ros.srv import RemoveGesture, TeachGesture

SECONDS, MOST_SECONDS = 30.0, 600.0
"""For how long examples are taken where no time is given, and at most."""
_LOOK_SECONDS = 0.2
HAND_SKELETON, BODY_SKELETON = "blazehand21", "blazepose33"


class Teacher:
    """Offers ``~/teach`` and ``~/remove``, and says on ``~/taught`` how many examples there are.

    Everything happens in the node's executor. The file is written when teaching is over, by
    itself or because the node stops.

    Args:
        node: For its parameters, services and publisher.
        changed: Called when the file has changed.
    """

    def __init__(self, node: ManagedNode[GestureParameters], changed: Callable[[], None]) -> None:
        self._node, self._changed = node, changed
        self._file = node.parameters.gestures.taught
        self._taught = self._read()
        self._teaching: Teaching | None = None
        self._until = 0.0  # of the steady clock, seconds
        self._taken_at = -np.inf  # stamp of the last example
        self._message = ""
        self._active = False
        self._published = node.make_publisher(GestureExamples, "~/taught", LATCHED_QOS)
        self._services = [
            node.create_service(TeachGesture, "~/teach", self._on_teach),
            node.create_service(RemoveGesture, "~/remove", self._on_remove),
        ]
        self._timer = node.create_timer(
            _LOOK_SECONDS, self._look, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )

    @property
    def reason(self) -> str:
        """Why no command may be given now; empty: nothing is being taught."""
        teaching = self._teaching
        return "" if teaching is None else f"{printable(teaching.name)} is being taught"

    def start(self) -> None:
        """Teach from now on when asked."""
        self._active = True
        self._publish()

    def stop(self) -> None:
        """Keep what was taken, and teach no more."""
        self._end()
        self._active = False

    def close(self) -> None:
        """End the services."""
        while self._services:
            self._node.destroy_service(self._services.pop())
        self._node.destroy_timer(self._timer)

    def take(self, poses: Poses, hands: Poses | None, stamp: float) -> None:
        """Take an example from the people of an image, where one is due.

        Of several people or hands it is the largest in the image: who teaches stands in front.
        """
        teaching, taught = self._teaching, self._taught
        # time that goes back is another stream
        if teaching is None or taught is None or 0.0 <= stamp - self._taken_at < EVERY_SECONDS:
            return
        is_hand = taught.skeleton.is_hand
        seen = poses if poses.skeleton.is_hand == is_hand else hands if is_hand else None
        if teaching.take(None if seen is None else _largest(seen)):
            self._taken_at = stamp
            self._publish()
        if teaching.is_over:
            self._end()

    def _read(self) -> TaughtGestures | None:
        """Return what the file holds; None where there is no file yet."""
        return TaughtGestures.load(self._file) if user_path(self._file).exists() else None

    def _on_teach(self, request: Any, response: Any) -> Any:
        response.success, response.message = self._answer(lambda: self._begin(request))
        return response

    def _on_remove(self, request: Any, response: Any) -> Any:
        response.success, response.message = self._answer(lambda: self._remove(request.name))
        return response

    def _answer(self, act: Callable[[], str]) -> tuple[bool, str]:
        """Return whether a request was carried out, and a line on it."""
        try:
            if not self._active:
                raise OptionError("the node is not active")
            if self._teaching is not None:
                raise OptionError(f"{self.reason}: wait until it is over")
            message = act()
        except PoseRosError as error:
            return False, printable(f"{error}")
        return True, printable(message)

    def _begin(self, request: Any) -> str:
        """Begin to teach; return what happens."""
        if request.kind not in (TeachGesture.Request.HAND, TeachGesture.Request.BODY):
            raise OptionError(f"a kind is HAND (0) or BODY (1), got {request.kind}")
        seconds = float(request.seconds) or SECONDS
        if not 0.0 < seconds <= MOST_SECONDS:
            raise OptionError(f"seconds have to be in 0 to {MOST_SECONDS:g}, got {seconds:g}")
        is_hand = request.kind == TeachGesture.Request.HAND
        taught = self._taught
        if taught is None:
            taught = TaughtGestures(HAND_SKELETON if is_hand else BODY_SKELETON)
        most = int(request.examples) or MOST_EXAMPLES
        teaching = Teaching(
            taught,
            request.name,
            is_hand=is_hand,
            side=request.side,
            most=most,
            min_score=self._node.parameters.gestures.min_score,
        )
        self._taught, self._taken_at = taught, -np.inf
        self._until = time.monotonic() + seconds
        self._teaching, self._message = teaching, ""
        self._publish()
        self._node.get_logger().info(f"{self.reason}: no command is given")
        return f"up to {most} examples of {request.name} are taken for {seconds:g} s"

    def _remove(self, name: str) -> str:
        taught = self._taught
        if taught is None:
            raise OptionError("no gesture was taught yet")
        taught.remove(name)
        self._message = f"{name}: removed"
        self._save(taught)
        self._publish()
        return self._message

    def _look(self) -> None:
        """End teaching that has lasted for its time."""
        if self._teaching is not None and time.monotonic() >= self._until:
            self._end()

    def _end(self) -> None:
        """End teaching, and keep what was taken."""
        teaching, taught = self._teaching, self._taught
        if teaching is None or taught is None:
            return
        self._message = teaching.summary()
        try:
            if teaching.taken:
                self._save(taught)
        except PoseRosError as error:
            self._message += f"; {error}"
        if not len(taught):
            self._taught = None  # and of no kind yet
        self._teaching = None
        self._publish()
        self._node.get_logger().info(printable(self._message))

    def _save(self, taught: TaughtGestures) -> None:
        taught.save(self._file)
        self._changed()

    def _publish(self) -> None:
        taught, teaching = self._taught, self._teaching
        counts = {} if taught is None else taught.counts
        self._published.publish(
            GestureExamples(
                joints="" if taught is None else taught.skeleton.name,
                names=list(counts),
                counts=list(counts.values()),
                teaching="" if teaching is None else teaching.name,
                message=printable(self._message),
            )
        )


def _largest(poses: Poses) -> Pose | None:
    """Return the person or hand with the largest box."""
    if not len(poses):
        return None
    sizes = poses.boxes[:, 2:] - poses.boxes[:, :2]
    return poses[int(np.nan_to_num(sizes.prod(axis=1), nan=-1.0).argmax())]
