"""What a user may set on a running estimator, as one immutable and validated value."""

from __future__ import annotations

from dataclasses import dataclass

from pose_ros.errors import OptionError

MAX_PEOPLE = 10
MAX_REID_TIMEOUT = 60.0
MAX_TILES = 4
AUTO_FINDER = "auto"
OWN_FINDER = "blazepose"


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

    Attributes:
        threshold: Least score, in [0, 1], at which a person is newly found; None for
            the network's own.
        min_tracking_confidence: Least score, in [0, 1], at which a person that
            was found is kept; below it the person counts as lost.
        max_people: Most people to look for, 1 to 10.
        reid_timeout: Seconds, 0 to 60, for which somebody out of sight keeps the id.
        detect_tiles: Tiles along the image's longer side, 1 to 4, on which the
            detector looks for people besides the whole image; 1 for none. Small
            people are found in tiles only, at the cost of a run of the detector a tile.
        smoothing: Filter keypoints over time, by stamps.
        static: Treat every image by itself: no tracking, no smoothing.
        upper_body_only: Give the upper body's keypoints only, without depths.
        finder: What looks for people, for networks that see one at a time; it is chosen when
            the estimator is made, and a later change does nothing. See ``create_estimator``.
    """

    threshold: float | None = None
    min_tracking_confidence: float = 0.5
    max_people: int = 1
    reid_timeout: float = 2.0
    detect_tiles: int = 1
    smoothing: bool = True
    static: bool = False
    upper_body_only: bool = False
    finder: str = AUTO_FINDER

    def __post_init__(self) -> None:
        for name in ("threshold", "min_tracking_confidence"):
            value = getattr(self, name)
            if value is not None and not 0.0 <= value <= 1.0:
                raise OptionError(f"{name} must be in [0, 1], got {value}")
        if not 1 <= self.max_people <= MAX_PEOPLE:
            raise OptionError(f"max_people must be in [1, {MAX_PEOPLE}], got {self.max_people}")
        if not 0.0 <= self.reid_timeout <= MAX_REID_TIMEOUT:
            raise OptionError(
                f"reid_timeout must be in [0, {MAX_REID_TIMEOUT:g}] seconds, "
                f"got {self.reid_timeout}"
            )
        if not 1 <= self.detect_tiles <= MAX_TILES:
            raise OptionError(f"detect_tiles must be in [1, {MAX_TILES}], got {self.detect_tiles}")

    def threshold_or(self, own: float) -> float:
        """Return the threshold, or a network's own where none is set."""
        return own if self.threshold is None else self.threshold
