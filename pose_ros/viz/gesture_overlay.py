"""Draws on an image what people do with their arms and hands, and where they point."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from pose_ros.core.camera import Camera, Float64Array
from pose_ros.core.gestures.recognizer import Gesture
from pose_ros.core.skeletons import SIDES
from pose_ros.core.types import Channels, Image, Pose, Poses, validate_image

_RAY_COLOR, _TEXT_COLOR = (255, 105, 180), (255, 255, 255)  # RGB
_RAY_METERS = (0.5, 3.0)  # from its origin: about from the wrist on
_RAY_ARMS = 3.0  # lengths of the arm from the shoulder, where only the image is known
_RAY_POINTS = 24
_NEAREST_METERS = 0.1  # to the camera, of what is drawn
_FAR = 1 << 15  # pixels; beyond, OpenCV's drawing may overflow


def draw_gestures(
    image: Image,
    poses: Poses,
    gestures: Sequence[Gesture],
    camera: Camera | None = None,
    *,
    channels: Channels = "rgb",
) -> None:
    """Draw names of gestures beside the people who make them, and the rays of those who point.

    Args:
        image: (H, W, 3) uint8, contiguous and writable.
        poses: The people, in the image's pixels.
        gestures: Those of this image; one that has ended is left out.
        camera: Of the image; None: a ray is drawn along the arm in the image.
        channels: Order of the image's color channels.
    """
    validate_image(image, channels)
    people = {pose.id: pose for pose in poses}
    lines: dict[int, int] = {}
    for gesture in gestures:
        pose = people.get(gesture.person)
        if gesture.event == "ended" or pose is None:
            continue
        _draw_ray(image, pose, gesture, camera, channels)
        name = " ".join(filter(None, [gesture.side, gesture.name]))
        lines[pose.id] = lines.get(pose.id, 0) + 1
        _draw_name(image, pose, name, lines[pose.id], channels)


def _draw_ray(
    image: Image, pose: Pose, gesture: Gesture, camera: Camera | None, channels: Channels
) -> None:
    way = _ray_pixels(pose, gesture, camera)
    if len(way) < 2:
        return
    way = np.clip(way, -_FAR, _FAR)
    width = max(2, round(max(image.shape[:2]) / 250))
    color = _ordered(_RAY_COLOR, channels)
    start, end = ([round(float(v)) for v in way[i]] for i in (0, -1))
    cv2.arrowedLine(image, start, end, color, width, cv2.LINE_AA, tipLength=0.06)


def _ray_pixels(pose: Pose, gesture: Gesture, camera: Camera | None) -> Float64Array:
    """Return (n, 2) pixels along a ray, fewer than 2 where it cannot be drawn."""
    ray = gesture.ray
    if ray is None:
        return np.empty((0, 2))
    if ray.metric and camera is not None and np.isfinite(ray.origin).all():
        distances = np.linspace(*_RAY_METERS, _RAY_POINTS)[:, None]
        points = ray.origin + distances * ray.direction
        seen = points[points[:, 2] > _NEAREST_METERS]
        way = camera.project(seen) if len(seen) else np.empty((0, 2))
        return np.asarray(way[np.isfinite(way).all(axis=1)], np.float64)
    if gesture.side not in SIDES:
        return np.empty((0, 2))
    start, end = (
        np.asarray(pose.keypoint(f"{gesture.side}_{joint}"), np.float64)
        for joint in ("shoulder", "wrist")
    )
    way = np.stack([end, start + _RAY_ARMS * (end - start)])
    return way if np.isfinite(way).all() else np.empty((0, 2))


def _draw_name(image: Image, pose: Pose, name: str, line: int, channels: Channels) -> None:
    if not np.isfinite(pose.box).all():
        return
    height, width = image.shape[:2]
    scale = max(0.45, max(height, width) / 1000)
    font = cv2.FONT_HERSHEY_SIMPLEX
    (text_width, text_height), _ = cv2.getTextSize(name, font, scale, 2)
    x0, _, x1, y1 = (float(v) for v in pose.box)
    left = int(np.clip((x0 + x1 - text_width) / 2, 2, max(2, width - text_width - 2)))
    # at the feet, where neither the label of the box nor a raised arm is
    bottom = int(np.clip(y1 - 6, text_height + 4, height - 6)) - (line - 1) * (text_height + 8)
    for color, thickness in (((0, 0, 0), 4), (_ordered(_TEXT_COLOR, channels), 2)):
        cv2.putText(image, name, (left, bottom), font, scale, color, thickness, cv2.LINE_AA)


def _ordered(color: tuple[int, int, int], channels: Channels) -> tuple[int, int, int]:
    return color if channels == "rgb" else (color[2], color[1], color[0])
