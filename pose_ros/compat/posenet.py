"""tfjs's ``posenet`` in Python: the same calls and the same dictionaries.

>>> import pose_ros
>>> from pose_ros.compat import posenet
>>> net = posenet.load()
>>> image = pose_ros.open_source("synthetic:stand", live=False).read().image[..., ::-1]
>>> pose = net.estimateSinglePose(image)
>>> sorted(pose), sorted(pose["keypoints"][0]), pose["keypoints"][9]["part"]
(['keypoints', 'score'], ['part', 'position', 'score'], 'leftWrist')

The networks are google-coral's PoseNets on MobileNet v1, at sizes of their own. Each image is a
picture by itself.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from pose_ros.build import create_estimator
from pose_ros.core import skeletons
from pose_ros.core.types import Estimator, Image, Pose, Poses
from pose_ros.errors import OptionError, did_you_mean
from pose_ros.networks.posenet import NMS_RADIUS, ROOT_THRESHOLD
from pose_ros.settings.estimation import MAX_PEOPLE

__all__ = ["PoseNet", "load"]

_NETWORKS = {
    (481, 353): "posenet-mobilenet",
    (641, 481): "posenet-mobilenet-641x481",
    (1281, 721): "posenet-mobilenet-1281x721",
}
_MODEL: dict[str, Any] = {
    "architecture": "MobileNetV1",
    "outputStride": 16,
    "multiplier": 0.75,
    "quantBytes": 1,
}
"""What all of our networks are; other values are refused."""

_SINGLE: dict[str, Any] = {"flipHorizontal": False}
_MULTIPLE: dict[str, Any] = {
    "flipHorizontal": False,
    "maxDetections": 5,
    "scoreThreshold": ROOT_THRESHOLD,
    "nmsRadius": NMS_RADIUS,
}


def _part(name: str) -> str:
    """Return ``leftWrist`` for ``left_wrist``."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


PARTS = tuple(_part(name) for name in skeletons.get("coco17").keypoints)
"""The names of keypoints, in order."""


def load(config: Mapping[str, Any] | None = None, **engine: Any) -> PoseNet:
    """Load a network, fetching it on first use.

    Args:
        config: ``inputResolution``, a number or a ``width`` and a ``height`` in pixels: the
            smallest network is taken that has as many, or the largest. The other fields of tfjs's
            configuration may say what all of these networks are.
        engine: Fields of ``EngineOptions``, such as ``provider``; not tfjs's.

    Raises:
        OptionError: A field is unknown, or no network is as it says.
        ModelError: The network is not available.
    """
    given = dict(config or {})
    resolution = given.pop("inputResolution", 257)
    for name, value in _complete(given, _MODEL).items():
        if value != _MODEL[name]:
            raise OptionError(f"{name} must be {_MODEL[name]!r} here, got {value!r}")
    try:
        size = (
            (float(resolution["width"]), float(resolution["height"]))
            if isinstance(resolution, Mapping)
            else (float(resolution), float(resolution))
        )
    except (KeyError, TypeError, ValueError):
        raise OptionError(
            f"inputResolution: expected a number, or width and height, got {resolution!r}"
        ) from None
    enough = (
        net for least, net in _NETWORKS.items() if size[0] <= least[0] and size[1] <= least[1]
    )
    network = next(enough, _NETWORKS[1281, 721])
    return PoseNet(create_estimator(network, max_people=MAX_PEOPLE, static=True, **engine))


class PoseNet:
    """Finds one person or several in a picture."""

    def __init__(self, estimator: Estimator) -> None:
        """Take over an estimator of ``coco17``; ``load`` makes one."""
        self._estimator = estimator

    def estimateSinglePose(
        self, image: Image, config: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Find one person.

        Args:
            image: (H, W, 3) uint8 RGB.
            config: ``flipHorizontal``: whether x is counted from the right.

        Returns:
            ``score`` and 17 ``keypoints``, each with ``part``, ``position`` and ``score``. Where a
            keypoint, or the whole person, is not found, the score is 0 and the position is NaN;
            tfjs guesses there.

        Raises:
            ImageError: The image has another shape or type.
            OptionError: A field of ``config`` is unknown.
        """
        settings = _complete(config, _SINGLE)
        poses = self._find(image, max_people=1, threshold=0.0)
        width = image.shape[1] if settings["flipHorizontal"] else None
        return _pose(poses[0] if len(poses) else None, width)

    def estimateMultiplePoses(
        self, image: Image, config: Mapping[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        """Find several people, the surest first.

        Args:
            image: (H, W, 3) uint8 RGB.
            config: ``flipHorizontal``; ``maxDetections``, 1 to 10; ``scoreThreshold``, 0.5 to 1,
                the least score of a person's surest keypoint; ``nmsRadius``, which has to be 20.

        Returns:
            As ``estimateSinglePose``, one entry a person. As with tfjs, some have a low ``score``.

        Raises:
            ImageError: The image has another shape or type.
            OptionError: A field of ``config`` is unknown or out of its range.
        """
        settings = _complete(config, _MULTIPLE)
        most = settings["maxDetections"]
        if most not in range(1, MAX_PEOPLE + 1):
            raise OptionError(f"maxDetections must be in [1, {MAX_PEOPLE}], got {most!r}")
        if settings["nmsRadius"] != NMS_RADIUS:
            raise OptionError(f"nmsRadius must be {NMS_RADIUS:g} here: a card may have another one")
        least = settings["scoreThreshold"]
        if not ROOT_THRESHOLD <= least <= 1:
            raise OptionError(f"scoreThreshold must be in [{ROOT_THRESHOLD}, 1], got {least!r}")
        poses = self._find(image, max_people=most, threshold=0.0)
        width = image.shape[1] if settings["flipHorizontal"] else None
        surest = poses.keypoint_scores.max(axis=1, initial=0.0)
        order = np.argsort(-surest, kind="stable").tolist()
        return [_pose(poses[i], width) for i in order if surest[i] >= least]

    def dispose(self) -> None:
        """Change nothing: memory is freed when the object goes."""

    def _find(self, image: Image, **options: Any) -> Poses:
        self._estimator.options = dataclasses.replace(self._estimator.options, **options)
        return self._estimator.estimate(image)


def _complete(given: Mapping[str, Any] | None, known: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with their defaults.

    Raises:
        OptionError: One is unknown.
    """
    for name in given or {}:
        if name not in known:
            raise OptionError(
                f"unknown {name}{did_you_mean(name, known)}; known: {', '.join(known)}"
            )
    return {**known, **(given or {})}


def _pose(pose: Pose | None, width: int | None) -> dict[str, Any]:
    """Return a person as tfjs has it; ``width`` of a picture of which x counts from the right."""
    keypoints = []
    for i, part in enumerate(PARTS):
        x, y = (math.nan, math.nan) if pose is None else pose.keypoints[i].tolist()
        x = x if width is None else width - 1 - x
        score = 0.0 if pose is None else float(pose.keypoint_scores[i])
        keypoints.append({"part": part, "position": {"x": x, "y": y}, "score": score})
    return {"score": 0.0 if pose is None else pose.score, "keypoints": keypoints}
