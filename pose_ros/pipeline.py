"""The one pipeline: from an image to people, hands, meters, gestures, targets and goals.

The first part, ``PeopleStage``, runs in ``pose_node``; the second, ``GestureStage``, in
``gesture_node``. Between the nodes are messages, which keep all that ``Poses`` holds.
``Pipeline`` joins both parts for recordings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from numpy.typing import ArrayLike

from pose_ros.core.camera import Camera, Float64Array
from pose_ros.core.depth import DepthImage
from pose_ros.core.gestures.recognizer import Gesture, GestureRecognizer
from pose_ros.core.gestures.targets import Goal, Refused, Target, find_targets, goals_at
from pose_ros.core.lifting.lifter import Lifter, floor_below
from pose_ros.core.lifting.trunk import Floor
from pose_ros.core.results import Result
from pose_ros.core.smoothing import BodyVelocities
from pose_ros.core.timeline import NANOSECONDS, Timeline
from pose_ros.core.types import Channels, Estimator, HandEstimator, Image, Poses
from pose_ros.errors import ImageError
from pose_ros.settings.gestures import GestureOptions, TargetOptions
from pose_ros.settings.lifting import LiftOptions, MountOptions

if TYPE_CHECKING:  # a node that reads no recording need not load what reads them
    from pose_ros.bags.images import RecordedImage


class MetricInputs(Protocol):
    """What is known of an image beside its pixels.

    The pipeline asks after the network has run: live, a depth image may come meanwhile.
    """

    def camera_for(self, width: int, height: int) -> Camera | None:
        """Return the camera of images of that size, in pixels; None where it is not known."""

    def depth_for(self, stamp: float, width: int, height: int) -> DepthImage | None:
        """Return the depth image of an image, by its stamp in seconds and its size in pixels."""


class FoundPeople(NamedTuple):
    """The people of one image.

    Attributes:
        poses: The people, in meters where the camera is known.
        hands: Their hands; None where they were not looked for.
        camera: Of the image; None where it is not known.
        depth: Of the image; None where there is none, or no camera.
    """

    poses: Poses
    hands: Poses | None
    camera: Camera | None = None
    depth: DepthImage | None = None


class PeopleStage:
    """Finds the people of each image, places them in meters, and finds their hands.

    The networks keep what they remember when a stage is made of them: ids go on.

    Args:
        estimator: What finds the people.
        hands: What finds their hands; None: nothing does.
        lift: How people are placed in meters.
        floor: Where the camera is known to be above it.
        is_alone: Whether no other camera measures the distances that this one cannot.
    """

    def __init__(
        self,
        estimator: Estimator,
        hands: HandEstimator | None,
        lift: LiftOptions,
        floor: Floor | None = None,
        *,
        is_alone: bool = True,
    ) -> None:
        self.estimator, self.hands = estimator, hands
        self._floor = floor
        self._lifter = Lifter(lift, is_alone=is_alone)
        self._velocities = BodyVelocities()

    @property
    def lift(self) -> LiftOptions:
        """How people are placed in meters; it may be set between two images."""
        return self._lifter.options

    @lift.setter
    def lift(self, options: LiftOptions) -> None:
        if options != self._lifter.options:
            self._lifter.options = options

    def reset(self) -> None:
        """Begin a new stream: all people are forgotten, ids begin at 0."""
        self.estimator.reset()
        if self.hands:
            self.hands.reset()
        self._lifter.reset()
        self._velocities.reset()

    def run(
        self, image: Image, stamp: float, inputs: MetricInputs, *, channels: Channels = "rgb"
    ) -> FoundPeople:
        """Return the people of the next image.

        Args:
            image: (H, W, 3) uint8.
            stamp: Of the image, seconds.
            inputs: The camera and the depth image that go with it.
            channels: Order of the color channels.

        Raises:
            ImageError: The image has a shape or size that cannot be, or the stamp of the last.
        """
        height, width = image.shape[:2]
        poses = self.estimator.estimate(image, stamp, channels=channels)
        camera, depth = inputs.camera_for(width, height), None
        if camera is not None:
            if self.estimator.options.static:
                self._lifter.reset()  # an id says nothing about who it was in another image
            depth = inputs.depth_for(stamp, width, height)
            poses = self._lifter.lift(poses, camera, stamp, floor=self._floor, depth=depth)
            if not self.estimator.options.static:
                poses = self._velocities.add(poses, stamp)
        hands = None
        if self.hands:
            self.hands.options = self.estimator.options
            hands = self.hands.estimate(image, poses, stamp, channels=channels)
        return FoundPeople(poses, hands, camera, depth)


class Recognizer(Protocol):
    """What finds gestures, as ``GestureRecognizer``."""

    def update(
        self,
        poses: Poses,
        stamp: float,
        *,
        hands: Poses | None = None,
        up: ArrayLike | None = None,
    ) -> Sequence[Gesture]:
        """Return the gestures in an image."""


class FoundGestures(NamedTuple):
    """The gestures of one image.

    Attributes:
        gestures: Those held in this image, and those that ended with it.
        targets: Where each person who points meets the ground, by person.
        goals: The goal of a robot there, or in words why there is none, by person.
    """

    gestures: tuple[Gesture, ...]
    targets: Mapping[int, Target | Refused]
    goals: Mapping[int, Goal | str]


class GestureStage:
    """Recognizes the gestures of each image, and finds where people point.

    Args:
        recognizer: What finds the gestures.
        targets: Which targets are refused.
        target_frame: Frame of targets and goals, z up.
    """

    def __init__(self, recognizer: Recognizer, targets: TargetOptions, target_frame: str) -> None:
        self._recognizer, self._targets = recognizer, targets
        self._frame = target_frame

    def run(
        self, poses: Poses, hands: Poses | None, stamp: float, place: Float64Array | str
    ) -> FoundGestures:
        """Return the gestures of the next image.

        Args:
            poses: The people.
            hands: Their hands, where they were looked for.
            stamp: Of the image, seconds.
            place: (4, 4) that takes meters of the optical frame to the target frame, at that
                stamp; or in words why it is not known.
        """
        up = None if isinstance(place, str) else place[2, :3]
        gestures = tuple(self._recognizer.update(poses, stamp, hands=hands, up=up))
        if isinstance(place, str):
            pointing = [g for g in gestures if g.ray is not None and g.event != "ended"]
            return FoundGestures(gestures, {}, {gesture.person: place for gesture in pointing})
        targets = find_targets(gestures, place, self._targets)
        return FoundGestures(gestures, targets, goals_at(targets, place, self._frame, stamp))


@dataclass(frozen=True)
class PipelineOptions:
    """What the results follow from, beside the networks.

    Attributes:
        lift: How people are placed in meters.
        mount: How the camera stands over a level floor.
        gestures: How gestures are recognized; None: they are not looked for.
        targets: Which targets are refused.
    """

    lift: LiftOptions = field(default_factory=LiftOptions)
    mount: MountOptions = field(default_factory=MountOptions)
    gestures: GestureOptions | None = field(default_factory=GestureOptions)
    targets: TargetOptions = field(default_factory=TargetOptions)


class Pipeline:
    """All of it for one stream of images, as ``pose_node`` and ``gesture_node`` do it.

    The same images give the same results, to the last bit, as the nodes give with the same
    options.

    Args:
        estimator: What finds the people.
        hands: What finds their hands; None: nothing does.
        options: What else the results follow from.
    """

    def __init__(
        self,
        estimator: Estimator,
        hands: HandEstimator | None = None,
        options: PipelineOptions = PipelineOptions(),
    ) -> None:
        self.estimator, self.hands = estimator, hands
        self._options = options
        self._timeline = Timeline()
        floor = floor_below(options.mount)
        self._room = None if floor is None else floor.room
        self._people = PeopleStage(estimator, hands, options.lift, floor)
        self._recognizer = GestureRecognizer(options.gestures) if options.gestures else None

    def reset(self) -> None:
        """Begin a new stream: all people are forgotten, ids begin at 0."""
        self._timeline.reset()
        self._people.reset()
        if self._recognizer:
            self._recognizer.reset()

    def run_all(
        self,
        images: Iterable[RecordedImage],
        refused: Callable[[RecordedImage, ImageError], None],
    ) -> Iterator[tuple[RecordedImage, Result]]:
        """Yield the images of one stream, each with what is found in it.

        Args:
            images: The images.
            refused: Takes each image that is left out, with what is wrong with it.
        """
        self.reset()
        for image in images:
            try:
                result = self.run(image)
            except ImageError as error:
                refused(image, error)
            else:
                yield image, result

    def run(self, image: RecordedImage) -> Result:
        """Return what is found in the next image of the stream.

        Args:
            image: The image, with what is known of it; its stamp rises within a stream, and a
                jump back forgets all.

        Raises:
            ImageError: The image has a shape or size that cannot be, is late, has the stamp of
                the one before, or is of a second camera.
        """
        frame = image.frame
        options = self.estimator.options
        if not options.static:
            now = image.recorded / NANOSECONDS
            self._timeline.check(frame.stamp, image.frame_id, now, options.reid_timeout)
        found = self._people.run(
            frame.image, frame.stamp, _RecordedInputs(image), channels=frame.channels
        )
        held = FoundGestures((), {}, {})
        if self._recognizer:
            stage = GestureStage(self._recognizer, self._options.targets, image.target_frame)
            held = stage.run(found.poses, found.hands, frame.stamp, image.place)
        return Result(
            index=frame.index,
            nanoseconds=image.nanoseconds,
            width=frame.width,
            height=frame.height,
            poses=found.poses,
            hands=found.hands,
            gestures=held.gestures,
            targets=held.targets,
            goals=held.goals,
            frame_id=image.frame_id,
            source=frame.source,
            room=self._room if isinstance(image.place, str) else image.place,
        )


class _RecordedInputs:
    """What was recorded with an image."""

    def __init__(self, image: RecordedImage) -> None:
        self._image = image

    def camera_for(self, width: int, height: int) -> Camera | None:  # noqa: ARG002
        return self._image.camera

    def depth_for(self, stamp: float, width: int, height: int) -> DepthImage | None:  # noqa: ARG002
        return self._image.depth
