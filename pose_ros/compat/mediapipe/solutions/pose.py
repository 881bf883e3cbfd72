"""MediaPipe's ``solutions.pose`` over our BlazePose: the same networks, the same numbers."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple

from pose_ros.build import create_estimator
from pose_ros.compat.mediapipe.framework.formats.landmark_pb2 import (
    LandmarkList,
    NormalizedLandmarkList,
    normalized_landmarks,
    world_landmarks,
)
from pose_ros.compat.mediapipe.solutions.solution import CONFIDENCE, Solution, network_of
from pose_ros.core import skeletons
from pose_ros.core.types import FloatArray

__all__ = [
    "POSE_CONNECTIONS",
    "UPPER_BODY_POSE_CONNECTIONS",
    "Pose",
    "PoseLandmark",
]

_SKELETON = skeletons.get("blazepose33")


class PoseLandmark(IntEnum):
    """The landmarks of a body, by their index."""

    NOSE = 0
    LEFT_EYE_INNER = 1
    LEFT_EYE = 2
    LEFT_EYE_OUTER = 3
    RIGHT_EYE_INNER = 4
    RIGHT_EYE = 5
    RIGHT_EYE_OUTER = 6
    LEFT_EAR = 7
    RIGHT_EAR = 8
    MOUTH_LEFT = 9
    MOUTH_RIGHT = 10
    LEFT_SHOULDER = 11
    RIGHT_SHOULDER = 12
    LEFT_ELBOW = 13
    RIGHT_ELBOW = 14
    LEFT_WRIST = 15
    RIGHT_WRIST = 16
    LEFT_PINKY = 17
    RIGHT_PINKY = 18
    LEFT_INDEX = 19
    RIGHT_INDEX = 20
    LEFT_THUMB = 21
    RIGHT_THUMB = 22
    LEFT_HIP = 23
    RIGHT_HIP = 24
    LEFT_KNEE = 25
    RIGHT_KNEE = 26
    LEFT_ANKLE = 27
    RIGHT_ANKLE = 28
    LEFT_HEEL = 29
    RIGHT_HEEL = 30
    LEFT_FOOT_INDEX = 31
    RIGHT_FOOT_INDEX = 32


POSE_CONNECTIONS = frozenset(_SKELETON.links)
UPPER_BODY_POSE_CONNECTIONS = frozenset(skeletons.get("blazepose33_upper_body").links)

_NETWORKS = ("blazepose-lite", "blazepose-full", "blazepose-heavy")


class PoseResults(NamedTuple):
    """What ``Pose.process`` returns; all is None where no person was found.

    Attributes:
        pose_landmarks: 33 in the image, or 25 of the upper body.
        pose_world_landmarks: The same in meters, from the mid-hips.
        segmentation_mask: (H, W) float32 in [0, 1], how sure each pixel is to show the person;
            None unless ``enable_segmentation``.
    """

    pose_landmarks: NormalizedLandmarkList | None = None
    pose_world_landmarks: LandmarkList | None = None
    segmentation_mask: FloatArray | None = None


class PoseSolution(Solution):
    """MediaPipe's ``Pose``: the most prominent person of each image."""

    def __init__(
        self,
        static_image_mode: bool = False,
        model_complexity: int = 1,
        smooth_landmarks: bool = True,
        enable_segmentation: bool = False,
        smooth_segmentation: bool = True,
        min_detection_confidence: float = CONFIDENCE,
        min_tracking_confidence: float = CONFIDENCE,
        *,
        upper_body_only: bool = False,
        **engine: Any,
    ) -> None:
        """Load a network, fetching it on first use.

        Args:
            static_image_mode: Whether each image is a picture by itself, and not the next one of a
                video.
            model_complexity: 0, 1 or 2: ``blazepose-lite``, ``-full`` or ``-heavy``.
            smooth_landmarks: Whether landmarks are filtered over a video.
            enable_segmentation: Whether ``segmentation_mask`` is filled.
            smooth_segmentation: Changes nothing: masks are not filtered, and those of MediaPipe
                0.10.21 are the same with and without it.
            min_detection_confidence: In [0, 1], of a new person.
            min_tracking_confidence: In [0, 1], of landmarks.
            upper_body_only: Of old versions: the first 25 landmarks, whose z is NaN.
            engine: Fields of ``EngineOptions``, such as ``provider="cuda"``; not MediaPipe's.

        Raises:
            OptionError: An argument is out of its range.
            ModelError: The network is not available.
        """
        super().__init__(
            create_estimator(
                network_of(_NETWORKS, model_complexity),
                static=bool(static_image_mode),
                smoothing=bool(smooth_landmarks),
                masks=bool(enable_segmentation),
                threshold=min_detection_confidence,
                min_tracking_confidence=min_tracking_confidence,
                upper_body_only=bool(upper_body_only),
                **engine,
            )
        )

    def process(self, image: Any) -> PoseResults:
        """Find a person in an image.

        Args:
            image: (H, W, 3) uint8 RGB.

        Raises:
            ImageError: It is not; a ``ValueError``, as MediaPipe's is.
        """
        poses = self.estimate(image)
        if not len(poses):
            return PoseResults()
        pose = poses[0]
        height, width = image.shape[:2]
        scores = pose.keypoint_scores
        return PoseResults(
            normalized_landmarks(pose.keypoints, pose.depths, scores, (width, height)),
            None if pose.world is None else world_landmarks(pose.world, scores),
            pose.mask,
        )


Pose = PoseSolution
