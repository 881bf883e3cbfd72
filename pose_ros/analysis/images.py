"""``pose_ros.analyze``: what is in each image of a video, of pictures, a bag or a camera."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator

from pose_ros.analysis.cameras import GivenCamera
from pose_ros.analysis.shots import shots_of
from pose_ros.analysis.tally import losses
from pose_ros.bags.images import BagImages, RecordedImage
from pose_ros.build import create_estimator
from pose_ros.core.protocols import Estimator, HandEstimator, Source
from pose_ros.core.results import Result
from pose_ros.errors import ImageError
from pose_ros.pipeline import Pipeline, PipelineOptions
from pose_ros.settings.gestures import GestureOptions
from pose_ros.settings.lifting import LiftOptions
from pose_ros.sources import expand_inputs
from pose_ros.sources.calibration import read_calibration

_LOG = logging.getLogger(__name__)


def analyze(
    source: str | os.PathLike[str],
    *,
    estimator: Estimator | None = None,
    hands: HandEstimator | None = None,
    gestures: GestureOptions | None = None,
    lift: LiftOptions | None = None,
    calibration: str | os.PathLike[str] | None = None,
    hfov: float | None = None,
    fps: float | None = None,
) -> Iterator[Result]:
    """Find the people in each image of a source, one after the other, as the live nodes do.

    >>> import itertools
    >>> import pose_ros
    >>> for result in itertools.islice(pose_ros.analyze("synthetic:wave"), 2):
    ...     for pose in result.poses:
    ...         print(round(result.stamp, 2), pose.id, pose.keypoint("left_wrist").shape)
    0.0 0 (2,)
    0.03 0 (2,)

    Args:
        source: A video, a picture, a folder or a glob of pictures, a bag, a device, a stream or
            ``synthetic``, as ``pose-ros estimate`` takes it. Without ``fps`` each picture of a
            folder is by itself.
        estimator: What finds the people, from ``create_estimator``, with its options; one of
            default options when None. It begins a new stream.
        hands: What finds their hands, from ``create_body_hands``; None: nothing does.
        gestures: How gestures are recognized; None: they are not.
        lift: How people are placed in meters where the camera is known.
        calibration: File of the camera, ``.yaml``.
        hfov: Horizontal field of view in degrees, for images whose camera is not known.
        fps: Pictures a second, for those of a folder that are one sequence.

    Yields:
        What was found in each image, people or not. An image that cannot be analyzed is left
        out with a warning.

    Raises:
        SourceError: There is nothing of that name; while iterating: it cannot be read.
        OptionError: An argument is out of its range, or the calibration is wrong.
        ModelError: The network cannot be had.
    """
    given = None if calibration is None else read_calibration(os.fspath(calibration))
    camera = None
    if given is not None or hfov is not None:
        camera = GivenCamera(given, hfov, _LOG.warning)
    sources = expand_inputs([os.fspath(source)], fps=fps)
    options = PipelineOptions(lift or LiftOptions(), gestures=gestures)
    pipeline = Pipeline(estimator or create_estimator(), hands, options)
    return _results(pipeline, sources, camera)


def _warn(shot: RecordedImage, error: ImageError) -> None:
    _LOG.warning("%s, image %d: %s", shot.frame.source, shot.frame.index, error)


def _results(
    pipeline: Pipeline, sources: Iterator[Source], camera: GivenCamera | None
) -> Iterator[Result]:
    for source in sources:
        try:
            for _, result in pipeline.run_all(shots_of(source, camera), _warn):
                yield result
            if isinstance(source, BagImages):
                for line in (*source.notes, *losses(source.refused, source.bag.damage)):
                    _LOG.warning("%s: %s", source.name, line)
        finally:
            source.close()
