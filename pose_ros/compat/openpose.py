"""OpenPose's Python module: ``from pose_ros.compat import openpose as op``.

>>> import pose_ros
>>> from pose_ros.compat import openpose as op
>>> wrapper = op.WrapperPython()
>>> wrapper.configure({"number_people_max": 1})
>>> wrapper.start()
>>> datum = op.Datum()
>>> datum.cvInputData = pose_ros.open_source("synthetic:stand", live=False).read().image
>>> wrapper.emplaceAndPop(op.VectorDatum([datum]))
True
>>> datum.poseKeypoints.shape  # (N, K, 3): x and y in pixels, and the score; 0 is missing
(1, 25, 3)

``BODY_25``, the default, is BlazePose's landmarks in the order of ``BODY_25``: the neck is between
the shoulders, and small toes are missing. ``COCO`` is ``openpose-mobilenet``. Each image is a
picture by itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pose_ros.build import create_body_hands, create_estimator
from pose_ros.compat.openpose_keypoints import (
    PoseModel,
    getPoseBodyPartMapping,
    getPoseNumberBodyParts,
    hand_of,
    keypoints_of,
    scaled,
)
from pose_ros.core import skeletons
from pose_ros.core.types import Estimator, FloatArray, HandEstimator, validate_image
from pose_ros.errors import OptionError, did_you_mean
from pose_ros.settings.estimation import MAX_PEOPLE
from pose_ros.sources.pictures import pictures_in
from pose_ros.viz.overlay import draw

__all__ = [
    "Datum",
    "PoseModel",
    "VectorDatum",
    "WrapperPython",
    "getPoseBodyPartMapping",
    "getPoseNumberBodyParts",
    "get_images_on_directory",
]

_SETTINGS: dict[str, Any] = {
    "model_pose": "BODY_25",
    "number_people_max": -1,
    "render_threshold": 0.05,
    "render_pose": -1,
    "keypoint_scale": 0,
    "hand": False,
}
"""Parameters that have a meaning here, and OpenPose's defaults."""

_WITHOUT_EFFECT = frozenset(
    {
        *("model_folder", "prototxt_path", "caffemodel_path", "num_gpu", "num_gpu_start"),
        *("logging_level", "profile_speed", "disable_multi_thread", "display", "no_gui_verbose"),
        *("alpha_pose", "hand_alpha_pose", "net_resolution", "hand_net_resolution"),
    }
)
"""Parameters of OpenPose's files, threads, windows and networks: they are taken and do nothing."""

_MODELS = {
    "BODY_25": ("blazepose-full", PoseModel.BODY_25),
    "COCO": ("openpose-mobilenet", PoseModel.COCO_18),
}


@dataclass
class Datum:
    """An image and what was found in it.

    Attributes:
        cvInputData: (H, W, 3) uint8 BGR.
        cvOutputData: The same with the people drawn in.
        poseKeypoints: (N, K, 3) float32: x, y and score, 0 where missing; None without people.
        poseScores: (N,) in [0, 1]; None without people.
        handKeypoints: Of the left and the right hand: (N, 21, 3), or None.
        faceKeypoints: None.
    """

    cvInputData: Any = None
    cvOutputData: Any = None
    poseKeypoints: FloatArray | None = None
    poseScores: FloatArray | None = None
    handKeypoints: list[FloatArray | None] = field(default_factory=lambda: [None, None])
    faceKeypoints: None = None
    name: str = ""
    id: int = 0
    frameNumber: int = 0


class VectorDatum(list[Datum]):
    """A list of datums."""


class WrapperPython:
    """Finds people in the images of datums."""

    def __init__(self, **engine: Any) -> None:
        """Change nothing yet; ``engine``: fields of ``EngineOptions``, which OpenPose has not."""
        self._settings, self._engine = dict(_SETTINGS), engine
        self._estimator: Estimator | None = None
        self._hands: HandEstimator | None = None
        self._done: deque[list[Datum]] = deque()

    def configure(self, params: Mapping[str, Any] | None = None) -> None:
        """Take parameters, as values or as the text of OpenPose's flags.

        Raises:
            OptionError: A parameter has no meaning here, or a value is wrong.
        """
        for name, value in (params or {}).items():
            if name in _WITHOUT_EFFECT:
                continue
            if name not in _SETTINGS:
                raise OptionError(
                    f"OpenPose's {name} has no meaning here{did_you_mean(name, _SETTINGS)}; "
                    f"these have one: {', '.join(_SETTINGS)}"
                )
            self._settings[name] = _parsed(name, value, type(_SETTINGS[name]))

    def start(self) -> None:
        """Load the networks, fetching them on first use.

        Raises:
            OptionError: A parameter is out of its range.
            ModelError: A network is not available.
        """
        settings = self._settings
        if settings["model_pose"] not in _MODELS:
            known = " or ".join(_MODELS)
            raise OptionError(f"model_pose must be {known}, got {settings['model_pose']!r}")
        if settings["keypoint_scale"] not in (0, 2, 3, 4):
            raise OptionError(
                f"keypoint_scale must be 0 or 2 (pixels), 3 or 4, got {settings['keypoint_scale']}"
            )
        if settings["hand"] and settings["model_pose"] != "BODY_25":
            raise OptionError(
                "hand needs model_pose BODY_25: hands are found by BlazePose's wrists"
            )
        most = settings["number_people_max"]
        most = MAX_PEOPLE if most < 0 else most
        if not 1 <= most <= MAX_PEOPLE:
            raise OptionError(f"number_people_max must be -1 or in [1, {MAX_PEOPLE}], got {most}")
        network, _ = _MODELS[settings["model_pose"]]
        self._estimator = create_estimator(network, max_people=most, static=True, **self._engine)
        if settings["hand"]:
            self._hands = create_body_hands(static=True, **self._engine)

    def stop(self) -> None:
        """Free the networks."""
        self._estimator = self._hands = None
        self._done.clear()

    def emplaceAndPop(self, datums: list[Datum]) -> bool:
        """Find the people in the images of datums, in place.

        Raises:
            ImageError: ``cvInputData`` is no (H, W, 3) uint8 image.
            OptionError: ``start`` was not called.
        """
        for datum in datums:
            self._fill(datum)
        return True

    def waitAndEmplace(self, datums: list[Datum]) -> bool:
        """Take datums for ``waitAndPop``; errors are those of ``emplaceAndPop``."""
        self.emplaceAndPop(datums)
        self._done.append(datums)
        return True

    def waitAndPop(self, datums: list[Datum]) -> bool:
        """Return in place the datums that ``waitAndEmplace`` took first; False without any."""
        if not self._done:
            return False
        datums[:] = self._done.popleft()
        return True

    def _fill(self, datum: Datum) -> None:
        if self._estimator is None:
            raise OptionError("call start() before images are given")
        image, settings = validate_image(datum.cvInputData, "bgr"), self._settings
        poses = self._estimator.estimate(image, channels="bgr")
        hands = None
        if self._hands is not None:
            hands = self._hands.estimate(image, poses, channels="bgr")
        picture = image.copy()
        if settings["render_pose"] != 0:
            least = max(settings["render_threshold"], poses.skeleton.least_score)
            drawn = ("links", "keypoints")
            draw(picture, poses, drawn, hands=hands, channels="bgr", min_score=least)
        datum.cvOutputData = picture
        datum.poseKeypoints = datum.poseScores = None
        datum.handKeypoints = [None, None]
        if not len(poses):
            return
        _, model = _MODELS[settings["model_pose"]]
        scale = settings["keypoint_scale"]
        keypoints = keypoints_of(poses, skeletons.get(model.value))
        datum.poseKeypoints, datum.poseScores = scaled(keypoints, image, scale), poses.scores.copy()
        if hands is not None:
            found = (hand_of(poses, hands, side) for side in (0, 1))
            datum.handKeypoints = [scaled(hand, image, scale) for hand in found]


def get_images_on_directory(directory: str) -> list[str]:
    """Return the paths of the pictures in a folder, in order."""
    return [str(path) for path in pictures_in(Path(directory))]


def _parsed(name: str, value: Any, kind: type) -> Any:
    """Return a parameter's value; a program may have it from the command line, as text."""
    try:
        if kind is bool:
            return {"1": True, "true": True, "0": False, "false": False}[str(value).lower()]
        return kind(value)
    except (KeyError, TypeError, ValueError):
        raise OptionError(f"{name}: expected {kind.__name__}, got {value!r}") from None
