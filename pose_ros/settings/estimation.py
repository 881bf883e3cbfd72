"""Options of what finds people and hands, and of what runs the networks."""

from __future__ import annotations

import os
from dataclasses import dataclass

from pose_ros.settings.option import check, documented, option

MAX_PEOPLE = 10
MAX_TILES = 4
AUTO_FINDER = "auto"
OWN_FINDER = "blazepose"
PROVIDERS = ("auto", "tensorrt", "cuda", "cpu")
PRECISIONS = ("fp32", "fp16", "int8")


def network_option() -> str:
    """Return the field ``network``: which network finds the people."""
    field: str = option(
        "blazepose-full",
        help="Network that finds the people: a name of pose-ros models list, or the path of your "
        "own, .onnx or its card, .yaml.",
    )
    return field


@documented
@dataclass(frozen=True)
class NetworkOptions:
    """Which network finds the people."""

    network: str = network_option()


def smoothing_option() -> bool:
    """Return the field ``smoothing``: keypoints and distances are filtered both or neither."""
    field: bool = option(
        True,
        help="Filter keypoints and distances over time, by stamps, and undo swaps of left and "
        "right.",
        off="Do not filter over time, nor undo swaps of left and right.",
        live=True,
    )
    return field


@documented
@dataclass(frozen=True)
class EstimatorOptions:
    """Options that apply from the next frame on.

    >>> import dataclasses
    >>> import pose_ros
    >>> estimator = pose_ros.create_estimator()
    >>> estimator.options = dataclasses.replace(estimator.options, max_people=3)
    >>> pose_ros.EstimatorOptions(max_people=99)
    Traceback (most recent call last):
    pose_ros.errors.OptionError: max_people must be in [1, 10], got 99

    ``finder`` and ``masks`` are read when the estimator is made, and a later change does nothing.
    """

    threshold: float | None = option(
        None,
        help="Least score at which a person is newly found.",
        minimum=0.0,
        maximum=1.0,
        unset=0.0,
        meaning_of_unset="the network's own, such as 0.5",
        live=True,
    )
    min_tracking_confidence: float = option(
        0.5,
        help="Least score at which a found person is kept, for networks that follow people.",
        minimum=0.0,
        maximum=1.0,
        live=True,
    )
    max_people: int = option(1, help="Most people to look for.", minimum=1, maximum=MAX_PEOPLE)
    reid_timeout: float = option(
        2.0,
        help="Time for which a person out of sight keeps the id.",
        minimum=0.0,
        maximum=60.0,
        unit="seconds",
        live=True,
    )
    detect_tiles: int = option(
        1,
        help="Tiles along the longer side of the image in which the detector looks for small "
        "people too, at the cost of a run a tile; 1 for none.",
        minimum=1,
        maximum=MAX_TILES,
        live=True,
    )
    smoothing: bool = smoothing_option()
    static: bool = option(
        False,
        help="Treat every image by itself: no tracking, no smoothing.",
        parameter="static_image_mode",
    )
    upper_body_only: bool = option(
        False, help="Give the keypoints of the upper body only, without depths.", live=True
    )
    finder: str = option(
        AUTO_FINDER,
        help="What looks for people, for networks that see one at a time: a network that finds "
        "all people in one look, by name or path; blazepose: its own detector alone; auto: the "
        "best in the cache, and blazepose where max_people is 1.",
    )
    masks: bool = option(
        False,
        help="Find the pixels of each person too, by BlazePose's own mask; needs a BlazePose "
        "network.",
    )

    def __post_init__(self) -> None:
        check(self)

    def threshold_or(self, own: float) -> float:
        """Return the threshold, or a network's own where none is set."""
        return own if self.threshold is None else self.threshold


@documented
@dataclass(frozen=True)
class HandOptions:
    """Whether hands are looked for, and by which network."""

    enabled: bool = option(
        False,
        help="Find the hands of the people too, 21 joints each; needs a BlazePose network.",
        parameter="hands",
        flag="hands",
    )
    network: str = option(
        "blazehand-full",
        help="Network that finds the hands; blazehand-lite is quicker and less exact.",
        parameter="hand_network",
        flag="hand-network",
    )
    detect_palms: bool = option(
        False,
        help="Find hands without a body too, by their palms, where hands are looked for. They may "
        "stop a robot, and command nothing else.",
    )

    def __post_init__(self) -> None:
        check(self)


@documented
@dataclass(frozen=True)
class EngineOptions:
    """How networks are run, whichever they are.

    >>> import pose_ros
    >>> engine = pose_ros.EngineOptions(provider="cpu", threads=4)
    >>> estimator = pose_ros.create_estimator("blazepose-lite", engine=engine)
    """

    provider: str = option(
        "auto",
        help="What runs the networks; auto takes the fastest that is there.",
        choices=PROVIDERS,
    )
    require_gpu: bool = option(False, help="Fail rather than run a network on the CPU.")
    threads: int = option(2, help="CPU threads of a network.", minimum=1, maximum=64)
    precision: str = option(
        "fp32",
        help="Numbers that the networks compute in; quicker and less exact: fp16 on a GPU, int8 "
        "on a CPU, for networks whose card plans it.",
        choices=PRECISIONS,
    )
    models_dir: str | os.PathLike[str] | None = option(
        None,
        help="Folder of model files.",
        unset="",
        meaning_of_unset="the user's cache folder",
        metavar="DIR",
    )

    def __post_init__(self) -> None:
        check(self)
