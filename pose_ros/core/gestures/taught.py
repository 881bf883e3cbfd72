"""Gestures that a person teaches by examples: a few hands or bodies each, and no training run.

A hand or body becomes a short vector (``shape_metric``) in which people, cameras and views matter
little. What is near an example is its gesture: the examples are the kernels of a density, as in
Parzen's windows. A hand that is not near to any is none of them, and the confidence is the share of
its gesture beside the others and beside what was not taught.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

import numpy as np
import yaml
from numpy.typing import ArrayLike, NDArray

from pose_ros.core import skeletons
from pose_ros.core.camera import Float64Array
from pose_ros.core.gestures import hand_metric
from pose_ros.core.gestures.shape_metric import ShapeMetric, metric_of
from pose_ros.core.skeletons import Skeleton
from pose_ros.core.types import Pose
from pose_ros.documents import parse_yaml
from pose_ros.errors import DocumentError, OptionError, OutputError, printable, short
from pose_ros.files import read_file, user_path, write_whole

__all__ = ["TaughtGestures", "landmarks_of"]

FORMAT, VERSION = "pose_ros taught gestures", 1
MAX_EXAMPLES = 20_000
"""Of all gestures of a set."""
MAX_NAME = 64
MAX_FILE_BYTES = 32 << 20

_P = ParamSpec("_P")
_R = TypeVar("_R")
_T = TypeVar("_T")


class _ForClassAndInstance(Generic[_T, _P, _R]):
    """A method that a class makes a new object by, and an object its own content."""

    def __init__(self, function: Callable[Concatenate[_T, _P], _R]) -> None:
        self._function = function
        self.__doc__ = function.__doc__

    def __get__(self, instance: _T | None, owner: type[_T]) -> Callable[_P, _R]:
        target = owner() if instance is None else instance
        bound: Callable[_P, _R] = self._function.__get__(target)
        return bound


@dataclass(frozen=True, eq=False)
class _Compared:
    """The examples in the form that they are compared in: E of them, of G gestures in order."""

    shapes: Float64Array  # (E, D), NaN: does not matter
    leanings: Float64Array  # (E, L)
    lean_widths: Float64Array  # (E,) squared
    there: NDArray[np.bool_]  # (G, most examples of a gesture)
    used: NDArray[np.bool_]  # the same, the nearest examples of each gesture first
    offsets: Float64Array  # (G,)


class TaughtGestures:
    """Gestures by example: add a few of each, and ask what a new one is.

    >>> import numpy as np
    >>> import pose_ros
    >>> taught = pose_ros.TaughtGestures()
    >>> hand = np.random.default_rng(0).normal(size=(21, 2))
    >>> for _ in range(5):
    ...     taught.add("mine", hand)
    >>> name, confidence = taught.classify(10 * hand + 100)  # in any unit, anywhere
    >>> name
    'mine'
    >>> taught.classify(np.full((21, 2), np.nan))
    (None, 0.0)

    Where a hand is and how large it is do not matter. A left hand makes the gestures that a right
    one taught. How a hand is turned matters less, the more its examples differ in it: thumb up is
    not thumb down, but a few open hands that point everywhere are one gesture. A body keeps its
    left and right, and turns about the vertical alone, where it is in meters.

    Hands are compared in x and y; bodies too, unless all examples and what is asked have z.
    """

    def __init__(self, joints: str | Skeleton = "blazehand21") -> None:
        """Begin without a gesture.

        Args:
            joints: Name of the skeleton whose keypoints the landmarks are, in its order.

        Raises:
            OptionError: There is no such skeleton.
        """
        self._skeleton = joints if isinstance(joints, Skeleton) else skeletons.get(joints)
        self._examples: dict[str, list[Float64Array]] = {}
        self._metric: ShapeMetric = metric_of(self._skeleton)
        self._dimensions = 3  # that all examples have
        self._compared: dict[int, _Compared] = {}  # by dimensions

    @property
    def skeleton(self) -> Skeleton:
        """The skeleton whose keypoints the landmarks are."""
        return self._skeleton

    @property
    def counts(self) -> Mapping[str, int]:
        """How many examples each gesture has."""
        return {name: len(examples) for name, examples in self._examples.items()}

    def __len__(self) -> int:
        """Return the number of gestures."""
        return len(self._examples)

    def __repr__(self) -> str:
        known = ", ".join(f"{name}: {count}" for name, count in self.counts.items())
        return f"TaughtGestures({self._skeleton.name}, {{{known}}})"

    def add(self, name: str, landmarks: ArrayLike) -> None:
        """Take an example of a gesture.

        Args:
            name: Of the gesture.
            landmarks: (K, 2) or (K, 3) keypoints in the skeleton's order and any unit, y down.
                A hand has all; a body may lack some (NaN), which its gesture then does not
                depend on.

        Raises:
            OptionError: The name is no name, or the landmarks have another shape, are missing or
                lie on one point.
        """
        check_name(name)
        points = self._checked(landmarks)
        shape = self._metric(points[None])[0]
        if not (np.isfinite(shape).all() if self._skeleton.is_hand else np.isfinite(shape).any()):
            raise OptionError(
                f"an example of {short(name)} cannot be compared: joints are NaN, or all are one "
                "point"
            )
        if sum(map(len, self._examples.values())) >= MAX_EXAMPLES:
            raise OptionError(f"{MAX_EXAMPLES} examples are the most; remove a gesture first")
        self._dimensions = min(self._dimensions, points.shape[1])
        self._examples.setdefault(name, []).append(_normalized(points))
        self._compared.clear()

    def remove(self, name: str) -> None:
        """Forget a gesture.

        Raises:
            OptionError: It was not taught.
        """
        if name not in self._examples:
            known = ", ".join(self._examples) or "none"
            raise OptionError(f"{short(name)} was not taught; known: {known}")
        del self._examples[name]
        self._compared.clear()

    def classify(
        self,
        landmarks: ArrayLike,
        *,
        among: Collection[str] | None = None,
        least_share: float = 1.0,
    ) -> tuple[str | None, float]:
        """Return which gesture landmarks show.

        Args:
            landmarks: (K, 2) or (K, 3) as in ``add``.
            among: Names of the gestures that it may be; None: all.
            least_share: How much of what is compared of a body has to be there, in [0, 1]. The
                far arm and leg of a person who is seen from aside are hidden.

        Returns:
            The gesture's name and how probable it is, in [0, 1]. The name is None where that is
            less than 0.5: for what was not taught, and between two gestures. Without the joints
            that are compared, None and 0.

        Raises:
            OptionError: The landmarks have another shape.
        """
        points = self._checked(landmarks)
        if not self._examples:
            return None, 0.0
        allowed = np.array([among is None or name in among for name in self._examples])
        shares = self._shares(points, allowed, least_share)
        if shares is None:
            return None, 0.0
        best = int(np.argmax(shares))
        confidence = float(shares[best])
        return (list(self._examples)[best] if confidence >= 0.5 else None), confidence

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the gestures to a file, in YAML: it is whole or as before.

        Raises:
            OutputError: It cannot be written.
        """
        data = {
            FORMAT: VERSION,
            "joints": self._skeleton.name,
            "gestures": {
                name: [
                    "; ".join(" ".join(_number(x) for x in point) for point in example)
                    for example in examples
                ]
                for name, examples in self._examples.items()
            },
        }
        text = yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=math.inf)
        try:
            write_whole(user_path(path), text.encode())
        except OSError as error:
            raise OutputError(f"cannot write {path}: {error.strerror or error}") from None

    @_ForClassAndInstance
    def load(self, path: str | os.PathLike[str]) -> TaughtGestures:
        """Read what ``save`` wrote: ``TaughtGestures.load(path)``.

        Called on an object, it takes the place of what the object held.

        Returns:
            The gestures.

        Raises:
            DocumentError: The file cannot be read or holds something else.
        """
        file = user_path(path)
        data = parse_yaml(
            read_file(file, MAX_FILE_BYTES), str(path), MAX_FILE_BYTES, 2 * MAX_EXAMPLES
        )
        read = _parse(data, str(path))
        self._skeleton, self._metric = read._skeleton, read._metric
        self._examples, self._dimensions = read._examples, read._dimensions
        self._compared = {}
        return self

    def _checked(self, landmarks: ArrayLike) -> Float64Array:
        try:
            points = np.asarray(landmarks, np.float64)
        except (TypeError, ValueError):
            points = np.zeros(0)
        if (
            points.ndim != 2
            or points.shape[0] != len(self._skeleton)
            or points.shape[1] not in (2, 3)
        ):
            count = len(self._skeleton)
            raise OptionError(
                f"expected landmarks of {self._skeleton.name} as ({count}, 2) or ({count}, 3) "
                f"numbers, got {points.shape if points.size else short(landmarks)}"
            )
        return np.where(np.isfinite(points).all(axis=1, keepdims=True), points, np.nan)

    def _shares(
        self, points: Float64Array, allowed: NDArray[np.bool_], least_share: float
    ) -> Float64Array | None:
        """Return (G,) how probable each gesture is; None where joints are missing.

        Args:
            points: (K, 2) or (K, 3).
            allowed: (G,) which gestures it may be.
            least_share: How much of what is compared has to be there.
        """
        flat = min(points.shape[1], self._dimensions)
        if flat not in self._compared:
            self._compared[flat] = self._compare(flat)
        it = self._compared[flat]
        shapes, leanings = self._metric(points[None, :, :flat])
        squares = _squared(it.shapes, shapes[0], least_share)
        squares += ((it.leanings - leanings[0]) ** 2).sum(axis=1) / it.lean_widths
        by_gesture = np.full(it.used.shape, np.inf)
        by_gesture[it.there] = np.nan_to_num(squares, nan=np.inf)
        by_gesture.sort(axis=1)
        near = np.where(it.used & allowed[:, None], by_gesture, np.inf)
        least = near.min(axis=1)
        if not np.isfinite(least).any():
            return None
        # so that exp does not vanish for what is far
        base = np.where(np.isfinite(least), least, 0.0)
        with np.errstate(divide="ignore"):
            evidence = np.log(np.exp(base[:, None] - near).sum(axis=1)) - base + it.offsets
        top = max(float(evidence.max()), 0.0)
        shares: Float64Array = np.exp(evidence - top)
        shares /= shares.sum() + math.exp(-top)
        return shares

    def _compare(self, flat: int) -> _Compared:
        """Return the examples as they are compared in ``flat`` dimensions."""
        counts = np.array(list(self.counts.values()))
        stack = np.stack([e[:, :flat] for each in self._examples.values() for e in each])
        shapes, leanings = self._metric(stack)
        lean_widths, offsets = [], []
        for end, count in zip(np.cumsum(counts), counts, strict=True):
            own = slice(end - count, end)
            lean_widths.append(hand_metric.lean_width(leanings[own]))
            offsets.append(hand_metric.offset(count))
        place = np.arange(counts.max())
        there = place < counts[:, None]
        return _Compared(
            shapes,
            leanings,
            np.repeat(lean_widths, counts),
            there,
            there & (place >= hand_metric.doubted(counts)[:, None]),
            np.array(offsets),
        )


def landmarks_of(pose: Pose, skeleton: Skeleton, min_score: float) -> Float64Array:
    """Return the landmarks of a hand or body in the order of a skeleton, joints by their names.

    Args:
        pose: What was found. Of a body that has meters around its hips, these are taken.
        skeleton: Whose order.
        min_score: Joints with less are missing.

    Returns:
        (K, 2 or 3), NaN where a joint is missing.
    """
    points = pose.keypoints if pose.world is None or skeleton.is_hand else pose.world
    known = pose.keypoint_scores >= min_score
    found = {name: i for i, name in enumerate(pose.skeleton.keypoints) if known[i]}
    landmarks = np.full((len(skeleton), points.shape[1]), np.nan)
    for i, name in enumerate(skeleton.keypoints):
        if name in found:
            landmarks[i] = points[found[name]]
    return landmarks


def _squared(examples: Float64Array, shape: Float64Array, least_share: float = 1.0) -> Float64Array:
    """Return (E,) squared distances over what is known of each example."""
    squares = (examples - shape) ** 2
    known = np.isfinite(examples)
    if known.all() and np.isfinite(shape).all():
        total: Float64Array = squares.sum(axis=1)
        return total
    # what an example lacks does not matter; of what it has, so much must be there
    both = known & np.isfinite(shape)
    enough = both.sum(axis=1) >= least_share * known.sum(axis=1)
    squares = np.where(both, squares, np.where(enough[:, None], 0.0, np.nan))
    count = np.maximum(both.sum(axis=1), 1)
    part: Float64Array = squares.sum(axis=1) * (examples.shape[1] / count)
    return part


def _normalized(points: Float64Array) -> Float64Array:
    """Return points around their mean, the largest number 1, as a file keeps them."""
    centered = points - np.nanmean(points, axis=0)
    rounded: Float64Array = np.round(centered / np.nanmax(np.abs(centered)), 4)
    return rounded


def _number(x: float) -> str:
    return "nan" if math.isnan(x) else f"{x:.4f}"


def check_name(name: object) -> None:
    """Raise OptionError for what cannot be a gesture's name."""
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME or printable(name) != name:
        raise OptionError(
            f"expected a gesture's name of 1 to {MAX_NAME} printable letters, got {short(name)}"
        )


def _parse(data: Any, name: str) -> TaughtGestures:
    """Return the gestures that a document holds.

    Raises:
        DocumentError: It holds something else.
    """
    if not isinstance(data, dict) or FORMAT not in data:
        raise DocumentError(f"{name} holds no taught gestures: it lacks {FORMAT!r}")
    if data[FORMAT] != VERSION:
        raise DocumentError(
            f"{name} is of version {short(data[FORMAT])}; this pose_ros reads version {VERSION}"
        )
    gestures = data.get("gestures")
    if not isinstance(gestures, dict):
        raise DocumentError(f"{name}: gestures: expected names with examples")
    where = "joints"
    try:
        taught = TaughtGestures(str(data.get("joints")))
        for gesture, examples in gestures.items():
            where = f"gestures: {short(gesture)}"
            for text in examples if isinstance(examples, list) else [examples]:
                points = [point.split() for point in str(text).split(";")]
                taught.add(gesture, points)
    except OptionError as error:
        raise DocumentError(f"{name}: {where}: {error}") from None
    return taught
