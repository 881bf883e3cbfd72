"""What is true of the actors in a picture: where their joints are, and what they do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pose_ros.core import skeletons
from pose_ros.core.camera import Float64Array
from pose_ros.core.skeletons import Side, Skeleton
from pose_ros.synthetic.actor import TRANSITION_SECONDS, TWO_ARMED
from pose_ros.synthetic.body import Cone
from pose_ros.synthetic.furniture import blocked
from pose_ros.synthetic.raytrace import View, covers
from pose_ros.synthetic.scene import Actor, Scene

_SKIN = 0.02  # meters


@dataclass(frozen=True, eq=False)
class Truth:
    """One actor's true joints at one instant, and what they do. Arrays are read-only.

    Attributes:
        name: The actor's.
        id: Their place in the scene, from 0.
        skeleton: Names of the K joints; ``blazepose33``.
        world: (K, 3) meters in ``base_link``: origin on the floor, x along the floor to where
            the camera looks, y to the left, z up.
        camera: (K, 3) meters in the camera's optical frame.
        pixels: (K, 2) x right and y down; they may lie beyond the image, and are NaN
            behind the camera.
        visible: (K,) whether a joint lies in the image and behind no person and nothing else.
        self_hidden: (K,) whether the actor's own body is in front of a joint.
        height: Meters from the floor to the top of the head.
        gesture: What they do, such as ``point_at``; ``walk`` if they do nothing but go.
        arm: The one they do it with; None for both or neither.
        held: Whether the transition to the gesture is over.
        target: (3,) meters, in the world: what they point at, NaN unless they do.
    """

    name: str
    id: int
    skeleton: Skeleton
    world: Float64Array
    camera: Float64Array
    pixels: Float64Array
    visible: NDArray[np.bool_]
    self_hidden: NDArray[np.bool_]
    height: float
    gesture: str
    arm: Side | None
    held: bool
    target: Float64Array

    def __post_init__(self) -> None:
        for value in vars(self).values():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False

    def pixel(self, keypoint: str) -> Float64Array:
        """Return x, y in pixels of a joint by name.

        Raises:
            OptionError: There is no joint of that name.
        """
        found: Float64Array = self.pixels[self.skeleton.index(keypoint)]
        return found

    def joint(self, keypoint: str) -> Float64Array:
        """Return x, y, z in meters, in the optical frame, of a joint by name.

        Raises:
            OptionError: There is no joint of that name.
        """
        found: Float64Array = self.camera[self.skeleton.index(keypoint)]
        return found

    def pointing(self, arm: Side) -> Float64Array:
        """Return the (3,) unit vector from a shoulder to its wrist, in the optical frame."""
        line = self.joint(f"{arm}_wrist") - self.joint(f"{arm}_shoulder")
        unit: Float64Array = line / np.linalg.norm(line)
        return unit


def truths(scene: Scene, view: View, seconds: float) -> tuple[Truth, ...]:
    """Return what is true of each actor of a scene at a time since it began."""
    skeleton = skeletons.get("blazepose33")
    bodies = [[view.place(cone) for cone in actor.cones(seconds)] for actor in scene.actors]
    found = []
    for i, actor in enumerate(scene.actors):
        joints = actor.joints(seconds)
        world = np.array([joints[name] for name in skeleton.keypoints])
        optical = view.optical(world)
        pixels = view.camera.project(optical)
        size = (view.camera.width - 0.5, view.camera.height - 0.5)
        visible = np.all((pixels >= -0.5) & (pixels < size), axis=1)
        others = [cone for j, body in enumerate(bodies) if j != i for cone in body]
        if others:
            visible &= ~covers(optical, others).any(axis=1)
        visible &= ~blocked(world, view.eye, scene.furniture)
        found.append(
            Truth(
                name=actor.name,
                id=i,
                skeleton=skeleton,
                world=world,
                camera=optical,
                pixels=pixels,
                visible=visible,
                self_hidden=_behind_own_body(optical, bodies[i]),
                height=actor.height,
                **_deed(actor, seconds),
            )
        )
    return tuple(found)


def _deed(actor: Actor, seconds: float) -> dict[str, Any]:
    """Return those fields of a truth that say what an actor does."""
    step, elapsed = actor.step(seconds)
    gesture = step.gesture
    if gesture == "stand" and actor.path.place(seconds).speed > 0.0:
        gesture = "walk"
    target = (np.nan,) * 3 if step.target is None else step.target
    return {
        "gesture": gesture,
        "arm": None if gesture in TWO_ARMED else step.arm,
        "held": len(actor.script) == 1 or elapsed >= TRANSITION_SECONDS,
        "target": np.array(target, np.float64),
    }


def _behind_own_body(joints: Float64Array, body: list[Cone]) -> NDArray[np.bool_]:
    """Return which (K, 3) joints have a part of the body in front that they do not lie in.

    What surrounds a joint does not hide it from a reader who asks where an arm is.
    """
    a = np.array([cone.a for cone in body])
    axis = np.array([cone.b for cone in body]) - a
    length2 = np.maximum(np.sum(axis**2, axis=1), 1e-12)
    radius = np.array([(cone.radius_a, cone.radius_b) for cone in body])
    offset = joints[:, None] - a
    share = np.clip(np.sum(offset * axis, axis=2) / length2, 0.0, 1.0)
    away = np.linalg.norm(offset - share[..., None] * axis, axis=2)
    within = away <= radius[:, 0] + share * (radius[:, 1] - radius[:, 0]) + _SKIN
    found: NDArray[np.bool_] = np.any(covers(joints, body) & ~within, axis=1)
    return found
