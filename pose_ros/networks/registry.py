"""The families of networks: the ``family`` of a model card, and what builds its estimator."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pose_ros.core.contract import Contract
from pose_ros.core.options import EstimatorOptions
from pose_ros.core.protocols import Estimator, Session
from pose_ros.networks import paf
from pose_ros.networks.blazehand import BlazeHand
from pose_ros.networks.blazepose import BlazePose

FAMILIES: dict[str, Callable[[Contract, Mapping[str, Session], EstimatorOptions], Estimator]] = {
    "blazehand": BlazeHand,
    "blazepose": BlazePose,
    "paf": paf.make,
}
