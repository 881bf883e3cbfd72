"""Content of an installation: modules, messages, share files, index entry, commands."""

import ast
import importlib.metadata
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from packaging.requirements import Requirement

import pose_ros
from pose_ros.files import share_path

MESSAGES = {
    "Keypoint": {
        "name": "string",
        "x": "float",
        "y": "float",
        "score": "float",
        "z": "float",
        "world": "geometry_msgs/Point",
        "position": "geometry_msgs/Point",
        "position_source": "uint8",
        "position_sigma": "float",
        "orientation": "geometry_msgs/Quaternion",
    },
    "HumanPose": {
        "id": "uint32",
        "score": "float",
        "box": "float[4]",
        "label": "string",
        "label_score": "float",
        "clothes": "float[6]",
        "velocity": "geometry_msgs/Vector3",
        "keypoints": "sequence<pose_ros/Keypoint>",
    },
    "PoseArray": {
        "header": "std_msgs/Header",
        "network": "string",
        "skeleton": "string",
        "width": "uint32",
        "height": "uint32",
        "poses": "sequence<pose_ros/HumanPose>",
    },
    "Skeleton": {
        "name": "string",
        "keypoints": "sequence<string>",
        "links": "sequence<uint8>",
        "left_right": "sequence<uint8>",
    },
}


# colcon's build has a name and a version, and neither requirements nor entry points
BY_PIP = any(d.read_text("RECORD") for d in importlib.metadata.distributions(name="pose_ros"))
of_pip = pytest.mark.skipif(not BY_PIP, reason="built by colcon, without pip's metadata")


@pytest.fixture(scope="module")
def distribution():
    if not BY_PIP:
        pytest.skip("built by colcon, without pip's metadata")
    return importlib.metadata.distribution("pose_ros")


def ros_prefix(package):
    """Return where a ROS package is installed."""
    if BY_PIP:
        return Path(sys.prefix)
    from ament_index_python.packages import get_package_prefix

    return Path(get_package_prefix(package))


def test_the_installed_package_is_tested(checkout):
    installed = Path(pose_ros.__file__).resolve()
    assert installed.parent.parent.name == "site-packages"
    assert installed.parent.parent != checkout
    # and a program that a test starts sees the same one
    command = [sys.executable, "-c", "import pose_ros; print(pose_ros.__file__)"]
    started = subprocess.run(command, capture_output=True, text=True, check=True)
    assert Path(started.stdout.strip()).resolve() == installed


def test_installation_equals_the_sources(checkout):
    package = Path(pose_ros.__file__).parent
    for source in (checkout / "pose_ros").rglob("*.py"):
        installed = package / source.relative_to(checkout / "pose_ros")
        assert installed.is_file(), f"{installed} is missing: make setup"
        assert installed.read_bytes() == source.read_bytes(), f"{installed} is old: make setup"


def test_package_manifest_and_changelog_have_one_version(checkout, distribution):
    version = distribution.version
    assert pose_ros.__version__ == version
    manifest = ElementTree.parse(checkout / "package.xml").getroot()
    assert manifest.findtext("version") == version
    changelog = (checkout / "CHANGELOG.rst").read_text(encoding="utf-8")
    newest = re.search(r"^(\d+\.\d+\.\d+) \(.+\)$", changelog, re.MULTILINE)
    assert newest is not None
    assert newest[1] == version


# As pip's isolated build starts Python: with its prefix, and without the packages in it.
BUILD = """
import runpy, sys
if sys.argv[1:]:
    sys.path[:] = [path for path in sys.path if "site-packages" not in path] + sys.argv[1:2]
sys.path.insert(0, "")
sys.argv[:] = ["setup.py", "-q", "egg_info", "--egg-base", {folder!r}]
runpy.run_path("setup.py", run_name="__main__")
"""


def required_of_a_build(checkout, folder, *packages, **environment):
    """Return the requirements of a wheel; ``packages`` is the only folder that its build sees."""
    command = [sys.executable, "-c", BUILD.format(folder=str(folder)), *map(str, packages)]
    environment = os.environ | environment
    subprocess.run(command, cwd=checkout, env=environment, check=True, timeout=60)
    lines = importlib.metadata.PathDistribution(folder / "pose_ros.egg-info").requires or ()
    wanted = map(Requirement, lines)
    return [r.name for r in wanted if r.marker is None or "extra" not in str(r.marker)]


@of_pip
def test_plain_build_requires_no_ros_even_if_the_shell_has_sourced_one(checkout, tmp_path):
    packages = tmp_path / "site-packages"
    packages.mkdir()
    installed = Path(importlib.metadata.distribution("setuptools").locate_file(""))
    for path in (*installed.glob("setuptools*"), installed / "_distutils_hack"):
        (packages / path.name).symlink_to(path)
    bare = required_of_a_build(checkout, tmp_path, packages)
    sourced = {"ROS_DISTRO": "kilted", "AMENT_PREFIX_PATH": sys.prefix}
    assert required_of_a_build(checkout, tmp_path, packages, **sourced) == bare
    assert {"numpy", "onnxruntime", "rosbags"} <= set(bare)
    assert not [name for name in bare if name.startswith("ros-")]


@of_pip
def test_build_for_a_gpu_requires_one_onnxruntime(checkout, tmp_path):
    wanted = required_of_a_build(checkout, tmp_path, POSE_ROS_GPU="1")
    assert [name for name in wanted if name.startswith("onnxruntime")] == ["onnxruntime-gpu"]


@of_pip
@pytest.mark.ros
def test_build_beside_ros_requires_the_ros_of_its_messages(checkout, tmp_path):
    assert "ros-rclpy" in required_of_a_build(checkout, tmp_path)


@pytest.mark.ros
def test_what_the_metadata_requires_is_installed(distribution):
    wanted = [Requirement(line) for line in distribution.requires or ()]
    assert {"numpy", "onnxruntime", "ros-rclpy"} <= {r.name for r in wanted}
    for requirement in wanted:
        for extra in ("", "models", "dev"):
            marker = requirement.marker
            if marker is None or marker.evaluate({"extra": extra}):
                installed = importlib.metadata.version(requirement.name)
                assert requirement.specifier.contains(installed), f"{requirement}: {installed}"
                break


@pytest.mark.parametrize("folder", ["config", "launch", "models"])
def test_share_files_are_those_of_the_sources(folder, checkout):
    def files(base):
        kept = (p for p in base.rglob("*") if p.is_file() and p.suffix != ".pyc")
        return {p.relative_to(base): p.read_bytes() for p in kept}

    shared = ros_prefix("pose_ros") / "share" / "pose_ros" / folder
    assert share_path(folder).resolve() == shared.resolve()
    assert files(shared) == files(checkout / folder)
    assert files(shared)


def test_parameter_files_and_cards_are_yaml():
    for folder in ("config", "models"):
        for path in share_path(folder).glob("*.yaml"):
            assert isinstance(yaml.safe_load(path.read_text(encoding="utf-8")), dict), path


def test_launch_file_compiles():
    path = share_path("launch", "pose.launch.py")
    namespace = compile(path.read_text(encoding="utf-8"), str(path), "exec").co_names
    assert "generate_launch_description" in namespace


@of_pip
@pytest.mark.ros
@pytest.mark.parametrize("node", ["camera_node", "gesture_node", "pose_node"])
def test_node_is_where_ros2_run_looks(node):
    path = Path(sys.prefix) / "lib" / "pose_ros" / node
    assert os.access(path, os.X_OK)
    # nothing is active here: the launcher must find the interpreter of its own prefix
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": ""}
    script = f"exec {path} --ros-args -p no_such_option"
    ended = subprocess.run(
        ["/bin/sh", "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode != 0
    assert "no_such_option" in ended.stderr
    assert "No module named" not in ended.stderr


# What imports a package is in, where ROS or Ubuntu calls the package otherwise.
PACKAGES = {
    "cv2": "python3-opencv",
    "numpy": "python3-numpy",
    "scipy": "python3-scipy",
    "tf2_ros": "tf2_ros_py",
    "tqdm": "python3-tqdm",
    "yaml": "python3-yaml",
}
# The node names the missing package if a parameter needs it.
OPTIONAL = {"hri_msgs", "nav2_msgs", "people_msgs", "vision_msgs"}


def imports(paths):
    """Return the top-level names that some modules import."""
    found = set()
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module)
    return {name.partition(".")[0] for name in found} - set(sys.stdlib_module_names)


def test_manifest_lists_what_nodes_and_launch_files_import_and_nothing_else(checkout):
    root = ElementTree.parse(checkout / "package.xml").getroot()
    listed = {e.text for tag in ("depend", "exec_depend") for e in root.iter(tag)}
    nodes = [*(checkout / "pose_ros/ros").glob("*.py"), *(checkout / "launch").glob("*.py")]
    wanted = {PACKAGES.get(name, name) for name in imports(nodes) - {"pose_ros"}}
    assert wanted - OPTIONAL <= listed
    # the rest is generated, or imported elsewhere in the package, or runs the others
    everywhere = {PACKAGES.get(n, n) for n in imports((checkout / "pose_ros").rglob("*.py"))}
    indirect = {"builtin_interfaces", "python3-venv", "rosidl_default_runtime"}
    assert listed - indirect <= wanted | everywhere


# Modules of rclpy in ROS 2 Humble, the oldest that is supported.
HUMBLE = (
    "action callback_groups client clock context duration exceptions executors lifecycle logging "
    "node parameter publisher qos qos_event qos_overriding_options serialization service signals "
    "subscription task time timer utilities waitable"
)


def test_nodes_import_no_module_of_rclpy_that_humble_lacks(checkout):
    for path in (checkout / "pose_ros/ros").glob("*.py"):
        source = path.read_text(encoding="utf-8")
        used = set(re.findall(r"(?:from|import) rclpy\.(\w+)", source))
        newer = used - set(HUMBLE.split())
        # with what stands in for it
        assert newer <= {"event_handler"}, path
        assert not newer or "qos_event" in used, path


def test_robot_requirements_include_every_requirement_of_the_wheel(checkout, distribution):
    lines = (checkout / "requirements/robot.txt").read_text(encoding="utf-8").splitlines()
    robot = {r.name: r for r in map(Requirement, (x for x in lines if x and x[0] != "#"))}
    for wanted in map(Requirement, distribution.requires or ()):
        if wanted.name.startswith("ros-"):
            continue
        if wanted.marker is None or "extra" not in str(wanted.marker) or wanted.name in robot:
            lowest = re.search(r"[>~]=([\d.]+)", str(robot[wanted.name].specifier))
            assert wanted.specifier.contains(lowest[1]), wanted


@pytest.mark.parametrize("script", ["node", "pose-ros"])
def test_program_without_its_environment_names_it_in_one_line(checkout, script):
    """In a colcon workspace, the system's Python lacks packages of the virtual environment."""
    started = [sys.executable, "-S", str(checkout / "scripts" / script)]
    ended = subprocess.run(started, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert "has no onnxruntime: activate the virtual environment" in line


def test_command_is_installed(distribution):
    (script,) = distribution.entry_points.select(group="console_scripts", name="pose-ros")
    assert callable(script.load())
    command = [str(Path(sys.executable).parent / "pose-ros"), "--version"]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert distribution.version in ended.stdout


@pytest.mark.ros
class TestWithRos:
    """The half of the package that needs ROS."""

    def test_package_is_in_the_index_of_ros(self):
        from ament_index_python.packages import get_package_prefix, get_package_share_directory

        prefix = Path(get_package_prefix("pose_ros")).resolve()
        assert Path(pose_ros.__file__).resolve().is_relative_to(prefix)
        assert not BY_PIP or prefix == Path(sys.prefix).resolve()
        assert (Path(get_package_share_directory("pose_ros")) / "package.xml").is_file()

    @pytest.mark.parametrize("name", MESSAGES)
    def test_messages_have_the_fields_of_the_reference(self, name):
        import pose_ros.msg

        fields = getattr(pose_ros.msg, name).get_fields_and_field_types()
        assert fields == MESSAGES[name]

    def test_position_sources_have_their_numbers(self):
        from pose_ros.msg import Keypoint

        known = (
            Keypoint.SOURCE_NONE,
            Keypoint.SOURCE_MODEL,
            Keypoint.SOURCE_DEPTH,
            Keypoint.SOURCE_MULTIVIEW,
        )
        assert known == (0, 1, 2, 3)
        assert Keypoint().position_source == Keypoint.SOURCE_NONE

    @pytest.mark.parametrize("name", ["TF2Error", "TFMessage"])
    def test_tf2_message_has_the_type_hash_of_every_other_ros(self, name):
        """The middleware compares types by it; rosbags has its own definitions."""
        from rosbags.typesys import Stores, get_typestore

        path = ros_prefix("tf2_msgs") / "share" / "tf2_msgs" / "msg" / f"{name}.json"
        described = json.loads(path.read_text(encoding="utf-8"))
        hashes = {entry["type_name"]: entry["hash_string"] for entry in described["type_hashes"]}
        full = f"tf2_msgs/msg/{name}"
        assert hashes[full] == get_typestore(Stores.ROS2_JAZZY).hash_rihs01(full)

    def test_tf2_msgs_has_every_interface_that_tf2_ros_imports(self):
        from tf2_msgs.action import LookupTransform
        from tf2_msgs.msg import TF2Error
        from tf2_msgs.srv import FrameGraph

        assert LookupTransform.Goal.get_fields_and_field_types() == {
            "target_frame": "string",
            "source_frame": "string",
            "source_time": "builtin_interfaces/Time",
            "timeout": "builtin_interfaces/Duration",
            "target_time": "builtin_interfaces/Time",
            "fixed_frame": "string",
            "advanced": "boolean",
        }
        assert LookupTransform.Result.get_fields_and_field_types() == {
            "transform": "geometry_msgs/TransformStamped",
            "error": "tf2_msgs/TF2Error",
        }
        assert FrameGraph.Response.get_fields_and_field_types() == {"frame_yaml": "string"}
        assert (TF2Error.EXTRAPOLATION_ERROR, TF2Error.TRANSFORM_ERROR) == (3, 6)

    def test_tf2_message_is_in_the_ament_index(self):
        from ament_index_python.packages import get_package_prefix

        prefix = Path(get_package_prefix("tf2_msgs")).resolve()
        assert not BY_PIP or prefix == Path(sys.prefix).resolve()

    def test_messages_go_through_the_middleware(self):
        from rclpy.serialization import deserialize_message, serialize_message

        from pose_ros.msg import HumanPose, Keypoint, PoseArray

        sent = PoseArray(network="blazepose-full", width=640, height=480)
        sent.poses = [HumanPose(id=7, keypoints=[Keypoint(name="nose", x=1.5, y=-2.5)])]
        assert deserialize_message(serialize_message(sent), PoseArray) == sent
