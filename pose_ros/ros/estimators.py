"""From the parameters of ``pose_node`` to what finds people and hands."""

from __future__ import annotations

# the core loads it when it is first needed: in a node that is not to be amid a stream
import scipy.optimize  # noqa: F401

from pose_ros.build import create_body_hands, create_estimator
from pose_ros.core.protocols import Estimator, HandEstimator
from pose_ros.settings.nodes import PoseParameters


def estimator_from(parameters: PoseParameters) -> Estimator:
    """Load the network that the parameters name.

    Raises:
        PoseRosError: A model file or what is to run it cannot be had.
    """
    return create_estimator(
        parameters.network, options=parameters.estimator, engine=parameters.engine
    )


def hands_from(parameters: PoseParameters) -> HandEstimator:
    """Load the network that finds the hands of people.

    Raises:
        PoseRosError: A model file or what is to run it cannot be had.
    """
    return create_body_hands(
        parameters.hands.network,
        detect_palms=parameters.hands.detect_palms,
        options=parameters.estimator,
        engine=parameters.engine,
    )
