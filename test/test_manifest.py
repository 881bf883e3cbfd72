"""package.xml: keys that a build farm installs, and nodes that start with these alone."""

import subprocess
import sys
from xml.etree import ElementTree

import pytest

_ROS = "a package of ROS, released with Humble, Jazzy, Kilted and Lyrical"
_APT = "in rosdep's python.yaml for Debian, Ubuntu, Fedora and RHEL, as a system package"

# What package.xml may name, and where rosdep or rosdistro has it.
KEYS = {
    "action_msgs": _ROS,
    "ament_cmake": _ROS,
    "ament_cmake_lint_cmake": _ROS,
    "ament_cmake_pytest": _ROS,
    "ament_cmake_python": _ROS,
    "ament_cmake_xmllint": _ROS,
    "ament_lint_auto": _ROS,
    "builtin_interfaces": _ROS,
    "diagnostic_msgs": _ROS,
    "geometry_msgs": _ROS,
    "launch": _ROS,
    "launch_ros": _ROS,
    "lifecycle_msgs": _ROS,
    "python3-numpy": _APT,
    "python3-opencv": _APT,
    "python3-pytest": _APT,
    "python3-scipy": _APT,
    "python3-tqdm": _APT,
    "python3-venv": _APT,
    "python3-yaml": _APT,
    "rcl_interfaces": _ROS,
    "rclpy": _ROS,
    "rosgraph_msgs": _ROS,
    "rosidl_default_generators": _ROS,
    "rosidl_default_runtime": _ROS,
    "rosidl_interface_packages": "a group, which needs no key",
    "sensor_msgs": _ROS,
    "std_msgs": _ROS,
    "std_srvs": _ROS,
    "tf2_msgs": _ROS,
    "tf2_ros_py": _ROS,
    "visualization_msgs": _ROS,
}


def test_manifest_names_only_keys_that_a_build_farm_can_install(checkout):
    root = ElementTree.parse(checkout / "package.xml").getroot()
    named = {e.text for e in root if e.tag.endswith("depend") or e.tag == "member_of_group"}
    assert named == set(KEYS)
    # rosdep installs these with pip, and a package that is released may not need one
    assert not [key for key in KEYS if key.endswith("-pip")]


WITHOUT_BAGS = """
import sys
from pose_ros.bags.finding import PACKAGES

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {*PACKAGES, "backports", "zstandard"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocked())
"""


def run_without_bags(code, *arguments):
    """Run a program in a Python that has none of the packages that read bags."""
    command = [sys.executable, "-c", WITHOUT_BAGS + code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


NODES = """
import rclpy
from rclpy.lifecycle import TransitionCallbackReturn
from pose_ros.ros import camera_node, fusion_node, gesture_node, pose_node, up
from pose_ros.ros.launch_plan import launch_plan

plan = launch_plan({"camera": "synthetic", "gesture": "true"})
assert plan.nodes and not plan.errors, plan.errors
rclpy.init()
for make in (camera_node.CameraNode, gesture_node.GestureNode, pose_node.PoseNode):
    node = make()
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS, make
    node.destroy_node()
rclpy.shutdown()
assert not {"apsw", "lz4", "rosbags"} & set(sys.modules)
"""


@pytest.mark.ros
def test_nodes_and_launch_start_without_the_packages_that_read_bags():
    ended = run_without_bags(NODES)
    assert ended.returncode == 0, ended.stderr


COMMAND = """
from pose_ros.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("command", ["bag info", "estimate"])
def test_command_that_reads_bags_says_in_one_line_what_is_missing(tmp_path, command):
    ended = run_without_bags(COMMAND, *command.split(), tmp_path / "walk.mcap")
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert "the packages that read bags" in line
    assert line.rpartition(": ")[2].startswith("pip install apsw lz4 rosbags")


SOURCE = """
import pose_ros
try:
    pose_ros.open_source(sys.argv[1])
except pose_ros.PoseRosError as error:
    print(error)
"""


def test_source_that_is_a_bag_says_in_one_line_what_is_missing(tmp_path):
    bag = tmp_path / "walk.mcap"
    bag.touch()
    ended = run_without_bags(SOURCE, bag)
    assert ended.returncode == 0, ended.stderr
    assert f"{bag} needs the packages that read bags" in ended.stdout
