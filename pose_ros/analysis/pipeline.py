"""The live nodes' steps on one stream of images: who is in each, where, and doing what."""

from __future__ import annotations

from dataclasses import dataclass, field

from pose_ros.core.gestures import Gesture, GestureRecognizer
from pose_ros.core.lift import Lifter
from pose_ros.core.protocols import Estimator, HandEstimator
from pose_ros.core.results import Result
from pose_ros.core.timeline import StampOrder
from pose_ros.core.trunk_fit import Floor
from pose_ros.messages.poses import as_told
from pose_ros.settings.gestures import GestureOptions
from pose_ros.settings.lifting import LiftOptions
from pose_ros.sources.bag_images import RecordedImage


@dataclass(frozen=True)
class PipelineOptions:
    """What the results follow from, beside the networks.

    Attributes:
        lift: How people are placed in meters.
        floor: Where the camera is known to be above it.
        gestures: How gestures are recognized; None where nobody looks for them.
    """

    lift: LiftOptions = field(default_factory=LiftOptions)
    floor: Floor | None = None
    gestures: GestureOptions | None = field(default_factory=GestureOptions)


class Pipeline:
    """Finds people, their hands, their meters and their gestures, as the nodes do.

    The same images give the same results, to the last bit, as ``pose_node`` and ``gesture_node``
    give with the same options; the recognizer sees what the nodes' messages can tell it.

    Args:
        estimator: What finds the people.
        hands: What finds their hands; None where nobody looks for them.
        options: What else the results follow from.
    """

    def __init__(
        self,
        estimator: Estimator,
        hands: HandEstimator | None = None,
        options: PipelineOptions = PipelineOptions(),
    ) -> None:
        self.estimator, self.hands = estimator, hands
        if hands:
            hands.options = estimator.options
        self._order = StampOrder()
        self._floor = options.floor
        self._lifter = Lifter(options.lift)
        self._recognizer = GestureRecognizer(options.gestures) if options.gestures else None

    def reset(self) -> None:
        """Begin a new stream: nothing is remembered of anybody, ids begin at 0."""
        self._order = StampOrder()
        self.estimator.reset()
        if self.hands:
            self.hands.reset()
        self._lifter.reset()
        if self._recognizer:
            self._recognizer.reset()

    def run(self, shot: RecordedImage) -> Result:
        """Return what is found in the next image of the stream.

        Args:
            shot: The image, with what is known of it; its stamp rises within a stream, and a
                jump back forgets all.

        Raises:
            ImageError: The image has a shape or size that cannot be, or is late: younger ones
                were before it.
        """
        frame = shot.frame
        image, stamp, channels = frame.image, frame.stamp, frame.channels
        if not self.estimator.options.static:
            self._order.check(stamp)
        poses = self.estimator.estimate(image, stamp, channels=channels)
        if shot.camera is not None:
            if self.estimator.options.static:
                self._lifter.reset()  # an id says nothing about who it was in another image
            poses = self._lifter.lift(
                poses, shot.camera, stamp, floor=self._floor, depth=shot.depth
            )
        hands = None
        if self.hands:
            hands = as_told(self.hands.estimate(image, poses, stamp, channels=channels))
        poses = as_told(poses)
        gestures: tuple[Gesture, ...] = ()
        if self._recognizer:
            gestures = self._recognizer.update(poses, stamp, hands=hands, up=shot.up)
        return Result(
            index=frame.index,
            nanoseconds=shot.nanoseconds,
            width=frame.width,
            height=frame.height,
            poses=poses,
            hands=hands,
            gestures=gestures,
            frame_id=shot.frame_id,
            source=frame.source,
        )
