"""The arrays that pass between the layers: frozen, validated, NaN where something is missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pose_ros.core.skeletons import Skeleton
from pose_ros.errors import ImageError, OptionError

Image: TypeAlias = NDArray[np.uint8]
FloatArray: TypeAlias = NDArray[np.float32]
Channels: TypeAlias = Literal["rgb", "bgr"]


def validate_image(image: Any, channels: str = "rgb") -> None:
    """Check that ``image`` is (H, W, 3) uint8 with at least one pixel.

    Raises:
        ImageError: It is not, or ``channels`` is neither ``rgb`` nor ``bgr``.
    """
    if not isinstance(image, np.ndarray):
        raise ImageError(f"expected an (H, W, 3) uint8 array, got {type(image).__name__}")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ImageError(f"expected an (H, W, 3) uint8 array, got {image.shape} {image.dtype}")
    if channels not in ("rgb", "bgr"):
        raise ImageError(f"expected channels 'rgb' or 'bgr', got {channels!r}")


def hand_id(person: int, side: int) -> int:
    """Return the id of a person's hand: side 0 is the left one, 1 the right one."""
    return 2 * person + side


def person_of_hand(hand: int) -> int:
    """Return the id of the person to whom the hand of that id belongs."""
    return hand // 2


@dataclass(frozen=True, eq=False)
class Frame:
    """One image of a source.

    Attributes:
        image: (H, W, 3) uint8.
        stamp: Seconds: Unix time of the capture for a live source, media time
            from 0 for a recorded one.
        index: Position in the source, from 0.
        source: Name of where it came from, for reports: a file name, a device.
        channels: Order of the color channels. OpenCV captures BGR; converting
            a whole image costs more than swapping a network's small input.
    """

    image: Image
    stamp: float
    index: int = 0
    source: str = ""
    channels: Channels = "rgb"

    def __post_init__(self) -> None:
        validate_image(self.image, self.channels)
        if not np.isfinite(self.stamp):
            raise ImageError(f"expected a finite stamp in seconds, got {self.stamp}")

    @property
    def width(self) -> int:
        """Width in pixels."""
        return int(self.image.shape[1])

    @property
    def height(self) -> int:
        """Height in pixels."""
        return int(self.image.shape[0])


@dataclass(frozen=True, eq=False)
class Pose:
    """One person of a ``Poses``: the same fields without the first axis."""

    skeleton: Skeleton
    id: int
    score: float
    box: FloatArray
    keypoints: FloatArray
    keypoint_scores: FloatArray
    depths: FloatArray | None = None
    world: FloatArray | None = None
    camera: FloatArray | None = None
    label: str | None = None
    label_score: float | None = None

    def keypoint(self, name: str) -> FloatArray:
        """Return x, y in pixels of a keypoint by name; NaN when it is missing.

        Raises:
            OptionError: The skeleton has no such keypoint.
        """
        found: FloatArray = self.keypoints[self.skeleton.index(name)]
        return found

    def links(self) -> list[tuple[int, int]]:
        """Return the skeleton's links of which both ends were found, as index pairs."""
        found = {i for i, point in enumerate(self.keypoints) if np.isfinite(point).all()}
        return [(a, b) for a, b in self.skeleton.links if a in found and b in found]


@dataclass(frozen=True, eq=False)
class Poses:
    """The N people found in one image, each with the K keypoints of one skeleton.

    A missing keypoint is NaN with score 0. Arrays are read-only.

    Attributes:
        skeleton: Names and links of the keypoints.
        ids: (N,) int64; stable over frames while a person is tracked.
        scores: (N,) in [0, 1].
        boxes: (N, 4) pixels, x0 y0 x1 y1, the extent of the keypoints; it may
            reach beyond the image.
        keypoints: (N, K, 2) pixels, x right and y down; they may lie beyond
            the image where the network guesses.
        keypoint_scores: (N, K) in [0, 1].
        depths: (N, K) or None. BlazePose's z: pixels at the scale of x,
            relative to the mid-hips (a hand's: to the wrist), smaller is nearer
            to the camera.
        world: (N, K, 3) meters or None: hip-centered (a hand's: from about its
            middle), axes of the camera (x right, y down, z forward).
        camera: (N, K, 3) meters or None, in the camera's optical frame.
        labels: N words that say which of its kind each is, or None: ``left`` or
            ``right`` for hands, the person's own in an image that is not mirrored.
        label_scores: (N,) in [0, 1], how sure the labels are, or None.
    """

    skeleton: Skeleton
    ids: NDArray[np.int64]
    scores: FloatArray
    boxes: FloatArray
    keypoints: FloatArray
    keypoint_scores: FloatArray
    depths: FloatArray | None = None
    world: FloatArray | None = None
    camera: FloatArray | None = None
    labels: tuple[str, ...] | None = None
    label_scores: FloatArray | None = None

    def __post_init__(self) -> None:
        people, points = len(self.ids), len(self.skeleton)
        shapes: dict[str, tuple[int, ...]] = {
            "ids": (people,),
            "scores": (people,),
            "boxes": (people, 4),
            "keypoints": (people, points, 2),
            "keypoint_scores": (people, points),
            "depths": (people, points),
            "world": (people, points, 3),
            "camera": (people, points, 3),
            "label_scores": (people,),
        }
        for name, shape in shapes.items():
            value = getattr(self, name)
            if value is None and name in ("depths", "world", "camera", "label_scores"):
                continue
            # a view: freezing it must not freeze an array that the caller goes on using
            array = np.asarray(value, np.int64 if name == "ids" else np.float32).view()
            if array.shape != shape:
                raise OptionError(f"Poses.{name}: expected shape {shape}, got {array.shape}")
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        if len(set(self.ids.tolist())) != people:
            raise OptionError(f"Poses.ids: expected distinct ids, got {self.ids.tolist()}")
        if self.labels is not None and len(self.labels) != people:
            raise OptionError(f"Poses.labels: expected {people} labels, got {self.labels}")
        for name in ("scores", "keypoint_scores", "label_scores"):
            array = getattr(self, name)
            # written so that NaN fails too
            if array is not None and not bool(np.all((array >= 0) & (array <= 1))):
                raise OptionError(f"Poses.{name}: expected values in [0, 1]")

    @classmethod
    def empty(cls, skeleton: Skeleton) -> Poses:
        """Return the result of an image in which nobody was found."""
        points = len(skeleton)
        return cls(
            skeleton=skeleton,
            ids=np.zeros(0, np.int64),
            scores=np.zeros(0, np.float32),
            boxes=np.zeros((0, 4), np.float32),
            keypoints=np.zeros((0, points, 2), np.float32),
            keypoint_scores=np.zeros((0, points), np.float32),
        )

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, person: int) -> Pose:
        return Pose(
            skeleton=self.skeleton,
            id=int(self.ids[person]),
            score=float(self.scores[person]),
            box=self.boxes[person],
            keypoints=self.keypoints[person],
            keypoint_scores=self.keypoint_scores[person],
            depths=None if self.depths is None else self.depths[person],
            world=None if self.world is None else self.world[person],
            camera=None if self.camera is None else self.camera[person],
            label=None if self.labels is None else self.labels[person],
            label_score=None if self.label_scores is None else float(self.label_scores[person]),
        )

    def __iter__(self) -> Iterator[Pose]:
        return (self[i] for i in range(len(self)))

    def replace(self, **changes: Any) -> Poses:
        """Return a copy with some fields changed, validated again."""
        return replace(self, **changes)
