"""MediaPipe's ``solutions.hands`` over our hand networks: the same networks, the same numbers."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple

from pose_ros.build import create_estimator
from pose_ros.compat.mediapipe.framework.formats.landmark_pb2 import (
    Classification,
    ClassificationList,
    LandmarkList,
    NormalizedLandmarkList,
    normalized_landmarks,
    world_landmarks,
)
from pose_ros.compat.mediapipe.solutions.solution import CONFIDENCE, Solution, network_of
from pose_ros.core import skeletons
from pose_ros.core.types import Pose
from pose_ros.errors import OptionError
from pose_ros.settings.estimation import MAX_PEOPLE

__all__ = ["HAND_CONNECTIONS", "HandLandmark", "Hands"]

HAND_CONNECTIONS = frozenset(skeletons.get("blazehand21").links)

_NETWORKS = ("blazehand-lite", "blazehand-full")
_MIRRORED = {"left": "Right", "right": "Left"}
_LABELS = ("Left", "Right")


class HandLandmark(IntEnum):
    """The landmarks of a hand, by their index."""

    WRIST = 0
    THUMB_CMC = 1
    THUMB_MCP = 2
    THUMB_IP = 3
    THUMB_TIP = 4
    INDEX_FINGER_MCP = 5
    INDEX_FINGER_PIP = 6
    INDEX_FINGER_DIP = 7
    INDEX_FINGER_TIP = 8
    MIDDLE_FINGER_MCP = 9
    MIDDLE_FINGER_PIP = 10
    MIDDLE_FINGER_DIP = 11
    MIDDLE_FINGER_TIP = 12
    RING_FINGER_MCP = 13
    RING_FINGER_PIP = 14
    RING_FINGER_DIP = 15
    RING_FINGER_TIP = 16
    PINKY_MCP = 17
    PINKY_PIP = 18
    PINKY_DIP = 19
    PINKY_TIP = 20


class HandsResults(NamedTuple):
    """What ``Hands.process`` returns; all is None where no hand was found.

    Attributes:
        multi_hand_landmarks: 21 of each hand, in the image.
        multi_hand_world_landmarks: The same in meters, from about the middle of the hand.
        multi_handedness: Which hand each is. As MediaPipe does, it takes the image for a mirror's:
            a person's left hand in an image that is not mirrored is ``Right``.
    """

    multi_hand_landmarks: list[NormalizedLandmarkList] | None = None
    multi_hand_world_landmarks: list[LandmarkList] | None = None
    multi_handedness: list[ClassificationList] | None = None


class HandsSolution(Solution):
    """MediaPipe's ``Hands``."""

    def __init__(
        self,
        static_image_mode: bool = False,
        max_num_hands: int = 2,
        model_complexity: int = 1,
        min_detection_confidence: float = CONFIDENCE,
        min_tracking_confidence: float = CONFIDENCE,
        **engine: Any,
    ) -> None:
        """Load a network, fetching it on first use.

        Args:
            static_image_mode: Whether each image is a picture by itself, and not the next one of a
                video.
            max_num_hands: 1 to 10.
            model_complexity: 0 or 1: ``blazehand-lite`` or ``-full``.
            min_detection_confidence: In [0, 1], of a palm.
            min_tracking_confidence: In [0, 1], of landmarks.
            engine: Fields of ``EngineOptions``, such as ``provider="cuda"``; not MediaPipe's.

        Raises:
            OptionError: An argument is out of its range.
            ModelError: The network is not available.
        """
        if max_num_hands not in range(1, MAX_PEOPLE + 1):
            raise OptionError(f"max_num_hands must be in [1, {MAX_PEOPLE}], got {max_num_hands!r}")
        super().__init__(
            create_estimator(
                network_of(_NETWORKS, model_complexity),
                static=bool(static_image_mode),
                # MediaPipe filters bodies, and hands not
                smoothing=False,
                max_people=max_num_hands,
                threshold=min_detection_confidence,
                min_tracking_confidence=min_tracking_confidence,
                **engine,
            )
        )

    def process(self, image: Any) -> HandsResults:
        """Find hands in an image.

        Args:
            image: (H, W, 3) uint8 RGB.

        Raises:
            ImageError: It is not; a ``ValueError``, as MediaPipe's is.
        """
        hands = self.estimate(image)
        if not len(hands):
            return HandsResults()
        height, width = image.shape[:2]
        return HandsResults(
            [normalized_landmarks(h.keypoints, h.depths, None, (width, height)) for h in hands],
            [world_landmarks(hand.world, None) for hand in hands if hand.world is not None],
            [ClassificationList([_handedness(hand)]) for hand in hands],
        )


def _handedness(hand: Pose) -> Classification:
    label = _MIRRORED[hand.label or ""]
    return Classification(_LABELS.index(label), float(hand.label_score or 0.0), label)


Hands = HandsSolution
