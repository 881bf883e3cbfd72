"""MediaPipe's ``solutions.drawing_styles``: colors for sides of the body and for fingers, BGR."""

from __future__ import annotations

from pose_ros.compat.mediapipe.solutions.drawing_utils import Connection, DrawingSpec
from pose_ros.compat.mediapipe.solutions.hands import HAND_CONNECTIONS, HandLandmark
from pose_ros.compat.mediapipe.solutions.pose import PoseLandmark

_LEFT, _RIGHT, _MIDDLE = (0, 138, 255), (231, 217, 0), (224, 224, 224)
_PALM, _PALM_LINE = (48, 48, 255), (128, 128, 128)
_FINGERS = {
    "THUMB": (180, 229, 255),
    "INDEX": (128, 64, 128),
    "MIDDLE": (0, 204, 255),
    "RING": (48, 255, 48),
    "PINKY": (192, 101, 21),
}
_ROOTS = {HandLandmark.THUMB_CMC, *(one for one in HandLandmark if one.name.endswith("FINGER_MCP"))}
_PALM_LANDMARKS = {HandLandmark.WRIST, HandLandmark.PINKY_MCP, *_ROOTS}


def get_default_pose_landmarks_style() -> dict[int, DrawingSpec]:
    """Return how each landmark of a body is drawn: left orange, right blue, the nose white."""
    sides = {"LEFT": _LEFT, "RIGHT": _RIGHT}
    return {
        one: DrawingSpec(next((c for side, c in sides.items() if side in one.name), _MIDDLE))
        for one in PoseLandmark
    }


def get_default_hand_landmarks_style() -> dict[int, DrawingSpec]:
    """Return how each landmark of a hand is drawn: the palm red, each finger in its color."""
    return {
        one: DrawingSpec(
            _PALM if one in _PALM_LANDMARKS else _FINGERS[one.name.split("_")[0]],
            thickness=-1,
            circle_radius=5,
        )
        for one in HandLandmark
    }


def get_default_hand_connections_style() -> dict[Connection, DrawingSpec]:
    """Return how each connection of a hand is drawn: gray in the palm, else as its finger."""
    style = {}
    for a, b in HAND_CONNECTIONS:
        inside = {HandLandmark(a), HandLandmark(b)} <= _PALM_LANDMARKS
        name = HandLandmark(b).name.split("_")[0]
        style[a, b] = DrawingSpec(
            _PALM_LINE if inside else _FINGERS[name], thickness=3 if inside else 2
        )
    return style
