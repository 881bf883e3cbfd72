"""The pages for robots: their commands, files and samples do what they say."""

from __future__ import annotations

import ast
import re
import select
import shlex
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from subprocess import PIPE, STDOUT
from typing import Any

import pytest
import yaml
from geometry_msgs.msg import Point
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy

from pose_ros.files import node_executable
from pose_ros.msg import HumanPose, Keypoint, PoseArray
from pose_ros.ros.camera_node import CameraNode
from pose_ros.ros.gesture_node import GestureNode, command_config_from
from pose_ros.ros.launch_plan import ARGUMENTS, END_WITH_LAUNCH
from pose_ros.ros.pose_node import PoseNode
from pose_ros.settings.nodes import GestureParameters, PoseParameters
from pose_ros.settings.parameters import parameters_of, table_from

PAGES = [
    "README.md",
    "docs/how-to/on_a_robot.md",
    "docs/reference/commands.md",
    "docs/tutorials/next_node.md",
    "docs/tutorials/robot.md",
]


def blocks(checkout: Path, page: str, language: str) -> list[str]:
    text = (checkout / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


KNOWN_ARGUMENTS = {argument.name for argument in ARGUMENTS}


# Replaces ros2 launch: starts a program, prints its process id, and waits for it.
LAUNCHER = """
import subprocess, sys
started = subprocess.Popen(sys.argv[1:])
print(started.pid, flush=True)
started.wait()
"""


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="util-linux has no setpriv here")
def test_node_ends_when_its_launcher_is_killed(ros: Any) -> None:
    prefix = END_WITH_LAUNCH.split()
    command = [sys.executable, "-c", LAUNCHER, *prefix, str(node_executable("camera_node"))]
    with subprocess.Popen(command, stdout=PIPE, stderr=STDOUT) as launcher:
        assert launcher.stdout is not None
        arguments = Path("/proc", launcher.stdout.readline().decode().strip(), "cmdline")
        # setpriv has done its part when its place is taken; between two programs there is nothing
        setpriv, nothing = prefix[0].encode(), b""
        reached = lambda: arguments.read_bytes().split(b"\0")[0] not in (setpriv, nothing)  # noqa: E731
        assert ros.spin_until(lambda: LAUNCHER.encode() not in arguments.read_bytes())
        assert ros.spin_until(reached)
        launcher.kill()
        # the node holds the other end of the pipe until it has ended
        ended, _, _ = select.select([launcher.stdout], [], [], 60.0)
        assert ended


@pytest.mark.parametrize("page", PAGES)
def test_launch_commands_in_the_docs_name_existing_arguments(checkout: Path, page: str) -> None:
    lines = "".join(blocks(checkout, page, "sh")).splitlines()
    commands = [shlex.split(line, comments=True) for line in lines]
    launches = [
        words for words in commands if words[:4] == ["ros2", "launch", "pose_ros", "pose.launch.py"]
    ]
    assert launches
    for words in launches:
        names = [word.partition(":=")[0] for word in words[4:]]
        assert all(":=" in word for word in words[4:]), words
        assert set(names) <= KNOWN_ARGUMENTS


def test_parameter_files_of_the_robot_page_are_valid(checkout: Path) -> None:
    files = {
        block.splitlines()[0]: yaml.safe_load(block)["/**"]["ros__parameters"]
        for block in blocks(checkout, "docs/tutorials/robot.md", "yaml")
    }
    assert set(files) == {"# gestures.yaml", "# pose.yaml"}
    for name, table in (("# gestures.yaml", GestureParameters), ("# pose.yaml", PoseParameters)):
        known = parameters_of(table)
        for parameter, value in files[name].items():
            known[parameter].check(value)
    parameters = table_from(GestureParameters, files["# gestures.yaml"])
    command_config_from(parameters, compare_clock=True)


def test_python_samples_compile_and_name_existing_arguments(checkout: Path) -> None:
    for page in ("docs/tutorials/robot.md", "docs/tutorials/next_node.md"):
        for block in blocks(checkout, page, "python"):
            ast.parse(block)
    (outer,) = blocks(checkout, "docs/tutorials/robot.md", "python")
    (arguments,) = re.findall(r"arguments = (\{.*?\})", outer)
    assert set(ast.literal_eval(arguments)) <= KNOWN_ARGUMENTS


def test_python_subscriber_prints_the_wrist_that_has_meters(
    ros: Any, checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sample: dict[str, Any] = {}
    exec(blocks(checkout, "docs/tutorials/next_node.md", "python")[0], sample)
    ros.executor.add_node(node := sample["Wrists"]())
    publisher = ros.node.create_publisher(PoseArray, "pose/poses", 10)
    wrist = Keypoint(name="left_wrist", position_source=1, position_sigma=0.05)
    wrist.position = Point(x=0.25, y=-0.5, z=2.0)
    unknown = Keypoint(name="left_wrist")
    message = PoseArray(poses=[HumanPose(id=3, keypoints=[wrist]), HumanPose(keypoints=[unknown])])
    printed: list[str] = []

    def heard() -> str:
        publisher.publish(message)
        printed.append(capsys.readouterr().out)
        return printed[-1]

    try:
        assert ros.spin_until(heard)
    finally:
        node.destroy_node()
    assert set(printed[-1].splitlines()) == {"3: 0.25 -0.50 2.00 m, 1 sigma 0.05 m"}


def promised(checkout: Path) -> dict[str, tuple[ReliabilityPolicy, DurabilityPolicy]]:
    """Return reliability and durability by topic, as the page's table has them."""
    page = (checkout / "docs/tutorials/next_node.md").read_text(encoding="utf-8")
    table = page.split("| topic | offered |")[1].split("\n\n")[0]
    found = {}
    for row in table.splitlines()[2:]:
        _, topics, offer, *_ = row.split("|")
        if "foxglove_msgs" in topics and find_spec("foxglove_msgs") is None:
            continue
        lasting = DurabilityPolicy.TRANSIENT_LOCAL
        durability = lasting if "transient local" in offer else DurabilityPolicy.VOLATILE
        assert "reliable" in offer
        for topic in re.findall(r"`([\w/]+)`", topics):
            found[f"/{topic.lstrip('/')}"] = (ReliabilityPolicy.RELIABLE, durability)
    return found


def test_nodes_have_the_qos_of_the_documented_table(
    ros: Any, checkout: Path, fake: Any, fake_hands: Any
) -> None:
    asked_for = ["hands", "masks", "use_depth", "publish_cloud"]
    if find_spec("foxglove_msgs"):
        asked_for.append("publish_foxglove")
    nodes = [
        PoseNode(
            make_estimator=lambda _parameters: fake,
            make_hands=lambda _parameters: fake_hands,
            parameter_overrides=[Parameter(name, value=True) for name in asked_for],
        ),
        GestureNode(),
        CameraNode(),
    ]
    for node in map(ros.add, nodes):
        assert node.autostart()
    table = promised(checkout)

    def offered() -> dict[str, tuple[ReliabilityPolicy, DurabilityPolicy]]:
        return {
            topic: (info.qos_profile.reliability, info.qos_profile.durability)
            for topic in table
            for info in ros.node.get_publishers_info_by_topic(topic)
        }

    assert ros.spin_until(lambda: offered().keys() == table.keys())
    assert offered() == table
