"""Writes calibration files, as camera_calibration does, of cameras that a test makes up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import yaml

from pose_ros.core.camera import Calibration, Float64Array


def write_calibration(path: str | Path, calibration: Calibration) -> None:
    """Write a calibration file that ``read_calibration`` and ROS's tools read."""
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
    Path(path).write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")


def _table(matrix: Float64Array) -> dict[str, Any]:
    rows, columns = matrix.shape
    return {"rows": rows, "cols": columns, "data": [float(v) for v in matrix.ravel()]}
