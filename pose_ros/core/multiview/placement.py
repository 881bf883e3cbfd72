"""Where the joints of people are at one instant, by all cameras that see them.

Rays meet where they do (``triangulation``). Where cameras are close together, depth is hardly in
that. So what each camera alone makes of a body counts too: its shape, drawn nearer or farther as a
whole until the rays of the others meet it (``_scales``), says where along its ray a joint is, as
far as that is surer. Bones then hold the joints (``body``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pose_ros.core.camera import Float64Array
from pose_ros.core.multiview.association import NO_PERSON, Crowd
from pose_ros.core.multiview.body import bone_lengths_of, hold_bones, learn_bones
from pose_ros.core.multiview.extrinsics import CameraView
from pose_ros.core.multiview.identity import FusedPerson
from pose_ros.core.multiview.triangulation import (
    BoolArray,
    Prior,
    RayAgreement,
    RayBundle,
    Triangulated,
    axes_first,
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
    several = there.sum(axis=0) > 1
    lifted = _lifted(centers, crowd, rows, _scales(centers, crowd, rows, people, stamp))
    shape = lifted.ranges.shape
    found = Triangulated(
        np.full((*shape[1:], 3), np.nan),
        np.full((*shape[1:], 3, 3), np.nan),
        np.full(shape, np.nan),
        np.zeros(shape, bool),
        RayAgreement.unknown(shape[1:]),
    )
    lone, some = np.flatnonzero(~several), np.flatnonzero(several)
    if len(lone):
        view = np.argmax(there[:, lone], axis=0)
        found.points[lone], found.covariances[lone] = lifted.alone(view, lone)
        found.used[view, lone] = np.isfinite(found.points[lone]).all(axis=2)
    if not len(some):
        return found
    prior = lifted.prior(some)
    met = rays_of(views, crowd, rows[some], prior).solve()
    flat = (len(some), -1)
    held, tight = met.points.reshape(*flat, 3), met.covariances.reshape(*flat, 3, 3)
    rays = 1.0 - np.einsum("ijm,mji->m", prior.information, met.covariances)
    seen = np.minimum(np.maximum(np.where(np.isfinite(rays), rays, 0.0), 0.0), 1.0).reshape(flat)
    _hold(crowd, (held, tight, seen), [people[g] for g in some], stamp)
    found.points[some], found.covariances[some] = held, tight
    found.errors_px[:, some] = met.errors_px.reshape(len(views), *flat)
    found.used[:, some] = met.used.reshape(len(views), *flat)
    found.agreement.put(some, met.agreement.reshaped(flat))
    return found


def rays_of(
    views: Sequence[CameraView], crowd: Crowd, rows: NDArray[np.intp], prior: Prior | None = None
) -> RayBundle:
    """Return the rays of people (G, V): G * K joints."""
    index = rows.T
    seen = (index != NO_PERSON)[..., None] & (crowd.scores.take(index, axis=0) > 0)
    shape = (len(views), -1)
    rays = crowd.rays.take(index, axis=0).reshape(*shape, 3)
    sigmas = crowd.sigmas.take(index, axis=0).reshape(shape)
    return RayBundle.of(views, rays, sigmas, seen.reshape(shape), prior)


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
    logs = np.array([person.logs for person in people])
    variances = np.array([person.variances for person in people])
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
    units = unit(axes_first(crowd.rays.take(main, axis=1))).take(index, axis=1)
    lifted = axes_first(crowd.lifted.take(main, axis=1)).take(index, axis=1)
    sigmas = crowd.sigmas.take(main, axis=1).take(index, axis=0) ** 2
    places = centers.T[..., None, None]
    lines = np.where(there[..., None], lifted - places, np.nan)
    # pairs of a camera that is scaled and one whose rays are met
    first, second = np.nonzero(~np.eye(count, dtype=bool))
    shifts = places[:, first] - places[:, second]
    line, ray = lines.take(first, axis=1), units.take(second, axis=1)
    along_line, along_shift = dot(line, ray), dot(ray, shifts)
    # what is across the ray, of both
    mixed = dot(line, shifts) - along_line * along_shift
    wide = dot(shifts, shifts) - along_shift**2
    depths = np.maximum(along_line + along_shift, _NEAREST)
    # close cameras have most of a keypoint's error in common: it is no disparity
    cosine = np.clip(dot(units.take(first, axis=1), ray), -1.0, 1.0)
    both = sigmas.take(first, axis=0) + sigmas.take(second, axis=0)
    weights = 1.0 / (both * depths**2 * share_of_own(np.arccos(cosine)))
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


@dataclass(frozen=True, eq=False)
class _Lifted:
    """What each of V cameras alone makes of G people with K joints. Axes of the world come first.

    Attributes:
        points: (3, V, G, K) meters.
        units: (3, V, G, K) from the camera to them.
        ranges: (V, G, K) meters likewise.
        along: (V, G, K) square meters, variance along that line.
        across: (V, G, K) square meters, likewise across it.
        fine: (V, G, K) where a camera has a joint.
        measured: (V, G, K) where its depth image has it.
    """

    points: Float64Array
    units: Float64Array
    ranges: Float64Array
    along: Float64Array
    across: Float64Array
    fine: BoolArray
    measured: BoolArray

    def alone(
        self, view: NDArray[np.intp], people: NDArray[np.intp]
    ) -> tuple[Float64Array, Float64Array]:
        """Return (g, K, 3) meters of people that a camera each sees, and (g, K, 3, 3) covariances.

        Args:
            view: (g,) index of the camera.
            people: (g,) index of the person.
        """
        units = np.moveaxis(self.units[:, view, people], 0, -1)
        along, across = self.along[view, people], self.across[view, people]
        covariances = (along - across)[..., None, None] * (units[..., None] * units[..., None, :])
        covariances += across[..., None, None] * np.eye(3)
        points = np.moveaxis(self.points[:, view, people], 0, -1)
        fine = self.fine[view, people]
        return (
            np.where(fine[..., None], points, np.nan),
            np.where(fine[..., None, None], covariances, np.nan),
        )

    def prior(self, people: NDArray[np.intp]) -> Prior:
        """Return what the shapes of g people say of where their g * K joints are along the rays.

        What cameras make of a shape is not independent: the mean of them.
        """
        fine = self.fine.take(people, axis=1)
        # what is measured needs no shape
        measured = fine & self.measured.take(people, axis=1)
        fine &= measured | ~measured.any(axis=0)
        weights = fine / (self.along.take(people, axis=1) * np.maximum(fine.sum(axis=0), 1))
        shape = (len(fine), -1)
        units = self.units.take(people, axis=2).reshape(3, *shape)
        points = self.points.take(people, axis=2).reshape(3, *shape)
        weights = weights.reshape(shape)
        depths = weights * dot(units, points)
        return Prior(
            np.einsum("vm,ivm,jvm->ijm", weights, units, units),
            np.einsum("vm,ivm->im", depths, units),
        )


def _lifted(
    centers: Float64Array,
    crowd: Crowd,
    rows: NDArray[np.intp],
    scaled: tuple[Float64Array, Float64Array],
) -> _Lifted:
    """Return what each camera alone makes of people, ``scaled``: (V, G) logarithms and sigmas."""
    index = rows.T
    there = (index != NO_PERSON)[..., None]
    measured = there & np.equal(crowd.sources.take(index, axis=0), PositionSource.DEPTH.value)
    scales, scale_sigmas = (values[..., None] for values in scaled)
    places = centers.T[..., None, None]
    lines = axes_first(crowd.lifted).take(index, axis=1) - places
    lines *= np.where(measured, 1.0, np.exp(scales))
    ranges = np.sqrt(dot(lines, lines))
    across = (crowd.sigmas.take(index, axis=0) * ranges) ** 2
    stated = crowd.lifted_sigmas.take(index, axis=0) ** 2
    stated = np.sqrt(np.maximum(stated - 2.0 * across, 0.0))
    # the part of it that all joints have in common is what the scale mends
    common = np.fmin.reduce(stated, axis=2, keepdims=True, initial=np.inf)
    off = (scale_sigmas * ranges) ** 2 + _LEAST_ALONG**2
    along = np.maximum(stated**2 - (_TRUNK_SHARE * common) ** 2, 0.0) + off
    known = scale_sigmas < 0.9 * _LIFTED_SPREAD
    least = np.where(measured, _LEAST_MEASURED, _LEAST_ALONG)
    along = np.where(known & ~measured, along, np.maximum(stated, least) ** 2)
    fine: BoolArray = there & np.isfinite(along) & (ranges > 0)
    lines = np.where(fine, lines, 0.0)
    return _Lifted(
        points=places + lines,
        units=lines / np.where(fine, ranges, 1.0),
        ranges=ranges,
        along=np.where(fine, along, 1.0),
        across=across,
        fine=fine,
        measured=measured,
    )
