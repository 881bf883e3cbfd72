"""Where cameras stand, from a checkerboard or a ChArUco board that they see."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import cv2
import numpy as np
from numpy.typing import NDArray

from pose_ros.core.camera import Camera, Float64Array
from pose_ros.core.multiview.bundle import (
    Bundle,
    BundleState,
    Observations,
    Rigid,
    Scale,
    board_points,
    solve,
)
from pose_ros.core.multiview.calibration import (
    CameraFit,
    RigCalibration,
    coverage,
    doubts,
    jackknife,
    turned_by,
)
from pose_ros.core.multiview.extrinsics import CameraView, Extrinsics
from pose_ros.core.types import Image
from pose_ros.errors import OptionError

LEAST_CORNERS = 6
"""Corners of a board that a camera has to see."""
LEAST_SIGHTINGS = 5
"""Instants in which two cameras have to see the board."""

_MAX_INSTANTS = 60
_MAX_SKEW = 0.04  # seconds between two images of one instant
_CORNER_PIXELS = 0.5
_DICTIONARY = "DICT_4X4_50"
_FORM = "charuco:COLUMNSxROWS:SQUARE:MARKER[:DICTIONARY] or checkerboard:COLUMNSxROWS:SQUARE"


@dataclass(frozen=True)
class CalibrationBoard:
    """A printed board.

    Attributes:
        columns: Of a ChArUco board squares; of a checkerboard inner corners.
        rows: Likewise.
        square: Meters, side of a square.
        marker: Meters, side of a marker; None for a checkerboard.
        dictionary: Of the markers, as OpenCV names it.
    """

    columns: int
    rows: int
    square: float
    marker: float | None = None
    dictionary: str = _DICTIONARY

    def __post_init__(self) -> None:
        if not (2 < self.columns <= 50 and 2 < self.rows <= 50):
            raise OptionError(f"a board has 3 to 50 columns and rows, got {self.columns}x"
                              f"{self.rows}")  # fmt: skip
        if not 0.001 <= self.square <= 2.0:
            raise OptionError(f"a board's square must be in [0.001, 2] m, got {self.square:g}")
        if self.marker is not None and not 0.0 < self.marker < self.square:
            raise OptionError(
                f"a marker must be smaller than its square of {self.square:g} m, got "
                f"{self.marker:g} m"
            )
        if not hasattr(cv2.aruco, self.dictionary) or not self.dictionary.startswith("DICT_"):
            raise OptionError(f"unknown dictionary {self.dictionary!r}; such as {_DICTIONARY}")

    @classmethod
    def parse(cls, text: str) -> CalibrationBoard:
        """Read ``charuco:5x7:0.04:0.03`` or ``checkerboard:8x6:0.025``.

        Raises:
            OptionError: It is neither, or a number is out of its range.
        """
        kind, *fields = text.split(":")
        try:
            columns, rows = (int(number) for number in fields[0].split("x"))
            sizes = [float(field) for field in fields[1:3]]
            if kind == "charuco" and len(fields) in (3, 4):
                return cls(columns, rows, sizes[0], sizes[1], *fields[3:])
            if kind == "checkerboard" and len(fields) == 2:
                return cls(columns, rows, sizes[0])
        except (ValueError, IndexError) as error:
            if isinstance(error, OptionError):
                raise
        raise OptionError(f"a board is {_FORM}, in meters; got {text!r}")

    @cached_property
    def corners(self) -> Float64Array:
        """(C, 3) meters in the board's own frame, z = 0."""
        less = 0 if self.marker is None else 1
        rows, columns = np.mgrid[0 : self.rows - less, 0 : self.columns - less]
        flat = np.stack([columns.ravel(), rows.ravel(), np.zeros(rows.size)], axis=1)
        found: Float64Array = (flat + less * np.array([1.0, 1.0, 0.0])) * self.square
        return found

    @cached_property
    def _detector(self) -> cv2.aruco.CharucoDetector:
        kind = cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, self.dictionary))
        size = (self.columns, self.rows)
        return cv2.aruco.CharucoDetector(
            cv2.aruco.CharucoBoard(size, self.square, float(self.marker or 0.0), kind)
        )

    def find(self, image: Image) -> Float64Array | None:
        """Find the board in an image.

        Args:
            image: (H, W, 3) or (H, W) uint8.

        Returns:
            (C, 2) pixels of its corners, NaN where one is hidden; None where fewer than
            ``LEAST_CORNERS`` are seen. A checkerboard is found whole or not at all.
        """
        gray = image if image.ndim == 2 else image.mean(axis=2).astype(np.uint8)
        found = np.full((len(self.corners), 2), np.nan)
        if self.marker is None:
            size = (self.columns, self.rows)
            fine = cv2.CALIB_CB_ACCURACY | cv2.CALIB_CB_NORMALIZE_IMAGE
            ok, corners = cv2.findChessboardCornersSB(gray, size, flags=fine)
            if ok:
                found[:] = np.asarray(corners, float).reshape(-1, 2)
        else:
            corners, ids, *_ = self._detector.detectBoard(gray)
            if ids is not None:
                found[np.asarray(ids).ravel()] = np.asarray(corners, float).reshape(-1, 2)
        return found if np.isfinite(found[:, 0]).sum() >= LEAST_CORNERS else None

    def draw(self, pixels_a_meter: float, margin: float = 0.02) -> Image:
        """Return (H, W) uint8 the board to print, with a white margin in meters."""
        border = round(margin * pixels_a_meter)
        square = self.square * pixels_a_meter
        if self.marker is not None:
            size = round(self.columns * square), round(self.rows * square)
            drawn = self._detector.getBoard().generateImage(size, marginSize=0)
        else:
            rows, columns = self.rows + 1, self.columns + 1
            y, x = np.mgrid[0 : round(rows * square), 0 : round(columns * square)]
            dark = ((x // square).astype(int) + (y // square).astype(int)) % 2 == 0
            drawn = np.where(dark, 0, 255).astype(np.uint8)
        return np.pad(np.asarray(drawn, np.uint8), border, constant_values=255)


@dataclass(frozen=True, eq=False)
class BoardTrack:
    """A board as one camera saw it: T images, C corners.

    Attributes:
        name: Of the camera.
        size: Width and height of its images, pixels.
        camera: Its intrinsics; None: they are calibrated from the board, too.
        stamps: (T,) seconds, rising.
        corners: (T, C, 2) pixels, NaN where unseen.
    """

    name: str
    size: tuple[int, int]
    camera: Camera | None
    stamps: Float64Array
    corners: Float64Array


_LEAST_INTRINSICS = 8


def camera_from_board(track: BoardTrack, board: CalibrationBoard) -> Camera:
    """Return the intrinsics of a camera by what it saw of a board.

    Raises:
        OptionError: It saw the board too seldom.
    """
    rows = np.isfinite(track.corners[..., 0]).sum(axis=1) >= max(LEAST_CORNERS, 8)
    seen = np.flatnonzero(rows)
    if len(seen) < _LEAST_INTRINSICS:
        raise OptionError(
            f"{track.name} sees the board in {len(seen)} images, {_LEAST_INTRINSICS} are needed "
            "for its intrinsics: give them with --intrinsics, or show the board longer"
        )
    seen = seen[np.unique(np.linspace(0, len(seen) - 1, 40).astype(int))]
    known = [np.isfinite(track.corners[i, :, 0]) for i in seen]
    objects = [board.corners[k].astype(np.float32) for k in known]
    pixels = [track.corners[i, k].astype(np.float32) for i, k in zip(seen, known, strict=True)]
    _, matrix, lens, *_ = cv2.calibrateCamera(objects, pixels, track.size, None, None)  # type: ignore[call-overload]
    return Camera(*track.size, np.asarray(matrix, float), distortion=np.asarray(lens).ravel()[:5])


@dataclass(frozen=True, eq=False)
class _Placed:
    """A board's pose in a camera's optical frame, in one instant."""

    turn: Float64Array
    shift: Float64Array


def calibrate_from_board(tracks: Sequence[BoardTrack], board: CalibrationBoard) -> RigCalibration:
    """Find where cameras stand from a board that is moved through their views.

    Args:
        tracks: What each of two or more cameras saw, by one clock.
        board: What it was.

    Returns:
        The cameras, in the first one's optical frame.

    Raises:
        OptionError: There are too few cameras, or two of them never see the board together; the
            message names the camera.
    """
    if len(tracks) < 2:
        raise OptionError(f"expected two or more cameras, got {len(tracks)}")
    cameras = [track.camera or camera_from_board(track, board) for track in tracks]
    pixels = _instants(tracks)  # (V, T, C, 2), as the cameras give them
    plain = np.stack([c.undistort(p) for c, p in zip(cameras, pixels, strict=True)])
    matrices = np.stack([c.matrix for c in cameras])
    poses = [[_pose(p, m, board) for p in own] for own, m in zip(plain, matrices, strict=True)]
    names = [track.name for track in tracks]
    places = _chained(poses, names, board)
    plain = _turned_around(plain, poses, places, board)
    bundle, state, instants = _board_bundle(plain, matrices, poses, places, board)
    result = solve(bundle, state)
    errors = bundle.errors(result.state)
    groups = instants[bundle.seen.points] % 5
    sigmas = jackknife(bundle, result.state, groups)
    fits, notes = [], []
    for v, track in enumerate(tracks):
        own = bundle.seen.cameras == v
        fit = CameraFit(
            track.name,
            len(np.unique(instants[bundle.seen.points[own]])),
            float(np.median(errors[own])),
            float(np.percentile(errors[own], 90)),
            sigmas.turns[v],
            sigmas.shares[v],
            coverage(bundle.seen.pixels[own], track.size),
        )
        fits.append(fit)
        notes += doubts(fit)
    views = tuple(
        CameraView(name, camera, Extrinsics(turn, shift))
        for name, camera, turn, shift in zip(
            names, cameras, result.state.rotations, result.state.translations, strict=True
        )
    )
    return RigCalibration(views, tuple(fits), result.state.points, notes=tuple(notes))


def _instants(tracks: Sequence[BoardTrack]) -> Float64Array:
    """Return (V, T, C, 2) what the cameras saw at the same time, where two or more saw it."""
    merged = np.unique(np.concatenate([t.stamps for t in tracks]))
    stamps = merged[np.concatenate([[True], np.diff(merged) > _MAX_SKEW / 2])]
    found = np.full((len(tracks), len(stamps), tracks[0].corners.shape[1], 2), np.nan)
    for v, track in enumerate(tracks):
        if len(track.stamps):
            nearest = np.abs(track.stamps[None] - stamps[:, None]).argmin(axis=1)
            near = np.abs(track.stamps[nearest] - stamps) <= _MAX_SKEW
            found[v, near] = track.corners[nearest[near]]
    seen = np.isfinite(found[..., 0]).sum(axis=2) >= LEAST_CORNERS
    together = np.flatnonzero(seen.sum(axis=0) >= 2)
    if len(together) < LEAST_SIGHTINGS:
        raise OptionError(
            f"only {len(together)} instants have the board in two views at once, "
            f"{LEAST_SIGHTINGS} are needed: hold it where the cameras see it together"
        )
    chosen = together[np.unique(np.linspace(0, len(together) - 1, _MAX_INSTANTS).astype(int))]
    kept: Float64Array = np.where(seen[:, chosen][..., None, None], found[:, chosen], np.nan)
    return kept


def _pose(pixels: Float64Array, matrix: Float64Array, board: CalibrationBoard) -> _Placed | None:
    known = np.isfinite(pixels).all(axis=1)
    if known.sum() < LEAST_CORNERS:
        return None
    ok, turn, shift = cv2.solvePnP(
        board.corners[known], pixels[known], matrix, np.zeros(5), flags=cv2.SOLVEPNP_IPPE
    )
    if not ok:
        return None
    return _Placed(np.asarray(cv2.Rodrigues(turn)[0], float), np.asarray(shift, float).ravel())


def _half_turn(board: CalibrationBoard) -> tuple[Float64Array, Float64Array]:
    """Return the turn and shift that take a checkerboard to itself, last corner first."""
    return np.diag([-1.0, -1.0, 1.0]), board.corners[-1]


def _around(pose: _Placed, board: CalibrationBoard) -> _Placed:
    turn, shift = _half_turn(board)
    return _Placed(pose.turn @ turn, pose.shift + pose.turn @ shift)


def _relative(first: _Placed, second: _Placed) -> _Placed:
    """Return the pose that takes the first camera's points to the second camera."""
    turn = second.turn @ first.turn.T
    return _Placed(turn, second.shift - turn @ first.shift)


def _middle(candidates: Sequence[_Placed]) -> _Placed:
    """Return the one that most others are near to."""
    scale = max(1e-3, float(np.median([np.linalg.norm(c.shift) for c in candidates])))

    def apart(a: _Placed, b: _Placed) -> float:
        far = float(np.linalg.norm(a.shift - b.shift)) / scale
        return min(0.3, turned_by(a.turn, b.turn) + far)

    return min(candidates, key=lambda c: sum(apart(c, other) for other in candidates))


def _chained(
    poses: Sequence[Sequence[_Placed | None]], names: Sequence[str], board: CalibrationBoard
) -> list[_Placed]:
    """Place all cameras in the first one's frame, along the pairs that share most instants."""
    shared: dict[tuple[int, int], list[_Placed]] = {}
    for a, b in combinations(range(len(poses)), 2):
        both = [(p, q) for p, q in zip(poses[a], poses[b], strict=True) if p and q]
        candidates = [_relative(p, q) for p, q in both]
        if board.marker is None:
            candidates += [_relative(p, _around(q, board)) for p, q in both]
        if len(both) >= LEAST_SIGHTINGS:
            shared[a, b] = candidates
    placed: dict[int, _Placed] = {0: _Placed(np.eye(3), np.zeros(3))}
    while len(placed) < len(poses):
        edges = [pair for pair in shared if (pair[0] in placed) != (pair[1] in placed)]
        if not edges:
            lost = next(names[v] for v in range(len(poses)) if v not in placed)
            raise OptionError(
                f"{lost} and another camera see the board together in fewer than "
                f"{LEAST_SIGHTINGS} instants: hold it where both see it"
            )
        a, b = max(edges, key=lambda pair: len(shared[pair]))
        step = _middle(shared[a, b])
        if a in placed:
            new, old = b, placed[a]
        else:
            new, old = a, placed[b]
            step = _Placed(step.turn.T, -step.turn.T @ step.shift)
        placed[new] = _Placed(step.turn @ old.turn, step.turn @ old.shift + step.shift)
    return [placed[v] for v in range(len(poses))]


def _in_world(pose: _Placed, camera: _Placed) -> _Placed:
    return _Placed(camera.turn.T @ pose.turn, camera.turn.T @ (pose.shift - camera.shift))


def _turned_around(
    pixels: Float64Array,
    poses: list[list[_Placed | None]],
    places: Sequence[_Placed],
    board: CalibrationBoard,
) -> Float64Array:
    """Number the corners of a checkerboard from the same end in all views of an instant."""
    if board.marker is not None:
        return pixels
    pixels = pixels.copy()
    for i in range(pixels.shape[1]):
        lead: _Placed | None = None
        for v, place in enumerate(places):
            pose = poses[v][i]
            if pose is None:
                continue
            here = _in_world(pose, place)
            if lead is None:
                lead = here
            elif turned_by(here.turn, lead.turn) > math.pi / 2.0:
                pixels[v, i] = pixels[v, i][::-1]
                poses[v][i] = _around(pose, board)
    return pixels


def _board_bundle(
    pixels: Float64Array,
    matrices: Float64Array,
    poses: Sequence[Sequence[_Placed | None]],
    places: Sequence[_Placed],
    board: CalibrationBoard,
) -> tuple[Bundle, BundleState, NDArray[np.intp]]:
    """Return the problem, where it begins, and the instant of each point."""
    count, corners = pixels.shape[1], len(board.corners)
    starts = [
        _middle([_in_world(p, place) for own, place in zip(poses, places, strict=True)
                 if (p := own[i]) is not None])
        for i in range(count)
    ]  # fmt: skip
    v, i, c = np.nonzero(np.isfinite(pixels).all(axis=-1))
    seen = Observations(v, i * corners + c, pixels[v, i, c], np.full(len(v), _CORNER_PIXELS))
    instants = np.repeat(np.arange(count), corners)
    rigid = Rigid(instants, np.tile(board.corners, (count, 1)))
    lying = np.stack([s.turn for s in starts]), np.stack([s.shift for s in starts])
    state = BundleState(
        np.stack([place.turn for place in places]),
        np.stack([place.shift for place in places]),
        board_points(rigid, lying),
        np.zeros(0),
        lying,
    )
    return Bundle(matrices, seen, Scale(), rigid=rigid), state, instants
