"""Where an arm points: all that is known of it as a probability over its two bones' leans.

The network's own depth is weak when an arm points at the camera or away from it. The
length that is missing in the image says how far the arm leans, but not to which side, and
it says little about an arm that lies across the view. So all leans of upper arm and forearm
are weighed, on a grid. Directions uniform on a sphere are uniform in a lean (Archimedes).

They are weighed twice. Who *points* has a straight arm and looks along it, and the other arm
hangs. Who does *anything else* bends the elbow in any way and looks at times at the hand. What
both make likely says which it is. The densest part of what is likely is where an arm that points
is, the mean is the least error of any other, and the answer lies between them by how likely it
is that the arm points. The uncertainty is of both.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from pose_ros.core.camera import Float64Array

MOST_TURNED = 1.1
"""Radians by which a head turns against the chest."""

# The cosine between a bone and the line of sight: -1 points at the camera, 1 away from it.
_LEANS = np.linspace(-0.995, 0.995, 49)
_ACROSS = np.sqrt(1.0 - _LEANS**2)

# What BlazePose says of a bone that leans, on drawn people: only arms that come clearly toward the
# camera show in its depth. Means at the leans of _KNOTS, and one sigma.
_KNOTS = (-1.0, -0.7, -0.35, 1.0)
_NETWORK_UPPER = ((-0.95, -0.20, 0.08, 0.22), 0.60)
_NETWORK_FORE = ((-0.95, -0.42, -0.22, -0.22), 0.30)

# Bones of people who do not point lean as it says, forearms only in a share of them; one sigma of
# upper arm and forearm.
_TRUTHFUL, _TRUTHFUL_UPPER, _TRUTHFUL_FORE = 0.3, 0.50, 0.35
# Its elbows bend by half of what real ones do, and by 30 degrees where an arm is straight: these
# add up as a hypotenuse. One sigma in degrees, and the share of shapes that say nothing of it.
_SHAPE_STRAIGHT, _SHAPE_BENDS, _SHAPE_SIGMA, _SHAPE_ELSEWHERE = 30.0, 0.5, 12.0, 0.05

_ROUGHNESS = 0.05  # of a bone: what no other error stands for
# One sigma of an elbow's bend in degrees, of arms that point or hang and of others.
_STRETCHED_DEGREES, _BENT_DEGREES = 18.0, 90.0
# How likely an arm points before anything is seen, and how likely the other arm hangs then and
# otherwise. An arm hangs whose wrist is lower than the shoulder by more than this share of its
# length; one sigma of that.
_POINTS, _HANGS_POINTING, _HANGS_OTHERWISE = 0.5, 0.95, 0.30
_HANGS_FROM, _HANGS_SIGMA = 0.65, 0.07
# Arms seldom reach further behind the chest's plane than this, one sigma. The elbow of a bent arm
# does.
_BEHIND = (-0.10, 0.15)
_BEHIND_ANYHOW = 0.03  # how likely those are that do
# Who reaches out looks there (Nickel and Stiefelhagen, "Visual recognition of pointing gestures
# for human-robot interaction", 2007), as far as the neck turns, or at the person it is shown to, or
# anywhere: concentration of the angle on the floor, shares of all three. Others look at their hands
# less often. Less of arms that hang.
_GAZE = 7.0
_GAZE_POINTING, _GAZE_OTHERWISE = (0.85, 0.15, 0.05), (0.50, 0.15, 0.40)
_GAZE_FROM, _GAZE_FULL = 0.4, 0.8
# Joints that the network holds for hidden are likely behind the body.
_HIDDEN, _SEEN_LOGIT = 0.5, 2.5
_WINDOW = 0.15  # of the arm's length: leans closer than this count as one answer
# Of measured depths: shares of those that are of the joint, of something in front, of nothing.
_OF_JOINT, _IN_FRONT, _ELSEWHERE = 0.9, 0.08, 0.02
_REACH = 1.0  # meters, over which the other two are spread
_SHORTEST = 1e-6  # meters that a bone is taken for at least, where it is divided by
_BINS = 97  # of the leans of a whole arm
# Of a normal distribution. Of one with a far tail it is less than the root of the mean square, and
# nearer to what holds two in three.
_SIGMA_PER_MEAN_ERROR = np.sqrt(np.pi / 2.0)


@dataclass(frozen=True, eq=False)
class Reach:
    """What is known of one arm before its depths.

    Attributes:
        shoulder: (3,) meters, optical frame.
        rays: (2, 3) of elbow and wrist, z = 1.
        lengths: (2,) meters of upper arm and forearm.
        spread: One sigma of them, as a share.
        sideways: (3,) meters across the ray: one sigma of shoulder, elbow and wrist.
        shape: (3, 3) shoulder, elbow and wrist of the network's metric shape.
        scores: (3,) visibility in [0, 1].
        measured: (2,) meters along z of elbow and wrist; NaN where there is no depth.
        measured_sigmas: (2,) meters.
        other: How far the wrist of the other arm is below its shoulder, along the trunk, in
            lengths of an arm; NaN where it was not found.
    """

    shoulder: Float64Array
    rays: Float64Array
    lengths: Float64Array
    spread: float
    sideways: Float64Array
    shape: Float64Array
    scores: Float64Array
    measured: Float64Array
    measured_sigmas: Float64Array
    other: float


@dataclass(frozen=True, eq=False)
class Bearing:
    """How the body stands, as (3,) unit vectors in the optical frame.

    Attributes:
        toward: From the camera to the mid-hips.
        up: From the hips to the shoulders.
        front: Out of the chest.
        gaze: Out of the face, level; zeros where the face was not found.
    """

    toward: Float64Array
    up: Float64Array
    front: Float64Array
    gaze: Float64Array


@dataclass(frozen=True, eq=False)
class PlacedArm:
    """An arm, placed.

    Attributes:
        depths: (2,) meters along z of elbow and wrist.
        sigmas: (2,) meters along the line of sight, from the shoulder on.
        by_depth: (2,) how likely each measured depth is of the joint itself, in [0, 1].
    """

    depths: Float64Array
    sigmas: Float64Array
    by_depth: Float64Array


def fit_arm(reach: Reach, bearing: Bearing) -> PlacedArm:
    """Place elbow and wrist."""
    toward, shoulder = bearing.toward, reach.shoulder
    upper, fore = reach.lengths
    elbow_ray, wrist_ray = reach.rays
    base = shoulder @ toward
    elbow_depths = (base + upper * _LEANS) / (elbow_ray @ toward)
    wrist_steps = upper * _LEANS[:, None] + fore * _LEANS
    wrist_depths = (base + wrist_steps) / (wrist_ray @ toward)

    # Vectors over the grid are all along two rays and the shoulder: their products take numbers.
    elbow, wrist = elbow_depths[:, None], wrist_depths
    elbow_far, wrist_far, shoulder_far = (
        elbow**2 * (elbow_ray @ elbow_ray),
        wrist**2 * (wrist_ray @ wrist_ray),
        shoulder @ shoulder,
    )
    elbow_wrist = elbow * wrist * (elbow_ray @ wrist_ray)
    elbow_shoulder = elbow * (elbow_ray @ shoulder)
    wrist_shoulder = wrist * (wrist_ray @ shoulder)
    upper_long = _root(elbow_far - 2.0 * elbow_shoulder + shoulder_far)[:, 0]
    fore_long = _root(wrist_far - 2.0 * elbow_wrist + elbow_far)
    arms = _Arms(wrist, wrist_ray, shoulder, _root(wrist_far - 2.0 * wrist_shoulder + shoulder_far))

    log_p = _across(upper_long, upper, np.hypot(*reach.sideways[:2]), reach.spread)[:, None]
    log_p = log_p + _across(fore_long, fore, np.hypot(*reach.sideways[1:]), reach.spread)
    cosine = elbow_wrist - wrist_shoulder - elbow_far + elbow_shoulder
    cosine /= fore_long * upper_long[:, None]
    bend = np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))
    log_p += _seen_bend(bend, reach.shape)
    log_p += _behind(arms.along(bearing.front) / arms.long)
    logit = np.log(reach.scores[1] / (1.005 - reach.scores[1]))
    log_p -= _HIDDEN * np.clip(logit - _SEEN_LOGIT, -3.0, 2.0) * wrist_steps / (upper + fore)
    own = np.zeros((2, *wrist_steps.shape))
    for i, depths in enumerate((elbow_depths[:, None], wrist_depths)):
        if np.isfinite(reach.measured[i]):
            evidence, own[i] = _measured(depths, reach.measured[i], reach.measured_sigmas[i])
            log_p = log_p + evidence

    # what those who point differ in from others
    share = _prior_of_pointing(reach.other)
    forward = elbow_depths * (elbow_ray @ bearing.front) - shoulder @ bearing.front
    lean_upper, lean_fore = (_lean(bone) for bone in np.diff(reach.shape, axis=0))
    drawn_fore = _drawn(lean_fore, *_NETWORK_FORE)
    real_fore = _normal(lean_fore - _LEANS, _TRUTHFUL_FORE)
    gazes = _looked_at(arms, bearing)
    uppers = (
        np.log(_drawn(lean_upper, *_NETWORK_UPPER)) + _behind(forward / upper_long),
        np.log(_normal(lean_upper - _LEANS, _TRUTHFUL_UPPER)),
    )
    fores = (
        np.log(drawn_fore),
        np.log((1.0 - _TRUTHFUL) * drawn_fore + _TRUTHFUL * real_fore),
    )
    likely = [
        np.log(prior) + _bent(bend, sigma) + gaze + first[:, None] + second
        for prior, sigma, gaze, first, second in zip(
            (share, 1.0 - share), (_STRETCHED_DEGREES, _BENT_DEGREES), gazes, uppers, fores,
            strict=True,
        )
    ]  # fmt: skip
    most = max(float((log_p + one).max()) for one in likely)
    pointing, otherwise = (np.exp(log_p + one - most) for one in likely)
    p = pointing + otherwise
    points = float(pointing.sum() / p.sum())
    p /= p.sum()
    step = _densest(wrist_steps, p, _WINDOW * (upper + fore))
    near = p * np.exp(-0.5 * ((wrist_steps - step) / (0.1 * (upper + fore))) ** 2)
    near /= near.sum()
    # where the window is, but in the middle of what it holds; of arms that do not point, of all
    taken = points * near + (1.0 - points) * p
    step = float((taken * wrist_steps).sum())
    elbow_step = float((taken.sum(axis=1) * _LEANS).sum()) * upper
    off = (
        (p.sum(axis=1) * np.abs(upper * _LEANS - elbow_step)).sum(),
        (p * np.abs(wrist_steps - step)).sum(),
    )
    return PlacedArm(
        depths=np.array(
            [
                (base + elbow_step) / (elbow_ray @ toward),
                (base + step) / (wrist_ray @ toward),
            ]
        ),
        sigmas=_SIGMA_PER_MEAN_ERROR * np.array(off),
        by_depth=np.array([(near * share).sum() for share in own]),
    )


@dataclass(frozen=True, eq=False)
class _Arms:
    """Vectors from a shoulder to all wrists that are weighed.

    Attributes:
        depths: Of the wrists, meters along z.
        ray: (3,) of the wrist.
        shoulder: (3,) meters.
        long: Their lengths, meters.
    """

    depths: Float64Array
    ray: Float64Array
    shoulder: Float64Array
    long: Float64Array

    def along(self, vector: Float64Array) -> Float64Array:
        """Return their products with a (3,) vector."""
        found: Float64Array = self.depths * (self.ray @ vector) - self.shoulder @ vector
        return found


def _root(squares: Float64Array) -> Float64Array:
    """Return lengths by their squares; none is 0, so that they may divide."""
    found: Float64Array = np.sqrt(np.maximum(squares, _SHORTEST**2))
    return found


def _across(long: Float64Array, length: float, error: float, spread: float) -> Float64Array:
    """Return the log-likelihood of what a bone measures across the view, for each lean."""
    leaning = length * _LEANS
    seen = np.sqrt(np.maximum(long**2 - leaning**2, 0.0))
    sigma = np.sqrt(error**2 + (spread * length * _ACROSS) ** 2 + (_ROUGHNESS * length) ** 2)
    found: Float64Array = -0.5 * ((seen - length * _ACROSS) / sigma) ** 2 - np.log(sigma)
    return found


def _lean(bone: Float64Array) -> float:
    """Return the cosine between a bone (3,) of the network's shape and the line of sight."""
    return float(bone[2]) / max(float(np.linalg.norm(bone)), _SHORTEST)


def _drawn(lean: float, means: tuple[float, ...], sigma: float) -> Float64Array:
    """Return the likelihood of the network's lean, for each lean, as drawn people show it.

    Args:
        lean: That the network gives.
        means: Of it, at the leans of ``_KNOTS``.
        sigma: Of it.
    """
    return _normal(lean - np.interp(_LEANS, _KNOTS, means), sigma)


def _seen_bend(bend: Float64Array, shape: Float64Array) -> Float64Array:
    """Return the log-likelihood of how the elbow of the network's shape bends.

    Args:
        bend: Degrees, of the arms that are weighed.
        shape: (3, 3) shoulder, elbow and wrist of the network's shape.
    """
    upper, fore = np.diff(shape, axis=0)
    lengths = max(float(np.linalg.norm(upper) * np.linalg.norm(fore)), _SHORTEST)
    seen = np.degrees(np.arccos(np.clip(upper @ fore / lengths, -1.0, 1.0)))
    off = (seen - np.hypot(_SHAPE_STRAIGHT, _SHAPE_BENDS * bend)) / _SHAPE_SIGMA
    says = (1.0 - _SHAPE_ELSEWHERE) * np.exp(-0.5 * off**2) + _SHAPE_ELSEWHERE
    found: Float64Array = np.log(says)
    return found


def _bent(bend: Float64Array, sigma: float) -> Float64Array:
    """Return the log-prior of an elbow's bend, per steradian of the forearm's direction."""
    found: Float64Array = -0.5 * (bend / sigma) ** 2 - np.log(_solid_angle(sigma))
    return found


@lru_cache(maxsize=8)
def _solid_angle(sigma: float) -> float:
    """Return the integral of ``exp(-(bend / sigma)**2 / 2)`` over the sphere, in steradians."""
    bends = np.linspace(0.0, 180.0, 721)
    rings = np.exp(-0.5 * (bends / sigma) ** 2) * np.sin(np.radians(bends))
    return float(2.0 * np.pi * rings.sum() * np.radians(bends[1]))


def _prior_of_pointing(other: float) -> float:
    """Return how likely an arm points, by how far the other wrist is below its shoulder."""
    if not np.isfinite(other):
        return _POINTS
    hangs = 1.0 / (1.0 + np.exp((_HANGS_FROM - other) / _HANGS_SIGMA))
    pointing, otherwise = (
        share * hangs + (1.0 - share) * (1.0 - hangs)
        for share in (_HANGS_POINTING, _HANGS_OTHERWISE)
    )
    return float(_POINTS * pointing / (_POINTS * pointing + (1.0 - _POINTS) * otherwise))


def _normal(off: Float64Array, sigma: float) -> Float64Array:
    """Return the density of a normal distribution, but for a factor that is always the same."""
    found: Float64Array = np.exp(-0.5 * (off / sigma) ** 2) / sigma
    return found


def _behind(forward: Float64Array) -> Float64Array:
    """Return the log-prior of how far forward a unit vector points."""
    limit, sigma = _BEHIND
    usual = np.exp(-0.5 * (np.maximum(0.0, limit - forward) / sigma) ** 2)
    found: Float64Array = np.log((1.0 - _BEHIND_ANYHOW) * usual + _BEHIND_ANYHOW)
    return found


def _looked_at(arms: _Arms, bearing: Bearing) -> tuple[Float64Array, Float64Array]:
    """Return the log-likelihood of where the face looks, for each arm, of who points and others."""
    up, front = bearing.up, bearing.front
    if not bearing.gaze.any():
        return np.zeros(arms.long.shape), np.zeros(arms.long.shape)
    side = np.cross(up, front)

    def turn(vector: Float64Array) -> float:
        """Return to where the head turns that looks along a vector, in radians."""
        return float(_turned(vector @ side, vector @ front))

    level = _root(arms.long**2 - arms.along(up) ** 2) / arms.long
    raised = np.clip((level - _GAZE_FROM) / (_GAZE_FULL - _GAZE_FROM), 0.0, 1.0)
    gaze = turn(bearing.gaze)
    at_arm = np.exp(_GAZE * (np.cos(_turned(arms.along(side), arms.along(front)) - gaze) - 1.0))
    at_camera = np.exp(_GAZE * (np.cos(turn(-bearing.toward) - gaze) - 1.0))
    pointing, otherwise = (
        raised * np.log(arm * at_arm + camera * at_camera + elsewhere)
        for arm, camera, elsewhere in (_GAZE_POINTING, _GAZE_OTHERWISE)
    )
    return pointing, otherwise


def _turned(aside: Float64Array, forward: Float64Array) -> Float64Array:
    """Return how far a head turns to look there, in radians."""
    return np.clip(np.arctan2(aside, forward), -MOST_TURNED, MOST_TURNED)


def _measured(
    depths: Float64Array, measured: float, sigma: float
) -> tuple[Float64Array, Float64Array]:
    """Return the log-likelihood of a measured depth, and how likely it is the joint's own.

    A joint that is hidden lies behind what was measured.
    """
    joint = _OF_JOINT * np.exp(-0.5 * ((depths - measured) / sigma) ** 2)
    joint /= sigma * np.sqrt(2.0 * np.pi)
    front = _IN_FRONT / _REACH * (depths > measured)
    total = joint + front + _ELSEWHERE / _REACH
    return np.log(total), joint / total


def _densest(values: Float64Array, weights: Float64Array, window: float) -> float:
    """Return the value around which most of the weight lies."""
    low, high = float(values.min()), float(values.max())
    width = (high - low) / _BINS
    bins = np.minimum(((values - low) / width).astype(np.intp), _BINS - 1)
    histogram = np.bincount(bins.ravel(), weights.ravel(), _BINS)
    apart = width * np.arange(1 - _BINS, _BINS)
    smooth = np.convolve(histogram, np.exp(-0.5 * (apart / window) ** 2), "valid")
    return low + (int(smooth.argmax()) + 0.5) * width
