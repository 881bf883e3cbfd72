"""Messages to core types and back: poses, skeletons, stamps and camera intrinsics."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from pose_ros.core import skeletons
from pose_ros.core.camera import Camera
from pose_ros.core.skeletons import Skeleton
from pose_ros.core.types import FloatArray, Poses
from pose_ros.errors import OptionError
from pose_ros.msg import HumanPose, Keypoint, PoseArray
from pose_ros.msg import Skeleton as SkeletonMsg
from pose_ros.sources.calibration import Calibration

NANOSECONDS = 1_000_000_000


def stamp_to_msg(seconds: float) -> Time:
    """Return a stamp; a float holds Unix time to about a quarter of a microsecond."""
    whole = math.floor(seconds)
    nanoseconds = round((seconds - whole) * NANOSECONDS)
    return Time(sec=whole + nanoseconds // NANOSECONDS, nanosec=nanoseconds % NANOSECONDS)


def stamp_from_msg(stamp: Any) -> float:
    """Return a stamp in seconds."""
    return float(stamp.sec) + float(stamp.nanosec) / NANOSECONDS


def header_to_msg(seconds: float, frame_id: str) -> Header:
    """Return the header of an image taken at that time."""
    return Header(stamp=stamp_to_msg(seconds), frame_id=frame_id)


def poses_to_msg(poses: Poses, header: Any, network: str, width: int, height: int) -> PoseArray:
    """Return the message of the people found in one image.

    Args:
        poses: What was found.
        header: The image's own.
        network: Name of the network that found them.
        width: Of the image, pixels.
        height: Of the image, pixels.
    """
    people, points = poses.keypoint_scores.shape
    unknown = np.full((people, points, 3), np.nan, np.float32)
    # lists: a message takes Python numbers, and NumPy's scalars one by one are slow
    xy = poses.keypoints.tolist()
    scores = poses.keypoint_scores.tolist()
    depths = (unknown[..., 0] if poses.depths is None else poses.depths).tolist()
    world = (unknown if poses.world is None else poses.world).tolist()
    camera = (unknown if poses.camera is None else poses.camera).tolist()
    sigmas = (unknown[..., 0] if poses.camera_sigmas is None else poses.camera_sigmas).tolist()
    sources = _sources(poses).tolist()
    msg = PoseArray(
        header=header, network=network, skeleton=poses.skeleton.name, width=width, height=height
    )
    for i in range(people):
        person = HumanPose(
            id=int(poses.ids[i]),
            score=float(poses.scores[i]),
            box=poses.boxes[i],
            label="" if poses.labels is None else poses.labels[i],
            label_score=math.nan if poses.label_scores is None else float(poses.label_scores[i]),
        )
        person.keypoints = [
            Keypoint(
                name=name,
                x=x,
                y=y,
                score=score,
                z=z,
                world=Point(x=wx, y=wy, z=wz),
                position=Point(x=cx, y=cy, z=cz),
                position_source=source,
                position_sigma=sigma,
            )
            for name, (x, y), score, z, (wx, wy, wz), (cx, cy, cz), source, sigma in zip(
                poses.skeleton.keypoints,
                xy[i],
                scores[i],
                depths[i],
                world[i],
                camera[i],
                sources[i],
                sigmas[i],
                strict=True,
            )
        ]
        msg.poses.append(person)
    return msg


def _sources(poses: Poses) -> NDArray[np.uint8]:
    """Return (N, K) where positions come from: ``CameraSource`` has the message's numbers."""
    if poses.camera_sources is not None:
        return poses.camera_sources
    found = np.full(poses.keypoint_scores.shape, Keypoint.SOURCE_NONE, np.uint8)
    if poses.camera is not None:
        found[np.isfinite(poses.camera).all(axis=2)] = Keypoint.SOURCE_MODEL
    return found


def poses_from_msg(msg: Any, skeleton: Skeleton | None = None) -> Poses:
    """Return the people of a PoseArray; what is NaN for everybody becomes None.

    Args:
        msg: The PoseArray.
        skeleton: As ``skeleton_from_msg`` gives it; None takes the one of that name.

    Raises:
        OptionError: The skeleton is unknown, or the keypoints are not its own.
    """
    skeleton = skeleton or skeletons.get(msg.skeleton)
    people = msg.poses
    for person in people:
        names = tuple(point.name for point in person.keypoints)
        if names != skeleton.keypoints:
            raise OptionError(
                f"expected the {len(skeleton)} keypoints of {skeleton.name} in their order, got "
                f"{len(names)}: {', '.join(names[:4])}, ..."
            )

    def table(read: Any, columns: int) -> FloatArray:
        rows = [[read(point) for point in person.keypoints] for person in people]
        shape = (len(people), len(skeleton), columns)
        return np.array(rows, np.float32).reshape(shape if people else (0, *shape[1:]))

    def optional(values: FloatArray) -> FloatArray | None:
        return None if np.isnan(values).all() else values

    camera = optional(table(lambda p: (p.position.x, p.position.y, p.position.z), 3))
    sources = table(lambda p: (p.position_source,), 1)[..., 0].astype(np.uint8)
    sigmas = table(lambda p: (p.position_sigma,), 1)[..., 0]
    if camera is not None:
        known = np.isfinite(camera).all(axis=2)
        sources[~known], sigmas[~known] = Keypoint.SOURCE_NONE, np.nan
        # who sent it does not say where they come from
        sources[known & (sources == Keypoint.SOURCE_NONE)] = Keypoint.SOURCE_MODEL
        if not np.all(sigmas[known] >= 0):  # who sent it does not know them all
            sigmas[:] = np.nan
    labels = tuple(person.label for person in people)
    label_scores = np.array([person.label_score for person in people], np.float32)

    return Poses(
        skeleton=skeleton,
        ids=np.array([person.id for person in people], np.int64),
        scores=np.array([person.score for person in people], np.float32),
        boxes=np.array([person.box for person in people], np.float32).reshape(-1, 4),
        keypoints=table(lambda p: (p.x, p.y), 2),
        keypoint_scores=table(lambda p: (p.score,), 1)[..., 0],
        depths=optional(table(lambda p: (p.z,), 1)[..., 0]),
        world=optional(table(lambda p: (p.world.x, p.world.y, p.world.z), 3)),
        camera=camera,
        camera_sources=None if camera is None else sources,
        camera_sigmas=None if camera is None else optional(sigmas),
        labels=labels if any(labels) else None,
        label_scores=optional(label_scores),
    )


def skeleton_to_msg(skeleton: Skeleton) -> SkeletonMsg:
    """Return the message that names the keypoints and links of a skeleton."""
    return SkeletonMsg(
        name=skeleton.name,
        keypoints=list(skeleton.keypoints),
        links=[index for link in skeleton.links for index in link],
        left_right=[index for pair in skeleton.left_right for index in pair],
    )


def skeleton_from_msg(msg: Any) -> Skeleton:
    """Return the skeleton that a message describes.

    Raises:
        OptionError: An index is beyond the keypoints or without its other half, or names
            repeat.
    """

    def pairs(flat: Any) -> tuple[tuple[int, int], ...]:
        if len(flat) % 2:
            raise OptionError(f"{msg.name}: expected pairs of indices, got {len(flat)} indices")
        return tuple((int(a), int(b)) for a, b in zip(flat[0::2], flat[1::2], strict=True))

    return Skeleton(msg.name, tuple(msg.keypoints), pairs(msg.links), pairs(msg.left_right))


def camera_info_to_msg(calibration: Calibration, header: Any) -> CameraInfo:
    """Return the CameraInfo that goes with an image."""
    camera = calibration.camera
    msg = CameraInfo(header=header, width=camera.width, height=camera.height)
    msg.distortion_model = camera.distortion_model
    msg.d = camera.distortion.tolist()
    msg.k = camera.matrix.ravel()
    msg.r = calibration.rectification.ravel()
    msg.p = np.asarray(calibration.projection).ravel()
    return msg


def camera_from_info(msg: Any, *, rectified: bool = False) -> Camera:
    """Return the intrinsics of the images that a CameraInfo goes with.

    Binning and the region that the driver cut out are taken into account.

    Args:
        msg: The CameraInfo.
        rectified: Whether the images are rectified: P holds for them, and no lens distortion.

    Raises:
        OptionError: It is not calibrated (K is zero), or its values make no camera.
    """
    if not any(msg.k):
        raise OptionError(
            "the camera is not calibrated (K is zero); calibrate it, as with camera_calibration's "
            "cameracalibrator, and let its driver publish that"
        )
    matrix = np.array(msg.k, np.float64).reshape(3, 3)
    if rectified:
        # without the baseline in P's last column: what is seen is seen from this very camera
        matrix = np.array(msg.p, np.float64).reshape(3, 4)[:, :3]
    matrix[:2, 2] -= (msg.roi.x_offset, msg.roi.y_offset)
    binning_x, binning_y = max(1, msg.binning_x), max(1, msg.binning_y)
    matrix[0] /= binning_x
    matrix[1] /= binning_y
    return Camera(
        width=(msg.roi.width or msg.width) // binning_x,
        height=(msg.roi.height or msg.height) // binning_y,
        matrix=matrix,
        distortion_model=msg.distortion_model,
        distortion=np.array([] if rectified else msg.d, np.float64),
    )
