"""The installed nodes as separate processes, over real ROS 2 on this machine."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import KeyValue
from geometry_msgs.msg import TwistStamped
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from pose_ros.core.types import Frame, PositionSource
from pose_ros.files import node_executable
from pose_ros.messages.headers import stamp_from_msg
from pose_ros.messages.images import image_from_msg
from pose_ros.messages.poses import poses_from_msg
from pose_ros.msg import PoseArray
from pose_ros.sources.opening import open_source
from pose_ros.synthetic.source import open_synthetic

pytestmark = pytest.mark.slow

START_SECONDS = 240.0
STOP_SECONDS = 60.0
BIG_FRAMES = 40
MAIN_JOINTS = tuple(
    f"{side}_{joint}"
    for side in ("left", "right")
    for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
)


class Program:
    """One installed program; it ends with the test."""

    def __init__(self, log: Path, name: str, *arguments: str) -> None:
        self._log = log
        command = [str(node_executable(name)), *arguments]
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )

    @property
    def said(self) -> str:
        return self._log.read_text(errors="replace")

    def wait_for(self, text: str) -> bool:
        """Wait until it has said something; False when it ends first."""
        end = time.monotonic() + START_SECONDS
        while text not in self.said:
            if self.process.poll() is not None or time.monotonic() > end:
                return False
            time.sleep(0.05)
        return True

    def end(self, number: signal.Signals = signal.SIGINT) -> int:
        """Send a signal; return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(STOP_SECONDS)


Start = Callable[..., Program]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    programs: list[Program] = []

    def started(name: str, *arguments: str) -> Program:
        programs.append(Program(tmp_path / f"{len(programs)}_{name}.log", name, *arguments))
        return programs[-1]

    yield started
    for program in programs:
        if program.process.poll() is None:
            program.process.kill()
            program.process.wait()


def parameters(**values: Any) -> list[str]:
    return ["--ros-args", *(text for k, v in values.items() for text in ("-p", f"{k}:={v}"))]


def change(ros: Any, node: str, transition: int, state: str) -> None:
    """Bring a node to a state, asking again: discovery may lose a first answer."""
    services = [
        ros.node.create_client(kind, f"{node}/{name}")
        for kind, name in ((ChangeState, "change_state"), (GetState, "get_state"))
    ]
    for client in services:
        assert ros.spin_until(client.service_is_ready, START_SECONDS)
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        request = ChangeState.Request(transition=Transition(id=transition))
        answer = services[0].call_async(request)
        ros.spin_until(answer.done, 5.0)
        answer = services[1].call_async(GetState.Request())
        if ros.spin_until(answer.done, 5.0) and answer.result().current_state.label == state:
            return
    pytest.fail(f"{node} does not become {state}")


@pytest.fixture(scope="module")
def big_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 frames of 1280x720 at 5 Hz, each with its number as eight black or white bars.

    A camera keeps five images for a late subscriber, which is one second here.
    """
    path = tmp_path_factory.mktemp("clip") / "big.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 5, (1280, 720))
    for number in range(BIG_FRAMES):
        bars = np.array([255 * (number >> bit & 1) for bit in range(8)], np.uint8)
        writer.write(np.tile(np.repeat(bars, 160)[:, None], (720, 1, 3)))
    writer.release()
    return path


@pytest.mark.parametrize("kind", [ReliabilityPolicy.BEST_EFFORT, ReliabilityPolicy.RELIABLE])
def test_every_large_image_arrives(ros: Any, start: Start, big_clip: Path, kind: Any) -> None:
    numbers: list[int] = []

    def receive(msg: Image) -> None:
        bars = image_from_msg(msg)[0][360, 80::160, 0] > 128
        numbers.append(int(bars @ (1 << np.arange(8))))

    camera = start("camera_node", *parameters(source=big_clip))
    # deep enough for a busy machine: only losses on the way count
    qos = QoSProfile(depth=BIG_FRAMES, reliability=kind)
    subscription = ros.node.create_subscription(Image, "image", receive, qos)
    change(ros, "camera", Transition.TRANSITION_CONFIGURE, "inactive")
    assert ros.spin_until(subscription.get_publisher_count, START_SECONDS)
    ros.spin_for(1.0)  # the camera has to find this subscription, too
    change(ros, "camera", Transition.TRANSITION_ACTIVATE, "active")
    assert ros.spin_until(lambda: "has ended" in camera.said, START_SECONDS)
    ros.spin_until(lambda: len(numbers) >= BIG_FRAMES, 5.0)
    assert numbers == list(range(BIG_FRAMES)), camera.said
    assert camera.end() == 0


def test_two_processes_find_the_actor(ros: Any, start: Start) -> None:
    """Camera and pose node over fastrtps: the poses are those of the actor's true joints."""
    source = "synthetic?fps=15"
    found: list[Any] = ros.collect(PoseArray, "pose/poses")
    pose = start("pose_node", *parameters(autostart="true"))
    camera = start("camera_node", *parameters(source=source, autostart="true"))
    people_are_found = lambda: sum(len(msg.poses) > 0 for msg in found) >= 40  # noqa: E731
    assert ros.spin_until(people_are_found, START_SECONDS), pose.said + camera.said
    actor = open_synthetic(source)
    errors = []
    for msg in found:
        if not msg.poses:
            continue
        assert (msg.header.frame_id, msg.network) == ("camera_optical_frame", "blazepose-full")
        truth = actor.truth(stamp_from_msg(msg.header.stamp))
        person = poses_from_msg(msg)[0]
        errors += [
            np.linalg.norm(person.keypoint(name) - truth.pixel(name)) for name in MAIN_JOINTS
        ]
    assert np.median(errors) < 15
    assert pose.end() == 0
    assert camera.end() == 0


ACTOR = "synthetic:stand"


@pytest.mark.parametrize(
    ("name", "arguments", "ready", "number"),
    [
        ("camera_node", parameters(source=ACTOR, autostart="true"), "]: active", signal.SIGINT),
        ("pose_node", parameters(autostart="true"), "]: active", signal.SIGTERM),
        ("up", ["--camera", ACTOR], "[camera]: active", signal.SIGINT),
        ("up", [f"camera:={ACTOR}", "gesture:=true"], "[camera]: active", signal.SIGTERM),
        ("gesture_node", parameters(autostart="true"), "]: active", signal.SIGINT),
        ("up", ["image_topic:=/a/image_raw", "smoothing:=false"], "/a/image_raw", signal.SIGINT),
        ("up", ["depth_topic:=/a/depth", "person_height:=1.8"], "from /a/depth", signal.SIGINT),
    ],
)
def test_signal_ends_a_node_cleanly(
    start: Start, name: str, arguments: list[str], ready: str, number: signal.Signals
) -> None:
    program = start(name, *arguments)
    assert program.wait_for(ready), program.said
    assert program.end(number) == 0, program.said
    assert "Traceback" not in program.said


def test_repeated_ctrl_c_does_not_change_the_exit_code(start: Start) -> None:
    """A terminal and ros2 launch each send one; what comes late must not kill."""
    program = start("pose_node", *parameters(source=ACTOR, autostart="true"))
    assert program.wait_for("]: active"), program.said
    end = time.monotonic() + STOP_SECONDS
    while program.process.poll() is None and time.monotonic() < end:
        program.process.send_signal(signal.SIGINT)
        time.sleep(0.005)
    assert program.process.poll() == 0, program.said


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("pose_node", parameters(threshold="2.0"), "threshold must be in [0, 1], got 2.0"),
        ("pose_node", ["--ros-args", "-p", "nonsense"], "nonsense"),
        ("camera_node", parameters(rate="-1.0"), "rate must be in [0.001, 1000], or 0 for "),
        ("gesture_node", parameters(engage="wink"), "engage: 'wink' is no gesture; known: stop"),
        ("up", ["--camera", "/dev/video99"], "/dev/video99"),
        ("up", ["--network", "no-such-net"], "no-such-net"),
        ("up", ["--camera", "0", "--camera", "1"], "pose-ros up: cameras need calibration"),
    ],
)
def test_program_that_cannot_start_exits_with_code_1_and_a_one_line_error(
    start: Start, name: str, arguments: list[str], words: str
) -> None:
    program = start(name, *arguments)
    assert program.process.wait(START_SECONDS) == 1
    assert words in program.said
    assert "Traceback" not in program.said


def test_up_publishes_poses(ros: Any, start: Start) -> None:
    poses = ros.collect(PoseArray, "pose/poses")
    images = ros.collect(Image, "image")
    hands = ros.collect(PoseArray, "pose/hands")
    program = start("up", "--camera", "synthetic:stand", "--upper-body-only", "--hands")
    enough = lambda: len(poses) > 5 and len(images) > 5 and hands  # noqa: E731
    assert ros.spin_until(enough, START_SECONDS), program.said
    assert {msg.skeleton for msg in poses} == {"blazepose33_upper_body"}
    assert program.end() == 0, program.said


@pytest.mark.safety
def test_up_with_a_drawn_actor_engages_and_commands(ros: Any, start: Start, tmp_path: Path) -> None:
    states = ros.collect(KeyValue, "gesture/state", 100)
    speeds = ros.collect(TwistStamped, "cmd_vel")
    # the test is about the scene and the nodes, not about the speed of the machine
    camera = "synthetic?width=320&height=240&fps=8"
    program = start("up", "--camera", camera, "--gesture", *parameters(timeout="2.0"))

    def drives() -> bool:
        return any(msg.twist.linear.x or msg.twist.angular.z for msg in speeds)

    watch = start("watch", "--overlay", str(tmp_path / "now.png"))
    assert ros.spin_until(drives, START_SECONDS), program.said
    # the speed may arrive before the state that allows it
    assert ros.spin_until(lambda: "commanding" in {msg.key for msg in states})
    assert watch.wait_for("commanding: operator 0"), watch.said
    # the table follows some seconds after the last topic has come
    assert watch.wait_for("/pose/poses "), watch.said
    for topic, kind in (("/pose/poses", "pose_ros/PoseArray"), ("/cmd_vel", "TwistStamped")):
        assert re.search(rf"^{topic} +\S*{kind} ", watch.said, re.MULTILINE), watch.said
    assert watch.end() == 0, watch.said
    assert cv2.imread(str(tmp_path / "now.png")).shape == (240, 320, 3)
    assert program.end() == 0, program.said
    assert re.search(r"^\d+\.\d poses/s.*  people 1  .*: ", program.said, re.MULTILINE)


@pytest.mark.safety
def test_up_with_two_drawn_cameras_engages_by_the_fused_people(ros: Any, start: Start) -> None:
    states = ros.collect(KeyValue, "gesture/state", 100)
    fused = ros.collect(PoseArray, "fusion/poses")
    camera = ["--camera", "synthetic?width=320&height=240&fps=6"]
    # the test is about how the nodes fit together, not about the speed of the machine
    patient = parameters(timeout="2.0", lost_time="10.0")
    program = start("up", *camera, *camera, "--gesture", *patient)
    engaged = lambda: {msg.key for msg in states} & {"engaged", "commanding"}  # noqa: E731
    assert ros.spin_until(engaged, START_SECONDS), program.said
    assert any(is_by_several(msg) for msg in fused)
    assert {msg.network for msg in fused} == {"multiview"}
    assert program.end() == 0, program.said
    assert "Traceback" not in program.said


def is_by_several(msg: Any) -> bool:
    """Whether several cameras say where some joint is."""
    sources = poses_from_msg(msg).camera_sources
    return sources is not None and bool((sources == PositionSource.MULTIVIEW).any())


def test_demo_writes_a_video_and_ends_by_itself(start: Start, tmp_path: Path) -> None:
    video = tmp_path / "new" / "demo.mp4"
    program = start("demo", "--seconds", "3", "--out", str(video))
    assert program.process.wait(START_SECONDS) == 0, program.said
    assert re.search(r"fps; image -> poses: median \d+ ms, .*of which the network", program.said)
    assert str(video) in program.said
    frames = frames_of(video)
    plain = open_synthetic("synthetic:gestures")
    difference = cv2.absdiff(frames[-1].image, (plain.read() or frames[0]).image)
    assert difference.max() > 100, "nothing is drawn"


def frames_of(video: Path) -> list[Frame]:
    source = open_source(str(video))
    frames = [frame for frame in iter(source.read, None) if frame is not None]
    source.close()
    return frames


@pytest.mark.safety
def test_demo_drives_a_robot_to_where_the_actor_points(start: Start, tmp_path: Path) -> None:
    # a machine that stops for a moment stops the robot, until the next round of the scene
    rounds = ["--seconds", "200"]
    program = start("demo", "--robot", "--no-live", *rounds, "--out", str(tmp_path / "robot.mp4"))
    assert program.process.wait(200.0 + START_SECONDS) == 0, program.said
    said = re.search(r"robot: sent to (\d+) spots; stood at last (.*) from them", program.said)
    assert said is not None, program.said
    # it begins 1.8 m from the first and goes 2.4 m to the second
    ends = [float(end) for end in re.findall(r"(\d+\.\d+) m", said[2])]
    assert len(ends) == int(said[1]) >= 1
    assert min(ends) < 0.4, program.said
    video = cv2.VideoCapture(str(tmp_path / "robot.mp4"))
    width, height = video.get(cv2.CAP_PROP_FRAME_WIDTH), video.get(cv2.CAP_PROP_FRAME_HEIGHT)
    video.release()
    assert (width, height) == (640 + 480, 480)


@pytest.mark.safety
def test_demo_drives_no_robot_before_a_real_camera(start: Start, tmp_path: Path) -> None:
    program = start("demo", "--robot", "--camera", "0", "--out", str(tmp_path / "o.mp4"))
    assert program.process.wait(START_SECONDS) == 1
    assert "--robot needs a drawn scene" in program.said


def test_demo_of_a_clip_ends_when_the_clip_ends(start: Start, tmp_path: Path) -> None:
    clip = tmp_path / "clip.avi"
    # slow: an image is dropped only where this machine stops for longer than 0.4 s
    writer = cv2.VideoWriter(str(clip), cv2.VideoWriter.fourcc(*"MJPG"), 2.5, (320, 240))
    for _ in range(10):
        writer.write(np.full((240, 320, 3), 128, np.uint8))
    writer.release()
    program = start("demo", "--clip", str(clip), "--out", str(tmp_path / "o.avi"), "--no-live")
    assert program.process.wait(START_SECONDS) == 0, program.said
    frames = re.search(r"(\d+) frames in", program.said)
    assert frames is not None
    assert 5 <= int(frames[1]) <= 10, program.said
    assert "a person in 0% of the frames" in program.said


@pytest.mark.parametrize(
    ("scene", "text"),
    [
        ("moon", "unknown scene 'moon'; known: gestures, pointing, walking"),
        ("box?arm=left", "its own arms"),
    ],
)
def test_demo_refuses_an_unknown_scene(start: Start, tmp_path: Path, scene: str, text: str) -> None:
    program = start("demo", "--scene", scene, "--out", str(tmp_path / "o.mp4"))
    assert program.process.wait(START_SECONDS) == 1
    assert text in program.said
    assert "Traceback" not in program.said


def test_demo_names_the_missing_camera(start: Start, tmp_path: Path) -> None:
    program = start("demo", "--camera", "/dev/video99", "--out", str(tmp_path / "o.mp4"))
    assert program.process.wait(START_SECONDS) == 1
    assert "/dev/video99" in program.said
    assert "Traceback" not in program.said


@pytest.mark.parametrize("seconds", ["0", "-1", "nan"])
def test_demo_refuses_zero_seconds(start: Start, tmp_path: Path, seconds: str) -> None:
    video = tmp_path / "o.mp4"
    program = start("demo", f"--seconds={seconds}", "--out", str(video))
    assert program.process.wait(START_SECONDS) == 1
    assert "pose-ros demo: --seconds must be above 0" in program.said
    assert not video.exists()


def children(process: int) -> list[int]:
    """Return the living child processes."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == process and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


def test_nodes_of_a_demo_end_even_when_the_demo_is_killed(start: Start, tmp_path: Path) -> None:
    program = start("demo", "--seconds", "300", "--out", str(tmp_path / "o.mp4"))
    assert program.wait_for(" fps "), program.said
    nodes = children(program.process.pid)
    assert len(nodes) == 3
    program.process.kill()
    program.process.wait()
    end = time.monotonic() + STOP_SECONDS
    while any(Path(f"/proc/{node}").exists() for node in nodes) and time.monotonic() < end:
        time.sleep(0.1)
    assert not any(Path(f"/proc/{node}").exists() for node in nodes)


def test_demo_stopped_by_hand_keeps_its_video(start: Start, tmp_path: Path) -> None:
    video = tmp_path / "o.mp4"
    program = start("demo", "--seconds", "300", "--scene", "walking", "--out", str(video))
    end = time.monotonic() + START_SECONDS
    while seconds_shown(program) < 3.0 and time.monotonic() < end:
        time.sleep(0.05)
    assert seconds_shown(program) >= 3.0, program.said
    assert program.end() == 0, program.said
    # an overlay comes after its poses, and a busy machine has few of both in a second
    assert frames_of(video)[-1].stamp > 1.5


def seconds_shown(program: Program) -> float:
    """Return the seconds between the first and the last poses that the demo has counted."""
    lines = re.findall(r"([\d.]+) s +[\d.]+ fps ", program.said)
    return float(lines[-1]) if lines else 0.0
