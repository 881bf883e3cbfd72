"""What lifting makes of drawn people, as a picture: examples from above, errors as dots."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from pose_ros.bench.lifting import SETTINGS, Drawn, lift, measure
from pose_ros.core.camera import Float64Array
from pose_ros.core.types import Image

_WIDTH, _HEIGHT, _MARGIN = 360, 240, 40  # pixels of a plot
_EXAMPLES = 3
_INK, _DOT, _LIGHT = (40, 40, 40), (180, 90, 20), (225, 225, 225)  # BGR, as all colors here
_TRUE, _FOUND = (60, 60, 220), (60, 160, 40)
_TRUNK_AND_ARMS = ((11, 12), (11, 13), (13, 15), (12, 14), (14, 16), (11, 23), (12, 24), (23, 24))


def plot(frames: Sequence[Drawn]) -> Image:
    """Return a picture: a few people, and the errors of all by distance and by direction."""
    rows = [_examples(frames[:_EXAMPLES])]
    for name in ("height known", "depth camera"):
        errors = measure(frames, SETTINGS[name])
        hips = np.clip(100.0 * errors.hips, -12.0, 12.0)
        pointing = np.minimum(errors.pointing, 60.0)
        rows.append(
            np.hstack(
                [
                    _scatter(
                        errors.distances, hips, (1.5, 5.5), (-12.0, 12.0),
                        f"{name}: depth of the hips, %, over meters",
                    ),
                    _scatter(
                        errors.views, pointing, (-1.0, 1.0), (0.0, 60.0),
                        f"{name}: pointing, degrees, over the cosine",
                    ),
                ]
            )
        )  # fmt: skip
    return np.vstack(rows)


def _examples(frames: Sequence[Drawn]) -> Image:
    """Return pictures, and below them where the people are from above: true and found."""
    width = 2 * _WIDTH // _EXAMPLES
    canvas: Image = np.full((width * 3 // 4 + width, 2 * _WIDTH, 3), 255, np.uint8)
    for i, drawn in enumerate(frames):
        height = width * drawn.image.shape[0] // drawn.image.shape[1]
        picture = cv2.resize(drawn.image, (width, height), interpolation=cv2.INTER_AREA)
        columns = slice(i * width, (i + 1) * width)
        canvas[: min(height, width * 3 // 4), columns] = picture[: width * 3 // 4]
        canvas[width * 3 // 4 :, columns] = _from_above(drawn, width)
    return canvas


def _from_above(drawn: Drawn, size: int) -> Image:
    """Return two meters around a person's true hips from above, the camera below."""
    canvas: Image = np.full((size, size, 3), 255, np.uint8)
    lifted = lift(drawn, SETTINGS["height known"])
    assert lifted.camera is not None  # noqa: S101 - that is what lift does
    assert lifted.camera_sigmas is not None  # noqa: S101
    middle = drawn.truth.camera[23:25].mean(axis=0)

    def place(point: Float64Array) -> tuple[int, int]:
        x, _, z = (point - middle) / 2.0 * size
        return round(size / 2 + x), round(size / 2 - z)

    found = lifted.camera[0].astype(np.float64)
    for points, color in ((drawn.truth.camera, _TRUE), (found, _FOUND)):
        for a, b in _TRUNK_AND_ARMS:
            cv2.line(canvas, place(points[a]), place(points[b]), color, 2, cv2.LINE_AA)
    wrist = drawn.truth.skeleton.index(f"{drawn.truth.arm}_wrist")
    radius = round(float(lifted.camera_sigmas[0, wrist]) / 2.0 * size)
    cv2.circle(canvas, place(found[wrist]), radius, _FOUND, 1, cv2.LINE_AA)
    cv2.rectangle(canvas, (0, 0), (size - 1, size - 1), _LIGHT, 1)
    return canvas


def _scatter(
    x: Float64Array,
    y: Float64Array,
    across: tuple[float, float],
    up: tuple[float, float],
    title: str,
) -> Image:
    canvas: Image = np.full((_HEIGHT, _WIDTH, 3), 255, np.uint8)
    right, bottom = _WIDTH - _MARGIN // 2, _HEIGHT - _MARGIN

    def place(a: float, b: float) -> tuple[int, int]:
        column = _MARGIN + (a - across[0]) / (across[1] - across[0]) * (right - _MARGIN)
        row = bottom - (b - up[0]) / (up[1] - up[0]) * (bottom - _MARGIN)
        return round(column), round(row)

    def write(text: str, column: int, row: int) -> None:
        font = cv2.FONT_HERSHEY_SIMPLEX
        cv2.putText(canvas, text, (column, row), font, 0.36, _INK, 1, cv2.LINE_AA)

    for value in np.linspace(*up, 5):
        cv2.line(canvas, place(across[0], value), place(across[1], value), _LIGHT, 1)
        write(f"{value:g}", 6, place(0, value)[1] + 4)
    for value in np.linspace(*across, 5):
        cv2.line(canvas, place(value, up[0]), place(value, up[1]), _LIGHT, 1)
        write(f"{value:g}", place(value, 0)[0] - 8, bottom + 16)
    for a, b in zip(x.tolist(), y.tolist(), strict=True):
        cv2.circle(canvas, place(a, b), 2, _DOT, -1, cv2.LINE_AA)
    write(title, _MARGIN, _MARGIN - 12)
    return canvas
