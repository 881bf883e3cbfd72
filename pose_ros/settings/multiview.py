"""Options of several calibrated cameras whose people become one set of skeletons."""

from __future__ import annotations

from dataclasses import dataclass

from pose_ros.settings.estimation import smoothing_option
from pose_ros.settings.option import check, documented, option


@documented
@dataclass(frozen=True)
class FusionOptions:
    """How people of several cameras are fused; applies from the next instant on."""

    max_skew: float = option(
        0.1,
        help="Time by which the nearest image of a camera may be off the common stamp.",
        minimum=0.0,
        maximum=1.0,
        unit="seconds",
        live=True,
    )
    forget_after: float = option(
        2.0,
        help="Time for which a person that no camera sees keeps the id.",
        minimum=0.0,
        maximum=60.0,
        unit="seconds",
        live=True,
    )
    correct_clocks: bool = option(
        True,
        help="Shift each camera's stamps by its clock offset, once that is known well enough.",
        off="Report clock offsets of cameras only.",
        live=True,
    )
    smoothing: bool = smoothing_option()

    def __post_init__(self) -> None:
        check(self)
