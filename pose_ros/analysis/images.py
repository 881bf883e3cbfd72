"""Images of any source with their camera, and ``pose_ros.analyze``: what is in each of them."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import replace

from pose_ros.analysis.task import losses
from pose_ros.bags.images import BagImages, RecordedImage
from pose_ros.build import create_estimator
from pose_ros.core.camera import Calibration, Camera, choose_camera
from pose_ros.core.results import Result
from pose_ros.core.timeline import NANOSECONDS
from pose_ros.core.types import Estimator, HandEstimator, Source
from pose_ros.errors import ImageError, OptionError
from pose_ros.pipeline import Pipeline, PipelineOptions
from pose_ros.settings.gestures import GestureOptions
from pose_ros.settings.lifting import LiftOptions
from pose_ros.sources.calibration import read_calibration
from pose_ros.sources.opening import expand_inputs

_LOG = logging.getLogger(__name__)


class GivenCamera:
    """The camera that a user names, where a recording does not, or names wrongly.

    Args:
        given: From the user's file, which goes before all else; None where there is none.
        hfov_degrees: To make a camera up from as a last resort; None: not.
        warn: Called once with what is wrong.
        rectified: Whether the images are.

    Raises:
        OptionError: No lens is that wide.
    """

    def __init__(
        self,
        given: Calibration | None,
        hfov_degrees: float | None,
        warn: Callable[[str], None],
        *,
        rectified: bool = False,
    ) -> None:
        if hfov_degrees is not None:
            Camera.from_hfov(2, 2, hfov_degrees)  # what is refused is refused at once
        if given is not None and rectified:
            given = Calibration(given.rectified, given.name)
        self._given, self._hfov, self._warn = given, hfov_degrees, warn
        self._warned = False

    def camera_for(self, width: int, height: int, own: Camera | None) -> Camera | None:
        """Return the camera of images of a size; None where it is not known.

        Args:
            width: Pixels.
            height: Pixels.
            own: What the images' source knows.
        """
        try:
            found = choose_camera(
                width, height, given=self._given, own=own, hfov_degrees=self._hfov
            )
        except OptionError as error:
            if not self._warned:
                self._warned = True
                self._warn(f"no meters: {error}")
            return None
        return found.camera if found else None


def images_of(source: Source, given: GivenCamera | None = None) -> Iterator[RecordedImage]:
    """Yield the images of a source with what is known of them.

    Args:
        source: A bag knows most of its images; a synthetic source knows its camera.
        given: What the user says of the camera; None if they say nothing.

    Raises:
        SourceError: The source broke.
    """
    for image in source if isinstance(source, BagImages) else _frames(source):
        if given is None:
            yield image
        else:
            frame = image.frame
            yield replace(image, camera=given.camera_for(frame.width, frame.height, image.camera))


def _frames(source: Source) -> Iterator[RecordedImage]:
    known = getattr(source, "camera", None)
    camera = known if isinstance(known, Camera) else None
    while (frame := source.read()) is not None:
        nanoseconds = round(frame.stamp * NANOSECONDS)
        yield RecordedImage(frame, nanoseconds, nanoseconds, "", camera)


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
        ModelError: The network is not available.
    """
    given = None if calibration is None else read_calibration(os.fspath(calibration))
    camera = None
    if given is not None or hfov is not None:
        camera = GivenCamera(given, hfov, _LOG.warning)
    sources = expand_inputs([os.fspath(source)], fps=fps)
    options = PipelineOptions(lift or LiftOptions(), gestures=gestures)
    pipeline = Pipeline(estimator or create_estimator(), hands, options)
    return _results(pipeline, sources, camera)


def _warn(image: RecordedImage, error: ImageError) -> None:
    _LOG.warning("%s, image %d: %s", image.frame.source, image.frame.index, error)


def _results(
    pipeline: Pipeline, sources: Iterator[Source], camera: GivenCamera | None
) -> Iterator[Result]:
    for source in sources:
        try:
            for _, result in pipeline.run_all(images_of(source, camera), _warn):
                yield result
            if isinstance(source, BagImages):
                for line in (*source.notes, *losses(source.refused, source.bag.damage)):
                    _LOG.warning("%s: %s", source.name, line)
        finally:
            source.close()
