"""What a network expects and gives: the part of a model card that its decoder needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, cast

import cv2
import numpy as np

from pose_ros.core.skeletons import Skeleton
from pose_ros.core.types import Channels, FloatArray, Image
from pose_ros.errors import ModelError

Layout: TypeAlias = Literal["nchw", "nhwc"]
Fit: TypeAlias = Literal["letterbox", "stretch"]
Dtype: TypeAlias = Literal["float32", "uint8", "int32"]
Shape: TypeAlias = "tuple[int | None, ...]"
"""Sizes of the axes of a network's input or output; None for one that is free."""

DEFAULT_THRESHOLD = 0.5


@dataclass(frozen=True)
class Placement:
    """Where an image, scaled, lies in a network's input.

    Attributes:
        left, top: Its corner, pixels of the input.
        width, height: Its size there, pixels.
        scale: Pixels of the input a pixel of the image, along x and y.
    """

    left: int
    top: int
    width: int
    height: int
    scale: tuple[float, float]

    def to_image(self, points: FloatArray) -> FloatArray:
        """Map points (..., 2) from pixels of the input to pixels of the image.

        Pixel centers lie at whole coordinates on both sides; it is the edges of pixels
        that scaling keeps in place.
        """
        corner = np.array([self.left, self.top], np.float32)
        scale = np.array(self.scale, np.float32)
        return cast("FloatArray", (points - corner + 0.5) / scale - 0.5)


@dataclass(frozen=True)
class ImageInput:
    """How a network wants its image.

    Attributes:
        width: Pixels.
        height: Pixels.
        mean: What a pixel of 0 to 255 is lessened by, one a channel in the order of
            ``channels``.
        std: What it is then divided by.
        layout: ``nchw`` or ``nhwc``.
        channels: ``rgb`` or ``bgr``.
        fit: ``letterbox`` keeps the proportions and fills the rest, ``stretch`` does not.
        dtype: ``float32``; or ``uint8`` or ``int32``, which take pixels as they are.
        fill: What the rest of a letterbox is filled with, 0 to 255; None for the mean.
    """

    width: int
    height: int
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (255.0, 255.0, 255.0)
    layout: Layout = "nchw"
    channels: Channels = "rgb"
    fit: Fit = "letterbox"
    dtype: Dtype = "float32"
    fill: int | None = None

    def place(self, width: int, height: int) -> Placement:
        """Return where an image of a size lies in the input."""
        x, y = self.width / width, self.height / height
        if self.fit == "letterbox":
            x = y = min(x, y)
        inner = max(1, round(width * x)), max(1, round(height * y))
        left, top = (self.width - inner[0]) // 2, (self.height - inner[1]) // 2
        return Placement(left, top, *inner, (inner[0] / width, inner[1] / height))

    def tensor(self, image: Image, channels: Channels) -> FloatArray:
        """Return the input for an image, a batch of one.

        An image that is shrunk is averaged over areas, as nothing may fall between samples.

        Args:
            image: (H, W, 3) uint8.
            channels: Order of the image's color channels.
        """
        place = self.place(image.shape[1], image.shape[0])
        shrinks = place.width < image.shape[1]
        scaled = cv2.resize(
            image,
            (place.width, place.height),
            interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR,
        )
        order = slice(None) if channels == self.channels else slice(None, None, -1)
        rows = slice(place.top, place.top + place.height)
        columns = slice(place.left, place.left + place.width)
        planes = np.empty((3, self.height, self.width), self.dtype)
        for plane, source, mean, std in zip(
            planes, cv2.split(scaled)[order], self.mean, self.std, strict=True
        ):
            target = plane[rows, columns]
            fill = mean if self.fill is None else self.fill
            if self.dtype != "float32":
                plane[:] = round(fill)
                target[:] = source
            else:
                plane[:] = (fill - mean) / std
                np.subtract(source, np.float32(mean), out=target)
                np.multiply(target, np.float32(1.0 / std), out=target)
        tensor = planes[None]
        if self.layout == "nhwc":
            tensor = np.ascontiguousarray(tensor.transpose(0, 2, 3, 1))
        return cast("FloatArray", tensor)


@dataclass(frozen=True)
class Value:
    """An input or output of a network.

    Attributes:
        name: What the project calls it.
        tensor: Its name in the original file.
        shape: That of a batch of one; the first axis is free.
        range: Least and greatest value that a pixel is scaled to, where the card says so.
        image: How an image becomes this input; None for outputs, and for inputs that
            are no images.
    """

    name: str
    tensor: str
    shape: tuple[int, ...]
    range: tuple[float, float] | None = None
    image: ImageInput | None = None


@dataclass(frozen=True)
class Contract:
    """What the code of a family gets of one network.

    Attributes:
        network: Name, for results and messages.
        skeleton: The keypoints that it finds.
        threshold: Least score, in [0, 1], at which it finds a person, where the user
            names none.
        inputs: Of each file, by its role.
        outputs: Of each file, by its role, in the order in which a session gives them.
        settings: The card's ``decoder``: what else the family's code wants to know.
    """

    network: str
    skeleton: Skeleton
    threshold: float = DEFAULT_THRESHOLD
    inputs: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)
    outputs: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)

    def image(self, role: str = "network") -> ImageInput:
        """Return how the file of a role wants its image.

        Raises:
            ModelError: The card does not say it, or names other files.
        """
        values = self.inputs.get(role)
        if values is None:
            raise ModelError(
                f"{self.network}: expected a file {role!r}, got {', '.join(self.inputs) or 'none'}"
            )
        found = [value.image for value in values if value.image is not None]
        if len(found) != 1 or len(values) != 1:
            names = ", ".join(value.name for value in values)
            raise ModelError(
                f"{self.network}: expected one image as the input of {role!r}, got {names}; "
                "an image has range, or mean and std"
            )
        return found[0]
