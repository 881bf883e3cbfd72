"""People and skeletons to messages and back."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pose_ros.core import skeletons
from pose_ros.core.orientations import joint_orientations
from pose_ros.core.skeletons import Skeleton
from pose_ros.core.types import FloatArray, Poses, PositionSource
from pose_ros.errors import OptionError
from pose_ros.messages.headers import HeaderMsg, Types


def poses_to_msg(
    types: Types, poses: Poses, header: HeaderMsg, network: str, *, width: int, height: int
) -> Any:
    """Return the PoseArray of the people found in one image.

    Args:
        types: Of messages.
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
    nowhere = np.full((people, points), PositionSource.NONE, np.uint8)
    sources = (nowhere if poses.camera_sources is None else poses.camera_sources).tolist()
    person, keypoint = types("pose_ros/msg/HumanPose"), types("pose_ros/msg/Keypoint")
    point = types("geometry_msgs/msg/Point")
    turn, vector = types("geometry_msgs/msg/Quaternion"), types("geometry_msgs/msg/Vector3")
    orientations = joint_orientations(poses)
    turns = (
        np.full((people, points, 4), np.nan) if orientations is None else orientations
    ).tolist()
    # one for all that are not known: most are not, and each object costs
    no_turn = turn(x=math.nan, y=math.nan, z=math.nan, w=math.nan)
    still = np.full((people, 3), np.nan) if poses.velocities is None else poses.velocities
    velocities = still.tolist()
    unseen = np.full((people, 6), np.nan, np.float32)
    clothes = unseen if poses.clothes is None else poses.clothes
    found = []
    for i in range(people):
        keypoints = [
            keypoint(
                name=name,
                x=x,
                y=y,
                score=score,
                z=z,
                world=point(x=wx, y=wy, z=wz),
                position=point(x=cx, y=cy, z=cz),
                position_source=source,
                position_sigma=sigma,
                orientation=no_turn if math.isnan(q[0]) else turn(x=q[0], y=q[1], z=q[2], w=q[3]),
            )
            for name, (x, y), score, z, (wx, wy, wz), (cx, cy, cz), source, sigma, q in zip(
                poses.skeleton.keypoints,
                xy[i],
                scores[i],
                depths[i],
                world[i],
                camera[i],
                sources[i],
                sigmas[i],
                turns[i],
                strict=True,
            )
        ]
        found.append(
            person(
                id=int(poses.ids[i]),
                score=float(poses.scores[i]),
                box=poses.boxes[i],
                label="" if poses.labels is None else poses.labels[i],
                label_score=math.nan
                if poses.label_scores is None
                else float(poses.label_scores[i]),
                clothes=clothes[i],
                velocity=vector(**dict(zip("xyz", velocities[i], strict=True))),
                keypoints=keypoints,
            )
        )
    return types("pose_ros/msg/PoseArray")(
        header=header,
        network=network,
        skeleton=poses.skeleton.name,
        width=width,
        height=height,
        poses=found,
    )


def poses_from_msg(msg: Any, skeleton: Skeleton | None = None) -> Poses:
    """Return the people of a PoseArray.

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

    camera = table(lambda p: (p.position.x, p.position.y, p.position.z), 3)
    sources = table(lambda p: (p.position_source,), 1)[..., 0].astype(np.uint8)
    sigmas = table(lambda p: (p.position_sigma,), 1)[..., 0]
    known = np.isfinite(camera).all(axis=2)
    sources[~known], sigmas[~known] = PositionSource.NONE, np.nan
    # who sent it does not say where they come from
    sources[known & (sources == PositionSource.NONE)] = PositionSource.MODEL
    if not np.all(sigmas[known] >= 0):  # who sent it does not know them all
        sigmas[:] = np.nan
    return Poses(
        skeleton=skeleton,
        ids=np.array([person.id for person in people], np.int64),
        scores=np.array([person.score for person in people], np.float32),
        boxes=np.array([person.box for person in people], np.float32).reshape(-1, 4),
        keypoints=table(lambda p: (p.x, p.y), 2),
        keypoint_scores=table(lambda p: (p.score,), 1)[..., 0],
        depths=table(lambda p: (p.z,), 1)[..., 0],
        world=table(lambda p: (p.world.x, p.world.y, p.world.z), 3),
        camera=camera,
        camera_sources=sources,
        camera_sigmas=sigmas,
        labels=tuple(person.label for person in people),
        label_scores=np.array([person.label_score for person in people], np.float32),
        velocities=np.array([_velocity(person) for person in people], np.float32).reshape(-1, 3),
        clothes=np.array([_clothes(person) for person in people], np.float32).reshape(-1, 6),
    )


def _clothes(person: Any) -> Any:
    """Return the colors of a person's clothes; NaN where the sender does not fill them in."""
    clothes = getattr(person, "clothes", ())  # a recording of before has no such field
    return clothes if np.any(clothes) else [math.nan] * 6


def _velocity(person: Any) -> tuple[float, float, float]:
    """Return the velocity of a person; NaN where the sender does not fill it in."""
    found = getattr(person, "velocity", None)  # a recording of before has no such field
    if found is None or (found.x, found.y, found.z) == (0.0, 0.0, 0.0):
        return (math.nan, math.nan, math.nan)
    return (found.x, found.y, found.z)


def skeleton_to_msg(types: Types, skeleton: Skeleton) -> Any:
    """Return the Skeleton that names the keypoints and links of a skeleton."""
    return types("pose_ros/msg/Skeleton")(
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

    known = skeletons.SKELETONS.get(msg.name)
    return Skeleton(
        msg.name,
        tuple(msg.keypoints),
        pairs(msg.links),
        pairs(msg.left_right),
        # a message does not say it: of a skeleton that is not ours it is not known
        hidden_joints_are_guessed=known is not None and known.hidden_joints_are_guessed,
    )
