"""Parameters that suit the nodes to their sources: a drawn scene, several cameras of one room.

``pose-ros up`` and the launch file take them from here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pose_ros.errors import OptionError
from pose_ros.settings.nodes import GestureParameters
from pose_ros.settings.parameters import parameters_of
from pose_ros.sources.names import commanding_scene, is_synthetic, may_repeat, with_option

if TYPE_CHECKING:
    from pose_ros.core.multiview.extrinsics import CameraView
    from pose_ros.synthetic.source import SyntheticSource

Value = bool | int | float | str

OF_ONE_CAMERA = ("hfov", "frame_id", "image_topic", "depth_topic", "detect_palms")
"""Arguments that say something of one camera, or that the fusion node does not take."""
FUSED_TOPICS = tuple(
    (f"pose/{topic}", f"fusion/{topic}")
    for topic in ("poses", "skeleton", "hands", "hands/skeleton")
)
"""Remappings of a gesture node that takes the fused people."""
SCENE_TIMEOUT = 1.0
"""Seconds, the gesture node's ``timeout`` for a drawn scene."""
SCENE_DELAY = 5.0
"""Seconds from the start to the first image of a drawn scene, which all its cameras share."""
_SCENE_HALF_WIDTH = 0.7  # meters from the middle to the outer drawn cameras
_SCENE_YAW = -12.0  # degrees of the outer drawn camera on the left
_PLACE = ("camera_x", "camera_y", "yaw")


@dataclass(frozen=True)
class SceneParameters:
    """A drawn scene and the parameters that suit the nodes to it.

    Attributes:
        source: Name of the scene, as ``open_source`` takes it.
        pose: Parameters of the pose node.
        gesture: Parameters of the gesture node.
        note: What is missing; empty: nothing.
    """

    source: str
    pose: Mapping[str, float] = field(default_factory=dict)
    gesture: Mapping[str, float] = field(default_factory=dict)
    note: str = ""


def scene_meters(source: SyntheticSource) -> dict[str, float]:
    """Return the pose node's parameters that say how large people are and where the floor is.

    Without ``person_height`` where the scene's actors are not of one height.
    """
    heights = {round(truth.height, 3) for truth in source.truths(0.0)}
    transform = source.view.transform
    return {
        **({"person_height": heights.pop()} if len(heights) == 1 else {}),
        "camera_height": round(float(transform[2, 3]), 3),
        "camera_pitch": round(-math.degrees(math.asin(transform[2, 2])), 3),
    }


def gesture_scene(spec: str) -> SceneParameters:
    """Return a drawn scene in which gestures can command a robot, and what the nodes need for it.

    The scene begins when the camera opens it. With the height of its people and the place of its
    camera a direction is certain enough to move a robot by. And where one machine draws, finds
    and commands, an image may be older than one of a real camera.

    Args:
        spec: The name of a drawn scene, with or without options.

    Raises:
        OptionError: There is no such scene or option, or a value is out of its range.
    """
    # late: the Python of ros2 may lack what they need, and a launch without a scene needs neither
    from pose_ros.synthetic.source import affordable_fps, open_synthetic

    spec = with_option(commanding_scene(spec), "fps", f"{affordable_fps():g}")
    spec = with_option(spec, "begin", "now")
    return SceneParameters(spec, scene_meters(open_synthetic(spec)), {"timeout": SCENE_TIMEOUT})


@dataclass(frozen=True)
class SeveralCameras:
    """Cameras and the parameters that suit the nodes to them.

    Attributes:
        names: Of the cameras, and of the namespaces of their nodes.
        cameras: Parameters of each camera node.
        poses: Parameters of each pose node.
        fusion: Parameters of the fusion node.
        camera_defaults: Parameters of each camera node, which a user's own go before.
        pose_defaults: Parameters of each pose node, likewise; empty: none.
        pose: Parameters of all pose nodes, which a user's own go before.
        fusion_defaults: Such ones that a user's own go before.
        gesture: Parameters of the gesture node, which a user's own go before.
        is_stereo: Whether the cameras are the two lenses of one device, whose one camera node is
            in no namespace.
    """

    names: tuple[str, ...]
    cameras: tuple[Mapping[str, Value], ...]
    poses: tuple[Mapping[str, Value], ...]
    fusion: Mapping[str, Value]
    camera_defaults: tuple[Mapping[str, Value], ...]
    pose_defaults: tuple[Mapping[str, Value], ...] = ()
    pose: Mapping[str, Value] = field(default_factory=dict)
    fusion_defaults: Mapping[str, Value] = field(default_factory=dict)
    gesture: Mapping[str, Value] = field(default_factory=dict)
    is_stereo: bool = False


def camera_sources(text: str) -> list[str]:
    """Return the sources that a list names, such as ``[/dev/video0, /dev/video2]``."""
    words = text.strip().removeprefix("[").removesuffix("]").split(",")
    return [word.strip().strip("'\"") for word in words if word.strip()]


def flat_name(namespace: str) -> str:
    """Return a namespace as part of the name of a frame, which all share on ``/tf``."""
    return namespace.strip("/").replace("/", "_")


def optical_frame(namespace: str) -> str:
    """Return the optical frame of the camera node in a namespace."""
    return f"{flat_name(namespace)}_camera_optical_frame"


def refuse_sources(
    sources: Sequence[str],
    calibration: str,
    of_one_camera: Collection[str] = (),
    *,
    stereo: bool = False,
) -> list[str]:
    """Return a line for each thing that is wrong with what is said of several cameras.

    Args:
        sources: Of the images.
        calibration: File that says where the cameras stand; empty: none.
        of_one_camera: Names of those of ``OF_ONE_CAMERA`` that are given.
        stereo: Whether it is one device with two lenses.
    """
    drawn = [is_synthetic(source) for source in sources]
    real = [source for source in sources if not is_synthetic(source)]
    lines = [f"{name} is not for several cameras: leave it out" for name in of_one_camera]
    if stereo:
        if len(sources) != 1 or any(drawn):
            lines.append(
                f"stereo is for one device or video, got {', '.join(sources) or 'none'}: name one"
            )
    elif len(sources) < 2:
        lines.append(f"cameras: expected two or more sources, got {', '.join(sources) or 'none'}")
    elif any(drawn) and real:
        lines.append(f"cameras: {real[0]} does not see the people of a drawn scene")
    elif len(set(real)) < len(real):
        twice = next(source for source in real if real.count(source) > 1)
        lines.append(f"cameras: {twice} stands there twice")
    elif real and not calibration:
        lines.append(
            "cameras need calibration, the file of pose-ros calibrate that says where they stand"
        )
    if stereo and not calibration:
        lines.append("stereo needs calibration, the file that says where the two lenses stand")
    return lines


def several_cameras(
    sources: Sequence[str], calibration: str, *, begin: float, commanding: bool = False
) -> SeveralCameras:
    """Return what the nodes of several cameras need.

    Real cameras stand where the calibration says; it gives their names too. The cameras of a drawn
    scene say where they are by themselves, and stand side by side unless they are placed.

    Args:
        sources: Of the images, two or more.
        calibration: File that says where the cameras stand; empty for a drawn scene.
        begin: Unix time at which a drawn scene begins, for all its cameras.
        commanding: Whether a drawn scene has to be one in which gestures command a robot.

    Raises:
        OptionError: The calibration is not of these cameras, or there is no such scene.
    """
    path = str(Path(calibration).expanduser()) if calibration else ""
    views = _views(sources, path) if path else []
    names = _names(views) or tuple(f"camera_{number}" for number in range(len(sources)))
    if path:
        _check_names(path, names, views)
    is_drawn = is_synthetic(sources[0])
    fusion = {"cameras": ", ".join(names), "calibration": path}
    # what one camera sees has meters too
    seen: list[Mapping[str, Value]] = [{"camera_info_url": f"{path}#{v.name}"} for v in views]
    pose: dict[str, Value] = {}
    gesture: dict[str, Value] = {}
    shared: dict[str, Value] = {"publish_cameras": True} if path and not is_drawn else {}
    if is_drawn:
        fps, sources = _drawn(sources, begin=begin, place=not path, commanding=commanding)
        from pose_ros.synthetic.source import open_synthetic

        meters = scene_meters(open_synthetic(sources[0]))
        pose = {name: meters[name] for name in ("person_height",) if name in meters}
        # where one machine draws and finds all, a camera lacks an image now and then
        shared = {"max_skew": round(2.0 / fps, 3)}
        _, most = parameters_of(GestureParameters)["timeout"].range or (0.0, math.inf)
        gesture = {"timeout": min(SCENE_TIMEOUT * len(sources), most)}
    return SeveralCameras(
        names,
        tuple({"source": source} for source in sources),
        tuple(_of_pose(source) for source in sources),
        fusion,
        tuple(seen if path and not is_drawn else [{} for _ in sources]),
        pose=pose,
        fusion_defaults=shared,
        gesture=gesture,
    )


def stereo_camera(source: str, calibration: str) -> SeveralCameras:
    """Return what the nodes of one device with two lenses need; the cameras are left and right.

    Args:
        source: Of the images, each with both halves side by side.
        calibration: File that says where the lenses stand.

    Raises:
        OptionError: The calibration is not of two cameras.
    """
    from pose_ros.core.multiview.disparity import NearPair
    from pose_ros.core.skeletons import SIDES

    path = str(Path(calibration).expanduser())
    views = _views(SIDES, path)  # refuses what is none of two cameras
    is_near = NearPair(*views).usable  # and its camera node gives depth
    return SeveralCameras(
        SIDES,
        ({"source": source, "stereo": "side_by_side"},),
        (_of_pose(source),) * 2,
        {"cameras": ", ".join(SIDES), "calibration": path},
        ({"camera_info_url": path},),
        ({"use_depth": True} if is_near else {}, {}),
        fusion_defaults={"publish_cameras": True},
        is_stereo=True,
    )


def _of_pose(source: str) -> dict[str, Value]:
    """Return the parameters of a pose node whose people the fusion node smooths and publishes."""
    still: dict[str, Value] = {"allow_still_images": True} if may_repeat(source) else {}
    return {"smoothing": False, "publish_tf": False, **still}


def _views(sources: Sequence[str], calibration: str) -> list[CameraView]:
    # late, as all below that needs OpenCV: the Python of ros2 may lack it
    from pose_ros.core.multiview.views import choose_views
    from pose_ros.sources.camera_rig import read_rig

    rig = read_rig(calibration)
    stems = [Path(source).stem for source in sources]
    return choose_views(rig, stems)


def _names(views: Sequence[CameraView]) -> tuple[str, ...]:
    """Return namespaces with the names of cameras; empty where these cannot be any."""
    names = tuple(re.sub("[^A-Za-z0-9]+", "_", view.name).strip("_") for view in views)
    fit = all(re.match("[A-Za-z]", name) for name in names) and len(set(names)) == len(names)
    return names if fit else ()


def _check_names(path: str, names: Sequence[str], views: Sequence[CameraView]) -> None:
    """Refuse names by which the fusion node would not find the same cameras.

    Raises:
        OptionError: It would not.
    """
    found = _views(names, path)
    if [each.name for each in found] != [view.name for view in views]:
        raise OptionError(
            f"cameras: the names in {path} ({', '.join(view.name for view in views)}) can be no "
            "part of a topic's name: rename them there"
        )


def _drawn(
    sources: Sequence[str], *, begin: float, place: bool, commanding: bool
) -> tuple[float, list[str]]:
    """Return the images a second, and the names of the same scene for all cameras."""
    from pose_ros.synthetic.source import affordable_fps, open_synthetic

    count = len(sources)
    made = []
    for number, source in enumerate(sources):
        spec = commanding_scene(source) if commanding else source
        spec = with_option(spec, "fps", f"{affordable_fps() / count:g}")
        spec = with_option(spec, "begin", f"{begin:.3f}")
        if place and not any(f"{name}=" in spec for name in _PLACE):
            side = 1.0 - 2.0 * number / (count - 1)
            spec = with_option(spec, "camera_y", f"{_SCENE_HALF_WIDTH * side:g}")
            spec = with_option(spec, "yaw", f"{_SCENE_YAW * side:g}")
        made.append(spec)
    return min(open_synthetic(spec).fps for spec in made), made
