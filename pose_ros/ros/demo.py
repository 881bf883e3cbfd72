"""The main job end to end: camera_node -> pose_node over real ROS 2, into an overlay video."""

from __future__ import annotations

import argparse
import ctypes
import math
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rclpy
from action_msgs.srv import CancelGoal
from diagnostic_msgs.msg import DiagnosticArray, KeyValue
from geometry_msgs.msg import PoseStamped, TwistStamped
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.srv import SetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions

from pose_ros.core.commands.commander import RELEASED, State
from pose_ros.core.types import Channels, Image
from pose_ros.errors import OptionError, PoseRosError
from pose_ros.files import node_executable
from pose_ros.messages.headers import stamp_from_msg
from pose_ros.msg import PoseArray, Skeleton
from pose_ros.ros import middleware
from pose_ros.ros.diagnostics import Level
from pose_ros.ros.middleware import claim_domain
from pose_ros.ros.node import stop_signals
from pose_ros.ros.overlay import OverlayInput, VideoRecorder
from pose_ros.ros.qos import LATCHED_QOS, RESULT_QOS
from pose_ros.ros.robot import ACTION
from pose_ros.ros.source_parameters import scene_meters
from pose_ros.sources.names import is_synthetic, may_repeat, with_option
from pose_ros.synthetic.robot import BaseState, FloorView, Place, draw_floor, moved, speeds_to
from pose_ros.synthetic.scenes import SCENES
from pose_ros.synthetic.source import SyntheticSource, affordable_fps, open_synthetic, scene_spec

DEFAULT_SECONDS = 12.0
DEFAULT_SCENE = "synthetic:gestures"
ROBOT_SCENE = "directing?camera_height=1&pitch=5"
# it ends when the actor lets go; a machine that stops for a moment has a second try
ROBOT_ROUNDS = 2.0
BEGIN_SECONDS = 1.0  # from when all nodes are ready to the beginning of a scene
# on a busy machine an image may be older than a robot of iron would put up with
GESTURE_TIMEOUT = 1.0
# the first run may have to fetch models on a slow line
START_SECONDS = 120.0
SILENCE_SECONDS = 10.0
DRAIN_SECONDS = 1.0
LINE_SECONDS = 0.5
STOP_SECONDS = 10.0

RETRY_SECONDS = 3.0

CAMERA_STEPS = {
    "unconfigured": Transition.TRANSITION_CONFIGURE,
    "inactive": Transition.TRANSITION_ACTIVATE,
}

_NODES_BEFORE_CAMERA = ("pose", "gesture")
_PR_SET_PDEATHSIG = 1

ROBOT_PERIOD = 0.05
# as twist_mux has it: speeds win over goals while they are fresh
ROBOT_SPEEDS_SECONDS = 0.3
ROBOT_START = BaseState(x=0.4)

ROBOT_COMMANDS = "'point: {do: goal}'"
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
        self.state, self._trail = ROBOT_START, [(ROBOT_START.x, ROBOT_START.y)]
        self._goal: tuple[float, float, float] | None = None
        self._speeds, self._speeds_at = (0.0, 0.0), -math.inf
        self._stepped = time.monotonic()
        self._state_text = ""
        node.create_subscription(PoseStamped, "goal_pose", self._on_goal, RESULT_QOS)
        node.create_subscription(TwistStamped, "cmd_vel", self._on_speeds, RESULT_QOS)
        node.create_subscription(KeyValue, "gesture/state", self._on_state, LATCHED_QOS)
        node.create_service(CancelGoal, f"{ACTION}/_action/cancel_goal", self._on_cancel)
        node.create_timer(ROBOT_PERIOD, self._step)

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
        # where images came too late the scene's next round is another try
        released = msg.key == State.DISENGAGED.value and msg.value.endswith(RELEASED)
        self.let_go = bool(self.errands) and released

    def _step(self) -> None:
        now = time.monotonic()
        state, speeds = self.state, (0.0, 0.0)
        if now - self._speeds_at < ROBOT_SPEEDS_SECONDS:
            speeds = self._speeds
        elif self._goal is not None:
            speeds = speeds_to(state, *self._goal)
        # a machine that was busy for a while has not driven on in between
        self.state = state = moved(state, *speeds, min(now - self._stepped, 2 * ROBOT_PERIOD))
        self._stepped = now
        if math.dist(self._trail[-1], (state.x, state.y)) > 0.02:
            self._trail.append((state.x, state.y))
        if self.errands:
            self.errands[-1].distance = math.dist(self.errands[-1].spot, (state.x, state.y))


class DemoError(PoseRosError):
    """The demo did not do its job; the message says which part and why."""


class Child:
    """One node in a process of its own, which does not outlive this one."""

    def __init__(self, module: str, parameters: dict[str, Any], log: Path) -> None:
        command = [str(node_executable(module)), "--ros-args"]
        for name, value in parameters.items():
            command += ["-p", f"{name}:={value}"]
        self.name, self._log = module, log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Ctrl-C is for the demo, which ends its nodes in order
                start_new_session=True,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - no thread runs yet
            )

    def check(self) -> None:
        """Raise DemoError when the process has ended."""
        code = self._process.poll()
        if code is not None:
            raise DemoError(f"{self.name} ended with code {code}: {self.last_words()}")

    def last_words(self) -> str:
        """Return the last line of the node, its errors first."""
        lines = [line for line in self._log.read_text(errors="replace").splitlines() if line]
        errors = [line for line in lines if "[ERROR]" in line]
        return (errors or lines or ["it printed nothing"])[-1]

    def ask_to_end(self) -> None:
        """Send what Ctrl-C would."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)

    def stop(self) -> None:
        """End the process, by force if need be."""
        self.ask_to_end()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass
class DemoCounts:
    """What the demo has seen so far; times in seconds of ``time.monotonic``."""

    first: float = 0.0
    last: float = 0.0
    latencies: list[float] = field(default_factory=list)
    network_ms: list[float] = field(default_factory=list)
    people: list[int] = field(default_factory=list)
    ended: bool = False
    trouble: str = ""

    def line(self) -> str:
        """Return the live line."""
        recent = self.latencies[-15:]
        fps = (len(self.people) - 1) / max(self.last - self.first, 1e-9)
        network = f"{self.network_ms[-1]:4.0f}" if self.network_ms else "   -"
        return (
            f"{self.last - self.first:5.1f} s  {max(fps, 0.0):5.1f} fps  image -> poses "
            f"{np.median(recent) * 1e3:4.0f} ms  network {network} ms  people {self.people[-1]}"
        )

    def summary(self) -> str:
        """Return the last lines."""
        seconds = self.last - self.first
        some = sum(count > 0 for count in self.people) / len(self.people)
        network = f"{np.median(self.network_ms):.0f} ms" if self.network_ms else "not measured"
        return (
            f"{len(self.people)} frames in {seconds:.1f} s, "
            f"{(len(self.people) - 1) / max(seconds, 1e-9):.1f} fps; image -> poses: median "
            f"{np.median(self.latencies) * 1e3:.0f} ms, 95% within "
            f"{np.percentile(self.latencies, 95) * 1e3:.0f} ms, of which the network {network}; "
            f"people: up to {max(self.people)}, a person in {some:.0%} of the frames"
        )


class Demo:
    """Brings the camera up when the other nodes are ready, and listens to all.

    Args:
        recorder: Of the video.
        source: What the camera shows.
        scene: The same as a recording, where a robot is to be driven in it.
    """

    def __init__(
        self, recorder: VideoRecorder, source: str, scene: SyntheticSource | None = None
    ) -> None:
        self.counts = DemoCounts()
        self._recorder, self._source = recorder, source
        self._node = rclpy.create_node("demo")
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self.robot = None if scene is None else DemoRobot(self._node, scene)
        self._overlay = OverlayInput(
            self._node,
            self._show,
            overlay="pose/overlay",
            poses="pose/poses",
            gestures="gesture/gestures",
            camera_info="camera_info",
        )
        for kind, topic, callback, qos in (
            (PoseArray, "pose/poses", self._on_poses, RESULT_QOS),
            (Skeleton, "pose/skeleton", self._on_skeleton, LATCHED_QOS),
            (KeyValue, "gesture/state", self._on_state, LATCHED_QOS),
            (DiagnosticArray, "/diagnostics", self._on_diagnostics, RESULT_QOS),
        ):
            self._node.create_subscription(kind, topic, callback, qos)
        self._change = self._node.create_client(ChangeState, "camera/change_state")
        self._set = self._node.create_client(SetParameters, "camera/set_parameters")
        self._ready: set[str] = set()
        self._camera_state = "unconfigured"
        self._begun = not is_synthetic(source)
        self._asked, self._asked_at = 0, 0.0

    def spin_once(self) -> None:
        """Work for a moment, and move the camera on when it is its turn."""
        self._executor.spin_once(timeout_sec=0.05)
        # when the other nodes are ready, so that they miss nothing of a clip or a scene
        if len(self._ready) < len(_NODES_BEFORE_CAMERA):
            return
        if not self._begun:
            self._begin_scene()
            return
        transition = CAMERA_STEPS.get(self._camera_state, 0)
        # asked again now and then: a request may be lost while two processes find each other
        recent = time.monotonic() - self._asked_at < RETRY_SECONDS
        done = transition == 0 or (transition == self._asked and recent)
        if not done and self._change.service_is_ready():
            self._asked, self._asked_at = transition, time.monotonic()
            self._change.call_async(ChangeState.Request(transition=Transition(id=transition)))

    def _begin_scene(self) -> None:
        """Ask the camera, which is not configured yet, to show the scene from its start."""
        if time.monotonic() - self._asked_at < RETRY_SECONDS or not self._set.service_is_ready():
            return
        self._asked_at = time.monotonic()
        begin = math.ceil(time.time() + BEGIN_SECONDS)
        spec = with_option(self._source, "begin", str(begin))
        parameter = Parameter("source", value=spec).to_parameter_msg()

        def answered(_future: Any) -> None:
            self._begun, self._asked_at = True, 0.0
            if self.robot is not None:
                self.robot.begin = begin

        request = SetParameters.Request(parameters=[parameter])
        self._set.call_async(request).add_done_callback(answered)

    def close(self) -> None:
        """Leave the graph."""
        self._node.destroy_node()

    def _on_poses(self, msg: Any) -> None:
        counts = self.counts
        counts.last = time.monotonic()
        if not counts.people:
            counts.first = counts.last
        counts.people.append(len(msg.poses))
        counts.latencies.append(time.time() - stamp_from_msg(msg.header.stamp))

    def _show(self, image: Image, channels: Channels, stamp: float) -> None:
        if self.robot is not None:
            image = self.robot.beside(image, channels, stamp)
        self._recorder.add(image, channels, stamp)

    def _on_skeleton(self, _msg: Any) -> None:
        self._ready.add("pose")

    def _on_state(self, _msg: Any) -> None:
        self._ready.add("gesture")

    def _on_diagnostics(self, msg: Any) -> None:
        for status in msg.status:
            values = {item.key: item.value for item in status.values}
            if status.level == bytes([Level.ERROR]) and values.get("state") != "active":
                self.counts.trouble = f"{status.name.split(':')[0]}: {status.message}"
            if status.name.startswith("camera:"):
                self._camera_state = values.get("state", "")
            if status.name.startswith("pose:") and values.get("processing ms"):
                self.counts.network_ms.append(float(values["processing ms"]))
            if values.get("ended") == "yes":
                self.counts.ended = True


def watch(
    demo: Demo, children: Sequence[Child], seconds: float, stop: threading.Event, live: bool
) -> None:
    """Let the nodes work until the time is over, the recording has ended or a signal comes.

    Raises:
        DemoError: A node died or failed, or no poses come.
    """
    counts = demo.counts
    began = printed = time.monotonic()
    while not stop.is_set():
        demo.spin_once()
        now = time.monotonic()
        for child in children:
            child.check()
        if counts.trouble:
            raise DemoError(counts.trouble)
        if counts.people:
            if now - counts.first >= seconds or (
                counts.ended and now - counts.last >= DRAIN_SECONDS
            ):
                return
            if demo.robot is not None and demo.robot.let_go:
                return
            if now - counts.last > SILENCE_SECONDS:
                raise DemoError(f"no poses for {SILENCE_SECONDS:.0f} s; {children[0].last_words()}")
            if live and now - printed >= LINE_SECONDS:
                printed = now
                print(f"\r{counts.line()}", end="" if sys.stdout.isatty() else "\n", flush=True)
        elif now - began > START_SECONDS:
            words = "; ".join(child.last_words() for child in children)
            raise DemoError(f"no poses came within {START_SECONDS:.0f} s; {words}")


@contextmanager
def nodes(
    source: str, log_folder: Path, scene: SyntheticSource | None = None
) -> Iterator[list[Child]]:
    """Run pose_node, gesture_node and camera_node as processes until the block is left.

    With the scene of a robot the gesture node sends it where the actor points.
    """
    children: list[Child] = []
    try:
        still = "true" if may_repeat(source) else "false"
        pose = {
            "autostart": "true",
            "allow_still_images": still,
            **({} if scene is None else scene_meters(scene)),
        }
        children.append(Child("pose_node", pose, log_folder / "pose_node.log"))
        gesture: dict[str, Any] = {"autostart": "true", "timeout": GESTURE_TIMEOUT}
        if scene is not None:
            gesture["commands"] = ROBOT_COMMANDS
        children.append(Child("gesture_node", gesture, log_folder / "gesture_node.log"))
        # in YAML's quotes: the name of a file may look like a number
        camera = {"source": f"'{source}'", "wait_for_camera": "false"}
        children.append(Child("camera_node", camera, log_folder / "camera_node.log"))
        yield children
    finally:
        for child in children:
            child.ask_to_end()
        for child in children:
            child.stop()


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(
        prog="pose-ros demo",
        description="Run camera_node, pose_node and gesture_node as three processes over ROS 2 and "
        "write the overlay video; on a synthetic actor when neither camera nor clip is named.",
        epilog="pose-ros demo --scene NAME --write-bag FOLDER runs nothing but writes the scene "
        "and its truth as a rosbag2, without ROS; add --help for its options.",
    )
    which = made.add_mutually_exclusive_group()
    which.add_argument("--camera", metavar="DEVICE", help="/dev/video0, 0, or a stream's address")
    which.add_argument("--clip", metavar="FILE", help="a video file or a folder of pictures")
    which.add_argument(
        "--scene", metavar="NAME[?OPTION=VALUE&...]", help=f"synthetic: {', '.join(SCENES)}"
    )
    made.add_argument(
        "--robot",
        action="store_true",
        help="drive a computed robot, drawn from above, to where the actor of a scene points "
        "(directing)",
    )
    made.add_argument(
        "--seconds",
        type=float,
        help=f"how long at most; a clip may end before ({DEFAULT_SECONDS:g}; with --robot two "
        "rounds of the scene)",
    )
    made.add_argument(
        "--out", type=Path, default=Path("out/demo.mp4"), metavar="VIDEO", help="%(default)s"
    )
    made.add_argument("--no-live", action="store_true", help="print no live line")
    return made


def main(args: Sequence[str] | None = None) -> int:
    """Run the demo; return 0 when poses came, 1 with one line on stderr when they did not."""
    options = parser().parse_args(args)
    # by itself on this machine, unless the user says where they want to see it
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    middleware.prepare()
    with stop_signals() as stop:
        try:
            if "ROS_DOMAIN_ID" not in os.environ:
                os.environ["ROS_DOMAIN_ID"] = str(claim_domain())
            _run(options, stop)
        except PoseRosError as error:
            print(f"pose-ros demo: {error}", file=sys.stderr)
            return 1
    return 0


def _run(options: argparse.Namespace, stop: threading.Event) -> None:
    if options.robot and (options.camera or options.clip):
        raise OptionError("--robot needs a drawn scene: leave --camera and --clip out")
    named = options.scene or (ROBOT_SCENE if options.robot else None)
    spec = None if named is None else scene_spec(named)
    source = options.camera or options.clip or spec or DEFAULT_SCENE
    if is_synthetic(source):
        source = with_option(source, "fps", f"{affordable_fps():g}")
    # as a recording: the robot knows by itself when it began
    scene = open_synthetic(source, live=False) if options.robot else None
    seconds = DEFAULT_SECONDS if scene is None else ROBOT_ROUNDS * scene.seconds
    if options.seconds is not None:
        seconds = options.seconds
    # written so that NaN is refused too
    if not seconds > 0:
        raise OptionError(f"--seconds must be above 0, got {seconds:g}")
    began = time.monotonic()
    with (
        VideoRecorder(options.out) as recorder,
        tempfile.TemporaryDirectory(prefix="pose_ros_demo") as logs,
        nodes(source, Path(logs), scene) as children,
    ):
        rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
        demo = Demo(recorder, source, scene)
        try:
            chain = "pose_node -> gesture_node" + ("" if scene is None else " -> robot")
            print(f"camera_node ({source}) -> {chain}, Ctrl-C ends it", flush=True)
            watch(demo, children, seconds, stop, not options.no_live)
        finally:
            demo.close()
            rclpy.try_shutdown()
    counts = demo.counts
    if sys.stdout.isatty():
        print()
    if not counts.people:
        raise DemoError("stopped before any poses came")
    if demo.robot is not None:
        print(demo.robot.summary())
    print(f"{counts.summary()}; up after {counts.first - began:.1f} s")
    print(f"video: {recorder.path.resolve()} ({recorder.frames} frames)", flush=True)


if __name__ == "__main__":
    sys.exit(main())
