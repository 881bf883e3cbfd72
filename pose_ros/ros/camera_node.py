"""camera_node: a camera, file, folder, stream or the synthetic actor, as Image and CameraInfo."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from geometry_msgs.msg import TransformStamped
from rclpy.lifecycle import LifecyclePublisher
from rclpy.qos_overriding_options import QoSOverridingOptions
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import CameraInfo, Image

from pose_ros.core.camera import Calibration
from pose_ros.core.encoded_images import max_pixels_from
from pose_ros.core.multiview.disparity import NearPair
from pose_ros.core.multiview.extrinsics import CameraView
from pose_ros.core.multiview.views import camera_of_size
from pose_ros.core.skeletons import SIDES
from pose_ros.core.types import FloatArray, Frame, Source
from pose_ros.errors import PoseRosError
from pose_ros.ros.camera_and_depth import (
    calibration_of,
    read_calibration_url,
    read_rig_cameras,
)
from pose_ros.ros.capture import CaptureThread, start_capture
from pose_ros.ros.diagnostics import Notices, Report, StreamHealth
from pose_ros.ros.messages import camera_info_to_msg, header_to_msg, image_to_msg
from pose_ros.ros.neighbors import CameraNeighbors
from pose_ros.ros.node import ManagedNode, run
from pose_ros.ros.qos import IMAGE_QOS, LATCHED_QOS
from pose_ros.settings.nodes import CameraParameters
from pose_ros.sources.names import is_synthetic
from pose_ros.sources.opening import open_source
from pose_ros.sources.stereo import half_of
from pose_ros.synthetic.source import SyntheticSource

Receiver = Callable[[Any, Frame], None]


BASE = "base_link"


class SceneOutputs:
    """Publishes ``depth``, registered to the images, and the camera over ``base_link``.

    The depth is drawn only while it has a taker: it costs as much as the image itself.
    """

    def __init__(self, node: Any) -> None:
        """Make the publishers.

        Args:
            node: A ``ManagedNode``; they are destroyed when it is cleaned up.
        """
        self._node = node
        self._depth = node.make_publisher(Image, "depth", IMAGE_QOS)
        try:
            from tf2_msgs.msg import TFMessage
        except ImportError:
            self._static = None
            node.get_logger().warning("no /tf_static: ROS's package tf2_msgs is not installed")
            return
        self._message = TFMessage
        self._static = node.adopt(node.create_publisher(TFMessage, "/tf_static", LATCHED_QOS))

    def place_camera(self, source: SyntheticSource, frame_id: str) -> None:
        """Say, latched, where the camera's optical frame is over ``base_link``."""
        if self._static is None:
            return
        pose = source.view.transform
        mounting = TransformStamped(child_frame_id=frame_id)
        mounting.header.stamp = self._node.get_clock().now().to_msg()
        mounting.header.frame_id = BASE
        place, turn = mounting.transform.translation, mounting.transform.rotation
        place.x, place.y, place.z = pose[:3, 3].tolist()
        turn.x, turn.y, turn.z, turn.w = Rotation.from_matrix(pose[:3, :3]).as_quat().tolist()
        self._static.publish(self._message(transforms=[mounting]))

    def publish(self, source: SyntheticSource, frame: Frame, header: Any) -> None:
        """Publish the depth of a frame under the header of its image, as 32FC1."""
        if self._depth.get_subscription_count() == 0:
            return
        self._depth.publish(_depth_to_msg(source.measured_depth(frame.stamp), header))


class PairOutput:
    """Publishes ``left/depth``, meters by matching the pixels of both halves of an image.

    They are matched only while something reads: it takes about as long as a network.
    """

    def __init__(self, node: Any, views: Mapping[str, CameraView]) -> None:
        """Make the publisher.

        Args:
            node: A ``ManagedNode``; what is made is destroyed when it is cleaned up.
            views: Where the lenses stand, by side.
        """
        self._views = views
        self._depth = node.make_publisher(Image, f"{SIDES[0]}/depth", IMAGE_QOS)
        self._pair: NearPair | None = None

    def publish(self, frame: Frame, header: Any) -> None:
        """Publish the depth of the left half of a frame under its header, as 32FC1."""
        if self._depth.get_subscription_count() == 0:
            return
        left, right = (half_of(frame, side) for side in SIDES)
        size = (left.width, left.height)
        pair = self._pair
        if pair is None or (pair.first.camera.width, pair.first.camera.height) != size:
            pair = self._pair = NearPair(
                *(
                    dataclasses.replace(view, camera=camera_of_size(view.camera, view.name, size))
                    for view in (self._views[side] for side in SIDES)
                )
            )
        depth = pair.measure(left.image, right.image, frame.stamp, channels=frame.channels)
        self._depth.publish(_depth_to_msg(depth.values, header))


def _depth_to_msg(meters: FloatArray, header: Any) -> Image:
    height, width = meters.shape
    msg = Image(header=header, height=height, width=width, encoding="32FC1", step=4 * width)
    msg.data.frombytes(np.ascontiguousarray(meters, "<f4").view(np.uint8).data)
    return msg


@dataclasses.dataclass(eq=False)
class _Part:
    """What leaves of each frame: all of it, or the half of one lens.

    Attributes:
        side: ``left`` or ``right``; empty: all of it.
        images: Publisher.
        infos: Publisher.
        info: The CameraInfo, once it is known.
    """

    side: str
    images: LifecyclePublisher
    infos: LifecyclePublisher
    info: CameraInfo | None = None


class CameraNode(ManagedNode[CameraParameters]):
    """Publishes ``image`` and ``camera_info`` with the stamps of the captures.

    With ``stereo`` they are ``left/image``, ``left/camera_info`` and those of ``right``, in frames
    that begin with the same words. Lenses so near each other that their pixels can be matched give
    ``left/depth`` besides, before the images: who waits for the depth of an image finds it there.

    A drawn scene gives ``depth`` besides, and the camera's place on /tf_static.

    A live source is stamped when it was captured. A recording starts at the
    node's time when it is activated, and keeps its own spacing from there; with
    ``use_sim_time`` it plays by that clock. A bag keeps its stamps.
    """

    def __init__(self, **options: Any) -> None:
        """Declare the parameters; ``options`` are rclpy's."""
        super().__init__("camera", CameraParameters, **options)
        self.health = StreamHealth()
        self._calibration: Calibration | None = None
        self._views: dict[str, CameraView] = {}  # by the side of a part
        self._parts: list[_Part] = []
        self._scene: SceneOutputs | None = None
        self._near: PairOutput | None = None
        self._capture: CaptureThread | None = None
        self._receivers: dict[str, list[Receiver]] = {"": [], **{side: [] for side in SIDES}}
        self._notices = Notices(self.get_logger())
        self._neighbors = CameraNeighbors(self)

    def subscribe(self, receiver: Receiver, side: str = "") -> Callable[[], None]:
        """Hand every frame to a node of the same process, without a message or a copy.

        Args:
            receiver: Called in the capture's thread with the header and the frame;
                it must not write to the frame.
            side: With ``stereo`` whose half, ``left`` or ``right``.

        Returns:
            What ends it.
        """
        self._receivers[side].append(receiver)
        return lambda: self._receivers[side].remove(receiver)

    def acquire(self) -> None:
        """Read the calibration and make the publishers."""
        sides = SIDES if self.parameters.two_lenses.is_stereo else ()
        url = self.parameters.camera_info_url
        self._views = dict(zip(sides or ("",), read_rig_cameras(url, sides), strict=False))
        self._calibration = None if self._views else read_calibration_url(url)
        overrides = QoSOverridingOptions.with_default_policies()
        self._parts = []
        for side in sides or ("",):
            publishers = (
                self.make_publisher(
                    kind, f"{side}/{name}".lstrip("/"), IMAGE_QOS, qos_overriding_options=overrides
                )
                for kind, name in ((Image, "image"), (CameraInfo, "camera_info"))
            )
            self._parts.append(_Part(side, *publishers))
        self._scene = SceneOutputs(self) if is_synthetic(self.parameters.source) else None
        self._near = None
        if sides and self._views and NearPair(*self._views.values()).usable:
            self._near = PairOutput(self, self._views)

    def start(self) -> None:
        """Open the source: a device is taken only while the node is active."""
        p = self.parameters
        source = open_source(
            p.source,
            fps=p.rate,
            width=p.width,
            height=p.height,
            loop=p.loop,
            wait=p.wait_for_camera,
            max_pixels=max_pixels_from(p.images.max_megapixels),
            topic=p.images.topic,
        )
        for part in self._parts:
            part.info = None
        if self._scene and isinstance(source, SyntheticSource):
            self._scene.place_camera(source, p.frame_id)
        self.health.restart()
        self._notices.clear()
        self._capture = start_capture(
            self,
            source,
            lambda frame, stamp: self._publish(source, frame, stamp),
            self.health.ended,
            self._broke,
            rate=p.rate or 0.0,
            has_reader=self._has_reader,
        )

    def stop(self) -> None:
        """Close the source."""
        if self._capture is not None and not self._capture.stop():
            self.get_logger().warning(f"{self.parameters.source} hangs; it is left behind")
        self._capture = None
        self._neighbors.close()

    def report(self) -> Report:
        """Return rate, latency and what went wrong."""
        for text in self._neighbors.troubles():
            self._notices.note(text)
        notices = self._notices.recent()
        if self._capture is not None and self._capture.trouble:
            notices.insert(0, f"{self._capture.trouble}; it is tried again")
        return dataclasses.replace(self.health.report(self.clock_trouble()), notices=notices)

    def hardware_id(self) -> str:
        """Return the source."""
        return self.parameters.source

    def _has_reader(self) -> bool:
        return any(
            self._receivers[part.side] or part.images.get_subscription_count() > 0
            for part in self._parts
        )

    def _publish(self, source: Source, frame: Frame, stamp: float) -> None:
        began = time.perf_counter()
        self.health.arrived()
        if self._near:
            self._near.publish(frame, header_to_msg(stamp, self._frame_of(SIDES[0])))
        for part in self._parts:
            self._publish_part(source, part, frame, stamp)
        if self._scene and isinstance(source, SyntheticSource):
            self._scene.publish(source, frame, header_to_msg(stamp, self.parameters.frame_id))
        self.health.done(self.age(stamp), time.perf_counter() - began)

    def _publish_part(self, source: Source, part: _Part, frame: Frame, stamp: float) -> None:
        if part.side:
            frame = half_of(frame, part.side)
        header = header_to_msg(stamp, self._frame_of(part.side))
        for receiver in tuple(self._receivers[part.side]):
            receiver(header, frame)
        if part.info is None:
            part.info = self._make_info(source, frame, part.side)
        part.info.header = header
        part.infos.publish(part.info)
        # a copy of the image without a subscriber would be the largest part of the work
        if part.images.get_subscription_count() > 0:
            part.images.publish(image_to_msg(frame.image, frame.channels, header))

    def _frame_of(self, side: str) -> str:
        return f"{side}_{self.parameters.frame_id}".lstrip("_")

    def _make_info(self, source: Source, frame: Frame, side: str) -> CameraInfo:
        """Return the CameraInfo of the images, K zero where they are not calibrated.

        Raises:
            OptionError: The calibration is for another size.
        """
        size, given = (frame.width, frame.height), self._calibration
        if side in self._views:  # several cameras are scaled to their images
            view = self._views[side]
            given = Calibration(camera_of_size(view.camera, view.name, size))
        calibration = calibration_of(
            source,
            size,
            given,
            self.parameters.lens.hfov,
            self.get_logger().warning,
        )
        if calibration is None:
            self.get_logger().warning(
                "camera_info says that the camera is not calibrated: set camera_info_url or hfov"
            )
            return CameraInfo(width=frame.width, height=frame.height)
        return camera_info_to_msg(calibration, header_to_msg(0.0, ""))

    def _broke(self, error: Exception) -> None:
        self.health.failed(str(error))
        if isinstance(error, PoseRosError):
            self.get_logger().error(f"{error}; activate the node again to go on")
        else:
            self.get_logger().error(f"capture ended: {error!r}")


def main(args: Sequence[str] | None = None) -> int:
    """Run the node; return the exit code."""
    return run(lambda: [CameraNode()], args)


if __name__ == "__main__":
    sys.exit(main())
