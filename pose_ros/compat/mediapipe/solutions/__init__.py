"""Bodies, hands and how they are drawn, by the names of MediaPipe's ``solutions``."""

from pose_ros.compat.mediapipe.solutions import drawing_styles, drawing_utils, hands, pose

__all__ = ["drawing_styles", "drawing_utils", "hands", "pose"]
