"""Where the joints of people are at one instant, by all cameras that see them.

Rays meet where they do (``triangulation``). Where cameras are close together, depth is hardly in
that. So what each camera alone makes of a body counts too: its shape, drawn nearer or farther as a
whole until the rays of the others meet it (``_scales``), says where along its ray a joint is, as
far as that is surer. Bones then hold the joints (``body``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pose_ros.core.camera import Float64Array
from pose_ros.core.multiview.association import NO_PERSON, Crowd
from pose_ros.core.multiview.body import bone_lengths_of, hold_bones, learn_bones
from pose_ros.core.multiview.extrinsics import CameraView
from pose_ros.core.multiview.identity import FusedPerson
from pose_ros.core.multiview.triangulation import (
    LEAST_SCORE,
    BoolArray,
    Prior,
    RayBundle,
    Triangulated,
    diagonals,
    dot,
    share_of_own,
    unit,
)
from pose_ros.core.skeletons import parts_of
from pose_ros.core.types import PositionSource

# Of the distance at which a camera alone puts a person: one sigma, as a share, before others say it
# and at best, and how much of it is lost in a second.
_LIFTED_SPREAD, _LEAST_SCALE, _SCALE_DRIFT = 0.10, 0.01, 0.01
_SCALE_SECONDS = 1.0  # errors of one second are much the same
_LONGEST_STEP = 0.2  # seconds for which one image speaks at most
_JOINTS_ALIKE = 6.0  # joints of a body have errors in common: so many say as much as one
_MOST_SCALE = 1.8  # of children, too: what is farther off is the place of another person
_NEAREST = 0.3  # meters from a camera
# Meters, of a joint along the ray of a camera alone, once its distance is known at all; and how
# much of what it states as its least is common to all joints.
_LEAST_ALONG, _TRUNK_SHARE = 0.06, 0.9
_LEAST_MEASURED = 0.02  # meters, of a joint of which a depth image has the skin


def place(
    views: Sequence[CameraView],
    crowd: Crowd,
    rows: NDArray[np.intp],
    people: list[FusedPerson],
    stamp: float,
) -> Triangulated:
    """Return the joints of G people, in shapes (G, K), and learn their bones and scales.

    Args:
        views: V cameras.
        crowd: All people by camera, left and right as they are.
        rows: (G, V) index in the crowd of each person as each camera sees them; ``NO_PERSON``.
        people: What is remembered of the G people.
        stamp: Seconds.

    Returns:
        A person that one camera alone sees has its meters, scaled, and its sigmas.
    """
    centers = np.array([view.extrinsics.center for view in views])
    there = rows.T != NO_PERSON  # (V, G)
    some = np.flatnonzero(there.sum(axis=0) > 1)
    scales, sigmas = _scales(centers, crowd, rows, people, stamp)
    measured = _measured(crowd, rows)
    points, information, covariances = _lifted(centers, crowd, rows, measured, (scales, sigmas))
    # one camera alone
    alone = np.argmax(there, axis=0)
    groups = np.arange(len(rows))
    found = Triangulated(
        points[alone, groups],
        covariances[alone, groups],
        np.full((len(views), *points.shape[1:3]), np.nan),
        there[..., None] & np.isfinite(points).all(axis=3),
    )
    if not len(some):
        return found
    # what the cameras make of the body's shape is not independent: the mean of them
    information, lifted = information[:, some], points[:, some]
    fine = np.isfinite(lifted[..., 0])
    # what is measured needs no shape
    measured = fine & measured[:, some]
    fine &= measured | ~measured.any(axis=0)
    information = np.where(fine[..., None, None], information, 0.0)
    count = np.maximum(fine.sum(axis=0), 1)[..., None]
    lifted = np.where(fine[..., None], lifted, 0.0)
    prior = Prior(
        (information.sum(axis=0) / count[..., None]).reshape(-1, 3, 3),
        (np.einsum("vgkij,vgkj->vgki", information, lifted).sum(axis=0) / count).reshape(-1, 3),
    )
    met = rays_of(views, crowd, rows[some], prior).solve()
    shape = found.points[some].shape[:2]
    held, tight = met.points.reshape(*shape, 3), met.covariances.reshape(*shape, 3, 3)
    rays = 1.0 - np.einsum("mij,mji->m", prior.information, met.covariances)
    seen = np.clip(np.where(np.isfinite(rays), rays, 0.0), 0.0, 1.0).reshape(shape)
    _hold(crowd, (held, tight, seen), [people[g] for g in some], stamp)
    found.points[some], found.covariances[some] = held, tight
    found.errors_px[:, some] = met.errors_px.reshape(-1, *shape)
    found.used[:, some] = met.used.reshape(-1, *shape)
    return found


def rays_of(
    views: Sequence[CameraView], crowd: Crowd, rows: NDArray[np.intp], prior: Prior | None = None
) -> RayBundle:
    """Return the rays of people (G, V): G * K joints."""
    index = rows.T
    there = (index != NO_PERSON)[..., None]
    focals = np.array([view.focal for view in views])[:, None, None]
    scores = np.where(there, crowd.scores[index], 0.0)
    # sigmas hold the scores already
    pixels = crowd.sigmas[index] * np.maximum(scores, LEAST_SCORE) * focals
    shape = (len(views), -1)
    rays = crowd.rays[index].reshape(*shape, 3)
    return RayBundle.of(views, rays, scores.reshape(shape), pixels.reshape(shape), prior)


def _hold(
    crowd: Crowd,
    joints: tuple[Float64Array, Float64Array, Float64Array],
    people: list[FusedPerson],
    stamp: float,
) -> None:
    """Let bones hold the joints (G, K) in place, and learn those of people who are due.

    They are not due again for a while. ``joints`` are points, covariances and the share that is
    seen, as for ``hold_bones``.
    """
    points, covariances, seen = joints
    due = [i for i, person in enumerate(people) if person.is_due(stamp)]
    bones = bone_lengths_of(crowd.skeleton)
    logs = np.stack([person.logs for person in people])
    variances = np.stack([person.variances for person in people])
    free, spread = points[due], covariances[due]
    hold_bones(bones, points, covariances, (logs, variances), seen)
    if not due:
        return
    elapsed = np.array([min(1.0, stamp - people[g].learned) for g in due])
    learnt = logs[due], variances[due]
    learn_bones(bones, free, spread, learnt, elapsed)
    for g, own, variance in zip(due, *learnt, strict=True):
        people[g].logs, people[g].variances, people[g].learned = own, variance, stamp


def _scales(
    centers: Float64Array,
    crowd: Crowd,
    rows: NDArray[np.intp],
    people: list[FusedPerson],
    stamp: float,
) -> tuple[Float64Array, Float64Array]:
    """Return (V, G) logarithms of by how much a camera has people too near, and sigmas.

    What was found before counts on, for a while; it is learned of people who are due.
    """
    logs, variances = np.zeros(rows.T.shape), np.full(rows.T.shape, _LIFTED_SPREAD**2)
    for own, person in enumerate(people):
        drift = _SCALE_DRIFT**2 * max(0.0, stamp - person.seen)
        for v, (mean, variance) in person.scales.items():
            logs[v, own], variances[v, own] = mean, min(variance + drift, _LIFTED_SPREAD**2)
    several = (rows != NO_PERSON).sum(axis=1) > 1
    due = [g for g, person in enumerate(people) if several[g] and person.is_due(stamp)]
    if not due:
        return logs, np.sqrt(variances)
    seen, information = _seen_scales(centers, crowd, rows[due].T)
    for i, g in enumerate(due):
        person = people[g]
        for v in range(len(centers)):
            if not information[v, i] > 0.0:
                continue
            elapsed = min(stamp - person.learned, _LONGEST_STEP) if v in person.scales else math.inf
            gained = information[v, i] * min(1.0, elapsed / _SCALE_SECONDS)
            total = 1.0 / variances[v, g] + gained
            logs[v, g] += gained / total * (seen[v, i] - logs[v, g])
            variances[v, g] = max(1.0 / total, _LEAST_SCALE**2)
            person.scales[v] = (float(logs[v, g]), float(variances[v, g]))
    return logs, np.sqrt(variances)


def _seen_scales(
    centers: Float64Array, crowd: Crowd, index: NDArray[np.intp]
) -> tuple[Float64Array, Float64Array]:
    """Return what the images say of the scales of people (V, g): logarithms and information."""
    main = parts_of(crowd.skeleton).main
    there = index != NO_PERSON
    count = len(centers)
    lifted = np.where(there[..., None, None], crowd.lifted[index][:, :, main], np.nan)
    units = unit(crowd.rays[index][:, :, main])
    sigmas = crowd.sigmas[index][:, :, main] ** 2
    lines = lifted - centers[:, None, None]
    # pairs of a camera that is scaled and one whose rays are met
    first, second = np.nonzero(~np.eye(count, dtype=bool))
    shifts = (centers[first] - centers[second])[:, None, None]
    line, ray = lines[first], units[second]
    along_line, along_shift = dot(line, ray), np.einsum("pgki,phji->pgk", ray, shifts)
    # what is across the ray, of both
    mixed = np.einsum("pgki,phji->pgk", line, shifts) - along_line * along_shift
    wide = dot(shifts, shifts) - along_shift**2
    depths = np.maximum(along_line + along_shift, _NEAREST)
    # close cameras have most of a keypoint's error in common: it is no disparity
    cosine = np.clip(dot(units[first], ray), -1.0, 1.0)
    weights = 1.0 / ((sigmas[first] + sigmas[second]) * depths**2 * share_of_own(np.arccos(cosine)))
    good = np.isfinite(weights) & np.isfinite(mixed)
    weights, mixed, wide = (np.where(good, values, 0.0) for values in (weights, mixed, wide))
    top, bottom = np.zeros(there.shape), np.zeros(there.shape)
    np.add.at(top, first, -(weights * mixed).sum(axis=2))
    np.add.at(bottom, first, (weights * wide).sum(axis=2))
    # the inverse of the scale: a disparity is linear in it, and noise does no harm
    inverse = top / np.where(bottom > 0, bottom, np.inf)
    fine = there & (inverse > 1.0 / _MOST_SCALE) & (inverse < _MOST_SCALE)
    information = np.minimum(bottom * inverse**2 / _JOINTS_ALIKE, _LEAST_SCALE**-2.0)
    return -np.log(np.where(fine, inverse, 1.0)), np.where(fine, information, 0.0)


def _lifted(
    centers: Float64Array,
    crowd: Crowd,
    rows: NDArray[np.intp],
    measured: BoolArray,
    scaled: tuple[Float64Array, Float64Array],
) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Return what each camera alone makes of people, ``scaled``.

    Returns:
        (V, G, K, 3) meters, (V, G, K, 3, 3) information along the rays, and covariances.
    """
    index = rows.T
    scales, scale_sigmas = scaled
    lines = crowd.lifted[index] - centers[:, None, None]
    lines *= np.where(measured, 1.0, np.exp(scales)[..., None])[..., None]
    ranges = np.sqrt(dot(lines, lines))
    across = crowd.sigmas[index] * ranges
    stated = np.sqrt(np.maximum(crowd.lifted_sigmas[index] ** 2 - 2.0 * across**2, 0.0))
    # the part of it that all joints have in common is what the scale mends
    common = np.fmin.reduce(stated, axis=2, keepdims=True, initial=np.inf)
    off = (scale_sigmas[..., None] * ranges) ** 2 + _LEAST_ALONG**2
    along = np.sqrt(np.maximum(stated**2 - (_TRUNK_SHARE * common) ** 2, 0.0) + off)
    known = scale_sigmas[..., None] < 0.9 * _LIFTED_SPREAD
    along = np.where(known & ~measured, along, np.maximum(stated, _LEAST_ALONG))
    along = np.where(measured, np.maximum(stated, _LEAST_MEASURED), along)
    fine: BoolArray = (index != NO_PERSON)[..., None] & np.isfinite(along) & (ranges > 0)
    units = np.where(fine[..., None], lines / np.where(fine, ranges, 1.0)[..., None], 0.0)
    outer = units[..., :, None] * units[..., None, :]
    along, across = np.where(fine, along, 1.0) ** 2, np.where(fine, across, np.nan) ** 2
    information = np.where(fine, 1.0 / along, 0.0)[..., None, None] * outer
    covariances = (along - across)[..., None, None] * outer
    diagonals(covariances)[:] += across[..., None]
    points = np.where(fine[..., None], centers[:, None, None] + lines, np.nan)
    return points, information, covariances


def _measured(crowd: Crowd, rows: NDArray[np.intp]) -> BoolArray:
    """Return (V, G, K) whether a camera's depth image has a joint."""
    found: BoolArray = np.equal(crowd.sources[rows.T], PositionSource.DEPTH)
    found &= (rows.T != NO_PERSON)[..., None]
    return found
