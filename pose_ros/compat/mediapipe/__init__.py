"""MediaPipe's ``solutions`` of bodies and hands: ``import pose_ros.compat.mediapipe as mp``.

>>> import pose_ros
>>> import pose_ros.compat.mediapipe as mp
>>> frame = pose_ros.open_source("synthetic:stand", live=False).read()
>>> with mp.solutions.pose.Pose(static_image_mode=True) as pose:
...     results = pose.process(frame.image[..., ::-1])
>>> wrist = results.pose_landmarks.landmark[mp.solutions.pose.PoseLandmark.LEFT_WRIST]
>>> 0.0 < wrist.x < 1.0, wrist.visibility > 0.9
(True, True)
"""

from pose_ros.compat.mediapipe import solutions

__all__ = ["solutions"]
