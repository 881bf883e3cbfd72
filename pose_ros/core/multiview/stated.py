"""How far joints of several cameras may be from the truth, as it is stated to users.

What the filter takes for noise is not all of it. Two parts do not change from image to image, so
that no filter and no number of cameras mends them: a share of the error of a keypoint that networks
make of a body from any side, and where they have a joint by habit. And how large the rest is shows
in how far rays miss each other: a body that the network has lost in one camera misses by far, and a
drawn one hardly at all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from pose_ros.core.camera import Float64Array
from pose_ros.core.multiview.identity import FusedPerson
from pose_ros.core.multiview.triangulation import Triangulated
from pose_ros.core.skeletons import FOUND_SCORE, Skeleton, parts_of

# Of the variance of a keypoint: the share that all cameras have in common, wherever they stand.
_SHARED = 0.25
# How many squares the sigmas of keypoints count as, beside those by which the rays of a body miss.
_PRIOR = 6.0
_SECONDS = 1.0  # for about so long is remembered how far rays missed
# Meters by which networks have joints elsewhere than others do, whatever the camera: no number of
# cameras mends it. Of a man whose joints are published (docs/measurements/multiview.md).
_ELSEWHERE = {"hip": 0.05, "knee": 0.03, "ankle": 0.03}


def stated_sigmas(
    skeleton: Skeleton,
    placed: Triangulated,
    scores: Float64Array,
    people: Sequence[FusedPerson],
    stamp: float,
) -> Float64Array:
    """Return (G, K) meters, root mean square over all three axes; of one camera alone its own.

    What each camera has of its own grows and shrinks as the rays of the whole body miss each other,
    over about the last second; people remember it.

    Source: the variance factor a posteriori of adjustment, with a prior; Koch, Parameter Estimation
    and Hypothesis Testing in Linear Models.

    Args:
        skeleton: Of K joints.
        placed: Joints (G, K) of G people.
        scores: (G, K) of keypoints, the least of any camera that shows them.
        people: G of them.
        stamp: Seconds.
    """
    met = placed.agreement
    # where they are guessed, they miss by more
    counts = (scores >= FOUND_SCORE) * _main(skeleton)
    misses, free = (np.einsum("gk,gk->g", x, counts).tolist() for x in (met.misses, met.free))
    factors = [
        _factor(person, now, count, stamp)
        for person, now, count in zip(people, misses, free, strict=True)
    ]
    total = np.einsum("gkii->gk", placed.covariances)
    own = np.maximum(total - 3.0 * met.common, 0.0)
    own *= (1.0 - _SHARED) * np.array(factors)[:, None]
    shared = (1.0 - _SHARED) * met.common + _SHARED * met.variances
    stated = own + 3.0 * shared + _elsewhere(skeleton)
    sigmas: Float64Array = np.sqrt(np.where(placed.used.sum(axis=0) > 1, stated, total))
    return sigmas


def _factor(person: FusedPerson, misses: float, free: float, stamp: float) -> float:
    """Return by how much larger what cameras have of their own is than taken, and remember it."""
    if free > 0.0:
        # of an instant on which the last ones say nothing: all of it
        share = 1.0 - math.exp(-max(stamp - person.judged, 0.0) / _SECONDS)
        person.misses += share * (misses - person.misses)
        person.free += share * (free - person.free)
        person.judged = stamp
    return (_PRIOR + person.misses) / (_PRIOR + person.free)


@lru_cache(maxsize=16)
def _main(skeleton: Skeleton) -> Float64Array:
    """Return (K,) 1 for the joints that say how a body is seen, 0 for the others."""
    found = np.zeros(len(skeleton))
    found[parts_of(skeleton).main] = 1.0
    return found


@lru_cache(maxsize=16)
def _elsewhere(skeleton: Skeleton) -> Float64Array:
    """Return (K,) square meters by which networks have joints elsewhere, in all images."""
    return np.array([_ELSEWHERE.get(name.split("_")[-1], 0.0) ** 2 for name in skeleton.keypoints])
