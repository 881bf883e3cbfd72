"""What ``ros2 launch pose_ros pose.launch.py`` starts, as data.

``launch_plan`` decides which nodes start with which parameters, ``launch/pose.launch.py`` turns
the plan into launch actions. Nothing here imports launch or rclpy, and at its top nothing that the
Python of ``ros2`` may lack.
"""

from __future__ import annotations

import importlib.util
import json
import math
import os
import re
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pose_ros.errors import OptionError, PoseRosError
from pose_ros.files import share_path
from pose_ros.ros import middleware
from pose_ros.ros.source_parameters import (
    FUSED_TOPICS,
    OF_ONE_CAMERA,
    SCENE_DELAY,
    SceneParameters,
    SeveralCameras,
    camera_sources,
    flat_name,
    gesture_scene,
    optical_frame,
    refuse_sources,
    several_cameras,
    stereo_camera,
)
from pose_ros.settings import check_value
from pose_ros.settings.nodes import (
    CameraParameters,
    FusionParameters,
    GestureParameters,
    PoseParameters,
)
from pose_ros.settings.parameters import parameters_of
from pose_ros.sources.names import commanding_scene, is_synthetic, may_repeat

CLOCK_HZ = 100
DISCOVERY_SECONDS = 2.0  # the player's topics have to be found before the first image is sent
END_WITH_LAUNCH = "setpriv --pdeathsig TERM"
"""Before a program: ``ros2 launch`` ends at SIGTERM without a word to what it has started; the
kernel passes the signal on."""

_TRUE, _FALSE = ("true", "1", "yes", "on"), ("false", "0", "no", "off")
_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
_OTHER_PYTHON = "in the virtual environment say python3 $(which ros2) launch ..."

Value = bool | int | float | str


@dataclass(frozen=True)
class LaunchArgument:
    """One argument of the launch file.

    Attributes:
        name: As it is written before ``:=``.
        description: Of ``ros2 launch --show-args``.
        default: Text it has when it is not given; empty leaves its parameter to the parameter
            file and to the node.
        kind: Of the value: bool, int, float or str.
        nodes: Which nodes have a parameter of it.
        parameter: Name of that parameter; empty: that of the argument.
    """

    name: str
    description: str
    default: str = ""
    kind: type[Value] = str
    nodes: tuple[str, ...] = ()
    parameter: str = ""


_TABLES: dict[str, type] = {
    "camera": CameraParameters,
    "pose": PoseParameters,
    "fusion": FusionParameters,
    "gesture": GestureParameters,
}


def _sets(
    nodes: str, parameter: str, name: str = "", description: str = "", empty: str = ""
) -> LaunchArgument:
    """Return the argument that sets a parameter, which says what it means and of what kind it is.

    Args:
        nodes: Which nodes have the parameter, with spaces between them.
        parameter: Its name.
        name: Of the argument, where it is another.
        description: Of the argument, where it means more than the parameter.
        empty: What an empty argument means besides that parameter file and node decide.
    """
    found = parameters_of(_TABLES[nodes.split(maxsplit=1)[0]])[parameter]
    default = "none" if found.default == "" else json.dumps(found.default).strip('"')
    left = found.option.meaning_of_unset if found.option.default is None else default
    text = description or found.option.help.rstrip(".")
    if found.option.allowed:
        text += f"; {found.option.allowed}"
    return LaunchArgument(
        name or parameter,
        f"{text}; empty: {left}{empty}",
        kind=type(found.default),
        nodes=tuple(nodes.split()),
        parameter=parameter if name else "",
    )


ARGUMENTS = (
    LaunchArgument(
        "camera",
        "Device (/dev/video0, 0), video file, image folder, rtsp or http stream, or synthetic; "
        "empty: no camera node, images come from image_topic or bag",
        nodes=("camera",),
        parameter="source",
    ),
    LaunchArgument(
        "cameras",
        "Two or more such sources in place of camera, as [/dev/video0, /dev/video2]: each has a "
        "camera and a pose node in a namespace with its name in the calibration, and the fusion "
        "node gives each person one skeleton; empty: none",
    ),
    _sets(
        "camera",
        "camera_info_url",
        "calibration",
        "Calibration YAML of the camera, as camera_calibration writes it: a path or file:///...; "
        "without it and without hfov there are no meters and no /tf. With cameras it is the file "
        "that says where they stand, as pose-ros calibrate writes it",
    ),
    _sets(
        "camera",
        "stereo",
        "",
        "side_by_side: the images of camera hold those of two lenses; calibration says where these "
        "stand, and each person gets one skeleton",
    ),
    _sets("camera", "hfov"),
    _sets("camera", "frame_id", empty=", and after namespace:=front front_camera_optical_frame"),
    _sets("camera", "rate"),
    _sets("camera", "width"),
    _sets("camera", "height"),
    _sets("camera", "loop"),
    LaunchArgument(
        "camera_params_file",
        "Parameter file of the camera node, such as your copy of config/camera.yaml; the "
        "arguments above go before it; empty: none",
    ),
    LaunchArgument(
        "bag",
        "Recording to play and to analyze: docs/how-to/recording.md; empty: none",
    ),
    LaunchArgument("bag_rate", "How much faster the bag is played", "1.0", float),
    LaunchArgument("bag_loop", "Play the bag again and again: true or false", "false", bool),
    LaunchArgument(
        "image_topic",
        "Topic of the images; camera_info is its sibling; empty: image, or that of the bag",
    ),
    LaunchArgument(
        "depth_topic", "Topic of depth images that are registered to the images; empty: none"
    ),
    LaunchArgument(
        "namespace",
        "Namespace of all nodes and of their topics with relative names; each of several cameras "
        "needs its own, and frame_id and id_prefix follow it; empty: none",
    ),
    _sets("pose", "network"),
    _sets("pose", "finder"),
    _sets("pose", "threshold"),
    _sets("pose", "max_people"),
    _sets("pose", "upper_body_only"),
    _sets("pose gesture", "hands"),
    _sets("pose", "detect_palms"),
    _sets("pose", "smoothing"),
    _sets("pose", "person_height"),
    _sets("pose gesture", "id_prefix", empty=", and after namespace:=front front_"),
    LaunchArgument(
        "params_file",
        "Parameter file of the pose node, such as your copy of config/pose.yaml; the arguments "
        "above go before it; empty: none",
    ),
    LaunchArgument(
        "fusion_params_file",
        "Parameter file of the fusion node of several cameras, such as your copy of "
        "config/fusion.yaml; the arguments above go before it; empty: none",
    ),
    LaunchArgument(
        "gesture",
        "Gestures, and robot commands from them: true or false; docs/reference/commands.md",
        "false",
        bool,
    ),
    LaunchArgument("cmd_vel_topic", "Topic to which the gesture node sends speeds", "cmd_vel"),
    _sets("gesture", "stamped"),
    LaunchArgument(
        "gesture_params_file",
        "Parameter file of the gesture node, such as your copy of config/gestures.yaml; the "
        "arguments above go before it; empty: none",
    ),
    LaunchArgument(
        "rviz", "Show people and the overlay in RViz (package rviz2): true or false", "false", bool
    ),
)

_PARAMS_FILES = {
    "camera": "camera_params_file",
    "pose": "params_file",
    "fusion": "fusion_params_file",
    "gesture": "gesture_params_file",
}


@dataclass(frozen=True)
class NodePlan:
    """One program that the launch starts.

    Attributes:
        package: ROS package.
        executable: Program of that package.
        name: Of the node; empty: its own.
        namespace: Of the node; empty: none.
        parameters: Each a file or values by name; later ones override earlier ones.
        remappings: Pairs of names: of the node, and of the graph.
        arguments: Of the command line.
        managed: It is brought up to active, and the launch ends with it.
        activate_after: Paths of nodes that have to be active before this one is activated.
    """

    package: str
    executable: str
    name: str = ""
    namespace: str = ""
    parameters: tuple[str | Mapping[str, Value], ...] = ()
    remappings: tuple[tuple[str, str], ...] = ()
    arguments: tuple[str, ...] = ()
    managed: bool = True
    activate_after: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """Its namespace and name, without a slash at the front."""
        return f"{self.namespace.strip('/')}/{self.name}".lstrip("/")


@dataclass(frozen=True)
class PlayerPlan:
    """What plays a recording.

    Attributes:
        command: Words of the command line.
        environment: Variables besides those of the launch.
        start_after: Paths of nodes that have to be active before it starts.
        ends_launch: Whether the launch ends when all has been played.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str]
    start_after: tuple[str, ...]
    ends_launch: bool


@dataclass(frozen=True)
class LaunchPlan:
    """All that a launch does.

    Attributes:
        nodes: In the order in which they start.
        player: Of the recording; None without one.
        prefix: Words before each program; empty: none.
        notes: Lines to log.
        errors: One line for each argument that is wrong; then nothing starts.
    """

    nodes: tuple[NodePlan, ...] = ()
    player: PlayerPlan | None = None
    prefix: str = ""
    notes: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()


def _images_of_bag(path: Path, asked: str) -> tuple[str, bool]:
    """Return the topic of a bag's images, and whether they are compressed.

    Args:
        path: Of the bag.
        asked: Topic that the user names; empty: the only one there is.

    Raises:
        PoseRosError: There is no such bag or topic, or several that could be meant.
    """
    from pose_ros.bags.images import COMPRESSED, base_topic, choose_topic
    from pose_ros.bags.reader import open_bag

    with open_bag(path) as bag:
        topic = choose_topic(bag, f"/{asked.lstrip('/')}" if asked else None)
    return base_topic(topic), topic.kind == COMPRESSED


def _drawn_scene(spec: str) -> SceneParameters:
    """Return what suits the nodes to a drawn scene.

    Raises:
        PoseRosError: There is no such scene.
    """
    try:
        return gesture_scene(spec)
    except ImportError as error:
        return SceneParameters(
            commanding_scene(spec),
            note=f"the Python that runs ros2 has no {error.name}, so that the height of the drawn "
            f"people is unknown and directions may be too uncertain to move by: {_OTHER_PYTHON}",
        )


def _image_environment() -> dict[str, str]:
    """Return the variables without which a program that publishes large images loses them."""
    environment = dict(os.environ)
    middleware.prepare(environment)
    return {name: text for name, text in environment.items() if name not in os.environ}


@dataclass(frozen=True)
class Machine:
    """What a plan depends on besides the arguments; tests give their own.

    Attributes:
        has_module: Whether the Python that runs the launch can import a module.
        has_setpriv: Whether there is util-linux's ``setpriv``.
        images_of_bag: Topic of the images of a bag, and whether they are compressed.
        drawn_scene: What suits the nodes to a drawn scene.
        now: Unix time in seconds.
        image_environment: Variables for a program that publishes large images.
        set_outside: Parameters that a launch file around this one sets for all nodes; None: any.
    """

    has_module: Callable[[str], bool] = lambda name: importlib.util.find_spec(name) is not None
    has_setpriv: Callable[[], bool] = lambda: shutil.which("setpriv") is not None
    images_of_bag: Callable[[Path, str], tuple[str, bool]] = _images_of_bag
    drawn_scene: Callable[[str], SceneParameters] = _drawn_scene
    now: Callable[[], float] = time.time
    image_environment: Callable[[], Mapping[str, str]] = _image_environment
    set_outside: frozenset[str] | None = frozenset()


def launch_plan(arguments: Mapping[str, str], machine: Machine | None = None) -> LaunchPlan:
    """Return what a launch with these arguments starts.

    Args:
        arguments: Texts by name, as ``ros2 launch`` has them; those that lack are at their
            defaults.
        machine: What is installed and recorded there; None: this machine.

    Returns:
        The plan; with errors it starts nothing.
    """
    given = {argument.name: argument.default for argument in ARGUMENTS} | dict(arguments)
    machine = machine or Machine()
    values, errors = _read(given)
    errors += _conflicts(given)
    if given["bag"] and not errors:
        errors = _missing_for_bag(given["bag"], machine)
    if errors:
        return LaunchPlan(errors=tuple(errors))
    if given["cameras"] or _is_stereo(given):
        return _plan_of_several(given, values, machine)
    try:
        return _plan(given, values, machine)
    except PoseRosError as error:
        about = "bag" if given["bag"] else "camera"
        return LaunchPlan(errors=(f"{about}: {error}",))


def _read(given: Mapping[str, str]) -> tuple[dict[str, Value], list[str]]:
    """Return what the arguments that are not empty say, and what is wrong with them."""
    values: dict[str, Value] = {}
    errors = []
    for argument in ARGUMENTS:
        text = given[argument.name]
        if not text and not argument.default:
            continue
        try:
            values[argument.name] = value = _value(text, argument.kind)
            for node in argument.nodes:
                name = argument.parameter or argument.name
                check_value(argument.name, value, parameters_of(_TABLES[node])[name].option)
        except OptionError as error:  # which is a ValueError, too
            errors.append(str(error))
        except ValueError:
            errors.append(f"{argument.name} must be {_KINDS[argument.kind]}, got {text!r}")
    rate = values.get("bag_rate", 1.0)
    if not 0.0 < float(rate) < math.inf:
        errors.append(f"bag_rate must be a number above 0, got {given['bag_rate']!r}")
    return values, errors


def _value(text: str, kind: type[Value]) -> Value:
    """Return what a text says.

    Raises:
        ValueError: It is not of this kind.
    """
    if kind is bool:
        if text.lower() not in _TRUE + _FALSE:
            raise ValueError
        return text.lower() in _TRUE
    if not text:
        raise ValueError
    return kind(text)


def _conflicts(given: Mapping[str, str]) -> list[str]:
    """Return a line for each argument that does not go with the others."""
    if given["cameras"] or _is_stereo(given):
        return _conflicts_of_several(given)
    if given["fusion_params_file"]:
        return ["fusion_params_file is for the fusion node: name sources with cameras:=[...]"]
    if given["camera"]:
        both = "camera and bag are both given: images come from one of them"
        return [both] if given["bag"] else []
    names = [argument.name for argument in ARGUMENTS if "camera" in argument.nodes]
    return [
        f"{name} is for the camera node: name its source with camera:=..."
        for name in (*names, _PARAMS_FILES["camera"])
        if given[name]
    ]


def _conflicts_of_several(given: Mapping[str, str]) -> list[str]:
    """Return a line for each argument that does not go with several cameras."""
    stereo = _is_stereo(given)
    own, others = ("camera", ("cameras", "bag")) if stereo else ("cameras", ("camera", "bag"))
    lines = [
        f"{own} and {name} are both given: images come from one of them"
        for name in others
        if given[name]
    ]
    ones = [name for name in OF_ONE_CAMERA if given[name] and given[name].lower() not in _FALSE]
    sources = camera_sources(given[own])
    return lines + refuse_sources(sources, given["calibration"], ones, stereo=stereo)


def _is_stereo(given: Mapping[str, str]) -> bool:
    """Return whether one device has two lenses."""
    return given["stereo"] not in ("", "none")


def _missing_for_bag(path: str, machine: Machine) -> list[str]:
    """Return a line for what playing a bag needs and this machine lacks."""
    from pose_ros.bags.finding import PACKAGES

    if missing := [module for module in PACKAGES if not machine.has_module(module)]:
        lacks = f"bag needs {', '.join(missing)}, which the Python that runs ros2 does not have"
        return [f"{lacks}: {_OTHER_PYTHON}"]
    if not machine.has_module("ros2bag"):
        where = "which is not installed (apt install ros-$ROS_DISTRO-rosbag2)"
        return [f"bag needs ros2 bag, {where}; without it: pose-ros up --camera {path}"]
    return []


def _plan(given: Mapping[str, str], values: dict[str, Value], machine: Machine) -> LaunchPlan:
    """Return the plan of arguments that are right one by one.

    Raises:
        PoseRosError: Of the bag or the drawn scene that they name.
    """
    camera, bag, has_gestures = given["camera"], given["bag"], bool(values["gesture"])
    defaults, notes = _names_after(given, machine)
    asked = _asked(values)
    images, is_compressed = given["image_topic"] or "image", False
    if given["depth_topic"]:
        asked["pose"]["use_depth"] = True
    if bag or (camera and may_repeat(camera)):
        asked["pose"]["allow_still_images"] = True
    if bag:
        images, is_compressed = machine.images_of_bag(Path(bag).expanduser(), given["image_topic"])
        asked["pose"]["image_transport"] = "compressed" if is_compressed else "raw"
        asked["pose"]["use_sim_time"] = asked["gesture"]["use_sim_time"] = True
    if has_gestures and is_synthetic(camera):
        scene = machine.drawn_scene(camera)
        asked["camera"]["source"] = scene.source
        defaults["pose"] |= scene.pose
        defaults["gesture"] |= scene.gesture
        notes += [f"the camera shows {scene.source}", *filter(None, [scene.note])]
    topics = _remappings(images, given["depth_topic"])

    def node(name: str, *more: tuple[str, str], after: tuple[str, ...] = ()) -> NodePlan:
        default = _not_set_outside(defaults[name], machine)
        layers = (default, given[_PARAMS_FILES[name]], asked[name])
        return _node(name, given["namespace"], layers, (*topics, *more), after)

    nodes = [node("pose")]
    if has_gestures:
        nodes.append(node("gesture", ("cmd_vel", given["cmd_vel_topic"])))
    player = None
    if bag:
        sent = (f"{images}/compressed" if is_compressed else images, *(t for _, t in topics[1:]))
        names = tuple(each.path for each in nodes)
        player = _player(Path(bag).expanduser(), sent, names, values, machine)
    if camera:
        # of a file, not even the first image is missed
        nodes.append(node("camera", after=(nodes[0].path,)))
    if values["rviz"]:
        frame = asked["camera"].get("frame_id") or (
            "" if given[_PARAMS_FILES["camera"]] else defaults["camera"].get("frame_id", "")
        )
        topics_shown = ("pose/markers", "pose/overlay", "gesture/markers")
        shown = {topic: topic for topic in topics_shown}
        nodes.append(
            _rviz(given["namespace"], shown, str(frame) if camera else "", is_simulated=bool(bag))
        )
    return LaunchPlan(
        nodes=tuple(nodes),
        player=player,
        prefix=END_WITH_LAUNCH if machine.has_setpriv() else "",
        notes=tuple(notes),
    )


def _find_several(given: Mapping[str, str], now: float, *, commanding: bool) -> SeveralCameras:
    """Return the cameras that the arguments name."""
    if _is_stereo(given):
        return stereo_camera(given["camera"], given["calibration"])
    return several_cameras(
        camera_sources(given["cameras"]),
        given["calibration"],
        begin=now + SCENE_DELAY,
        commanding=commanding,
    )


def _plan_of_several(
    given: Mapping[str, str], values: dict[str, Value], machine: Machine
) -> LaunchPlan:
    """Return the plan of several cameras, of arguments that are right one by one."""
    has_gestures = bool(values["gesture"])
    try:
        several = _find_several(given, machine.now(), commanding=has_gestures)
    except ImportError as error:
        lacks = f"cameras need {error.name}, which the Python that runs ros2 does not have"
        return LaunchPlan(errors=(f"{lacks}: {_OTHER_PYTHON}",))
    except PoseRosError as error:
        return LaunchPlan(errors=(f"cameras: {str(error).removeprefix('cameras: ')}",))
    defaults, notes = _names_after(given, machine)
    defaults["pose"] |= several.pose
    defaults["fusion"] |= several.fusion_defaults
    defaults["gesture"] |= several.gesture
    asked = _asked(values)
    asked["camera"].pop("camera_info_url", None)  # which is of one camera
    for name in ("smoothing", "id_prefix"):  # what leaves is smoothed and named once
        if name in asked["pose"]:
            asked["fusion"][name] = asked["pose"].pop(name)
    asked["fusion"] |= {name: asked["pose"][name] for name in ("hands",) if name in asked["pose"]}
    asked["fusion"] |= several.fusion

    def node(
        name: str,
        namespace: str = given["namespace"],
        *,
        default: Mapping[str, Value] | None = None,
        own: Mapping[str, Value] | None = None,
        remappings: tuple[tuple[str, str], ...] = (),
        after: tuple[str, ...] = (),
    ) -> NodePlan:
        first = _not_set_outside({**defaults[name], **(default or {})}, machine)
        layers = (first, given[_PARAMS_FILES[name]], {**asked[name], **(own or {})})
        return _node(name, namespace, layers, remappings, after)

    nodes = [node("fusion")]
    if has_gestures:
        sent = (*FUSED_TOPICS, ("cmd_vel", given["cmd_vel_topic"]))
        nodes.append(node("gesture", remappings=sent))
    above = f"{given['namespace'].rstrip('/')}/" if given["namespace"] else ""
    spaces = [f"{above}{name}" for name in several.names]
    frames = [optical_frame(space) for space in spaces]
    pose_defaults = several.pose_defaults or ({},) * len(spaces)
    poses = [
        node("pose", space, default=default, own=own)
        for space, default, own in zip(spaces, pose_defaults, several.poses, strict=True)
    ]
    cameras = []
    for number, own in enumerate(several.cameras):
        default = several.camera_defaults[number]
        space, heard = given["namespace"], poses
        if not several.is_stereo:
            space, heard = spaces[number], poses[number : number + 1]
            default = {"frame_id": frames[number], **default}
        after = (nodes[0].path, *(pose.path for pose in heard))
        cameras.append(node("camera", space, default=default, own=own, after=after))
    nodes += [*poses, *cameras]
    if values["rviz"]:
        shown = {
            "pose/markers": "fusion/markers",
            "pose/overlay": f"{several.names[0]}/pose/overlay",
            "gesture/markers": "gesture/markers",
        }
        frame = "" if given[_PARAMS_FILES["camera"]] or several.is_stereo else frames[0]
        nodes.append(_rviz(given["namespace"], shown, frame, is_simulated=False))
    return LaunchPlan(
        nodes=tuple(nodes),
        prefix=END_WITH_LAUNCH if machine.has_setpriv() else "",
        notes=(f"the cameras are {', '.join(several.names)}", *notes),
    )


def _asked(values: Mapping[str, Value]) -> dict[str, dict[str, Value]]:
    """Return the parameters of each node that arguments set."""
    return {
        node: {
            argument.parameter or argument.name: values[argument.name]
            for argument in ARGUMENTS
            if node in argument.nodes and argument.name in values
        }
        for node in _PARAMS_FILES
    }


def _node(
    name: str,
    namespace: str,
    layers: tuple[str | Mapping[str, Value], ...],
    remappings: tuple[tuple[str, str], ...],
    after: tuple[str, ...],
) -> NodePlan:
    """Return one of our nodes."""
    return NodePlan(
        package="pose_ros",
        executable=f"{name}_node",
        name=name,
        namespace=namespace,
        parameters=tuple(layer for layer in layers if layer),
        remappings=remappings,
        activate_after=after,
    )


def _names_after(
    given: Mapping[str, str], machine: Machine
) -> tuple[dict[str, dict[str, Value]], list[str]]:
    """Return what nodes have for themselves in a namespace, since all share ``/tf``.

    Returns:
        Parameters by node, which a parameter file overrides, and lines to log.
    """
    defaults: dict[str, dict[str, Value]] = {node: {} for node in _PARAMS_FILES}
    own = flat_name(given["namespace"])
    found = re.fullmatch("_*([a-z][a-z0-9_]*)", own.lower())
    if found is None:
        return defaults, []
    fuses = given["cameras"] or _is_stereo(given)
    prefixed = ("fusion" if fuses else "pose", "gesture")
    named: dict[str, tuple[tuple[str, ...], str]] = {"id_prefix": (prefixed, f"{found[1]}_")}
    if given["camera"]:
        named["frame_id"] = (("camera",), optical_frame(own))
    notes = []
    for name, (which, value) in named.items():
        if not given[name] and _not_set_outside({name: value}, machine):
            for node in which:
                defaults[node][name] = value
            if not given[_PARAMS_FILES[which[0]]]:
                notes.append(f"{name} is {value}, after the namespace; {name}:=... sets another")
    return defaults, notes


def _not_set_outside(parameters: Mapping[str, Value], machine: Machine) -> dict[str, Value]:
    """Return the parameters that no launch file around this one sets."""
    if machine.set_outside is None:
        return {}
    return {name: parameters[name] for name in parameters if name not in machine.set_outside}


def _remappings(images: str, depth: str) -> tuple[tuple[str, str], ...]:
    """Return where the nodes find images, their camera_info, and depth where there is some."""
    parent, slash, _ = images.rpartition("/")
    found = (("image", images), ("camera_info", f"{parent}{slash}camera_info"))
    return (*found, ("depth", depth)) if depth else found


def _player(
    path: Path,
    topics: tuple[str, ...],
    after: tuple[str, ...],
    values: Mapping[str, Value],
    machine: Machine,
) -> PlayerPlan:
    """Return what plays a bag: images and what they need, and no command of its robot."""
    loop = ["--loop"] if values["bag_loop"] else []
    command = (
        *("ros2", "bag", "play", str(path), "--clock", str(CLOCK_HZ)),
        *("--rate", f"{values['bag_rate']:g}", "--delay", str(DISCOVERY_SECONDS)),
        *("--disable-keyboard-controls", *loop, "--topics", *topics, "/tf", "/tf_static"),
    )
    # with RViz the rest stays, for the user to look at
    return PlayerPlan(command, machine.image_environment(), after, not values["rviz"])


def _rviz(namespace: str, shown: Mapping[str, str], frame: str, *, is_simulated: bool) -> NodePlan:
    """Return RViz with the people, their frames and the overlay of these nodes.

    Args:
        namespace: Of the nodes.
        shown: Topics in that namespace, by those of the configuration.
        frame: Fixed frame; empty: that of the configuration.
        is_simulated: Whether time is that of a recording.
    """
    own = namespace.strip("/")
    topics = {f"/{name}": f"/{own}/{topic}".replace("//", "/") for name, topic in shown.items()}
    config = str(share_path("config", "pose.rviz"))
    return NodePlan(
        package="rviz2",
        executable="rviz2",
        parameters=({"use_sim_time": True},) if is_simulated else (),
        remappings=tuple((name, topic) for name, topic in topics.items() if name != topic),
        arguments=("-d", config, *(("-f", frame) if frame else ())),
        managed=False,
    )
