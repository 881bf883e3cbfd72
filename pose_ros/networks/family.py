"""What the rest of the package knows of a family of networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pose_ros.core.contract import Contract
from pose_ros.core.protocols import Estimator, Session
from pose_ros.settings.estimation import EstimatorOptions


@dataclass(frozen=True)
class Family:
    """One way to prepare a network's input and to decode its output.

    Attributes:
        make: Builds an estimator of a card's contract, its sessions by role, and options.
        needs_people: Whether the network sees one person at a time: beside its own sessions
            ``make`` takes the one that finds people, as ``detector``.
        takes_finder: Whether another network can find the people for it: the estimator has an
            attribute ``finder``.
        finds_everybody: Whether one look at the whole image finds all people: such a network is
            a ``OneShot``. It can be the finder of others, and it looks at no tiles.
    """

    make: Callable[[Contract, Mapping[str, Session], EstimatorOptions], Estimator]
    needs_people: bool = False
    takes_finder: bool = False
    finds_everybody: bool = False
