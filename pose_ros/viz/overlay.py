"""Draws people, their hands and what they point at on an image."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import cv2
import numpy as np

from pose_ros.core.camera import Camera, Float64Array
from pose_ros.core.gestures.recognizer import Gesture
from pose_ros.core.skeletons import PEOPLE_COLORS, SIDES
from pose_ros.core.types import Channels, Image, ImageLike, Pose, Poses, validate_image
from pose_ros.errors import OptionError
from pose_ros.settings.outputs import PARTS

SPAN = 3.0
"""An image this many times as large as a person or hand has dots and lines just fitting."""

# fractions of the image's longer side
KEYPOINT_SCALE = 0.0045
LINK_SCALE = 0.003
TEXT_SCALE = 0.016

# RGB; the person's own left and right, and what lies in the middle
_LEFT, _RIGHT, _MIDDLE = (255, 138, 0), (0, 217, 231), (240, 240, 240)

_SHIFT = 4  # fractional bits of OpenCV's drawing coordinates
_FAR = 1 << 24  # pixels; OpenCV's drawing overflows beyond

Color = tuple[int, int, int]
_RAY_COLOR, _TEXT_COLOR = (255, 105, 180), (255, 255, 255)  # RGB
_RAY_METERS = (0.5, 3.0)  # from its origin: about from the wrist on
_RAY_ARMS = 3.0  # lengths of the arm from the shoulder, where only the image is known
_RAY_POINTS = 24
_NEAREST_METERS = 0.1  # to the camera, of what is drawn
_RAY_FAR = 1 << 15  # pixels to which the end of a ray is clipped


def draw(
    image: ImageLike,
    poses: Poses,
    parts: Iterable[str] = PARTS,
    *,
    hands: Poses | None = None,
    channels: Channels = "rgb",
    min_score: float | None = None,
    keypoint_scale: float | None = None,
    link_scale: float | None = None,
) -> None:
    """Draw people in place; dots and lines are finer on who is small.

    >>> import pose_ros
    >>> frame = pose_ros.open_source("synthetic:stand", live=False).read()
    >>> poses = pose_ros.create_estimator().estimate(frame.image, channels=frame.channels)
    >>> picture = frame.image.copy()
    >>> pose_ros.draw(picture, poses, channels=frame.channels)
    >>> bool((picture != frame.image).any())
    True

    Keypoints have their skeleton's colors, where it has any, and a link has that of the
    later of its ends; others have those of their side.

    Args:
        image: (H, W, 3) uint8, writable.
        poses: The people, in the image's pixels.
        parts: Some of ``PARTS``.
        hands: Of these people, drawn without boxes.
        channels: Order of the image's color channels.
        min_score: Keypoints with a lower score, in [0, 1], and their links are left out;
            None for what suits the network, ``Skeleton.least_score``.
        keypoint_scale: Radius of a dot as a fraction of the image's longer side, for large
            and small people alike; None for one that fits each.
        link_scale: The same for the width of a line.
    """
    image = validate_image(image, channels)
    if not image.flags.c_contiguous or not image.flags.writeable:
        raise OptionError("draw needs a contiguous, writable image; pass a copy")
    wanted = set(parts)
    size = max(image.shape[:2])
    for pose, boxed in [*((p, "box" in wanted) for p in poses), *((h, False) for h in hands or ())]:
        least = pose.skeleton.least_score if min_score is None else min_score
        shown = (pose.keypoint_scores >= least) & np.isfinite(pose.keypoints).all(axis=1)
        if boxed:
            _draw_box(image, pose, size, channels)
        fitting = _fitting_size(pose, size)
        if "links" in wanted:
            width = LINK_SCALE * fitting if link_scale is None else link_scale * size
            _draw_links(image, pose, shown, max(1, round(width)), channels)
        if "keypoints" in wanted:
            radius = KEYPOINT_SCALE * fitting if keypoint_scale is None else keypoint_scale * size
            _draw_keypoints(image, pose, shown, max(0.75, radius), channels)


def _fitting_size(pose: Pose, size: int) -> float:
    """Return the longer side of the image, at most ``SPAN`` times the person's, in pixels."""
    extent = float(max(pose.box[2] - pose.box[0], pose.box[3] - pose.box[1]))
    return min(float(size), SPAN * extent)  # the image's where the box is NaN


def _draw_box(image: Image, pose: Pose, size: int, channels: Channels) -> None:
    if not np.isfinite(pose.box).all():
        return
    color = _ordered(PEOPLE_COLORS[pose.id % len(PEOPLE_COLORS)], channels)
    x0, y0, x1, y1 = (round(float(v)) for v in np.clip(pose.box, -_FAR, _FAR))
    thickness = max(1, round(LINK_SCALE * size / 2))
    cv2.rectangle(image, (x0, y0), (x1, y1), color, thickness, cv2.LINE_AA)
    font, scale = cv2.FONT_HERSHEY_SIMPLEX, max(0.35, TEXT_SCALE * size / 20)
    label = "  ".join(filter(None, [f"{pose.id}", pose.label, f"{pose.score:.2f}"]))
    (width, height), _ = cv2.getTextSize(label, font, scale, 1)
    # inside the image even where the box reaches beyond it
    left = int(np.clip(x0, 0, max(0, image.shape[1] - width - 6)))
    top = int(np.clip(y0 - height - 7, 0, max(0, image.shape[0] - height - 7)))
    cv2.rectangle(image, (left, top), (left + width + 6, top + height + 7), color, cv2.FILLED)
    origin = (left + 3, top + height + 3)
    cv2.putText(image, label, origin, font, scale, (0, 0, 0), 1, cv2.LINE_AA)


def _draw_links(
    image: Image, pose: Pose, shown: np.ndarray, thickness: int, channels: Channels
) -> None:
    colors = _keypoint_colors(pose)
    for a, b in pose.skeleton.links:
        if shown[a] and shown[b]:
            color = colors[a] if colors[a] == colors[b] else _MIDDLE
            if pose.skeleton.colors:
                color = colors[max(a, b)]
            cv2.line(
                image,
                _fixed_point(pose.keypoints[a]),
                _fixed_point(pose.keypoints[b]),
                _ordered(color, channels),
                thickness,
                cv2.LINE_AA,
                _SHIFT,
            )


def _draw_keypoints(
    image: Image, pose: Pose, shown: np.ndarray, radius: float, channels: Channels
) -> None:
    colors = _keypoint_colors(pose)
    for i in np.flatnonzero(shown):
        center = _fixed_point(pose.keypoints[i])
        rim = min(1.0, radius / 3)
        outer, inner = (round(r * (1 << _SHIFT)) for r in (radius + rim, radius))
        cv2.circle(image, center, outer, (0, 0, 0), cv2.FILLED, cv2.LINE_AA, _SHIFT)
        color = _ordered(colors[i], channels)
        cv2.circle(image, center, inner, color, cv2.FILLED, cv2.LINE_AA, _SHIFT)


def _keypoint_colors(pose: Pose) -> list[Color]:
    if pose.skeleton.colors:
        return list(pose.skeleton.colors)
    whole = {"left": _LEFT, "right": _RIGHT}.get(pose.label or "", _MIDDLE)
    colors: list[Color] = [whole] * len(pose.skeleton)
    for left, right in pose.skeleton.left_right:
        colors[left], colors[right] = _LEFT, _RIGHT
    return colors


def _ordered(color: Color, channels: Channels) -> Color:
    return color if channels == "rgb" else (color[2], color[1], color[0])


def _fixed_point(point: np.ndarray) -> tuple[int, int]:
    x, y = np.clip(point, -_FAR, _FAR) * (1 << _SHIFT)
    return round(float(x)), round(float(y))


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
    way = np.clip(way, -_RAY_FAR, _RAY_FAR)
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
