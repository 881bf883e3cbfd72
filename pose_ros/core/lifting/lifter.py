"""From pixels to meters: where people are in the camera's optical frame.

``Lifter`` places trunk and legs first (``trunk``), then each arm (``arm``), then what hangs on them
(``_place_followers``). What a depth camera measures enters all three, and bones are learned over
time (``BoneMemory``). docs/measurements/lifting.md says how good it is.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pose_ros.core.camera import Camera, Float64Array
from pose_ros.core.depth import DepthImage
from pose_ros.core.lifting.arm import MOST_TURNED, Bearing, Reach, fit_arm
from pose_ros.core.lifting.body_model import (
    ARM_SPREAD,
    DEFAULT_HEIGHT,
    DEFAULT_HEIGHT_SPREAD,
    FOREARM,
    KNOWN_HEIGHT_SPREAD,
    NETWORK_HEIGHT,
    UPPER_ARM,
    BodyModel,
    body_model,
    under_skin,
)
from pose_ros.core.lifting.trunk import BodyObservation, Floor, HeightPrior, Trunk, fit_trunk
from pose_ros.core.smoothing import OneEuroFilter, OneEuroSettings
from pose_ros.core.timeline import Stream
from pose_ros.core.types import Pose, Poses, PositionSource
from pose_ros.errors import ImageError
from pose_ros.settings.lifting import LiftOptions, MountOptions

DEPTH_SMOOTHING = OneEuroSettings(min_cutoff=1.0, beta=2.0)

_log = logging.getLogger(__name__)

_LOST_AFTER = 64  # people whose bones are remembered

_SIDEWAYS = 0.007  # of the height: a keypoint's own error at score 1, one axis
_SIDEWAYS_STATED = 0.011  # the same, with what joint and keypoint differ in
_LEAST_SCORE = 0.1  # below it a keypoint's error grows no more
_MEASURED_SCORE = 0.3  # of a keypoint at which depth is looked up
_BODY = 1.1  # meters from the middle of a body, within which all of it is
_PATCH = 0.5  # of a limb's radius
_PATCH_LEAST = 0.012  # meters
_SKIN_SIGMA = 0.45  # of the depth under the skin: people and clothes
_SENSOR = (0.020, 0.002)  # meters, and meters by square meter of distance
_SURE = 3.0  # sigmas within which a measured depth is the joint's own
# Of what the fit of the trunk is unsure of: its bones hold each other better than it takes them to.
_TRUNK_STATED = 0.93
# How a body leans along the line of sight is off by the same angle for all its bones, which their
# sigmas, one by one, do not hold: radians, of bodies that lean to the camera by more than this.
_TURNED_SIGMA, _UPRIGHT_DEGREES = 0.35, 13.0
_MOST_TAN = 3.0
_STEEP_DEGREES = 20.0  # of the found lean; the true one is 5 to 10 more
_STEEP_IMAGES = 5  # in a row: in 1 of 150 images the network has someone upright lean that far
_FOLLOWS = 0.6  # of a hand's or foot's depth from its joint: one sigma
_FOLLOWS_LEAST = 0.02  # meters
_FOLLOWS_MEASURED = 0.04  # meters: what depth at a small part's keypoint differs by besides
# Networks swap left and right of a whole body at times: then its chest seems to point away from the
# camera while both toes are below their heels in the image, or the other way about. By how much of
# the trunk's length at least; the cosine by which the chest points to the camera or away; scores.
_TOES_LOWER, _TURNED_CHEST, _SEEN_FEET = 0.03, 0.5, 0.5
_NOSE = 1.35  # breadth between the ears over how far the nose lies before them, in BlazePose
_GAZE_TURN = 1.25  # BlazePose turns heads too little against the chest


def level_floor(camera_height: float, pitch_degrees: float, roll_degrees: float = 0.0) -> Floor:
    """Return the floor below a camera that is mounted at a height and pitch.

    Args:
        camera_height: Meters above the floor; ranges are those of ``MountOptions``.
        pitch_degrees: Positive: the camera looks down.
        roll_degrees: Positive: the camera is turned clockwise, seen from behind it.

    Raises:
        OptionError: One is out of its range.
    """
    MountOptions(camera_height, pitch_degrees, roll_degrees)  # refuses what is out of range
    pitch, roll = math.radians(pitch_degrees), math.radians(roll_degrees)
    down = math.cos(pitch)
    up = np.array([-down * math.sin(roll), -down * math.cos(roll), -math.sin(pitch)])
    return Floor(camera_height, up)


def floor_below(mount: MountOptions) -> Floor | None:
    """Return the floor below a mounted camera; None where its height is unknown."""
    if mount.camera_height is None:
        return None
    return level_floor(mount.camera_height, mount.camera_pitch, mount.camera_roll)


@dataclass
class _Person:
    """What is remembered of one id."""

    memory: BoneMemory
    height: float | None
    filter: OneEuroFilter = field(default_factory=lambda: OneEuroFilter(DEPTH_SMOOTHING))
    count: int = 0
    steep: int = 0
    """Images in a row in which the person was seen from far above."""

    def smooth(self, points: Float64Array, stamp: float) -> Float64Array:
        """Filter the distances of (K, 3) points, each by itself; a missing one starts over."""
        if len(points) != self.count:  # another skeleton than before
            self.count, self.filter = len(points), OneEuroFilter(DEPTH_SMOOTHING)
        depths = points[:, 2]
        smooth: Float64Array = points * (self.filter(depths, stamp) / depths)[:, None]
        return smooth


class _People:
    """What is remembered of the people of a stream, by their ids."""

    def __init__(self) -> None:
        self.forget()

    def lose_sight(self) -> None:
        """Do nothing: an id that is kept over a gap is the same person's."""

    def forget(self) -> None:
        """Forget everybody."""
        self._people: dict[int, _Person] = {}

    def person(self, id_: int, height: float | None, stamp: float) -> _Person:
        """Return what is remembered of an id; nothing yet when the height was changed."""
        person = self._people.pop(id_, None)
        if person is None or person.height != height:
            if height is None:
                size = HeightPrior(DEFAULT_HEIGHT, DEFAULT_HEIGHT_SPREAD)
            else:
                size = HeightPrior(height, KNOWN_HEIGHT_SPREAD)
            person = _Person(BoneMemory(size), height)
        self._people[id_] = person  # the last seen stand last
        while len(self._people) > _LOST_AFTER:
            del self._people[next(iter(self._people))]
        person.memory.advance(stamp)
        return person


class Lifter:
    """Gives people of one stream of images their places in meters.

    >>> import pose_ros
    >>> frame = pose_ros.open_source("synthetic:stand", live=False).read()
    >>> poses = pose_ros.create_estimator().estimate(frame.image, channels=frame.channels)
    >>> lifter = pose_ros.Lifter(pose_ros.LiftOptions(height=1.75))
    >>> camera = pose_ros.Camera.from_hfov(frame.width, frame.height, hfov_degrees=60.0)
    >>> (pose,) = lifter.lift(poses, camera)
    >>> x, y, z = pose.camera_of("left_hip")  # meters in the camera's optical frame
    >>> bool(1.0 < z < 10.0)
    True
    """

    def __init__(self, options: LiftOptions | None = None, *, is_alone: bool = True) -> None:
        """Begin a stream.

        Args:
            options: They may be replaced between two frames.
            is_alone: Whether no other camera measures the distances that this one cannot.
        """
        self.options = options or LiftOptions()
        self._stream = Stream(_People)
        self._warned = not is_alone

    def reset(self) -> None:
        """Begin a new stream: nothing is remembered of anybody."""
        self._stream.reset()

    def lift(
        self,
        poses: Poses,
        camera: Camera,
        stamp: float | None = None,
        *,
        floor: Floor | None = None,
        depth: DepthImage | None = None,
        heights: Mapping[int, float] | None = None,
    ) -> Poses:
        """Return the poses with ``camera``, ``camera_sources`` and ``camera_sigmas``.

        Args:
            poses: As a network finds them, in pixels of the camera's image.
            camera: That took the image; lens distortion is undone for the keypoints.
            stamp: Of the image in seconds, rising within a stream; a jump back forgets
                everybody. Without a stamp the image is a picture by itself: nothing that was
                learned of a person of the same id counts, and distances are not filtered.
            floor: Where the camera knows how it is mounted (``level_floor``); the lower
                foot of each person is taken to be on it.
            depth: Registered to the image, as large as it.
            heights: Meters, of people by id, in place of the options' height.

        Returns:
            Keypoints that cannot be placed are NaN, with source NONE: those that were
            not found, and those of networks without a metric shape where no depth was
            measured. Where none of an image can, ``camera`` is None.

        Raises:
            OptionError: The lens model is unknown, or a height is out of its range.
            ImageError: The depth image has another size than the camera, or the stamp is
                not finite or that of the image before.
        """
        for known in (heights or {}).values():
            LiftOptions(height=known)  # refuses one out of its range
        if depth is not None:
            if depth.size != (camera.width, camera.height):
                raise ImageError(
                    "expected a depth image registered to the camera's "
                    f"{camera.width}x{camera.height} pixels, got {depth.size[0]}x{depth.size[1]}"
                )
            if stamp is not None and abs(depth.stamp - stamp) > self.options.max_depth_skew:
                depth = None
        enough = 1 if stamp is None else _STEEP_IMAGES
        remembered, stamp = self._stream.take((camera.height, camera.width), stamp)
        pixels = poses.keypoints.astype(np.float64)
        rays = camera.pinhole.rays(camera.undistort(pixels))
        people, count = poses.keypoint_scores.shape
        points = np.full((people, count, 3), np.nan)
        sources = np.zeros((people, count), np.uint8)
        sigmas = np.full((people, count), np.nan)
        measured = None if depth is None else Measured(depth, float(camera.matrix[0, 0]))
        model = None if poses.world is None else body_model(poses.skeleton)
        for i in range(people):
            id_ = int(poses.ids[i])
            height = heights[id_] if heights and id_ in heights else self.options.height
            person = remembered.person(id_, height, stamp)
            sight = observe_body(poses[i], rays[i], measured, person.memory.size.height)
            body = None if model is None else place_body(model, sight, person.memory, floor)
            if body is None:
                body = place_measured(sight, person.memory.size.height)
            person.steep = person.steep + 1 if body.steep else 0
            if not self._warned and person.steep >= enough:
                self._warned = True
                _log.warning(
                    "the camera looks down at people steeply: without the floor or depth their "
                    "distances may be off by 6 to 20%; give the camera's height and pitch"
                )
            points[i], sources[i], sigmas[i] = body.result()
            if self.options.smoothing:
                points[i] = person.smooth(points[i], stamp)
        return poses.replace(camera=points, camera_sources=sources, camera_sigmas=sigmas)


@dataclass(frozen=True, eq=False)
class Measured:
    """A registered depth image.

    Attributes:
        depth: The image.
        focal: Of its camera, pixels.
    """

    depth: DepthImage
    focal: float


@dataclass(frozen=True, eq=False)
class PlacedBody:
    """One body while it is placed: K keypoints.

    Attributes:
        sight: What is seen of it.
        height: Meters.
        depths: (K,) meters along z, NaN until they are known; filled in place.
        sigmas: (K,) meters, of them.
        sources: (K,) of ``PositionSource``.
        steep: Whether it is seen from so far above that its distance is a guess.
    """

    sight: BodyObservation
    height: float
    depths: Float64Array
    sigmas: Float64Array
    sources: NDArray[np.uint8]
    steep: bool = False

    @classmethod
    def unplaced(cls, sight: BodyObservation, height: float, *, steep: bool = False) -> PlacedBody:
        """Return a body of which nothing is known."""
        count = len(sight.rays)
        depths, sigmas = np.full((2, count), np.nan)
        return cls(sight, height, depths, sigmas, np.zeros(count, np.uint8), steep)

    def put(
        self,
        keypoints: NDArray[np.intp],
        depths: Float64Array,
        sigmas: Float64Array,
        measured: NDArray[np.bool_],
    ) -> None:
        """Fill in keypoints: their depths and sigmas, or what was measured of them."""
        sight = self.sight
        self.depths[keypoints] = depths
        self.sigmas[keypoints] = np.where(measured, sight.measured_sigmas[keypoints], sigmas)
        self.sources[keypoints] = np.where(measured, PositionSource.DEPTH, PositionSource.MODEL)

    def agrees(
        self, keypoints: NDArray[np.intp], depths: Float64Array, sigmas: Float64Array
    ) -> NDArray[np.bool_]:
        """Return where what was measured may be the keypoint at that depth, not an occluder."""
        spread = np.hypot(self.sight.measured_sigmas[keypoints], sigmas)
        near: NDArray[np.bool_] = np.abs(self.sight.measured[keypoints] - depths) <= _SURE * spread
        return near

    def result(self) -> tuple[Float64Array, NDArray[np.uint8], Float64Array]:
        """Return ``camera``, ``camera_sources`` and ``camera_sigmas`` of ``Poses``."""
        rays = self.sight.rays
        points = self.depths[:, None] * rays
        across = self.sight.sideways * (_SIDEWAYS_STATED / _SIDEWAYS) * self.height
        along = self.sigmas * np.linalg.norm(rays, axis=1)
        total = np.sqrt(along**2 + 2.0 * across**2)
        known = np.isfinite(points).all(axis=1) & np.isfinite(total) & (self.depths > 0)
        return (
            np.where(known[:, None], points, np.nan),
            np.where(known, self.sources, np.uint8(PositionSource.NONE)),
            np.where(known, total, np.nan),
        )


def observe_body(
    pose: Pose, rays: Float64Array, seen: Measured | None, height: float
) -> BodyObservation:
    """Return what is seen of one body.

    Args:
        pose: The body.
        rays: (K, 3) of its keypoints, z = 1.
        seen: What measures depths; None without a depth camera.
        height: Meters, of the body as far as is known.
    """
    scores = pose.keypoint_scores.astype(np.float64)
    bounded = np.clip(scores, _LEAST_SCORE, 1.0)
    nothing = np.full((len(scores), 3), np.nan)
    measured, measured_sigmas = nothing[:, :2].T
    if seen is not None:
        skin = under_skin(pose.skeleton) * height
        sure = (scores >= _MEASURED_SCORE)[:, None]
        pixels = np.where(sure, pose.keypoints.astype(np.float64), np.nan)
        measured, measured_sigmas = _measure(seen, pixels, skin)
    return BodyObservation(
        rays=np.where((scores > 0)[:, None], rays, np.nan),
        sideways=_SIDEWAYS / bounded,
        shape=nothing if pose.world is None else pose.world.astype(np.float64),
        scores=bounded,
        measured=measured,
        measured_sigmas=measured_sigmas,
    )


def _measure(
    seen: Measured, pixels: Float64Array, skin: Float64Array
) -> tuple[Float64Array, Float64Array]:
    """Return measured depths (K,) of joints, not of the skin over them, and their sigmas."""
    first = seen.depth.surfaces(pixels, np.full(len(pixels), 2.0), 0.0, np.inf)
    if not np.isfinite(first).any():
        return first, first
    middle = float(np.nanmedian(first))
    radii = np.maximum(_PATCH * skin, _PATCH_LEAST) * seen.focal / middle
    surfaces = seen.depth.surfaces(pixels, radii, middle - _BODY, middle + _BODY)
    noise = _SENSOR[0] + _SENSOR[1] * surfaces**2
    return surfaces + skin, np.hypot(noise, _SKIN_SIGMA * skin)


def place_body(
    model: BodyModel, sight: BodyObservation, memory: BoneMemory, floor: Floor | None
) -> PlacedBody | None:
    """Place a body with a metric shape; None when its trunk was not found."""
    trunk = fit_trunk(model, sight, memory.size, floor)
    if trunk is None:
        return None
    memory.learn_size(trunk.size)
    bearing = _bearing(model, sight, trunk)
    sigmas = _TRUNK_STATED * np.sqrt(np.diag(trunk.covariance))
    steep = False
    if floor is None and not np.isfinite(sight.measured).any():
        lean = math.asin(min(1.0, max(0.0, -float(bearing.up @ bearing.toward))))
        steep = _seen_from_above(model, sight, trunk)
        more = min(math.tan(lean), _MOST_TAN) - math.tan(math.radians(_UPRIGHT_DEGREES))
        sigmas = np.hypot(sigmas, _TURNED_SIGMA * max(0.0, more) * trunk.depths)
    body = PlacedBody.unplaced(sight, trunk.size.height, steep=steep)
    # errors of measured depths are alike over a body: many of them make no joint surer, so
    # that each keeps its own sigma
    measured = body.agrees(model.joints, trunk.depths, sigmas)
    body.put(model.joints, trunk.depths, sigmas, measured)
    for arm, other in zip(model.arms, reversed(model.arms), strict=True):
        _place_arm(np.array(arm), np.array(other), body, memory, bearing)
    if _swapped(model, sight, bearing):
        _distrust_arms(model, body)
    _place_followers(model, body)
    return body


def _swapped(model: BodyModel, sight: BodyObservation, bearing: Bearing) -> bool:
    """Return whether chest and feet point opposite ways, one to the camera, one away from it.

    Of feet below the camera, which are nearly all, toes that point to it are below their heels.
    """
    away = float(bearing.front @ bearing.toward)
    if not model.feet or abs(away) < _TURNED_CHEST:
        return False
    heels, toes = np.array(model.feet).T
    if not (sight.scores[[*heels, *toes]] >= _SEEN_FEET).all():
        return False
    rays = sight.rays / (sight.rays @ bearing.toward)[:, None]
    left_shoulder, right_shoulder, left_hip, right_hip = rays[model.joints[2:6]]
    trunk = abs(float((left_shoulder + right_shoulder - left_hip - right_hip) @ bearing.up)) / 2.0
    lower = (rays[heels] - rays[toes]) @ bearing.up
    return bool((np.sign(away) * lower > _TOES_LOWER * trunk).all())


def _distrust_arms(model: BodyModel, body: PlacedBody) -> None:
    """Say of arms that may be each other's that they are anywhere about their shoulders."""
    for shoulder, *ends in model.arms:
        guessed = body.sources[ends] == PositionSource.MODEL
        reach = body.height * np.cumsum([UPPER_ARM, FOREARM])
        wide = np.hypot(body.sigmas[ends], np.hypot(body.sigmas[shoulder], reach))
        body.sigmas[ends] = np.where(guessed, wide, body.sigmas[ends])


def _seen_from_above(model: BodyModel, sight: BodyObservation, trunk: Trunk) -> bool:
    """Return whether a person whose legs are seen, too, leans to the camera as a whole.

    Who bows or sits bent leans with the trunk alone.
    """
    if len(model.joints) < 10 or sight.scores[model.joints[4:10]].min() < _MEASURED_SCORE:
        return False
    points = trunk.depths[:, None] * sight.rays[model.joints]
    axis = _unit(points[2:4].mean(axis=0) - points[8:10].mean(axis=0))
    return bool(-axis @ trunk.toward > math.sin(math.radians(_STEEP_DEGREES)))


def _bearing(model: BodyModel, sight: BodyObservation, trunk: Trunk) -> Bearing:
    """Return how a placed trunk stands."""
    points = trunk.depths[:, None] * sight.rays[model.joints]
    left_shoulder, right_shoulder, left_hip, right_hip = points[2:6]
    up = _unit(left_shoulder + right_shoulder - left_hip - right_hip)
    front = _unit(np.cross(left_shoulder - right_shoulder, up))
    nose = int(np.flatnonzero(model.parents == model.joints[0])[0])
    gaze = _gaze(sight.rays[[nose, *model.joints[:2]]], trunk.toward, up, front)
    return Bearing(trunk.toward, up, front, gaze)


def _gaze(
    face: Float64Array, toward: Float64Array, up: Float64Array, front: Float64Array
) -> Float64Array:
    """Return where a face looks, level, by the rays of its nose, left and right ear.

    Zeros where one of them was not found. Of a head, pixels say more than the network's shape.
    """
    if not np.isfinite(face).all():
        return np.zeros(3)
    nose, left, right = face / (face @ toward)[:, None]
    aside = _unit(np.cross(toward, up))
    facing = _unit(np.cross(aside, up))  # the camera, level
    look = _NOSE * ((nose - (left + right) / 2) @ aside) * aside + ((left - right) @ aside) * facing
    side = np.cross(up, front)
    turn = _GAZE_TURN * math.atan2(look @ side, look @ front)
    turn = min(max(turn, -MOST_TURNED), MOST_TURNED)
    gaze: Float64Array = math.cos(turn) * front + math.sin(turn) * side
    return gaze


def _place_arm(
    arm: NDArray[np.intp],
    other: NDArray[np.intp],
    body: PlacedBody,
    memory: BoneMemory,
    bearing: Bearing,
) -> None:
    """Fill in elbow and wrist of an arm, the indices of its shoulder, elbow and wrist.

    ``other``: the same of the other arm, which is only looked at.
    """
    sight, shoulder, ends = body.sight, arm[0], arm[1:]
    if not (np.isfinite(sight.rays[arm]).all() and np.isfinite(sight.shape[arm]).all()):
        return
    base = body.depths[shoulder] * sight.rays[shoulder]
    factors, spread = memory.arms()
    usual = np.array([UPPER_ARM, FOREARM]) * body.height
    sideways = sight.sideways[arm] * body.height
    # as if the other wrist were as far away as its shoulder
    reaches = body.depths[other[0]] * (sight.rays[other[2]] - sight.rays[other[0]])
    placed = fit_arm(
        Reach(
            shoulder=base,
            rays=sight.rays[ends],
            lengths=usual * factors,
            spread=spread,
            sideways=sideways,
            shape=sight.shape[arm],
            scores=sight.scores[arm],
            measured=sight.measured[ends],
            measured_sigmas=sight.measured_sigmas[ends],
            other=float(-reaches @ bearing.up) / float((usual * factors).sum()),
        ),
        bearing,
    )
    own = placed.by_depth > 0.5
    depths = np.where(own, sight.measured[ends], placed.depths)
    body.put(ends, depths, np.hypot(placed.sigmas, body.sigmas[shoulder]), own)
    # as if all of the arm were as far along the line of sight as the shoulder
    rays = sight.rays[arm] / (sight.rays[arm] @ bearing.toward)[:, None]
    seen = np.linalg.norm(np.diff(base @ bearing.toward * rays, axis=0), axis=1)
    memory.learn_arm(seen, usual, float(np.hypot(*sideways[:2])))


def _place_followers(model: BodyModel, body: PlacedBody) -> None:
    """Fill in face, hands and feet: their joint's depth and the network's offset from it."""
    sight, ears = body.sight, model.joints[:2]
    followers = np.flatnonzero(model.parents >= 0)
    parents = model.parents[followers]
    bases, base_sigmas = body.depths[parents], body.sigmas[parents]
    origins = sight.shape[parents, 2]
    # a face hangs between the ears, of which one is hidden at times
    face = parents == ears[0]
    bases[face], origins[face] = body.depths[ears].mean(), sight.shape[ears, 2].mean()
    offsets = (sight.shape[followers, 2] - origins) * (body.height / NETWORK_HEIGHT)
    guessed = bases + offsets
    sigmas = np.hypot(base_sigmas, np.maximum(_FOLLOWS_LEAST, _FOLLOWS * np.abs(offsets)))
    own = body.agrees(followers, guessed, sigmas)
    body.put(followers, np.where(own, sight.measured[followers], guessed), sigmas, own)
    body.sigmas[followers[own]] = np.hypot(body.sigmas[followers[own]], _FOLLOWS_MEASURED)


def place_measured(sight: BodyObservation, height: float) -> PlacedBody:
    """Place what was measured, of a network without a metric shape."""
    body = PlacedBody.unplaced(sight, height)
    known = np.isfinite(sight.measured)
    if known.any():
        middle = np.median(sight.measured[known])
        own = np.flatnonzero(known & (np.abs(sight.measured - middle) < _BODY))
        body.put(own, sight.measured[own], sight.measured_sigmas[own], np.ones(len(own), bool))
    return body


def _unit(vector: Float64Array) -> Float64Array:
    unit: Float64Array = vector / max(float(np.linalg.norm(vector)), 1e-9)
    return unit


# Errors of one second are much the same from frame to frame: it counts as one observation.
_INDEPENDENT_SECONDS = 1.0
_LEAST_SPREAD = 0.01
_NEWS = 1.01  # an image that makes the height hardly surer says nothing of it

_FACTORS = np.exp(np.linspace(-0.15, 0.15, 21))
_LEANS = np.linspace(0.0, 0.995, 40)
_OUTLIERS = 0.2
_PLAUSIBLE = 1e-3  # of the best length's likelihood: below it the bone is no bone of this body
_ROUGHNESS = 0.04  # share of the length


class BoneMemory:
    """One person's size and arms, as they show in one image after the other."""

    def __init__(self, size: HeightPrior) -> None:
        """``size``: what is known beforehand."""
        self._size = size
        prior = -0.5 * (np.log(_FACTORS) / ARM_SPREAD) ** 2
        self._arms = np.tile(prior, (2, 1))  # upper arm, forearm
        self._stamp: float | None = None
        self._weight = 1.0

    @property
    def size(self) -> HeightPrior:
        """How tall, as far as is known."""
        return self._size

    def arms(self) -> tuple[Float64Array, float]:
        """Return factors (2,) on the lengths of upper arm and forearm, and one sigma of them."""
        p = np.exp(self._arms - self._arms.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        logs = np.log(_FACTORS)
        mean = p @ logs
        variance = (p * (logs - mean[:, None]) ** 2).sum(axis=1)
        return np.exp(mean), float(np.sqrt(variance.mean()))

    def advance(self, stamp: float) -> None:
        """Begin with the image of that stamp, in seconds."""
        if self._stamp is not None:
            self._weight = float(np.clip((stamp - self._stamp) / _INDEPENDENT_SECONDS, 0.0, 1.0))
        self._stamp = stamp

    def learn_size(self, size: HeightPrior) -> None:
        """Take over what an image says, given what was known before it."""
        before, after = self._size.spread**-2, size.spread**-2
        gained = self._weight * (after - before)
        if after < _NEWS * before or gained <= 0.0:
            return
        mean, seen = np.log(self._size.height), np.log(size.height)
        # the image's own share of the mean that came out
        own = (after * seen - before * mean) / (after - before)
        total = before + gained
        height = float(np.exp((before * mean + gained * own) / total))
        self._size = HeightPrior(height, max(_LEAST_SPREAD, float(total**-0.5)))

    def learn_arm(self, seen: Float64Array, lengths: Float64Array, error: float) -> None:
        """Learn from how long an arm's bones look across the view.

        Every lean of a bone is as likely; so a bone is hardly ever shorter than it looks.

        Args:
            seen: (2,) meters across the view of upper arm and forearm.
            lengths: (2,) meters that they have on average in a body of that height.
            error: Meters, one sigma of ``seen``.
        """
        for i in range(2):
            long = lengths[i] * _FACTORS[:, None]
            sigma = np.hypot(error, _ROUGHNESS * lengths[i])
            across = long * np.sqrt(1.0 - _LEANS**2)
            likely = np.exp(-0.5 * ((seen[i] - across) / sigma) ** 2).mean(axis=1)
            if likely.max() < _PLAUSIBLE:
                continue
            # only how it differs with the length matters: it may be an outlier too
            likely = (1.0 - _OUTLIERS) * likely / likely.max() + _OUTLIERS
            self._arms[i] += self._weight * np.log(likely)
