"""MediaPipe's ``solutions.drawing_utils``: landmarks and connections on an image, or in a plot."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import cv2
import numpy as np

from pose_ros.compat.mediapipe.framework.formats.landmark_pb2 import (
    Landmark,
    LandmarkList,
    NormalizedLandmarkList,
)
from pose_ros.core.types import Image
from pose_ros.errors import ImageError, OptionError

# BGR
WHITE_COLOR = (224, 224, 224)
BLACK_COLOR = (0, 0, 0)
RED_COLOR = (0, 0, 255)
GREEN_COLOR = (0, 128, 0)
BLUE_COLOR = (255, 0, 0)

_LEAST = 0.5

Connection: TypeAlias = "tuple[int, int]"
Landmarks2d: TypeAlias = "LandmarkList | NormalizedLandmarkList"


@dataclass
class DrawingSpec:
    """How something is drawn.

    Attributes:
        color: In the order of the image's channels, 0 to 255 each.
        thickness: Of a line or a circle's edge, pixels; -1 fills the circle.
        circle_radius: Pixels.
    """

    color: tuple[int, int, int] = WHITE_COLOR
    thickness: int = 2
    circle_radius: int = 2


_RED, _WHITE = DrawingSpec(RED_COLOR), DrawingSpec()


def draw_landmarks(
    image: Image,
    landmark_list: NormalizedLandmarkList | None,
    connections: Iterable[Connection] | None = None,
    landmark_drawing_spec: DrawingSpec | Mapping[int, DrawingSpec] | None = _RED,
    connection_drawing_spec: DrawingSpec | Mapping[Connection, DrawingSpec] | None = _WHITE,
    is_drawing_landmarks: bool = True,
) -> None:
    """Draw landmarks in place.

    Left out are landmarks outside of the image, those with a visibility or presence below 0.5, and
    the connections that end in one of them.

    Args:
        image: (H, W, 3) uint8.
        landmark_list: Of one body or hand; None draws nothing.
        connections: Pairs of indices, such as ``POSE_CONNECTIONS``.
        landmark_drawing_spec: For all landmarks, or for each; None draws none.
        connection_drawing_spec: For all connections, or for each; None draws none.
        is_drawing_landmarks: False draws no landmarks.

    Raises:
        ImageError: The image has not three channels.
        OptionError: A connection names a landmark that is not there. Both are a ``ValueError``.
    """
    if landmark_list is None:
        return
    if image.ndim != 3 or image.shape[2] != 3:
        raise ImageError(f"Input image must contain three channel bgr data: got {image.shape}")
    height, width = image.shape[:2]
    pixels = {
        i: place
        for i, one in _visible(landmark_list.landmark)
        if (place := _normalized_to_pixel_coordinates(one.x, one.y, width, height)) is not None
    }
    for a, b in _checked(connections, len(landmark_list.landmark)):
        if a in pixels and b in pixels and connection_drawing_spec is not None:
            spec = _spec_of(connection_drawing_spec, (a, b))
            cv2.line(image, pixels[a], pixels[b], spec.color, spec.thickness)
    if landmark_drawing_spec is None or not is_drawing_landmarks:
        return
    for i, place in pixels.items():
        spec = _spec_of(landmark_drawing_spec, i)
        edge = max(spec.circle_radius + 1, int(1.2 * spec.circle_radius))
        cv2.circle(image, place, edge, WHITE_COLOR, spec.thickness)
        cv2.circle(image, place, spec.circle_radius, spec.color, spec.thickness)


def plot_landmarks(
    landmark_list: Landmarks2d | None,
    connections: Iterable[Connection] | None = None,
    landmark_drawing_spec: DrawingSpec | None = None,
    connection_drawing_spec: DrawingSpec | None = None,
    elevation: int = 10,
    azimuth: int = 10,
) -> None:
    """Show landmarks in a 3D plot of matplotlib, which has to be installed.

    Args:
        landmark_list: Such as ``pose_world_landmarks``; None shows nothing.
        connections: Pairs of indices.
        landmark_drawing_spec: Their color, BGR, and size; red unless given.
        connection_drawing_spec: The same of the lines; black unless given.
        elevation: From which the plot is seen, degrees.
        azimuth: Likewise.

    Raises:
        OptionError: A connection names a landmark that is not there.
    """
    if landmark_list is None:
        return
    import matplotlib.pyplot as plt

    axes = plt.figure(figsize=(10, 10)).add_subplot(projection="3d")
    axes.view_init(elev=elevation, azim=azimuth)
    places = {i: (-one.z, one.x, -one.y) for i, one in _visible(landmark_list.landmark)}
    dots = landmark_drawing_spec or DrawingSpec(RED_COLOR, thickness=5)
    lines = connection_drawing_spec or DrawingSpec(BLACK_COLOR, thickness=5)
    if places:
        axes.scatter(*np.transpose(list(places.values())), **_style(dots))
    for a, b in _checked(connections, len(landmark_list.landmark)):
        if a in places and b in places:
            axes.plot(*np.transpose([places[a], places[b]]), **_style(lines))
    plt.show()


def _normalized_to_pixel_coordinates(
    normalized_x: float, normalized_y: float, image_width: int, image_height: int
) -> tuple[int, int] | None:
    """Return the pixel of a landmark; None outside of the image. Programs use it by this name."""
    if not (0 <= normalized_x <= 1 and 0 <= normalized_y <= 1):
        return None
    x, y = math.floor(normalized_x * image_width), math.floor(normalized_y * image_height)
    return min(x, image_width - 1), min(y, image_height - 1)


def _visible(landmarks: Sequence[Landmark]) -> list[tuple[int, Landmark]]:
    # a hand's landmarks have neither: NaN is not below
    return [
        (i, one)
        for i, one in enumerate(landmarks)
        if not (one.visibility < _LEAST or one.presence < _LEAST)
    ]


def _checked(connections: Iterable[Connection] | None, count: int) -> Iterable[Connection]:
    for a, b in connections or ():
        if not (0 <= a < count and 0 <= b < count):
            raise OptionError(
                f"Landmark index is out of range: the connection {a}, {b} of {count} landmarks"
            )
        yield a, b


def _spec_of(spec: DrawingSpec | Mapping[Any, DrawingSpec], key: object) -> DrawingSpec:
    return spec if isinstance(spec, DrawingSpec) else spec[key]


def _style(spec: DrawingSpec) -> dict[str, Any]:
    color = tuple(channel / 255 for channel in spec.color[::-1])
    return {"color": color, "linewidth": spec.thickness}
