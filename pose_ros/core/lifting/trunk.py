"""The depths of head, trunk and legs: the most likely ones, by Gauss-Newton.

Every joint stays on its ray; what is asked for is how far along. Three things speak: bones
are about as long as those of a body of that height, they lean to the camera and away from
it as the network's metric shape says, and, where known, depths are measured and the lower
foot is on the floor.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pose_ros.core.camera import Float64Array
from pose_ros.core.lifting.body_model import ANKLE_ABOVE_FLOOR, BodyModel

_ITERATIONS = 10
_SETTLED = 1e-4  # meters, and shares
_LONGEST_STEP = 0.3  # share of the distance
_NEAREST = 0.1  # meters
_FORESHORTENED_LEAST = 0.15  # share of a bone's length that its sideways error counts at least
_FARTHEST = 100.0
_LOOSE = 1.0  # meters from the hips: one sigma of a joint of which no bone is seen
_ANYWHERE = 30.0  # the same of the others: nothing, but no matrix is singular
_ROBUST = 2.0  # sigmas from which on a measurement counts less
_FOOT_SIGMA = 0.03  # meters
_PITCH_SIGMA = 0.009  # radians
_SEEN_SCORE = 0.5  # of an ankle that counts as seen
_MOST_OFF = 0.3  # share of the distance: of a foot that is nowhere near the floor


@dataclass(frozen=True)
class HeightPrior:
    """How tall a person may be: a normal distribution of the logarithm of the height.

    Attributes:
        height: Meters, the median.
        spread: One sigma, as a share.
    """

    height: float
    spread: float


@dataclass(frozen=True, eq=False)
class Floor:
    """The floor as the camera sees it.

    Attributes:
        camera_height: Meters above it.
        up: (3,) unit vector in the optical frame.
    """

    camera_height: float
    up: Float64Array

    @property
    def room(self) -> Float64Array:
        """(4, 4) from the optical frame to one on the floor below: x ahead, y left, z up."""
        # a camera that looks straight down has the upper edge of its images ahead
        ahead = np.array([0.0, 0.0, 1.0]) if abs(self.up[2]) < 0.99 else np.array([0.0, -1.0, 0.0])
        left = np.cross(self.up, ahead)
        left /= np.linalg.norm(left)
        room = np.eye(4)
        room[:3, :3] = np.stack([np.cross(left, self.up), left, self.up])
        room[2, 3] = self.camera_height
        return room


@dataclass(frozen=True, eq=False)
class BodyObservation:
    """What is seen of one body. K keypoints; NaN where something is missing.

    Attributes:
        rays: (K, 3) optical frame, z = 1.
        sideways: (K,) one sigma across the ray, as a share of the body's height.
        shape: (K, 3) meters, the network's metric shape.
        scores: (K,) in [0, 1].
        measured: (K,) meters along z of the joints themselves, by a depth camera.
        measured_sigmas: (K,) meters.
    """

    rays: Float64Array
    sideways: Float64Array
    shape: Float64Array
    scores: Float64Array
    measured: Float64Array
    measured_sigmas: Float64Array


@dataclass(frozen=True, eq=False)
class Trunk:
    """The trunk joints of a model, placed.

    Attributes:
        depths: (J,) meters along z; something anyhow for joints that were not found.
        covariance: (J, J) of them.
        size: The height after all, and how sure it is.
        toward: (3,) unit vector from the camera to the mid-hips.
    """

    depths: Float64Array
    covariance: Float64Array
    size: HeightPrior
    toward: Float64Array


def fit_trunk(
    model: BodyModel, sight: BodyObservation, size: HeightPrior, floor: Floor | None
) -> Trunk | None:
    """Place head, trunk and legs.

    Args:
        model: Of the skeleton.
        sight: What is seen.
        size: How tall the body may be.
        floor: None when unknown.

    Returns:
        None when shoulders and hips were not found, or make no body.
    """
    joints = model.joints
    found = np.isfinite(sight.rays[joints]).all(axis=1) & np.isfinite(sight.shape[joints, 2])
    if not found[2:6].all():
        return None
    middle = sight.rays[joints[2:6]].mean(axis=0)
    rays = np.where(found[:, None], sight.rays[joints], middle)
    hips = rays[4:6].mean(axis=0)
    toward = hips / np.linalg.norm(hips)
    used = (~found @ np.abs(model.weights).T) == 0
    problem = _Problem(model, sight, size, floor, found, used, rays, toward)
    state = problem.start()
    for _ in range(_ITERATIONS):
        information, gradient = problem.linearize(state)
        step = np.linalg.solve(information, gradient)
        count = len(joints)
        limit = _LONGEST_STEP * state[:count].mean()
        step[:count] = np.clip(step[:count], -limit, limit)
        state = state + step
        state[:count] = np.maximum(state[:count], _NEAREST)
        if np.abs(step).max() < _SETTLED:
            break
    information, _ = problem.linearize(state)
    covariance = np.asarray(np.linalg.inv(information), np.float64)
    variances = np.diag(covariance)
    if not (np.isfinite(state).all() and np.all(variances > 0)):
        return None  # keypoints that make no body, as where all are in one place
    count = len(joints)
    depths, covariance = state[:count], covariance[:count, :count]
    height = HeightPrior(size.height * float(np.exp(state[-1])), float(np.sqrt(variances[-1])))
    off = problem.off_the_floor(state) * depths
    return Trunk(depths, covariance + np.outer(off, off), height, toward)


@dataclass(frozen=True, eq=False)
class _Fixed:
    """What of the residuals of B bones stays the same whatever the state is.

    Attributes:
        bones: (B,) their numbers.
        stretches: (B,) the places of their lengths in the state.
        cosines: (B,) how they lean toward the camera, by the network.
        sideways: (B,) one sigma of their length across the view, as a share of the height.
        leaning: (B,) how much their leaning counts.
        spreads: (C + 1,) of lengths and height.
        kinds: Rows of these.
        loose: (J,) how much joints are held by the hips.
        rest: Rows of these.
    """

    bones: NDArray[np.intp]
    stretches: NDArray[np.intp]
    cosines: Float64Array
    sideways: Float64Array
    leaning: Float64Array
    spreads: Float64Array
    kinds: Float64Array
    loose: Float64Array
    rest: Float64Array


@dataclass(frozen=True, eq=False)
class _Problem:
    """Residuals over the state: J depths, C logarithms of lengths, that of the height."""

    model: BodyModel
    sight: BodyObservation
    size: HeightPrior
    floor: Floor | None
    found: NDArray[np.bool_]
    used: NDArray[np.bool_]
    rays: Float64Array
    toward: Float64Array

    def start(self) -> Float64Array:
        """Return a first state: the network's shape at the distance at which bones fit."""
        model, joints = self.model, self.model.joints
        shape = np.where(self.found[:, None], self.sight.shape[joints], 0.0)
        bones = model.weights @ shape
        flat = model.weights @ self.rays
        flat -= np.outer(flat @ self.toward, self.toward)
        seen = np.linalg.norm(flat, axis=1)
        long = np.maximum(np.linalg.norm(bones, axis=1), 1e-6)
        lengths = self.size.height * model.lengths
        across = np.sqrt(np.clip(1.0 - (bones[:, 2] / long) ** 2, 0.05, 1.0))
        distances = lengths * across / np.maximum(seen, 1e-6)
        measured = self.sight.measured[joints]
        if np.isfinite(measured).sum() >= 3:
            distance = float(np.nanmedian(measured))
        else:
            weights = self.used * lengths * across
            order = np.argsort(distances)
            half = np.searchsorted(np.cumsum(weights[order]), weights.sum() / 2)
            distance = float(distances[order[min(int(half), len(order) - 1)]])
        scale = self.size.height * model.lengths.sum() / long.sum()
        relief = (shape[:, 2] - shape[4:6, 2].mean()) * min(scale, 2.0) * self.found
        depths = np.maximum(min(distance, _FARTHEST) + relief, _NEAREST)
        return np.concatenate([depths, np.zeros(len(model.spreads) + 1)])

    def linearize(self, state: Float64Array) -> tuple[Float64Array, Float64Array]:
        """Return the information matrix and the right side of the normal equations."""
        rows, residuals = zip(*self._blocks(state), strict=True)
        matrix, values = np.concatenate(rows), np.concatenate(residuals)
        return matrix.T @ matrix, -(matrix.T @ values)

    @cached_property
    def _fixed(self) -> _Fixed:
        model, sight, joints = self.model, self.sight, self.model.joints
        count, kinds = len(joints), len(model.spreads) + 1
        shape = np.where(self.found[:, None], sight.shape[joints], 0.0)
        bones = model.weights @ shape
        sideways = np.where(self.found, sight.sideways[joints], 0.0)
        spreads = np.append(model.spreads, self.size.spread)
        loose = 1.0 / np.where(self.used @ np.abs(model.weights) > 0, _ANYWHERE, _LOOSE)
        rest = np.zeros((count, count + kinds))
        rest[np.arange(count), np.arange(count)] = loose
        rest[:, 4:6] -= 0.5 * loose[:, None]
        return _Fixed(
            bones=np.arange(len(model.weights)),
            stretches=count + model.kinds,
            cosines=bones[:, 2] / np.maximum(np.linalg.norm(bones, axis=1), 1e-6),
            sideways=np.sqrt((model.weights**2) @ sideways**2),
            leaning=self.used / (model.network * model.lengths),
            spreads=spreads,
            kinds=np.eye(kinds, count + kinds, count) / spreads[:, None],
            loose=loose,
            rest=rest,
        )

    def _blocks(self, state: Float64Array) -> list[tuple[Float64Array, Float64Array]]:
        model, sight = self.model, self.sight
        joints, weights = model.joints, model.weights
        count, bones = len(joints), len(weights)
        depths, stretch, growth = state[:count], state[count:-1], state[-1]
        points = depths[:, None] * self.rays
        # in heights of the body: where no meters are known, none shall be preferred
        vectors = weights @ points / (self.size.height * np.exp(growth))
        perspective = self.rays / (self.size.height * np.exp(growth))
        lengths = model.lengths * np.exp(stretch[model.kinds])
        long = np.maximum(np.linalg.norm(vectors, axis=1), 1e-6)
        toward = vectors @ self.toward

        def block(size: int) -> Float64Array:
            return np.zeros((size, len(state)))

        # how long a bone is; sideways errors count for what of it lies across the view
        fixed = self._fixed
        cosines = fixed.cosines
        across = np.sqrt(np.maximum(long**2 - toward**2, 0.0)) / lengths
        error = fixed.sideways * np.minimum(np.maximum(across, _FORESHORTENED_LEAST), 1.0)
        sure = self.used / np.maximum(error, 1e-4)
        length = block(bones)
        length[:, :count] = weights * (vectors @ perspective.T) / long[:, None]
        length[fixed.bones, fixed.stretches] = -lengths
        length[:, -1] = -long
        found = [(length * sure[:, None], (long - lengths) * sure)]

        # how it leans, by the network
        sure = fixed.leaning
        lean = block(bones)
        lean[:, :count] = weights * (perspective @ self.toward)
        lean[fixed.bones, fixed.stretches] = -cosines * lengths
        lean[:, -1] = -toward
        found.append((lean * sure[:, None], (toward - cosines * lengths) * sure))

        # what people are like
        found.append((fixed.kinds, state[count:] / fixed.spreads))
        # joints of which no bone is seen stay with the hips
        found.append((fixed.rest, (depths - depths[4:6].mean()) * fixed.loose))

        measured = sight.measured[joints]
        known = np.flatnonzero(np.isfinite(measured))
        if len(known):
            sigmas = sight.measured_sigmas[joints][known]
            residual = (depths[known] - measured[known]) / sigmas
            sure = 1.0 / np.sqrt(1.0 + (residual / _ROBUST) ** 2)
            depth = block(len(known))
            depth[np.arange(len(known)), known] = sure / sigmas
            found.append((depth, residual * sure))
        if self.floor is not None and (foot := self._foot(points, self.floor)) is not None:
            found.append(self._standing(block(1), points[foot], foot, growth, self.floor))
        return found

    def off_the_floor(self, state: Float64Array) -> float:
        """Return by what share the lower foot is nearer or farther than the floor it is seen on.

        That is how far a wrong height, or a wrong floor, puts a whole body off; 0 without a floor.
        """
        count = len(self.model.joints)
        points = state[:count, None] * self.rays
        if self.floor is None or (foot := self._foot(points, self.floor)) is None:
            return 0.0
        ankle = ANKLE_ABOVE_FLOOR * self.size.height * float(np.exp(state[-1]))
        below = -float(points[foot] @ self.floor.up)
        if below <= 0.0:
            return _MOST_OFF
        return min(_MOST_OFF, abs((self.floor.camera_height - ankle) / below - 1.0))

    def _foot(self, points: Float64Array, floor: Floor) -> int | None:
        """Return the lower ankle of those that were seen, by its place in the model."""
        scores = self.sight.scores[self.model.joints]
        ankles = range(8, len(points))  # the last two of the trunk's joints
        seen = [j for j in ankles if self.found[j] and scores[j] > _SEEN_SCORE]
        return min(seen, key=lambda j: float(points[j] @ floor.up), default=None)

    def _standing(
        self, row: Float64Array, point: Float64Array, foot: int, growth: float, floor: Floor
    ) -> tuple[Float64Array, Float64Array]:
        """Return the block that puts a foot on the floor."""
        sigma = float(np.hypot(_FOOT_SIGMA, _PITCH_SIGMA * np.linalg.norm(point)))
        ankle = ANKLE_ABOVE_FLOOR * self.size.height * float(np.exp(growth))
        residual = (floor.camera_height + point @ floor.up - ankle) / sigma
        sure = 1.0 / np.sqrt(1.0 + (residual / _ROBUST) ** 2)
        row[0, foot] = self.rays[foot] @ floor.up / sigma * sure
        row[0, -1] = -ankle / sigma * sure
        return row, np.array([residual * sure])
