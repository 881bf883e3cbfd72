"""From the parameters of ``pose_node`` to what finds people and hands."""

from __future__ import annotations

import dataclasses
from typing import Any

# the core loads it when it is first needed: in a node that is not to be amid a stream
import scipy.optimize  # noqa: F401

from pose_ros.build import create_body_hands, create_estimator
from pose_ros.core.options import EstimatorOptions
from pose_ros.core.protocols import Estimator, HandEstimator
from pose_ros.ros.parameter_tables import PoseParameters


def options_from(parameters: PoseParameters) -> EstimatorOptions:
    """Return what the parameters say to a running estimator."""
    return EstimatorOptions(
        threshold=parameters.threshold or None,
        min_tracking_confidence=parameters.min_tracking_confidence,
        max_people=parameters.max_people,
        reid_timeout=parameters.reid_timeout,
        detect_tiles=parameters.detect_tiles,
        smoothing=parameters.smoothing,
        static=parameters.static_image_mode,
        upper_body_only=parameters.upper_body_only,
        finder=parameters.finder,
    )


def estimator_from(parameters: PoseParameters) -> Estimator:
    """Load the network that the parameters name.

    Raises:
        PoseRosError: A model file or what is to run it cannot be had.
    """
    return create_estimator(
        parameters.network,
        **dataclasses.asdict(options_from(parameters)),
        **_engine(parameters),
    )


def hands_from(parameters: PoseParameters) -> HandEstimator:
    """Load the network that finds the hands of people.

    Raises:
        PoseRosError: A model file or what is to run it cannot be had.
    """
    return create_body_hands(
        parameters.hand_network,
        detect_palms=parameters.detect_palms,
        min_tracking_confidence=parameters.min_tracking_confidence,
        smoothing=parameters.smoothing,
        static=parameters.static_image_mode,
        **_engine(parameters),
    )


def _engine(parameters: PoseParameters) -> dict[str, Any]:
    """Return what the parameters say about running a network, whichever it is."""
    return {
        "provider": parameters.provider,
        "require_gpu": parameters.require_gpu,
        "threads": parameters.threads,
        "precision": parameters.precision,
        "models_dir": parameters.models_dir or None,
    }
