"""What passes between the layers: frozen, validated arrays, and what layers expect of each other.

What is missing is NaN or None. Tests hand in fakes through the protocols.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import IntEnum, unique
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pose_ros.core.skeletons import Skeleton
from pose_ros.errors import ImageError, OptionError
from pose_ros.settings.estimation import EstimatorOptions

Image: TypeAlias = NDArray[np.uint8]
ImageLike: TypeAlias = NDArray[np.integer[Any] | np.floating[Any]]
"""What OpenCV declares its images to be; one that is not uint8 is refused."""
FloatArray: TypeAlias = NDArray[np.float32]
Channels: TypeAlias = Literal["rgb", "bgr"]

# fields of Poses that may be None, and those that are not float32
_OPTIONAL = frozenset(
    {
        "depths",
        "world",
        "camera",
        "camera_sources",
        "camera_sigmas",
        "label_scores",
        "clothes",
        "masks",
        "velocities",
    }
)
_DTYPES: dict[str, type[np.generic]] = {"ids": np.int64, "camera_sources": np.uint8}


def validate_image(image: Any, channels: str = "rgb") -> Image:
    """Return ``image``, checked to be (H, W, 3) uint8 with at least one pixel.

    Raises:
        ImageError: It is not, or ``channels`` is neither ``rgb`` nor ``bgr``.
    """
    if image is None:
        raise ImageError(
            "expected an (H, W, 3) uint8 array, got NoneType: what OpenCV gives for a file that it "
            "cannot read"
        )
    if not isinstance(image, np.ndarray):
        raise ImageError(f"expected an (H, W, 3) uint8 array, got {type(image).__name__}")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ImageError(f"expected an (H, W, 3) uint8 array, got {image.shape} {image.dtype}")
    if channels not in ("rgb", "bgr"):
        raise ImageError(f"expected channels 'rgb' or 'bgr', got {channels!r}")
    return image


@unique
class PositionSource(IntEnum):
    """Where a keypoint's meters in the camera's frame come from."""

    NONE = 0
    """There are none: they are NaN."""
    MODEL = 1
    """Worked out from the network's metric shape and what is known of the body."""
    DEPTH = 2
    """Measured by a depth camera. This one and those below it are measured."""
    MULTIVIEW = 3
    """Where the viewing rays of several calibrated cameras meet."""


_LAST_SOURCE = max(source.value for source in PositionSource)

NO_BODY = 2**30
"""Number from which on, in place of a person's id, a hand has no body. No person has such an id."""


def hand_id(person: int, side: int) -> int:
    """Return the id of a hand.

    Args:
        person: Id of the person; of a hand without a body ``NO_BODY`` and the hand's own number.
        side: 0 for the left hand, 1 for the right one.
    """
    return 2 * person + side


def person_of_hand(hand: int) -> int:
    """Return the id of a hand's person; ``NO_BODY`` or more where the hand has no body."""
    return hand // 2


def has_body(person: int) -> bool:
    """Return whether the person of a hand or gesture is a body, and not a hand by itself."""
    return person < NO_BODY


@dataclass(frozen=True, eq=False, repr=False)
class Frame:
    """One image of a source.

    >>> import numpy as np
    >>> import pose_ros
    >>> pose_ros.Frame(np.zeros((480, 640, 3), np.uint8), stamp=0.5)
    Frame(640x480 rgb, stamp=0.5, index=0, source='')

    Attributes:
        image: (H, W, 3) uint8.
        stamp: Seconds: Unix time of the capture for a live source and in a bag,
            media time from 0 otherwise.
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

    def __repr__(self) -> str:
        return (
            f"Frame({self.width}x{self.height} {self.channels}, stamp={self.stamp}, "
            f"index={self.index}, source={self.source!r})"
        )

    @property
    def width(self) -> int:
        """Width in pixels."""
        return int(self.image.shape[1])

    @property
    def height(self) -> int:
        """Height in pixels."""
        return int(self.image.shape[0])


@dataclass(frozen=True, eq=False, repr=False)
class Pose:
    """One person of a ``Poses``: the same fields without the first axis.

    >>> import pose_ros
    >>> frame = pose_ros.open_source("synthetic:stand", live=False).read()
    >>> (pose,) = pose_ros.create_estimator().estimate(frame.image, channels=frame.channels)
    >>> pose
    Pose(id=0, score=1.00, box=(..., ..., ..., ...), 33 of 33 keypoints of blazepose33)
    >>> pose.keypoint("left_wrist")  # x, y in pixels
    array([..., ...], dtype=float32)
    >>> pose.world_of("left_wrist")  # x, y, z in meters from the mid-hips
    array([..., ..., ...], dtype=float32)
    """

    skeleton: Skeleton
    id: int
    score: float
    box: FloatArray
    keypoints: FloatArray
    keypoint_scores: FloatArray
    depths: FloatArray | None = None
    world: FloatArray | None = None
    camera: FloatArray | None = None
    camera_sources: NDArray[np.uint8] | None = None
    camera_sigmas: FloatArray | None = None
    label: str | None = None
    label_score: float | None = None
    clothes: FloatArray | None = None
    mask: FloatArray | None = None
    velocity: FloatArray | None = None

    def keypoint(self, name: str) -> FloatArray:
        """Return x, y in pixels of a keypoint by name; NaN when it is missing.

        Raises:
            OptionError: The skeleton has no such keypoint.
        """
        found: FloatArray = self.keypoints[self.skeleton.index(name)]
        return found

    def world_of(self, name: str) -> FloatArray:
        """Return x, y, z in meters from the mid-hips of a keypoint by name.

        Returns:
            (3,), axes of the camera (x right, y down, z forward); NaN where the keypoint is
            missing, and from a network that does not tell meters.

        Raises:
            OptionError: The skeleton has no such keypoint.
        """
        return self._point_of(self.world, name)

    def camera_of(self, name: str) -> FloatArray:
        """Return x, y, z in meters in the camera's optical frame of a keypoint by name.

        Returns:
            (3,); NaN where the keypoint is missing or has no known place, and before a ``Lifter``
            has placed the person.

        Raises:
            OptionError: The skeleton has no such keypoint.
        """
        return self._point_of(self.camera, name)

    def _point_of(self, points: FloatArray | None, name: str) -> FloatArray:
        index = self.skeleton.index(name)
        return np.full(3, np.nan, np.float32) if points is None else points[index]

    def __repr__(self) -> str:
        box = ", ".join(f"{edge:.0f}" for edge in self.box)
        label = f" {self.label}," if self.label else ""
        known = int(np.isfinite(self.keypoints).all(axis=1).sum())
        return (
            f"Pose(id={self.id},{label} score={self.score:.2f}, box=({box}), "
            f"{known} of {len(self.skeleton)} keypoints of {self.skeleton.name})"
        )

    def links(self) -> list[tuple[int, int]]:
        """Return the skeleton's links of which both ends were found, as index pairs."""
        found = {i for i, point in enumerate(self.keypoints) if np.isfinite(point).all()}
        return [(a, b) for a, b in self.skeleton.links if a in found and b in found]


@dataclass(frozen=True, eq=False, repr=False)
class Poses:
    """The N people found in one image, each with the K keypoints of one skeleton.

    A missing keypoint is NaN with score 0. Arrays are read-only. An optional field that is NaN
    for everybody is None, so that people are the same before and after a message.

    >>> import pose_ros
    >>> frame = pose_ros.open_source("synthetic:stand", live=False).read()
    >>> poses = pose_ros.create_estimator().estimate(frame.image, channels=frame.channels)
    >>> poses
    Poses(1 of blazepose33, ids=[0], scores=[1.00])
    >>> poses.keypoints.shape
    (1, 33, 2)
    >>> [pose.id for pose in poses]
    [0]

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
        camera_sources: (N, K) uint8: the ``PositionSource`` of each ``camera``, NONE where it is
            NaN and only there; MODEL unless given. None where there is no ``camera``.
        camera_sigmas: (N, K) meters or None: how far each ``camera`` may be from the truth,
            as a root mean square over all three axes; about two in three lie within it. NaN
            where it is missing.
        labels: N words that say which of its kind each is, or None: ``left`` or
            ``right`` for hands, the person's own in an image that is not mirrored.
        label_scores: (N,) in [0, 1], how sure the labels are, or None.
        clothes: (N, 6) in [0, 1] or None: red, green and blue of the chest, then of the thighs,
            by which people differ; NaN for a part that is out of the image. None of hands.
        velocities: (N, 3) meters a second or None: of the mid-hips, in the axes of ``camera``.
        masks: (N, H, W) in [0, 1] or None, at the size of the image: how sure each pixel is to
            show the person; 0 outside of the square in which the network looked at them.
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
    camera_sources: NDArray[np.uint8] | None = None
    camera_sigmas: FloatArray | None = None
    labels: tuple[str, ...] | None = None
    label_scores: FloatArray | None = None
    clothes: FloatArray | None = None
    masks: FloatArray | None = None
    velocities: FloatArray | None = None

    def __post_init__(self) -> None:
        people, points = len(self.ids), len(self.skeleton)
        size = (0, 0) if self.masks is None else (*np.shape(self.masks), 0, 0, 0)[1:3]
        shapes: dict[str, tuple[int, ...]] = {
            "ids": (people,),
            "scores": (people,),
            "boxes": (people, 4),
            "keypoints": (people, points, 2),
            "keypoint_scores": (people, points),
            "depths": (people, points),
            "world": (people, points, 3),
            "camera": (people, points, 3),
            "camera_sources": (people, points),
            "camera_sigmas": (people, points),
            "label_scores": (people,),
            "clothes": (people, 6),
            "masks": (people, *size),
            "velocities": (people, 3),
        }
        for name, shape in shapes.items():
            value = getattr(self, name)
            if value is None and name in _OPTIONAL:
                continue
            # a view: freezing it must not freeze an array that the caller goes on using
            array = np.asarray(value, _DTYPES.get(name, np.float32)).view()
            if array.shape != shape:
                raise OptionError(f"Poses.{name}: expected shape {shape}, got {array.shape}")
            array.flags.writeable = False
            # one number that is there, and the rest need no look
            missing = name in _OPTIONAL and (
                not array.size or bool(np.isnan(array.flat[0]) and np.isnan(array).all())
            )
            object.__setattr__(self, name, None if missing else array)
        if len(set(self.ids.tolist())) != people:
            raise OptionError(f"Poses.ids: expected distinct ids, got {self.ids.tolist()}")
        if self.labels is not None and len(self.labels) != people:
            raise OptionError(f"Poses.labels: expected {people} labels, got {self.labels}")
        for name in ("scores", "keypoint_scores", "label_scores", "masks"):
            array = getattr(self, name)
            # written so that NaN fails too
            if array is not None and not ((array >= 0) & (array <= 1)).all():
                raise OptionError(f"Poses.{name}: expected values in [0, 1]")
        if self.labels is not None and not any(self.labels):
            object.__setattr__(self, "labels", None)
        self._check_camera()

    def _check_camera(self) -> None:
        """Check that what is said about ``camera`` fits to it."""
        known = None if self.camera is None else np.isfinite(self.camera).all(axis=2)
        if self.camera_sources is None and known is not None:
            sources = np.where(known, PositionSource.MODEL, PositionSource.NONE).astype(np.uint8)
            sources.flags.writeable = False
            object.__setattr__(self, "camera_sources", sources)
        elif known is None and self.camera_sources is not None and not self.camera_sources.any():
            object.__setattr__(self, "camera_sources", None)
        if self.camera_sources is not None:
            has_source = self.camera_sources != PositionSource.NONE.value
            if known is None or (known != has_source).any():
                raise OptionError("Poses.camera_sources: expected NONE where camera is NaN, only")
            if (self.camera_sources > _LAST_SOURCE).any():
                raise OptionError(f"Poses.camera_sources: expected values up to {_LAST_SOURCE}")
        if self.camera_sigmas is not None:
            positive = self.camera_sigmas >= 0  # False for NaN
            if known is None or (known != positive).any():
                raise OptionError(
                    "Poses.camera_sigmas: expected 0 or more, and NaN where camera is NaN"
                )

    @classmethod
    def empty(cls, skeleton: Skeleton) -> Poses:
        """Return the result of an image in which no person was found."""
        points = len(skeleton)
        return cls(
            skeleton=skeleton,
            ids=np.zeros(0, np.int64),
            scores=np.zeros(0, np.float32),
            boxes=np.zeros((0, 4), np.float32),
            keypoints=np.zeros((0, points, 2), np.float32),
            keypoint_scores=np.zeros((0, points), np.float32),
        )

    @property
    def found(self) -> NDArray[np.bool_]:
        """(N, K) which keypoints have a place and at least ``Skeleton.least_score``."""
        known = np.isfinite(self.keypoints).all(axis=2) & (self.keypoint_scores > 0)
        found: NDArray[np.bool_] = known & (self.keypoint_scores >= self.skeleton.least_score)
        return found

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        scores = ", ".join(f"{score:.2f}" for score in self.scores)
        return (
            f"Poses({len(self)} of {self.skeleton.name}, ids={self.ids.tolist()}, "
            f"scores=[{scores}])"
        )

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
            camera_sources=None if self.camera_sources is None else self.camera_sources[person],
            camera_sigmas=None if self.camera_sigmas is None else self.camera_sigmas[person],
            label=None if self.labels is None else self.labels[person],
            label_score=None if self.label_scores is None else float(self.label_scores[person]),
            clothes=None if self.clothes is None else self.clothes[person],
            mask=None if self.masks is None else self.masks[person],
            velocity=None if self.velocities is None else self.velocities[person],
        )

    def __iter__(self) -> Iterator[Pose]:
        return (self[i] for i in range(len(self)))

    def replace(self, **changes: Any) -> Poses:
        """Return a copy with some fields changed, validated again."""
        return replace(self, **changes)


Say: TypeAlias = Callable[[str, str], None]
"""Takes a kind of trouble and its text; each kind is said once."""


class Session(Protocol):
    """A loaded network: arrays in, arrays out."""

    @property
    def provider(self) -> str:
        """What really runs it: ``cpu``, ``cuda`` or ``tensorrt``."""

    def run(self, *inputs: FloatArray) -> list[FloatArray]:
        """Run the network; inputs and outputs stand in the order of the model's card."""


class KeypointFinder(Protocol):
    """What an estimator of people and one of hands say of themselves."""

    options: EstimatorOptions
    """May be set between two frames."""

    @property
    def network(self) -> str:
        """Name of the network, such as ``blazepose-full``."""

    @property
    def provider(self) -> str:
        """What really runs the network: ``cpu``, ``cuda`` or ``tensorrt``."""

    @property
    def skeleton(self) -> Skeleton:
        """The skeleton of the next result, under the present options."""


class Estimator(KeypointFinder, Protocol):
    """Images in, people out. It has state (tracks, filters): one estimator a stream."""

    def estimate(
        self, image: ImageLike, stamp: float | None = None, *, channels: Channels = "rgb"
    ) -> Poses:
        """Find the people in one image.

        Args:
            image: (H, W, 3) uint8.
            stamp: Time of the image in seconds, rising within a stream. Without a stamp the image
                is a picture by itself: no person is followed into it, its keypoints are not
                filtered, its ids begin at 0, and the stream goes on after it. After a gap
                people are found again (``timeline.FOLLOW_SECONDS``); a jump back or another
                size of the image forgets everybody, and no id is used again.
            channels: Order of the image's color channels.

        Raises:
            ImageError: The image has another shape or type, its stamp is that of the image
                before it, or the stamp is not finite.
        """

    def reset(self) -> None:
        """Begin a new stream: no tracks, no filters, ids from 0 on."""


class HandEstimator(KeypointFinder, Protocol):
    """Images and the people in them in, their hands out; it has state, as an ``Estimator``."""

    def estimate(
        self,
        image: ImageLike,
        bodies: Poses,
        stamp: float | None = None,
        *,
        channels: Channels = "rgb",
    ) -> Poses:
        """Find the hands of the people in one image.

        Args:
            image: (H, W, 3) uint8.
            bodies: The people in it, ids and all.
            stamp: As for ``Estimator.estimate``.
            channels: Order of the image's color channels.

        Returns:
            Hands with ids of ``pose_ros.core.types.hand_id``, labeled with their side.

        Raises:
            ImageError: As for ``Estimator.estimate``.
            OptionError: The bodies have no wrists or knuckles.
        """

    def reset(self) -> None:
        """Begin a new stream: no tracks, no filters."""


class Source(Protocol):
    """Frames in order of time: a camera, a video, pictures, a bag, the synthetic actor."""

    @property
    def name(self) -> str:
        """What the user called it."""

    @property
    def live(self) -> bool:
        """Whether frames come as they are captured, and their stamps are Unix times of now.

        Otherwise stamps are media time from 0, but those of a bag are its images' own.
        """

    @property
    def fps(self) -> float:
        """Nominal frames a second; NaN when unknown."""

    @property
    def length(self) -> int | None:
        """Number of frames; None when unknown or endless."""

    def read(self) -> Frame | None:
        """Return the next frame, or None at the end.

        Raises:
            SourceError: The source broke and will not come back by itself.
        """

    def close(self) -> None:
        """Release the device or file; reading on is an error."""
