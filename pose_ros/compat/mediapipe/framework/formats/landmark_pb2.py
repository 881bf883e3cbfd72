"""Landmarks, as MediaPipe's messages have them; a field that is not set is NaN here."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields

from pose_ros.core.types import FloatArray

_INDENT = "  "


@dataclass
class Landmark:
    """A point in meters.

    Attributes:
        x, y, z: Meters from the mid-hips, or from about the middle of a hand; x right, y down.
        visibility: In [0, 1]; NaN for a hand, as hands have none.
        presence: NaN in results; programs that make landmarks may set it.
    """

    x: float = math.nan
    y: float = math.nan
    z: float = math.nan
    visibility: float = math.nan
    presence: float = math.nan

    def __str__(self) -> str:
        values = ((entry.name, getattr(self, entry.name)) for entry in fields(self))
        return "".join(f"{name}: {value:.9g}\n" for name, value in values if not math.isnan(value))


@dataclass
class NormalizedLandmark(Landmark):
    """A point of an image.

    Attributes:
        x, y: In [0, 1] of the image's width and height; beyond them outside of it.
        z: At the scale of x, from the mid-hips or the wrist; smaller is nearer to the camera.
    """

    __str__ = Landmark.__str__


@dataclass
class LandmarkList:
    """The landmarks of one body or hand, in meters."""

    landmark: list[Landmark] = field(default_factory=list)

    def __str__(self) -> str:
        return "".join(_entry("landmark", one) for one in self.landmark)


@dataclass
class NormalizedLandmarkList:
    """The landmarks of one body or hand, in the image."""

    landmark: list[NormalizedLandmark] = field(default_factory=list)

    def __str__(self) -> str:
        return "".join(_entry("landmark", one) for one in self.landmark)


@dataclass
class Classification:
    """Which hand it is.

    Attributes:
        index: 0 for left and 1 for right.
        score: In [0, 1].
        label: ``Left`` or ``Right``, as in a mirror's image.
    """

    index: int
    score: float
    label: str

    def __str__(self) -> str:
        return f'index: {self.index}\nscore: {self.score:.9g}\nlabel: "{self.label}"\n'


@dataclass
class ClassificationList:
    """What one hand is; it has one entry."""

    classification: list[Classification] = field(default_factory=list)

    def __str__(self) -> str:
        return "".join(_entry("classification", one) for one in self.classification)


def normalized_landmarks(
    points: FloatArray,
    depths: FloatArray | None,
    scores: FloatArray | None,
    size: tuple[int, int],
) -> NormalizedLandmarkList:
    """Return landmarks as MediaPipe has them.

    Args:
        points: (K, 2) pixels.
        depths: (K,) pixels at the scale of x, or None.
        scores: (K,) visibilities in [0, 1], or None.
        size: Width and height of the image, pixels.
    """
    width, height = size
    return NormalizedLandmarkList(
        [
            NormalizedLandmark(
                float(x) / width,
                float(y) / height,
                math.nan if depths is None else float(depths[i]) / width,
                math.nan if scores is None else float(scores[i]),
            )
            for i, (x, y) in enumerate(points)
        ]
    )


def world_landmarks(points: FloatArray, scores: FloatArray | None) -> LandmarkList:
    """Return landmarks in meters.

    Args:
        points: (K, 3) meters.
        scores: (K,) visibilities in [0, 1], or None.
    """
    return LandmarkList(
        [
            Landmark(x, y, z, math.nan if scores is None else float(scores[i]))
            for i, (x, y, z) in enumerate(points.tolist())
        ]
    )


def _entry(name: str, content: object) -> str:
    lines = "".join(f"{_INDENT}{line}\n" for line in str(content).splitlines())
    return f"{name} {{\n{lines}}}\n"
