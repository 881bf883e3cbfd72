"""Where an arm points: all that is known of it as a probability over its two bones' leans.

The network's own depth is weak when an arm points at the camera or away from it. The
length that is missing in the image says how far the arm leans, but not to which side, and
it says little about an arm that lies across the view. So all leans of upper arm and forearm
are weighed, on a grid; of what is likely, the middle is taken, and its width is the
uncertainty. Directions uniform on a sphere are uniform in a lean (Archimedes).
"""

from __future__ import annotations

from dataclasses import dataclass

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

# The forearms of real people often lean as it says, a little less toward the camera: share of
# those, what is added to their lean, and one sigma. Upper arms have a wide sigma anyway.
_TRUTHFUL, _TRUTHFUL_OFFSET, _TRUTHFUL_SIGMA = 0.3, -0.1, 0.35
# Its elbows bend by half of what real ones do, and by 30 degrees where an arm is straight: these
# add up as a hypotenuse. One sigma in degrees, and the share of shapes that say nothing of it.
_SHAPE_STRAIGHT, _SHAPE_BENDS, _SHAPE_SIGMA, _SHAPE_ELSEWHERE = 30.0, 0.5, 12.0, 0.05

_ROUGHNESS = 0.06  # of a bone: what no other error stands for
# Arms that point or hang are straight, one sigma of their bend in degrees; others, far fewer in
# each degree but not impossible, bend in any way.
_STRETCHED_DEGREES, _BENT, _BENT_DEGREES = 18.0, 0.01, 90.0
_BEHIND = (-0.10, 0.15)  # arms seldom reach further behind the chest's plane than this; one sigma
_BEHIND_ANYHOW = 0.03  # how likely those are that do
# Who reaches out looks there (Nickel and Stiefelhagen, "Visual recognition of pointing gestures
# for human-robot interaction", 2007), as far as the neck turns, or at whom it is shown to, or
# anywhere: concentration of the angle on the floor, shares of the last two. Less of arms that hang.
_GAZE, _GAZE_AT_CAMERA, _GAZE_ELSEWHERE = 7.0, 0.15, 0.05
_GAZE_FROM, _GAZE_FULL = 0.4, 0.8
# Joints that the network holds for hidden are likely behind the body.
_HIDDEN, _SEEN_LOGIT = 0.5, 2.5
_WINDOW = 0.15  # of the arm's length: leans closer than this count as one answer
# Of measured depths: shares of those that are of the joint, of something in front, of nothing.
_OF_JOINT, _IN_FRONT, _ELSEWHERE = 0.9, 0.08, 0.02
_REACH = 1.0  # meters, over which the other two are spread
_SHORTEST = 1e-6  # meters that a bone is taken for at least, where it is divided by
_BINS = 97  # of the leans of a whole arm


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

    first = _across(upper_long, upper, np.hypot(*reach.sideways[:2]), reach.spread)
    first += _network(reach.shape[1] - reach.shape[0], *_NETWORK_UPPER)
    second = _across(fore_long, fore, np.hypot(*reach.sideways[1:]), reach.spread)
    second += _network(reach.shape[2] - reach.shape[1], *_NETWORK_FORE, truthful=_TRUTHFUL)
    cosine = elbow_wrist - wrist_shoulder - elbow_far + elbow_shoulder
    cosine /= fore_long * upper_long[:, None]
    bend = np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))
    log_p = first[:, None] + second + _bent(bend, reach.shape)
    forward = elbow_depths * (elbow_ray @ bearing.front) - shoulder @ bearing.front
    log_p += _behind(forward / upper_long)[:, None]
    log_p += _behind(arms.along(bearing.front) / arms.long)
    log_p += _looked_at(arms, bearing)
    logit = np.log(reach.scores[1] / (1.005 - reach.scores[1]))
    log_p -= _HIDDEN * np.clip(logit - _SEEN_LOGIT, -3.0, 2.0) * wrist_steps / (upper + fore)

    own = np.zeros((2, *wrist_steps.shape))
    for i, depths in enumerate((elbow_depths[:, None], wrist_depths)):
        if np.isfinite(reach.measured[i]):
            evidence, own[i] = _measured(depths, reach.measured[i], reach.measured_sigmas[i])
            log_p = log_p + evidence

    p = np.exp(log_p - log_p.max())
    p /= p.sum()
    step = _densest(wrist_steps, p, _WINDOW * (upper + fore))
    near = p * np.exp(-0.5 * ((wrist_steps - step) / (0.1 * (upper + fore))) ** 2)
    near /= near.sum()
    # where the window is, but in the middle of what it holds
    step = float((near * wrist_steps).sum())
    elbow_step = float((near.sum(axis=1) * _LEANS).sum()) * upper
    squares = (
        (p.sum(axis=1) * (upper * _LEANS - elbow_step) ** 2).sum(),
        (p * (wrist_steps - step) ** 2).sum(),
    )
    return PlacedArm(
        depths=np.array(
            [
                (base + elbow_step) / (elbow_ray @ toward),
                (base + step) / (wrist_ray @ toward),
            ]
        ),
        sigmas=np.sqrt(squares),
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


def _network(
    bone: Float64Array, means: tuple[float, ...], sigma: float, truthful: float = 0.0
) -> Float64Array:
    """Return the log-likelihood of the network's lean, for each lean.

    Args:
        bone: (3,) of the network's shape.
        means: Of its lean, at the leans of ``_KNOTS``, as drawn people show it.
        sigma: Of its lean.
        truthful: Share of bones whose lean is as the network says.
    """
    lean = bone[2] / max(float(np.linalg.norm(bone)), _SHORTEST)
    drawn = _normal(lean - np.interp(_LEANS, _KNOTS, means), sigma)
    real = _normal(lean - _LEANS - _TRUTHFUL_OFFSET, _TRUTHFUL_SIGMA)
    found: Float64Array = np.log((1.0 - truthful) * drawn + truthful * real)
    return found


def _bent(bend: Float64Array, shape: Float64Array) -> Float64Array:
    """Return the log-probability of an elbow's bend in degrees, with what the network's shape says.

    Args:
        bend: Of the arms that are weighed.
        shape: (3, 3) shoulder, elbow and wrist of the network's shape.
    """
    upper, fore = np.diff(shape, axis=0)
    lengths = max(float(np.linalg.norm(upper) * np.linalg.norm(fore)), _SHORTEST)
    seen = np.degrees(np.arccos(np.clip(upper @ fore / lengths, -1.0, 1.0)))
    straight = np.exp(-0.5 * (bend / _STRETCHED_DEGREES) ** 2)
    bent = _BENT * np.exp(-0.5 * (bend / _BENT_DEGREES) ** 2)
    off = (seen - np.hypot(_SHAPE_STRAIGHT, _SHAPE_BENDS * bend)) / _SHAPE_SIGMA
    says = (1.0 - _SHAPE_ELSEWHERE) * np.exp(-0.5 * off**2) + _SHAPE_ELSEWHERE
    found: Float64Array = np.log((straight + bent) * says)
    return found


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


def _looked_at(arms: _Arms, bearing: Bearing) -> Float64Array:
    """Return the log-likelihood of where the face looks, for each arm."""
    up, front = bearing.up, bearing.front
    if not bearing.gaze.any():
        return np.zeros(arms.long.shape)
    side = np.cross(up, front)

    def turn(vector: Float64Array) -> float:
        """Return to where the head turns that looks along a vector, in radians."""
        return float(_turned(vector @ side, vector @ front))

    level = _root(arms.long**2 - arms.along(up) ** 2) / arms.long
    raised = np.clip((level - _GAZE_FROM) / (_GAZE_FULL - _GAZE_FROM), 0.0, 1.0)
    gaze = turn(bearing.gaze)
    at_arm = np.exp(_GAZE * (np.cos(_turned(arms.along(side), arms.along(front)) - gaze) - 1.0))
    at_camera = np.exp(_GAZE * (np.cos(turn(-bearing.toward) - gaze) - 1.0))
    likely = (1.0 - _GAZE_AT_CAMERA) * at_arm + _GAZE_AT_CAMERA * at_camera + _GAZE_ELSEWHERE
    found: Float64Array = raised * np.log(likely)
    return found


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
