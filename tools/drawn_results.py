"""Results without a network: what is true of drawn actors, as a network would have found it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from pose_ros.core import skeletons
from pose_ros.core.results import Result, RunInfo
from pose_ros.core.timeline import NANOSECONDS
from pose_ros.core.types import FloatArray, Poses, PositionSource
from pose_ros.synthetic.scenes import make_scene
from pose_ros.synthetic.source import SyntheticSource

START = 1_700_000_000_123_456_789
"""Nanoseconds that a float of seconds does not hold."""

FPS = 30

INFO = RunInfo(
    source="/data/läufe/run 1.mcap",
    network="blazepose-full",
    provider="cpu",
    versions={"pose_ros": "0.1.0"},
    options={"threshold": 0.5},
)


def drawn_results(
    scene: str, count: int, *, first: int = 0, world: bool = True, camera: bool = True
) -> Iterator[Result]:
    """Yield what is true of the people of a scene, an image after the other.

    Args:
        scene: Its name.
        count: Of images.
        first: Index of the first one.
        world: Whether people have a shape in meters.
        camera: Whether they have a place in meters.
    """
    drawn = make_scene(scene)
    view = SyntheticSource(scene=drawn, width=640, height=480, live=False).view
    names = skeletons.get("blazepose33").keypoints
    for index in range(first, first + count):
        bodies = [actor.joints(index / FPS) for actor in drawn.actors]
        places = [view.optical(np.array([body[name] for name in names])) for body in bodies]
        pixels = [view.camera.project(place) for place in places]
        arrays = np.array(places, np.float32), np.array(pixels, np.float32)
        yield result_of(index, poses_of(*arrays, world=world, camera=camera))


def result_of(index: int, poses: Poses, **more: Any) -> Result:
    """Return the result of one image; ``more`` are further fields."""
    fields = {"source": INFO.source, "frame_id": "camera", **more}
    return Result(index, START + index * NANOSECONDS // FPS, 640, 480, poses, **fields)


def poses_of(
    places: FloatArray, pixels: FloatArray, *, world: bool = True, camera: bool = True
) -> Poses:
    """Return people whose joints are all seen: (N, 33, 3) meters and (N, 33, 2) pixels."""
    skeleton = skeletons.get("blazepose33")
    shape = pixels.shape[:2]
    hips = [skeleton.index("left_hip"), skeleton.index("right_hip")]
    return Poses(
        skeleton=skeleton,
        ids=np.arange(len(places)),
        scores=np.full(len(places), 0.875, np.float32),
        boxes=np.concatenate([pixels.min(axis=1), pixels.max(axis=1)], axis=1),
        keypoints=pixels,
        keypoint_scores=np.full(shape, 0.75, np.float32),
        depths=np.zeros(shape, np.float32),
        world=places - places[:, hips].mean(axis=1, keepdims=True) if world else None,
        camera=places if camera else None,
        camera_sources=np.full(shape, PositionSource.MODEL, np.uint8) if camera else None,
        camera_sigmas=np.full(shape, 0.125, np.float32) if camera else None,
    )


def hand_of(person: int) -> Poses:
    """Return a person's right hand, drawn as a line."""
    points = np.linspace(10.0, 30.0, 42, dtype=np.float32).reshape(1, 21, 2)
    return Poses(
        skeleton=skeletons.get("blazehand21"),
        ids=np.array([2 * person + 1]),
        scores=np.array([0.5], np.float32),
        boxes=np.array([[10.0, 10.0, 30.0, 30.0]], np.float32),
        keypoints=points,
        keypoint_scores=np.full((1, 21), 0.25, np.float32),
        labels=("right",),
        label_scores=np.array([1.0], np.float32),
    )
