"""Camera calibrations in the YAML form that ROS's camera_info tools read and write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pose_ros.core.camera import Calibration, Camera, Float64Array
from pose_ros.documents import parse_yaml
from pose_ros.errors import DocumentError, OptionError
from pose_ros.files import read_file


def read_calibration(path: str | Path) -> Calibration:
    """Read a calibration file, as camera_calibration writes it.

    >>> import pathlib
    >>> import pose_ros
    >>> text = '''
    ... image_width: 640
    ... image_height: 480
    ... camera_name: front
    ... camera_matrix: {rows: 3, cols: 3, data: [554, 0, 320, 0, 554, 240, 0, 0, 1]}
    ... distortion_model: plumb_bob
    ... distortion_coefficients: {rows: 1, cols: 5, data: [0, 0, 0, 0, 0]}
    ... '''
    >>> _ = pathlib.Path("front.yaml").write_text(text)
    >>> read = pose_ros.read_calibration("front.yaml")
    >>> read.name, read.camera.width
    ('front', 640)

    Raises:
        OptionError: It is not there, is no such YAML, lacks a key or holds
            something out of its range; the message names the file.
    """
    try:
        return parse_calibration(read_file(path), path)
    except DocumentError as error:
        raise OptionError(f"calibration: {error}") from None


def parse_calibration(text: str | bytes, path: str | Path) -> Calibration:
    """Read what a calibration file holds.

    Args:
        text: YAML.
        path: Of the file, for what is said.

    Raises:
        OptionError: As ``read_calibration``.
    """
    try:
        data = parse_yaml(text, str(path))
    except DocumentError as error:
        raise OptionError(f"calibration: {error}") from None
    needed = ("image_width", "image_height", "camera_matrix", "distortion_model",
              "distortion_coefficients")  # fmt: skip
    if not isinstance(data, dict):
        raise OptionError(f"the calibration {path} is no list of keys; expected {needed[0]}: ...")
    missing = [key for key in needed if key not in data]
    if missing:
        raise OptionError(f"the calibration {path} lacks {', '.join(missing)}")
    try:
        camera = Camera(
            _whole(data, "image_width"),
            _whole(data, "image_height"),
            _matrix(data, "camera_matrix", (3, 3)),
            str(data["distortion_model"]),
            _matrix(data, "distortion_coefficients", None).ravel(),
        )
        rectification = (
            _matrix(data, "rectification_matrix", (3, 3))
            if "rectification_matrix" in data
            else np.eye(3)
        )
        projection = (
            _matrix(data, "projection_matrix", (3, 4)) if "projection_matrix" in data else None
        )
        return Calibration(
            camera, str(data.get("camera_name") or Path(path).stem), rectification, projection
        )
    except OptionError as error:
        raise OptionError(f"the calibration {path}: {error}") from None


def _whole(data: dict[str, Any], key: str) -> int:
    value = data[key]
    if not isinstance(value, int) or isinstance(value, bool):
        raise OptionError(f"{key} must be a whole number, got {value!r}")
    return value


def _matrix(data: dict[str, Any], key: str, shape: tuple[int, int] | None) -> Float64Array:
    """Return a ``{rows, cols, data}`` entry as an array; any shape when None."""
    entry = data[key]
    try:
        rows, columns = int(entry["rows"]), int(entry["cols"])
        array = np.array(entry["data"], np.float64).reshape(rows, columns)
    except (TypeError, KeyError, ValueError, OverflowError):
        raise OptionError(f"{key} must have rows, cols and rows x cols numbers as data") from None
    if shape is not None and array.shape != shape:
        raise OptionError(f"{key} must be {shape[0]}x{shape[1]}, got {rows}x{columns}")
    return array
