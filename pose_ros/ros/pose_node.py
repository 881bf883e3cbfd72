"""pose_node: images in, people out; one worker, the newest image wins."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

# the core loads it when it is first needed: in a node that must not be in the middle of a stream
import scipy.optimize  # noqa: F401

from pose_ros.build import create_body_hands, create_estimator
from pose_ros.core.encoded_images import max_pixels_from
from pose_ros.core.lifting.lifter import floor_below
from pose_ros.core.timeline import StillWatch, Timeline
from pose_ros.core.types import Estimator, Frame, HandEstimator, Image, Source
from pose_ros.errors import ImageError, ModelError, OptionError
from pose_ros.messages.headers import stamp_from_msg
from pose_ros.networks.body_hands import hand_joints
from pose_ros.pipeline import PeopleStage
from pose_ros.ros.camera_and_depth import CameraAndDepth
from pose_ros.ros.camera_topics import (
    DriverSubscription,
    PendingImage,
    picture_of,
    subscribe_images,
)
from pose_ros.ros.capture import CaptureThread, start_capture
from pose_ros.ros.diagnostics import Level, Notices, Report, StreamHealth
from pose_ros.ros.messages import header_to_msg
from pose_ros.ros.neighbors import PoseNeighbors, missing_images
from pose_ros.ros.node import ManagedNode, run
from pose_ros.ros.outputs import PosePublishers, PublishedResult
from pose_ros.ros.threads import Worker
from pose_ros.runtime.session import interrupt
from pose_ros.settings.nodes import PoseParameters
from pose_ros.sources.names import may_repeat
from pose_ros.sources.opening import open_source

FROZEN_SECONDS = 0.5
"""A picture that stays the same for this long is worth a word; a repeated one is not."""
STUCK_SECONDS = 5.0
"""A network that works on one image for longer gives a warning; an error after"""
STUCK_ERROR_SECONDS = 30.0
PATIENCE_SECONDS = 1.0
"""How long a network is waited for when the node stops, before its run is broken off."""


def estimator_from(parameters: PoseParameters) -> Estimator:
    """Load the network that the parameters name.

    Raises:
        PoseRosError: A model file or the engine for it is not available.
    """
    return create_estimator(
        parameters.network, options=parameters.estimator, engine=parameters.engine
    )


def hands_from(parameters: PoseParameters) -> HandEstimator:
    """Load the network that finds the hands of people.

    Raises:
        PoseRosError: A model file or the engine for it is not available.
    """
    return create_body_hands(
        parameters.hands.network,
        detect_palms=parameters.hands.detect_palms,
        options=parameters.estimator,
        engine=parameters.engine,
    )


MakeEstimator = Callable[[PoseParameters], Estimator]
MakeHands = Callable[[PoseParameters], HandEstimator]
Network = TypeVar("Network", Estimator, HandEstimator)
Subscribe = Callable[[Callable[[Any, Frame], None]], Callable[[], None]]


@dataclass(frozen=True)
class PoseNodeResources:
    """What a configured node holds."""

    estimator: Estimator
    hands: HandEstimator | None
    outputs: PosePublishers


class PoseNode(ManagedNode[PoseParameters]):
    """Publishes the people of each image, and their hands, with the image's own header.

    An image without a stamp is refused, as nothing could be made of the result
    over time, and so is one that others overtook on the way; one without a
    frame_id is taken, and warned about once. Where time goes back, all starts over.
    An image that repeats the one before, pixel for pixel, is of a frozen camera and
    gives no poses, and so is one of a second camera on the same topic.
    """

    def __init__(
        self,
        *,
        make_estimator: MakeEstimator | None = None,
        make_hands: MakeHands | None = None,
        subscribe: Subscribe | None = None,
        **options: Any,
    ) -> None:
        """Declare the parameters.

        Args:
            make_estimator: Makes what finds the people; the network of the
                parameters when None.
            make_hands: Makes what finds their hands, when they are asked for.
            subscribe: Gives frames in memory, as ``CameraNode.subscribe``, in
                place of the image topic.
            options: Of rclpy's node.
        """
        super().__init__("pose", PoseParameters, **options)
        self._make_estimator = make_estimator or estimator_from
        self._make_hands = make_hands or hands_from
        self._subscribe = subscribe
        self.health = StreamHealth()
        self._resources: PoseNodeResources | None = None
        self._camera_and_depth: CameraAndDepth | None = None
        self._worker: Worker[PendingImage] | None = None
        self._end_input: Callable[[], Any] | None = None
        self._notices = Notices(self.get_logger())
        self._timeline, self._still = Timeline(), StillWatch()
        self._may_repeat = False
        self.images: DriverSubscription | None = None
        self._capture: CaptureThread | None = None
        self._neighbors = PoseNeighbors(self)
        self._stuck = ""
        self._interrupted = False

    def acquire(self) -> None:
        """Make the publishers and load the networks."""
        outputs = PosePublishers(self)  # first, as what is refused is refused at once
        estimator = self._load(self._make_estimator)
        hands = None
        if self.parameters.hands.enabled:
            hand_joints(estimator.skeleton)
            hands = self._load(self._make_hands)
        self._resources = PoseNodeResources(estimator, hands, outputs)

    def _load(self, make: Callable[[PoseParameters], Network]) -> Network:
        began = time.monotonic()
        network = make(self.parameters)
        self.get_logger().info(
            f"{network.network} on {network.provider}, loaded in {time.monotonic() - began:.1f} s"
        )
        return network

    def start(self) -> None:
        """Start the worker, then let images in."""
        if self._stuck:
            raise ModelError(f"{self._stuck}; clean the node up and configure it to load it again")
        resources = self.resources
        estimator, hands = resources.estimator, resources.hands
        # not reset: after a pause an id must not be another person's, and what the first image
        # may draw on of those before it, its stamp says
        estimator.options = self.parameters.estimator
        self._notices.clear()
        self._interrupted = False
        self._timeline, self._still = Timeline(), StillWatch()
        resources.outputs.start(estimator.skeleton, hands.skeleton if hands else None)
        self.health.restart()
        source = None
        self._may_repeat = False
        if self._subscribe is None and self.parameters.source:
            source = open_source(
                self.parameters.source,
                max_pixels=max_pixels_from(self.parameters.images.max_megapixels),
                wait=self.parameters.wait_for_camera,
                topic=self.parameters.images.topic,
            )
            self._may_repeat = may_repeat(self.parameters.source)
        try:
            self._camera_and_depth = CameraAndDepth(self, source)
            floor = floor_below(self.parameters.mount)
        except OptionError:
            if source is not None:
                source.close()
            raise
        stage = PeopleStage(estimator, hands, self.parameters.lift, floor)
        work = partial(self._work, stage, self._camera_and_depth, resources.outputs)
        self._worker = Worker(work, self._failed, "pose")
        self._end_input = self._start_input(source)

    def stop(self) -> None:
        """Let no more images in, and wait for the one in work."""
        if self._end_input is not None:
            self._end_input()
            self._end_input = self.images = self._capture = None
        if self._worker is not None:
            if not self._worker.stop(PATIENCE_SECONDS):
                self._interrupted = True
                interrupt(self._worker.thread_id)
                if not self._worker.stop():
                    self._stuck = f"{self.outfit.estimator.network} has not returned from an image"
                    self.get_logger().error(f"{self._stuck}; it is left behind")
            self._worker = None
            self.resources.outputs.stop()
        self._neighbors.close()
        if self._camera_and_depth is not None:
            self._camera_and_depth.close()
            self._camera_and_depth = None

    def release(self) -> None:
        """Free the network."""
        if self._resources is not None:
            self._resources.outputs.close()
        self._resources = None
        self._stuck = ""

    @property
    def resources(self) -> PoseNodeResources:
        """What the node holds while it is configured.

        Raises:
            RuntimeError: It is not configured.
        """
        if self._resources is None:
            raise RuntimeError("the node is not configured")
        return self._resources

    def report(self) -> Report:
        """Return rates, drops, latency, and what runs the network."""
        estimator = self.resources.estimator
        report = self.health.report(self.clock_trouble())
        values = [("network", estimator.network), ("provider", estimator.provider)]
        troubles = self._neighbors.troubles()
        if self.images is not None:
            values.append(("subscription", self.images.describe()))
            values.append(("images lost on the way", str(self.images.losses.lost_total)))
            troubles.append(self.images.trouble())
            if not self.health.arrived_total and not self.images.publishers:
                troubles.append(missing_images(self, self.images.topic))
        if self._capture is not None and self._capture.trouble:
            troubles.append(f"{self._capture.trouble}; it is tried again")
        if self._camera_and_depth is not None:
            values += self._camera_and_depth.values()
            troubles += self._camera_and_depth.troubles()
        for text in filter(None, troubles):
            self._notices.note(text)
        report = dataclasses.replace(
            report, values=[*values, *report.values], notices=self._notices.recent()
        )
        busy = self._worker.busy_seconds if self._worker else 0.0
        if busy <= STUCK_SECONDS:
            return report
        since = time.strftime("%H:%M:%S", time.localtime(time.time() - busy))
        level = Level.ERROR if busy > STUCK_ERROR_SECONDS else Level.WARN
        message = (
            f"{estimator.network} has not returned from an image for {busy:.0f} s, since {since}: "
            "the network is far too slow for this machine, or has a loop without an end"
        )
        return dataclasses.replace(report, level=level, message=message)

    def hardware_id(self) -> str:
        """Return the topic or source of the images."""
        return self.parameters.source or self.resolve_topic_name("image")

    def _start_input(self, source: Source | None) -> Callable[[], Any]:
        if self._subscribe is not None:
            return self._subscribe(lambda header, frame: self._take(picture_of(header, frame)))
        if source is not None:
            frame_id = self.parameters.frame_id

            def take(frame: Frame, stamp: float) -> None:
                self._take(picture_of(header_to_msg(stamp, frame_id), frame))

            self._capture = start_capture(self, source, take, self.health.ended, self._failed)
            return self._capture.stop
        self.images = subscribe_images(self, self._take, self._take_refused)
        return self.images.close

    def _take_refused(self, error: ImageError) -> None:
        self.health.arrived()
        self._refuse(error)

    def _take(self, picture: PendingImage) -> None:
        self.health.arrived()
        if self._worker is not None and not self._worker.put(picture):
            self.health.dropped()

    def _work(
        self,
        stage: PeopleStage,
        known: CameraAndDepth,
        outputs: PosePublishers,
        picture: PendingImage,
    ) -> None:
        """Find the people of one image and publish them; in the worker's thread."""
        estimator, hands, header = stage.estimator, stage.hands, picture.header
        options = self.parameters.estimator
        if options != estimator.options:
            estimator.options = options
        stage.lift = self.parameters.lift
        try:
            self._check_header(header)
            stamp = stamp_from_msg(header.stamp)
            image, channels = (
                picture.decode()
            )  # first: bytes that are not an image are not in the stream
            if not options.static:
                self._check_stamp(header.frame_id, stamp, options.reid_timeout)
            if self._is_frozen(image, stamp):
                return
            began = time.perf_counter()
            found = stage.run(image, stamp, known, channels=channels)
            duration = time.perf_counter() - began
        except ImageError as error:
            self._refuse(error)
            return
        result = PublishedResult(
            header,
            image,
            channels,
            found.poses,
            estimator.network,
            hands=found.hands,
            hand_network=hands.network if hands else "",
            camera=found.camera,
            depth=found.depth,
        )
        outputs.publish(result)
        self.health.done(self.age(stamp), duration)
        outputs.show(result)

    def _refuse(self, error: ImageError) -> None:
        self.health.refused(str(error))
        self._notices.note(f"image refused: {error}")

    def _check_header(self, header: Any) -> None:
        """Raise ImageError for an image without a stamp; warn of a bad frame, once."""
        if header.stamp.sec == 0 and header.stamp.nanosec == 0:
            raise ImageError(
                "it has no stamp (0.0); have its driver stamp images when it captures them"
            )
        if not header.frame_id:
            self._notices.note(
                "the images have no frame_id, nor will the poses, and there is nothing on /tf; set "
                "it in the camera's driver"
            )
        elif header.frame_id.startswith("/"):
            self._notices.note(
                f"the images' frame_id {header.frame_id!r} begins with a slash, which tf2 does not "
                "take: on /tf it is left out; set the frame_id in the camera's driver without it"
            )

    def _check_stamp(self, frame_id: str, stamp: float, remembered: float) -> None:
        """Raise ImageError for an image that is not the next one; log what starts over.

        What follows the people forgets them by itself where a stamp is before the last.
        """
        passed = self._timeline.check(stamp, frame_id, time.monotonic(), remembered)
        if passed.camera_before:
            self.get_logger().warning(
                f"images are of {frame_id!r} now; {passed.camera_before!r} has gone"
            )
        if passed.back:
            self.get_logger().warning(
                f"the images' stamps went back by {passed.back:.2f} s: tracking, smoothing "
                "and meters start over"
            )

    def _is_frozen(self, image: Image, stamp: float) -> bool:
        """Return whether an image is the one before once more, which is as good as none."""
        if self._may_repeat or self.parameters.allow_still_images:
            return False
        if not self._still.repeats(image, stamp):
            return False
        self.health.repeated()
        if self._still.seconds > FROZEN_SECONDS:
            self._notices.note(
                f"the picture has not changed in any pixel for {self._still.seconds:.1f} s: the "
                "camera or its driver is frozen, and no poses are sent; where images are drawn, "
                "recorded or sent twice, set allow_still_images:=true"
            )
        return True

    def _failed(self, error: Exception) -> None:
        if not self._interrupted:  # by the node itself, which is stopping
            self.health.failed(self.log_error(error))


def main(args: Sequence[str] | None = None) -> int:
    """Run the node; return the exit code."""
    return run(lambda: [PoseNode()], args)


if __name__ == "__main__":
    sys.exit(main())
