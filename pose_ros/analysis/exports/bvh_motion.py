"""From places of keypoints to turns of joints."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pose_ros.analysis.exports.bvh_skeleton import Aim, Bones, Joint, motion_order, point
from pose_ros.core.camera import Float64Array

# Sine of the angle between a bone and what tells its twist: below the first that tells nothing,
# above the second all. A stretched arm has no bend to tell it by.
_BLIND, _CLEAR = 0.15, 0.5
_LEAST = 1e-3  # a direction's length


class BvhChannels:
    """Turns one person's keypoints, over time, into the channels of a BVH.

    What is missing holds: a joint whose bone is not seen keeps its turn against its parent,
    a bone without a known twist keeps its twist.
    """

    def __init__(self, bones: Bones) -> None:
        self._bones = bones
        count = len(bones.joints)
        self._order = motion_order(bones)
        self._places = {joint.name: i for i, joint in enumerate(bones.joints)}
        self._turns = np.tile(np.eye(3), (count, 1, 1))
        self._twists = np.zeros(count)
        self._root = np.zeros(3)
        self._angles = np.zeros((count, 3))

    def channels(self, keypoints: Float64Array) -> Float64Array:
        """Return the next lines of motion.

        Args:
            keypoints: (n, len(KEYPOINTS), 3) in the BVH's axes and unit; NaN: missing.

        Returns:
            (n, 3 + 3 J): place of the root, then for each joint in the order of the
            hierarchy degrees about Z, X and Y.
        """
        joints = self._bones.joints
        world: list[Float64Array] = []
        local = np.empty((len(joints), len(keypoints), 3, 3))
        for i, joint in enumerate(joints):
            parent = world[self._places[joint.parent]] if joint.parent else None
            local[i] = self._turn(i, joint, parent, keypoints)
            world.append(local[i] if parent is None else parent @ local[i])
        root = _held(point(keypoints, joints[0].point), self._root)
        self._root = root[-1]
        angles = self._continued(_zxy_degrees(local)[self._order].transpose(1, 0, 2))
        return np.hstack([root, angles.reshape(len(keypoints), -1)])

    def _turn(
        self, i: int, joint: Joint, parent: Float64Array | None, keypoints: Float64Array
    ) -> Float64Array:
        """Return a joint's turns against its parent, (n, 3, 3)."""
        aim = _unit(_seen(joint.aim, parent, keypoints))
        rest = np.array(joint.aim.rest)
        beside = _beside(rest) if joint.side is None else _across(np.array(joint.side.rest), rest)
        swung = _swing(rest, aim, beside)
        if joint.side is not None:
            told, weights = _twist(aim, swung, _seen(joint.side, parent, keypoints))
            twist = self._followed(i, told, weights)[:, None]
            swung = np.cos(twist) * swung + np.sin(twist) * np.cross(aim, swung)
        now = np.stack([aim, swung, np.cross(aim, swung)], axis=2)
        turns = now @ np.column_stack([rest, beside, np.cross(rest, beside)]).T
        held = _held(turns.reshape(-1, 9), self._turns[i].ravel()).reshape(-1, 3, 3)
        self._turns[i] = held[-1]
        return held

    def _followed(self, i: int, told: Float64Array, weights: Float64Array) -> Float64Array:
        """Return twists that follow the measured ones as far as these can be trusted."""
        twist = float(self._twists[i])
        twists = []
        for angle, weight in zip(told.tolist(), weights.tolist(), strict=True):
            if weight > 0.0:
                twist += weight * ((angle - twist + np.pi) % (2.0 * np.pi) - np.pi)
            twists.append(twist)
        self._twists[i] = twist
        return np.array(twists)

    def _continued(self, angles: Float64Array) -> Float64Array:
        """Return the same turns, (n, J, 3), by the angles that are nearest to those before.

        Programs draw curves through them: z, x, y is the same turn as z + 180, 180 - x,
        y + 180, and whole turns more or less.
        """
        flipped = np.stack([angles[..., 0] + 180, 180 - angles[..., 1], angles[..., 2] + 180], -1)
        found = np.empty_like(angles)
        last = self._angles
        for i, pair in enumerate(zip(angles, flipped, strict=True)):
            first, second = (a + 360.0 * np.round((last - a) / 360.0) for a in pair)
            farther = np.abs(first - last).sum(axis=1) > np.abs(second - last).sum(axis=1)
            last = np.where(farther[:, None], second, first)
            found[i] = last
        self._angles = last
        return found


def _seen(aim: Aim, parent: Float64Array | None, keypoints: Float64Array) -> Float64Array:
    """Return a direction in the parent's axes, (n, 3)."""
    seen = point(keypoints, aim.end) - point(keypoints, aim.start)
    return seen if parent is None else np.einsum("nji,nj->ni", parent, seen)


def _swing(rest: Float64Array, aim: Float64Array, beside: Float64Array) -> Float64Array:
    """Return where ``beside``, at right angles to ``rest``, is after the least turn to ``aim``."""
    cosine = aim @ rest
    # of a half turn every axis will do
    behind = cosine < -0.9999
    share = (aim @ beside) / np.where(behind, 1.0, 1.0 + cosine)
    turned = beside - share[:, None] * (rest + aim)
    return np.where(behind[:, None], _across(beside, aim), turned)


def _twist(
    aim: Float64Array, swung: Float64Array, side: Float64Array
) -> tuple[Float64Array, Float64Array]:
    """Return by which angles about ``aim`` ``swung`` is turned to ``side``, and how surely."""
    across = side - np.sum(side * aim, axis=1, keepdims=True) * aim
    with np.errstate(invalid="ignore"):
        sine = np.linalg.norm(across, axis=1) / np.linalg.norm(side, axis=1)
        weights = np.clip((sine - _BLIND) / (_CLEAR - _BLIND), 0.0, 1.0)
    angles = np.arctan2(
        np.sum(np.cross(aim, swung) * across, axis=1), np.sum(swung * across, axis=1)
    )
    return angles, np.where(np.isfinite(angles), weights, 0.0)


def _across(vectors: Float64Array, axis: Float64Array) -> Float64Array:
    """Return vectors' unit parts at right angles to a unit axis."""
    return _unit(vectors - np.sum(vectors * axis, axis=-1, keepdims=True) * axis)


def _beside(axis: Float64Array) -> Float64Array:
    """Return a unit vector at right angles to an axis."""
    return _across(np.eye(3)[int(np.argmin(np.abs(axis)))], axis)


def _unit(vectors: Float64Array) -> Float64Array:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    unit: Float64Array = vectors / np.where(lengths > _LEAST, lengths, np.nan)
    return unit


def _held(values: Float64Array, before: Float64Array) -> Float64Array:
    """Return rows (n, m), those with NaN replaced by the last one without."""
    rows: NDArray[np.intp] = np.where(np.isfinite(values).all(axis=1), np.arange(len(values)), -1)
    held: Float64Array = np.vstack([values, before])[np.maximum.accumulate(rows)]
    return held


def _zxy_degrees(turns: Float64Array) -> Float64Array:
    """Return the angles z, x, y of turns (..., 3, 3) = Rz Rx Ry, in degrees."""
    x = np.arcsin(np.clip(turns[..., 2, 1], -1.0, 1.0))
    # with the X axis at a right angle Z and Y are one: all of it is Z's
    one = np.abs(turns[..., 2, 1]) > 1.0 - 1e-9
    z = np.where(
        one,
        np.arctan2(turns[..., 1, 0], turns[..., 0, 0]),
        np.arctan2(-turns[..., 0, 1], turns[..., 1, 1]),
    )
    y = np.where(one, 0.0, np.arctan2(-turns[..., 2, 0], turns[..., 2, 2]))
    degrees: Float64Array = np.degrees(np.stack([z, x, y], axis=-1))
    return degrees
