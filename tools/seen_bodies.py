"""Bodies of known joints as cameras see them: pixels that are computed, and not drawn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pose_ros.core import skeletons
from pose_ros.core.camera import Camera
from pose_ros.core.multiview.extrinsics import CameraView, Extrinsics
from pose_ros.core.types import Poses
from pose_ros.synthetic.scene import Actor, Path

SKELETON = skeletons.get("blazepose33")
Array = NDArray[np.float64]


def looking_at(
    name: str,
    center: Sequence[float],
    target: Sequence[float] = (0.0, 0.0, 1.0),
    *,
    distortion: Sequence[float] | None = None,
) -> CameraView:
    """Return a camera at a place, z up, that looks at another."""
    forward = np.subtract(target, center) / np.linalg.norm(np.subtract(target, center))
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    turn = np.stack([right, np.cross(forward, right), forward])
    camera = Camera.from_hfov(1280, 720, 70.0)
    if distortion is not None:
        camera = Camera(1280, 720, camera.matrix, distortion=np.array(distortion))
    return CameraView(name, camera, Extrinsics(turn, -turn @ np.array(center)))


def body(x: float = 0.0, y: float = 0.0, *, height: float = 1.75, heading: float = 0.0) -> Array:
    """Return the (33, 3) joints of a person who stands at x, y on the floor; z is up."""
    actor = Actor(Path.standing(5.0, 0.0, heading), height=height)
    joints = actor.joints(0.0)
    points = np.array([joints[name] for name in SKELETON.keypoints])
    found: Array = points + np.array([x - 5.0, y, 0.0])
    return found


def camera_ring(count: int, *, distortion: Sequence[float] | None = None) -> list[CameraView]:
    """Return cameras on half a circle of 4 m around the origin."""
    angles = np.linspace(0.0, np.pi, count, endpoint=False)
    return [
        looking_at(f"camera {i}", (4.0 * np.cos(a), 4.0 * np.sin(a), 1.2), distortion=distortion)
        for i, a in enumerate(angles)
    ]


def seen_by(
    view: CameraView,
    bodies: Sequence[Array],
    *,
    noise: float = 0.0,
    seed: int = 0,
    swapped: Sequence[int] = (),
    lifted: bool = True,
    depth: float = 1.0,
) -> Poses:
    """Return what a network would find of bodies in a camera, and a lifter make of it.

    Args:
        view: The camera.
        bodies: N of (33, 3) meters in the world.
        noise: Pixels, one sigma.
        seed: Of the noise.
        swapped: People whose left and right are swapped.
        lifted: Whether there are meters.
        depth: The factor by which they are off.
    """
    points = np.asarray(bodies, np.float64).reshape(-1, 33, 3)
    pixels = view.project(points)
    pixels = pixels + np.random.default_rng(seed).normal(0.0, 1.0, pixels.shape) * noise
    camera = view.extrinsics.to_camera(points)
    world = (camera - camera[:, 23:25].mean(axis=1, keepdims=True)) * 1.52 / 1.75
    order = np.arange(33)
    for left, right in SKELETON.left_right:
        order[[left, right]] = right, left
    for i in swapped:
        pixels[i], world[i], camera[i] = pixels[i][order], world[i][order], camera[i][order]
    count = len(points)
    return Poses(
        skeleton=SKELETON,
        ids=np.arange(count),
        scores=np.full(count, 0.9),
        boxes=np.concatenate([pixels.min(axis=1), pixels.max(axis=1)], axis=1),
        keypoints=pixels.astype(np.float32),
        keypoint_scores=np.full((count, 33), 0.9),
        world=world,
        camera=(camera * depth).astype(np.float32) if lifted else None,
        camera_sigmas=np.full((count, 33), 0.25) if lifted else None,
    )
