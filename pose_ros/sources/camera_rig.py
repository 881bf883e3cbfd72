"""Files that say where several cameras stand: our own YAML, and those of other programs.

Read: our YAML, OpenCV's YAML and XML of a stereo pair, the TOML of Pose2Sim and caliscope, Kalibr's
camchain YAML, and JSON or YAML with K, D, R and t of each camera. Written: our YAML, which
docs/reference/camera_rig_file.md describes.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

from pose_ros.core.camera import Camera, Float64Array
from pose_ros.core.multiview.extrinsics import CameraView, Extrinsics
from pose_ros.core.multiview.rig import CameraRig
from pose_ros.documents import parse_yaml
from pose_ros.errors import DocumentError, OptionError, OutputError
from pose_ros.files import read_file, write_whole

RIG_FORMAT = "pose_ros camera rig"
RIG_VERSION = 1

_DOC = "# docs/reference/camera_rig_file.md says what each line means\n"
_FISHEYE, _PLUMB_BOB = "equidistant", "plumb_bob"


def read_rig(path: str | Path) -> CameraRig:
    """Read a file that says where several cameras stand, of any kind that is known.

    Lengths are taken to be meters; OpenCV's are in the unit of the board that was used.

    Raises:
        OptionError: It is not there, of no known kind, or damaged; the message names the file.
    """
    try:
        data = read_file(path)
    except DocumentError as error:
        raise OptionError(f"cameras: {error}") from None
    return parse_rig(data, path)


def parse_rig(data: bytes, path: str | Path) -> CameraRig:
    """Read what such a file holds.

    Args:
        data: The file's bytes.
        path: Of the file, for messages and for its kind.

    Raises:
        OptionError: As ``read_rig``.
    """
    try:
        return _parsed(data, str(path))
    except DocumentError as error:
        raise OptionError(f"cameras: {error}") from None
    except OptionError as error:
        text = str(error)
        where = "" if text.startswith(f"the cameras of {path}") else f"the cameras of {path}: "
        raise OptionError(f"{where}{text}") from None


def _parsed(data: bytes, path: str) -> CameraRig:
    if path.lower().endswith(".toml"):
        return _from_tables(_toml(data, path))
    head = data[:200].lstrip()
    if head.startswith((b"<?xml", b"<opencv_storage")):
        return _from_stereo(_opencv_xml(data, path))
    if head.startswith(b"%YAML:") or b"!!opencv-matrix" in data:
        text = data.decode("utf-8", "replace")
        text = re.sub(r"^%YAML[^\n]*\n", "", text).replace("!!opencv-matrix", "")
        return _from_stereo(_mapping(parse_yaml(text, path)))
    return _from_yaml(_mapping(parse_yaml(data, path)))


def _from_yaml(found: Mapping[str, Any]) -> CameraRig:
    if found.get("format") == RIG_FORMAT:
        return _from_own(found)
    if any(isinstance(v, dict) and "intrinsics" in v for v in found.values()):
        return _from_camchain(found)
    if "camera_matrix" in found:
        raise OptionError("this is the calibration of one camera, and does not say where it stands")
    if _first(found, "R") is not None:
        return _from_stereo(found)
    if any(isinstance(v, dict) and "K" in v for v in found.values()):
        return _from_letters(found)
    raise OptionError(
        f"expected 'format: {RIG_FORMAT}', OpenCV's K1, D1, K2, D2, R and T, Kalibr's cam0 and "
        "cam1, cameras by name with K, D, R and t, or a .toml of Pose2Sim or caliscope"
    )


# ---- our own -----------------------------------------------------------------------------------


def rig_text(rig: CameraRig) -> str:
    """Return our YAML, as ``parse_rig`` reads it."""
    cameras: dict[str, Any] = {}
    for i, view in enumerate(rig.views):
        camera = view.camera
        cameras[view.name] = {
            "size": [camera.width, camera.height],
            "matrix": camera.matrix.tolist(),
            "distortion_model": camera.distortion_model,
            "distortion": camera.distortion.tolist(),
            "rotation": view.extrinsics.rotation.tolist(),
            "translation": view.extrinsics.translation.tolist(),
        }
        if rig.offsets is not None:
            cameras[view.name]["offset"] = float(rig.offsets[i])
    document: dict[str, Any] = {"format": RIG_FORMAT, "version": RIG_VERSION, "cameras": cameras}
    if rig.up is not None:
        document["up"] = rig.up.tolist()
    if rig.floor is not None:
        document["floor"] = float(rig.floor)
    return _DOC + yaml.safe_dump(document, sort_keys=False, default_flow_style=None, width=100)


def write_rig(path: str | Path, rig: CameraRig) -> None:
    """Write our YAML, whole or not at all.

    Raises:
        OutputError: It cannot be written.
    """
    try:
        write_whole(Path(path), rig_text(rig).encode("utf-8"))
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from None


def _from_own(found: Mapping[str, Any]) -> CameraRig:
    version = found.get("version")
    if version != RIG_VERSION:
        raise OptionError(f"version must be {RIG_VERSION}, got {version!r}")
    entries = _mapping(found.get("cameras"), "cameras")
    views, offsets = [], []
    for name, entry in entries.items():
        views.append(_of(str(name), partial(_own_view, str(name), entry)))
        offsets.append(entry.get("offset"))
    known = [offset for offset in offsets if offset is not None]
    if known and len(known) < len(views):
        raise OptionError("offset must be given for all cameras or for none")
    return CameraRig(
        tuple(views),
        _array(found, "up", (3,)) if "up" in found else None,
        float(_array(found, "floor", ())) if "floor" in found else None,
        _numbers(known, "offset", (len(views),)) if known else None,
    )


def _own_view(name: str, entry: Any) -> CameraView:
    fields = _mapping(entry, "a camera")
    camera = Camera(
        *_size(fields, "size"),
        _array(fields, "matrix", (3, 3)),
        str(fields.get("distortion_model", _PLUMB_BOB)),
        _array(fields, "distortion", None),
    )
    turn, shift = _array(fields, "rotation", (3, 3)), _array(fields, "translation", (3,))
    return CameraView(name, camera, Extrinsics(turn, shift))


# ---- OpenCV ------------------------------------------------------------------------------------


def _from_stereo(found: Mapping[str, Any]) -> CameraRig:
    """Two cameras as OpenCV's stereoCalibrate gives them; the first one is the world."""
    size = _opencv_size(found)
    fisheye = bool(found.get("fisheye"))

    def view(number: int, extrinsics: Extrinsics) -> CameraView:
        matrix = _opencv(found, (f"K{number}", f"M{number}", f"cameraMatrix{number}",
                                 f"camera_matrix_{number}"))  # fmt: skip
        lens = _opencv(found, (f"D{number}", f"distCoeffs{number}", f"dist_coeffs_{number}"))
        if matrix.shape != (3, 3):
            raise OptionError(f"K{number} must be 3x3, got shape {matrix.shape}")
        model = _FISHEYE if fisheye else _PLUMB_BOB
        return CameraView(
            f"camera_{number}", Camera(*size, matrix, model, lens.ravel()), extrinsics
        )

    turn, shift = _opencv(found, ("R",)), _opencv(found, ("T",)).ravel()
    if turn.size == 3:
        turn = _rodrigues(turn.ravel())
    return CameraRig(
        (view(1, Extrinsics(np.eye(3), np.zeros(3))), view(2, Extrinsics(turn, shift)))
    )


def _opencv(found: Mapping[str, Any], names: tuple[str, ...]) -> Float64Array:
    entry = _first(found, *names)
    if entry is None:
        raise OptionError(f"{names[0]} is missing")
    if isinstance(entry, dict):
        try:
            rows, columns = int(entry["rows"]), int(entry["cols"])
        except (KeyError, TypeError, ValueError):
            raise OptionError(f"{names[0]} must have rows, cols and data") from None
        return (
            _numbers(entry.get("data"), names[0], None)
            .reshape(-1)[: rows * columns]
            .reshape(_checked_shape(entry, names[0], rows, columns))
        )
    return _numbers(entry, names[0], None)


def _checked_shape(entry: Any, name: str, rows: int, columns: int) -> tuple[int, int]:
    if len(entry["data"]) != rows * columns or min(rows, columns) < 1:
        raise OptionError(f"{name} must have rows x cols numbers as data")
    return rows, columns


def _opencv_size(found: Mapping[str, Any]) -> tuple[int, int]:
    for name in ("imageSize", "image_size", "size"):
        if name in found:
            return _size(found, name)
    if "image_width" in found and "image_height" in found:
        pair = {"size": [found["image_width"], found["image_height"]]}
        return _size(pair, "size")
    raise OptionError(
        "the size of the images is missing: add image_width and image_height, in pixels"
    )


_ELEMENT = re.compile(rb"<([A-Za-z_]\w*)(?:\s[^<>]*)?>([^<]*)</\1>")
_MATRIX = re.compile(
    rb"<([A-Za-z_]\w*)\s+type_id=\"opencv-matrix\"\s*>\s*<rows>\s*(\d+)\s*</rows>\s*"
    rb"<cols>\s*(\d+)\s*</cols>\s*<dt>\s*\w+\s*</dt>\s*<data>([^<]*)</data>\s*</\1>"
)


def _opencv_xml(data: bytes, path: str) -> dict[str, Any]:
    """Return the matrices and plain values of OpenCV's XML; nothing else of XML is read."""
    found: dict[str, Any] = {}
    rest = data
    for name, rows, columns, numbers in _MATRIX.findall(data):
        found[name.decode()] = {
            "rows": int(rows),
            "cols": int(columns),
            "data": _texts(numbers, name.decode()),
        }
    rest = _MATRIX.sub(b"", rest)
    for name, value in _ELEMENT.findall(rest):
        numbers = _texts(value, name.decode(), strict=False)
        if numbers:
            found[name.decode()] = numbers if len(numbers) > 1 else numbers[0]
    if not found:
        raise OptionError(f"{path} is not valid XML of OpenCV: it holds no matrix")
    return found


def _texts(text: bytes, name: str, *, strict: bool = True) -> list[float]:
    try:
        return [float(word) for word in text.split()]
    except ValueError:
        if strict:
            raise OptionError(f"{name} must hold numbers") from None
        return []


# ---- TOML of Pose2Sim and caliscope ------------------------------------------------------------


def _toml(data: bytes, path: str) -> dict[str, Any]:
    name = "tomllib" if sys.version_info >= (3, 11) else "tomli"
    try:
        tomllib = importlib.import_module(name)
    except ModuleNotFoundError:
        raise OptionError(
            "TOML needs Python 3.11 or the package tomli: pip install tomli"
        ) from None
    try:
        found: dict[str, Any] = tomllib.loads(data.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise OptionError(f"{path} is not valid TOML: {reason}") from None
    return found


def _from_tables(found: Mapping[str, Any]) -> CameraRig:
    views = [_of(name, partial(_table_view, name, table)) for name, table in _tables(found)]
    if not views:
        raise OptionError("no table has size, matrix, distortions, rotation and translation")
    return CameraRig(tuple(views))


def _tables(found: Mapping[str, Any], depth: int = 0) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield tables of cameras, with their names; caliscope marks some as ignored."""
    for key, value in found.items():
        if not isinstance(value, dict):
            continue
        if "matrix" in value or "distortions" in value:
            if not value.get("ignore"):
                own = value.get("name")
                name = own if isinstance(own, str) and own else str(key)
                yield (f"cam_{name}" if name.isdecimal() else name), value
        elif depth < 2:
            yield from _tables(value, depth + 1)


def _table_view(name: str, table: Mapping[str, Any]) -> CameraView:
    turn = _array(table, "rotation", None)
    if turn.shape == (3,):
        turn = _rodrigues(turn)
    lens = _array(table, "distortions", None).ravel()
    model = _FISHEYE if table.get("fisheye") else _PLUMB_BOB
    camera = Camera(*_size(table, "size"), _array(table, "matrix", (3, 3)), model, lens)
    return CameraView(name, camera, Extrinsics(turn, _array(table, "translation", (3,))))


# ---- Kalibr ------------------------------------------------------------------------------------


def _from_camchain(found: Mapping[str, Any]) -> CameraRig:
    """Kalibr's chain: each camera by its pose against the one before; cam0 is the world."""
    names = sorted(
        (str(key) for key in found if re.fullmatch(r"cam\d+", str(key))), key=lambda n: int(n[3:])
    )
    views: list[CameraView] = []
    shifts: list[float] = []
    pose = np.eye(4)
    for name in names:
        entry = _mapping(found[name], name)
        if views:
            step = _of(name, partial(_array, entry, "T_cn_cnm1", (4, 4)))
            pose = step @ pose
        at = pose.copy()
        views.append(_of(name, partial(_chain_view, name, entry, at)))
        shift = entry.get("timeshift_cam_imu")
        shifts += [float(_numbers(shift, "timeshift_cam_imu", ()))] if shift is not None else []
    if not views:
        raise OptionError("no cam0, cam1, ... are in it")
    offsets = np.array(shifts) if len(shifts) == len(views) else None
    return CameraRig(tuple(views), offsets=offsets)


_CHAIN_LENSES = {"radtan": _PLUMB_BOB, "equidistant": _FISHEYE, "none": _PLUMB_BOB}


def _chain_view(name: str, entry: Mapping[str, Any], pose: Float64Array) -> CameraView:
    if entry.get("camera_model") != "pinhole":
        raise OptionError(
            f"camera_model must be pinhole, got {entry.get('camera_model')!r}: calibrate it with "
            "pinhole-radtan or pinhole-equi"
        )
    lens = str(entry.get("distortion_model"))
    if lens not in _CHAIN_LENSES:
        raise OptionError(f"distortion_model must be {', '.join(_CHAIN_LENSES)}, got {lens!r}")
    fx, fy, cx, cy = _array(entry, "intrinsics", (4,))
    coefficients = np.zeros(5) if lens == "none" else _array(entry, "distortion_coeffs", (4,))
    camera = Camera(
        *_size(entry, "resolution"),
        np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]]),
        _CHAIN_LENSES[lens],
        coefficients,
    )
    return CameraView(name, camera, Extrinsics(pose[:3, :3], pose[:3, 3]))


# ---- K, D, R and t by name ---------------------------------------------------------------------


def _from_letters(found: Mapping[str, Any]) -> CameraRig:
    """Return the cameras of a file that has the letters of the literature for each."""
    names = [name for name, entry in found.items() if isinstance(entry, dict) and "K" in entry]
    return CameraRig(
        tuple(_of(str(name), partial(_letters_view, str(name), found[name])) for name in names)
    )


def _letters_view(name: str, entry: Mapping[str, Any]) -> CameraView:
    if entry.get("width") is None or entry.get("height") is None:
        raise OptionError("width and height of its images are missing, in pixels")
    turn = _array(entry, "R", None)
    turn = _rodrigues(turn.ravel()) if turn.size == 3 else _array(entry, "R", (3, 3))
    size = _size({"width and height": [entry["width"], entry["height"]]}, "width and height")
    camera = Camera(*size, _array(entry, "K", (3, 3)), _PLUMB_BOB, _array(entry, "D", None).ravel())
    shift = _array(entry, "t" if "t" in entry else "T", None).ravel()
    return CameraView(name, camera, Extrinsics(turn, _numbers(shift, "t", (3,))))


# ---- fields ------------------------------------------------------------------------------------


def _of(name: str, make: Callable[[], Any]) -> Any:
    """Return what ``make`` does; what is wrong is said with the camera's name."""
    try:
        return make()
    except OptionError as error:
        raise OptionError(f"{name}: {error}") from None


def _mapping(value: Any, name: str = "the file") -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise OptionError(f"{name} must be a list of keys with values")
    return value


def _first(found: Mapping[str, Any], *names: str) -> Any:
    return next((found[name] for name in names if name in found), None)


def _size(found: Mapping[str, Any], name: str) -> tuple[int, int]:
    width, height = _array(found, name, (2,))
    if not (width == int(width) and height == int(height)):
        raise OptionError(f"{name} must be two whole numbers, got {width:g} and {height:g}")
    return int(width), int(height)


def _array(found: Mapping[str, Any], name: str, shape: tuple[int, ...] | None) -> Float64Array:
    if found.get(name) is None:
        raise OptionError(f"{name} is missing")
    return _numbers(found[name], name, shape)


def _numbers(value: Any, name: str, shape: tuple[int, ...] | None) -> Float64Array:
    expected = "numbers" if shape is None else f"{'x'.join(map(str, shape)) or 'one'} number(s)"
    try:
        array = np.array(value, np.float64)
    except (TypeError, ValueError, OverflowError):
        raise OptionError(f"{name} must be {expected}") from None
    if shape is not None and array.shape != shape:
        raise OptionError(f"{name} must be {expected}, got shape {array.shape}")
    if not np.isfinite(array).all():
        raise OptionError(f"{name} must be finite numbers")
    return array


def _rodrigues(vector: Float64Array) -> Float64Array:
    turn, _ = cv2.Rodrigues(vector.reshape(3, 1))
    return np.asarray(turn, np.float64)
