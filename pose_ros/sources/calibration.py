"""Camera calibrations in the YAML form that ROS's camera_info tools read and write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import yaml

from pose_ros.core.camera import Calibration, Camera, Float64Array
from pose_ros.documents import DocumentError, parse_yaml, read_file
from pose_ros.errors import OptionError


def read_calibration(path: str | Path) -> Calibration:
    """Read a calibration file, as camera_calibration writes it.

    >>> import pose_ros
    >>> from pose_ros.sources.calibration import write_calibration
    >>> camera = pose_ros.Camera.from_hfov(640, 480, hfov_degrees=60.0)
    >>> write_calibration("front.yaml", pose_ros.Calibration(camera, "front"))
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


def write_calibration(path: str | Path, calibration: Calibration) -> None:
    """Write a calibration file that ``read_calibration`` and ROS's tools read.

    Raises:
        OptionError: The file cannot be written.
    """
    camera = calibration.camera
    data = {
        "image_width": camera.width,
        "image_height": camera.height,
        "camera_name": calibration.name,
        "camera_matrix": _table(camera.matrix),
        "distortion_model": camera.distortion_model,
        "distortion_coefficients": _table(camera.distortion[None, :]),
        "rectification_matrix": _table(calibration.rectification),
        "projection_matrix": _table(np.asarray(calibration.projection)),
    }
    try:
        Path(path).write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
    except OSError as error:
        raise OptionError(f"cannot write the calibration {path}: {error.strerror}") from None


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


def _table(matrix: Float64Array) -> dict[str, Any]:
    rows, columns = matrix.shape
    return {"rows": rows, "cols": columns, "data": [float(v) for v in matrix.ravel()]}
