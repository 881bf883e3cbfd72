"""jetson-inference's ``poseNet`` and the parts of jetson-utils around it.

>>> from pose_ros.compat.jetson import poseNet, videoSource
>>> net = poseNet("blazepose-full", threshold=0.5)
>>> img = videoSource("synthetic:stand").Capture()
>>> (pose,) = net.Process(img)
>>> wrist = pose.Keypoints[pose.FindKeypoint("left_wrist")]
>>> net.GetKeypointName(wrist.ID), 0 < wrist.x < img.width
('left_wrist', True)

Each image is a single picture. ``jetson_utils`` has the parts of jetson-utils; they are here too.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias

import numpy as np

from pose_ros.build import create_estimator
from pose_ros.compat.jetson_utils import (
    Log,
    cudaFromNumpy,
    cudaToNumpy,
    loadImage,
    saveImage,
    videoOutput,
    videoSource,
)
from pose_ros.core.skeletons import Skeleton
from pose_ros.core.types import Image, Pose, validate_image
from pose_ros.errors import OptionError
from pose_ros.settings.estimation import MAX_PEOPLE
from pose_ros.settings.outputs import parse_parts
from pose_ros.viz.overlay import draw

__all__ = [
    "Log", "cudaFromNumpy", "cudaToNumpy", "loadImage",
    "poseNet", "saveImage", "videoOutput", "videoSource",
]  # fmt: skip

_CARD_FLAGS = ("topology", "colors", "input-blob", "output-cmap", "output-paf", "prototxt")


@dataclass
class ObjectPoseKeypoint:
    """A keypoint that was found.

    Attributes:
        ID: Of its type; ``GetKeypointName`` names it.
        x, y: Pixels.
    """

    ID: int
    x: float
    y: float


@dataclass
class ObjectPose:
    """A person.

    Attributes:
        ID: Position in the list of this image's people, from 0.
        Left, Top, Right, Bottom: The box around the keypoints, pixels.
        Keypoints: Those that were found.
        Links: Pairs of indices of ``Keypoints``.
        skeleton: What the keypoints are called; not jetson-inference's.
    """

    Keypoint: ClassVar = ObjectPoseKeypoint
    ID: int
    Left: float
    Top: float
    Right: float
    Bottom: float
    Keypoints: list[ObjectPoseKeypoint] = field(repr=False)
    Links: list[tuple[int, int]] = field(repr=False)
    skeleton: Skeleton = field(repr=False)

    @property
    def ROI(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom."""
        return self.Left, self.Top, self.Right, self.Bottom

    def FindKeypoint(self, key: int | str) -> int:
        """Return the index in ``Keypoints`` of an ID or a name; -1 where it was not found.

        Raises:
            OptionError: The skeleton has no keypoint of that name.
        """
        number = _keypoint_id(self.skeleton, key)
        return next((i for i, one in enumerate(self.Keypoints) if number == one.ID), -1)

    def FindLink(self, a: int | str, b: int | str) -> int:
        """Return the index in ``Links`` of a link by ``FindKeypoint``'s keys; -1 without one."""
        ends = {self.FindKeypoint(a), self.FindKeypoint(b)}
        return next((i for i, link in enumerate(self.Links) if set(link) == ends), -1)


_Person: TypeAlias = ObjectPose


class PoseNetwork:
    """jetson-inference's ``poseNet``, over any network of pose_ros."""

    ObjectPose = ObjectPose

    def __init__(
        self,
        network: str = "resnet18-body",
        argv: Sequence[str] = (),
        threshold: float = 0.15,
        **engine: Any,
    ) -> None:
        """Load a network, fetching it on first use.

        Args:
            network: Its name, or the path of a card or an ONNX file.
            argv: Flags that go before the other arguments: ``--network``, ``--model``,
                ``--threshold``, ``--keypoint-scale`` and ``--link-scale``. Those that describe a
                network are refused, and others are left to others.
            threshold: Least score of a person, in [0, 1].
            engine: Fields of ``EngineOptions``, such as ``provider``; not jetson-inference's.

        Raises:
            OptionError: A flag is out of its range, or has no meaning here.
            ModelError: The network is not available.
        """
        parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
        parser.add_argument("--network", "--model", default=network)
        parser.add_argument("--threshold", type=float, default=threshold)
        parser.add_argument("--keypoint-scale", type=float, default=0.0052)
        parser.add_argument("--link-scale", type=float, default=0.0013)
        for name in _CARD_FLAGS:
            parser.add_argument(f"--{name}")
        try:
            flags, _ = parser.parse_known_args(list(argv))
        except argparse.ArgumentError as error:
            raise OptionError(f"poseNet: {error}") from None
        for name in _CARD_FLAGS:
            if getattr(flags, name.replace("-", "_")) is not None:
                raise OptionError(f"--{name} has no meaning here: say it on a card, --model x.yaml")
        self._estimator = create_estimator(
            flags.network, max_people=MAX_PEOPLE, threshold=flags.threshold, **engine
        )
        self._scales = {"keypoint_scale": flags.keypoint_scale, "link_scale": flags.link_scale}
        self._seconds = math.nan

    def Process(self, image: Image, overlay: str = "links,keypoints") -> list[_Person]:
        """Find the people in an image, and draw them on it.

        Args:
            image: (H, W, 3) uint8 RGB; it is drawn on.
            overlay: ``box``, ``links``, ``keypoints`` with commas between them, or ``none``.

        Raises:
            ImageError: The image has another shape or type.
            OptionError: A part of the overlay is unknown.
        """
        parts, began = parse_parts(overlay), time.perf_counter()
        poses = self._estimator.estimate(validate_image(image))
        self._seconds = time.perf_counter() - began
        if parts:
            draw(image, poses, parts, **self._scales)
        return [_object_pose(i, pose, poses.found[i]) for i, pose in enumerate(poses)]

    def GetThreshold(self) -> float:
        """Return the least score of a person."""
        return float(self._estimator.options.threshold or 0.0)

    def SetThreshold(self, threshold: float) -> None:
        """Set the least score of a person, in [0, 1]."""
        options = self._estimator.options
        self._estimator.options = dataclasses.replace(options, threshold=threshold)

    def GetNumKeypoints(self) -> int:
        """Return how many keypoints the network knows."""
        return len(self._estimator.skeleton)

    def GetKeypointName(self, index: int) -> str:
        """Return the name of a keypoint by its ID."""
        return self._estimator.skeleton.keypoints[_keypoint_id(self._estimator.skeleton, index)]

    def FindKeypointID(self, name: str) -> int:
        """Return the ID of a keypoint by its name."""
        return _keypoint_id(self._estimator.skeleton, name)

    def GetKeypointScale(self) -> float:
        """Return the radius of a keypoint in longer sides of the image."""
        return float(self._scales["keypoint_scale"])

    def SetKeypointScale(self, scale: float) -> None:
        """Set the radius of a keypoint in longer sides of the image."""
        self._scales["keypoint_scale"] = scale

    def GetLinkScale(self) -> float:
        """Return the width of a link in longer sides of the image."""
        return float(self._scales["link_scale"])

    def SetLinkScale(self, scale: float) -> None:
        """Set the width of a link in longer sides of the image."""
        self._scales["link_scale"] = scale

    def GetNetworkName(self) -> str:
        """Return the network's name."""
        return self._estimator.network

    def GetNetworkFPS(self) -> float:
        """Return images a second at the pace of the last one; NaN before it."""
        return 1.0 / self._seconds

    def PrintProfilerTimes(self) -> None:
        """Print how long the last image took."""
        print(f"{self._estimator.network} on {self._estimator.provider}: "
              f"{1000 * self._seconds:.1f} ms")  # fmt: skip

    @staticmethod
    def Usage() -> str:
        """Return the flags that ``argv`` may have."""
        return "poseNet: --network --model --threshold --keypoint-scale --link-scale\n"


def _object_pose(number: int, pose: Pose, found: np.ndarray[Any, Any]) -> ObjectPose:
    kept = np.flatnonzero(found).tolist()
    place = {id_: i for i, id_ in enumerate(kept)}
    links = [(a, b) for a, b in pose.skeleton.links if a in place and b in place]
    keypoints = [ObjectPoseKeypoint(i, *pose.keypoints[i].tolist()) for i in kept]
    pairs = [(min(place[a], place[b]), max(place[a], place[b])) for a, b in links]
    left, top, right, bottom = pose.box.tolist()
    return ObjectPose(number, left, top, right, bottom, keypoints, pairs, pose.skeleton)


def _keypoint_id(skeleton: Skeleton, key: int | str) -> int:
    """Return the ID of a keypoint by its name, in capitals or not, or by its ID."""
    if isinstance(key, str):
        return skeleton.index(key.lower())
    if not 0 <= key < len(skeleton):
        raise OptionError(f"keypoint IDs are in [0, {len(skeleton) - 1}], got {key}")
    return key


poseNet = PoseNetwork
