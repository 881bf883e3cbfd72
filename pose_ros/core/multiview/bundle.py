"""Bundle adjustment: cameras and points that fit all pixels best, by sparse least squares.

Levenberg-Marquardt on the normal equations, which SciPy's sparse LU solves, with weights that
let wrong pixels fade out (Cauchy's loss). The points are free (a person's joints, which bones of
constant length hold together) or rigid (the corners of a board in one picture). Where the speeds
of pixels are known, clocks of cameras are found too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import splu
from scipy.spatial.transform import Rotation

from pose_ros.core.camera import Float64Array

IntArray = NDArray[np.intp]

_CAUCHY = 2.5
"""Whitened error, in sigmas, from which on a pixel counts as wrong rather than as noisy."""
_ITERATIONS = 60
_CONVERGED = 1e-5
"""Relative decrease of the cost below which the search ends."""
_MOST_MOVE = 0.1
"""Meters in one step, of a point: one whose pixels count little would jump from one wrong place to
another, and stop the search for all others by that."""
_DAMPINGS = 16  # tried in one step, each six times the one before
_FREE = 1e-6
"""Damping from which on it may end: with more, a step changes the size of everything hardly at all,
which a height fixes much more weakly than pixels fix the shape."""


@dataclass(frozen=True, eq=False)
class Observations:
    """M pixels, each of one point in one camera.

    Attributes:
        cameras: (M,) index of the camera.
        points: (M,) index of the point.
        pixels: (M, 2) without lens distortion.
        sigmas: (M,) pixels.
        speeds: (M, 2) pixels a second by which they move; None: clocks are known.
    """

    cameras: IntArray
    points: IntArray
    pixels: Float64Array
    sigmas: Float64Array
    speeds: Float64Array | None = None

    def only(self, which: NDArray[np.bool_]) -> Observations:
        """Return some of the pixels, (M,)."""
        return Observations(
            self.cameras[which],
            self.points[which],
            self.pixels[which],
            self.sigmas[which],
            None if self.speeds is None else self.speeds[which],
        )


@dataclass(frozen=True, eq=False)
class EqualBones:
    """E pairs of points whose distance is the same whenever they are of the same kind.

    Attributes:
        ends: (E, 2) indices of points.
        kinds: (E,) index of the kind; those of a second person follow the C of the first.
        spread: One sigma of one distance about its kind's length, as a share.
        lengths: (C,) of each kind for a body of height 1.
        spreads: (C,) one sigma of them, as a share.
        stature: Kinds whose sum is known better than each of them: where a knee is taken to lie
            makes the thigh longer and the shank shorter.
        stature_spread: One sigma of the sum, as a share.
        people: How many bodies there are.
        people_spread: One sigma of a body's height about their mean, as a share.
    """

    ends: IntArray
    kinds: IntArray
    spread: float
    lengths: Float64Array
    spreads: Float64Array
    stature: IntArray
    stature_spread: float
    people: int = 1
    people_spread: float = 0.0

    def split(self, log_lengths: Float64Array) -> tuple[Float64Array, Float64Array]:
        """Return (P, C) logarithms of lengths, and (P,) of heights."""
        count = self.people * len(self.lengths)
        return log_lengths[:count].reshape(self.people, -1), log_lengths[count:]


@dataclass(frozen=True, eq=False)
class Scale:
    """What fixes the size: the height, a distance between two cameras, or both.

    Attributes:
        height: Meters, with one sigma as a share, of several people their mean; None where there
            are no bones.
        baseline: Two indices of cameras, and meters between them; None where unknown.
    """

    height: tuple[float, float] | None = None
    baseline: tuple[int, int, float] | None = None


@dataclass(frozen=True, eq=False)
class BundleState:
    """What is solved for. The first camera stays where it is.

    Attributes:
        rotations: (V, 3, 3) of V cameras, world to optical frame.
        translations: (V, 3).
        points: (N, 3).
        log_lengths: (P * C + P,) logarithms of the bones' lengths of P people, then of their
            heights.
        boards: (G, 3, 3), (G, 3) turn and shift of each rigid group, None for free points.
        offsets: (V,) seconds to add to each camera's stamps, the first 0; None: clocks are known.
    """

    rotations: Float64Array
    translations: Float64Array
    points: Float64Array
    log_lengths: Float64Array
    boards: tuple[Float64Array, Float64Array] | None = None
    offsets: Float64Array | None = None


@dataclass(frozen=True, eq=False)
class Rigid:
    """Points of boards: point n is point ``local[n]`` of the group ``groups[n]``.

    Attributes:
        groups: (N,) index of the group, one board in one instant.
        local: (N, 3) meters in the board's own frame.
    """

    groups: IntArray
    local: Float64Array


@dataclass(frozen=True, eq=False)
class Bundle:
    """A problem: what was seen, and what is known beside it.

    Attributes:
        matrices: (V, 3, 3) camera matrices K.
        seen: The pixels.
        scale: What fixes the size.
        bones: Of free points; None for none.
        rigid: Which points form boards; None for free points.
    """

    matrices: Float64Array
    seen: Observations
    scale: Scale
    bones: EqualBones | None = None
    rigid: Rigid | None = None

    def project(self, state: BundleState) -> tuple[Float64Array, Float64Array]:
        """Return where points should be seen.

        Returns:
            (M, 2) pixels, and (M, 3) the points in their camera's optical frame.
        """
        c, p = self.seen.cameras, self.seen.points
        local = np.einsum("mij,mj->mi", state.rotations[c], state.points[p])
        local += state.translations[c]
        k = self.matrices[c]
        depth = np.where(local[:, 2] > 1e-3, local[:, 2], 1e-3)
        pixels = np.einsum("mij,mj->mi", k[:, :2, :2], local[:, :2] / depth[:, None]) + k[:, :2, 2]
        return pixels, local

    def shown(self, state: BundleState) -> Float64Array:
        """Return (M, 2) the pixels at the common instants, by the clocks of a state."""
        seen = self.seen
        if seen.speeds is None or state.offsets is None:
            return seen.pixels
        found: Float64Array = seen.pixels - state.offsets[seen.cameras][:, None] * seen.speeds
        return found

    def errors(self, state: BundleState) -> Float64Array:
        """Return (M,) pixels between where points are seen and where they should be."""
        pixels, local = self.project(state)
        error = np.linalg.norm(pixels - self.shown(state), axis=1)
        found: Float64Array = np.where(local[:, 2] > 1e-3, error, np.inf)
        return found


@dataclass(frozen=True, eq=False)
class BundleResult:
    """A solution.

    Attributes:
        state: Cameras and points.
        cost: Half the sum of the squared, robust, whitened errors.
        weights: (M,) in [0, 1]: how much each pixel still counts.
    """

    state: BundleState
    cost: float
    weights: Float64Array


def solve(
    bundle: Bundle, start: BundleState, *, iterations: int = _ITERATIONS, damping: float = 1e-3
) -> BundleResult:
    """Return the nearest minimum.

    Args:
        bundle: The problem.
        start: A guess: cameras to some ten degrees, points in front of them.
        iterations: At most so many steps.
        damping: Of the first step; less where the guess is a solution of about the same problem.
    """
    state = start
    cost, jacobian, residuals, weights = _linearized(bundle, state)
    for _ in range(iterations):
        # Points first: they join few others each, and what all of them share comes last, so
        # that the factors stay nearly as sparse as the matrix. SciPy's own orders take ten times
        # as long with several people.
        normal = (jacobian.T @ jacobian).tocsc()
        gradient = jacobian.T @ residuals
        diagonal = normal.diagonal()
        for _ in range(_DAMPINGS):
            step = _solved(normal, diagonal, damping, -gradient)
            trial = _moved(bundle, state, step) if step is not None else state
            trial_cost = _cost(bundle, trial) if step is not None else np.inf
            if trial_cost < cost:
                break
            damping *= 6.0
        else:
            break
        gained = (cost - trial_cost) / cost
        state, damping = trial, max(damping / 5.0, 1e-9)
        cost, jacobian, residuals, weights = _linearized(bundle, state)
        if gained < _CONVERGED and damping <= _FREE:
            break
    return BundleResult(state, cost, weights)


def _solved(
    normal: sparse.csc_matrix, diagonal: Float64Array, damping: float, right: Float64Array
) -> Float64Array | None:
    damped = (normal + sparse.diags(damping * diagonal + 1e-12)).tocsc()
    try:
        step = splu(
            damped, permc_spec="NATURAL", options={"SymmetricMode": True}, diag_pivot_thresh=0
        ).solve(right)
    except RuntimeError:  # singular
        return None
    found: Float64Array = np.asarray(step, np.float64)
    return found if bool(np.isfinite(found).all()) else None


def _sizes(bundle: Bundle, state: BundleState) -> tuple[int, int, int, int]:
    """Return where lengths, offsets and cameras begin in a step after points, and its length."""
    others = len(bundle.matrices) - 1
    lengths = 6 * len(state.boards[1]) if state.boards is not None else 3 * len(state.points)
    offsets = lengths + len(state.log_lengths)
    cameras = offsets + (0 if state.offsets is None else others)
    return lengths, offsets, cameras, cameras + 6 * others


def _moved(bundle: Bundle, state: BundleState, step: Float64Array) -> BundleState:
    lengths_at, offsets_at, cameras_at, _ = _sizes(bundle, state)
    turns = step[cameras_at:].reshape(-1, 6)
    turned = Rotation.from_rotvec(turns[:, :3]).as_matrix()
    rotations, translations = state.rotations.copy(), state.translations.copy()
    rotations[1:] = turned @ rotations[1:]
    translations[1:] = np.einsum("vij,vj->vi", turned, translations[1:]) + turns[:, 3:]
    moved = step[:lengths_at]
    boards, points = None, state.points
    if state.boards is None:
        moves = moved.reshape(-1, 3)
        far = np.linalg.norm(moves, axis=1, keepdims=True)
        points = points + moves * np.minimum(1.0, _MOST_MOVE / np.maximum(far, 1e-12))
    else:
        move = moved.reshape(-1, 6)
        turn = Rotation.from_rotvec(move[:, :3]).as_matrix() @ state.boards[0]
        boards = turn, state.boards[1] + move[:, 3:]
        points = board_points(bundle.rigid, boards)
    return replace(
        state,
        rotations=rotations,
        translations=translations,
        points=points,
        log_lengths=state.log_lengths + step[lengths_at:offsets_at],
        boards=boards,
        offsets=None
        if state.offsets is None
        else state.offsets + np.append(0.0, step[offsets_at:cameras_at]),
    )


def board_points(rigid: Rigid | None, boards: tuple[Float64Array, Float64Array]) -> Float64Array:
    """Return (N, 3) the points of boards that lie so."""
    assert rigid is not None  # noqa: S101 - boards come with it
    turned = np.einsum("nij,nj->ni", boards[0][rigid.groups], rigid.local)
    found: Float64Array = turned + boards[1][rigid.groups]
    return found


def _whitened(
    bundle: Bundle, state: BundleState
) -> tuple[Float64Array, Float64Array, Float64Array, Float64Array, Float64Array]:
    """Return errors over their sigmas.

    Returns:
        Of pixels (M, 2), their points in their cameras (M, 3), weights (M,), squared errors (M,)
        in units of Cauchy's scale, and the errors of all that is known beside the pixels.
    """
    seen = bundle.seen
    pixels, local = bundle.project(state)
    error = (pixels - bundle.shown(state)) / seen.sigmas[:, None]
    error[local[:, 2] <= 1e-3] = 1e3  # behind the camera
    squared = (error**2).sum(axis=1) / _CAUCHY**2
    weights = 1.0 / (1.0 + squared)
    return error, local, weights, squared, _known_errors(bundle, state)


def _cost(bundle: Bundle, state: BundleState) -> float:
    _, _, _, squared, known = _whitened(bundle, state)
    return float(0.5 * (_CAUCHY**2 * np.log1p(squared).sum() + (known**2).sum()))


def _known_errors(bundle: Bundle, state: BundleState) -> Float64Array:
    rows: list[Float64Array] = []
    bones = bundle.bones
    if bones is not None:
        between = state.points[bones.ends[:, 0]] - state.points[bones.ends[:, 1]]
        length = np.log(np.linalg.norm(between, axis=1) + 1e-9)
        rows.append((length - state.log_lengths[bones.kinds]) / bones.spread)
        lengths, heights = bones.split(state.log_lengths)
        expected = np.log(bones.lengths) + heights[:, None]
        rows.append(((lengths - expected) / bones.spreads).ravel())
        total = np.log(np.exp(lengths[:, bones.stature]).sum(axis=1))
        total -= np.log(bones.lengths[bones.stature].sum()) + heights
        rows.append(total / bones.stature_spread)
        if bones.people > 1:
            rows.append((heights - heights.mean()) / bones.people_spread)
        if bundle.scale.height is not None:
            meters, share = bundle.scale.height
            rows.append(np.array([(heights.mean() - np.log(meters)) / share]))
    scale = bundle.scale
    if scale.baseline is not None:
        a, b, meters = scale.baseline
        far = np.linalg.norm(_center(state, a) - _center(state, b))
        rows.append(np.array([(np.log(far + 1e-9) - np.log(meters)) / _BASELINE_SPREAD]))
    if state.offsets is not None:
        rows.append(state.offsets[1:] / _OFFSET_SPREAD)
    return np.concatenate(rows) if rows else np.zeros(0)


_BASELINE_SPREAD = 1e-3
"""One sigma of a measured baseline, as a share: it fixes the size and bends nothing else."""
_OFFSET_SPREAD = 0.05
"""Seconds, one sigma of a clock: for about so long a joint goes on as it moves."""


def _center(state: BundleState, camera: int) -> Float64Array:
    found: Float64Array = -state.rotations[camera].T @ state.translations[camera]
    return found


def _linearized(
    bundle: Bundle, state: BundleState
) -> tuple[float, sparse.csr_matrix, Float64Array, Float64Array]:
    """Return the cost, the Jacobian and the errors, both weighted, and the pixels' weights."""
    error, local, weights, squared, known = _whitened(bundle, state)
    cost = float(0.5 * (_CAUCHY**2 * np.log1p(squared).sum() + (known**2).sum()))
    root = np.sqrt(weights)
    pixels = _pixel_jacobian(bundle, state, local, root / bundle.seen.sigmas)
    jacobian = sparse.vstack([pixels, _known_jacobian(bundle, state)]).tocsr()
    residuals = np.concatenate([(error * root[:, None]).ravel(), known])
    return cost, jacobian, residuals, weights


def _pixel_jacobian(
    bundle: Bundle, state: BundleState, local: Float64Array, weights: Float64Array
) -> sparse.csr_matrix:
    seen = bundle.seen
    _, offsets_at, cameras_at, width = _sizes(bundle, state)
    count = len(seen.points)
    depth = np.where(local[:, 2] > 1e-3, local[:, 2], np.inf)
    k = bundle.matrices[seen.cameras]
    slope = np.zeros((count, 2, 3))
    slope[:, :, :2] = k[:, :2, :2] / depth[:, None, None]
    slope[:, :, 2] = -np.einsum("mij,mj->mi", k[:, :2, :2], local[:, :2]) / depth[:, None] ** 2
    slope *= weights[:, None, None]
    rows = 2 * np.arange(count)[:, None, None] + np.arange(2)[None, :, None]
    parts: list[tuple[Float64Array, IntArray, IntArray]] = []

    def put(values: Float64Array, columns: IntArray, which: NDArray[np.bool_]) -> None:
        wide = np.broadcast_to(columns[which][:, None, :], values[which].shape)
        tall = np.broadcast_to(rows[which], values[which].shape)
        parts.append((values[which].ravel(), tall.ravel(), wide.ravel()))

    moving = seen.cameras > 0
    turn = np.concatenate([-slope @ _cross(local), slope], axis=2)
    put(turn, cameras_at + 6 * (seen.cameras - 1)[:, None] + np.arange(6), moving)
    by_point = slope @ state.rotations[seen.cameras]
    everywhere = np.ones(count, bool)
    if state.boards is None:
        put(by_point, 3 * seen.points[:, None] + np.arange(3), everywhere)
    else:
        assert bundle.rigid is not None  # noqa: S101 - boards come with it
        group = bundle.rigid.groups[seen.points]
        lever = state.points[seen.points] - state.boards[1][group]
        both = np.concatenate([-by_point @ _cross(lever), by_point], axis=2)
        put(both, 6 * group[:, None] + np.arange(6), everywhere)
    if state.offsets is not None and seen.speeds is not None:
        late = seen.speeds[..., None] * weights[:, None, None]
        put(late, offsets_at + seen.cameras[:, None] - 1, moving)
    values, tall, wide = (np.concatenate(column) for column in zip(*parts, strict=True))
    return sparse.csr_matrix((values, (tall, wide)), shape=(2 * count, width))


def _known_jacobian(bundle: Bundle, state: BundleState) -> sparse.csr_matrix:
    lengths_at, offsets_at, cameras_at, width = _sizes(bundle, state)
    blocks = []
    bones = bundle.bones
    if bones is not None:
        count = len(bones.ends)
        between = state.points[bones.ends[:, 0]] - state.points[bones.ends[:, 1]]
        slope = between / ((between**2).sum(axis=1) + 1e-12)[:, None] / bones.spread
        index = np.repeat(np.arange(count), 3)
        first, second = ((3 * bones.ends[:, i][:, None] + np.arange(3)).ravel() for i in range(2))
        values = np.concatenate([slope.ravel(), -slope.ravel(), np.full(count, -1 / bones.spread)])
        rows = np.concatenate([index, index, np.arange(count)])
        columns = np.concatenate([first, second, lengths_at + bones.kinds])
        blocks.append(sparse.csr_matrix((values, (rows, columns)), shape=(count, width)))
        blocks += [_wide(part, lengths_at, width) for part in _length_slopes(bones, state)]
        if bundle.scale.height is not None:
            of_height = np.zeros((1, offsets_at - lengths_at))
            of_height[0, -bones.people :] = 1.0 / bones.people / bundle.scale.height[1]
            blocks.append(_wide(of_height, lengths_at, width))
    scale = bundle.scale
    if scale.baseline is not None:
        a, b, _ = scale.baseline
        row = np.zeros((1, width))
        between = _center(state, a) - _center(state, b)
        slope = between / (between @ between + 1e-12) / _BASELINE_SPREAD
        for camera, sign in ((a, 1.0), (b, -1.0)):
            if camera > 0:
                # a turn about the camera's own origin moves its center not at all
                at = cameras_at + 6 * (camera - 1)
                row[0, at + 3 : at + 6] = -sign * state.rotations[camera] @ slope
        blocks.append(sparse.csr_matrix(row))
    if state.offsets is not None:
        others = len(state.offsets) - 1
        values, index = np.full(others, 1.0 / _OFFSET_SPREAD), np.arange(others)
        blocks.append(
            sparse.csr_matrix((values, (index, offsets_at + index)), shape=(others, width))
        )
    if not blocks:
        return sparse.csr_matrix((0, width))
    return sparse.vstack(blocks).tocsr()


def _length_slopes(bones: EqualBones, state: BundleState) -> list[Float64Array]:
    """Return how what is known of lengths and heights changes with ``log_lengths``."""
    people, kinds = bones.people, len(bones.lengths)
    count = people * kinds
    heights = np.repeat(np.eye(people), kinds, axis=0)  # (P * C, P)
    each = np.hstack([np.eye(count), -heights]) / np.tile(bones.spreads, people)[:, None]
    parts = np.exp(bones.split(state.log_lengths)[0][:, bones.stature])
    parts /= parts.sum(axis=1, keepdims=True)
    total = np.zeros((people, count + people))
    for person in range(people):
        total[person, person * kinds + bones.stature] = parts[person]
        total[person, count + person] = -1.0
    found = [each, total / bones.stature_spread]
    if people > 1:
        about = (np.eye(people) - 1.0 / people) / bones.people_spread
        found.append(np.hstack([np.zeros((people, count)), about]))
    return found


def _wide(part: Float64Array, first: int, width: int) -> sparse.csr_matrix:
    """Return columns at their place among all of them."""
    rows, columns = np.nonzero(part)
    return sparse.csr_matrix((part[rows, columns], (rows, first + columns)), (len(part), width))


def _cross(vectors: Float64Array) -> Float64Array:
    """Return (M, 3, 3) matrices that multiply as a cross product from the left."""
    found = np.zeros((len(vectors), 3, 3))
    x, y, z = vectors.T
    found[:, 0, 1], found[:, 0, 2], found[:, 1, 2] = -z, y, -x
    found[:, 1, 0], found[:, 2, 0], found[:, 2, 1] = z, -y, x
    return found
