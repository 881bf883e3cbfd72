"""What a task does: one recording, or a slice of it, through the pipeline and into its outputs."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pose_ros import __version__
from pose_ros.analysis.exports import check_exports
from pose_ros.analysis.exports.writing import export_paths
from pose_ros.analysis.images import GivenCamera, images_of
from pose_ros.analysis.outputs import OutputPlaces, check_apart
from pose_ros.analysis.task import BagTask, RunCounts, Settings, TaskProgress, TaskReport
from pose_ros.analysis.writers import open_writers, place_plots
from pose_ros.bags.images import BagImages
from pose_ros.bags.reader import Bag, open_bag
from pose_ros.build import create_body_hands, create_estimator
from pose_ros.core.encoded_images import max_pixels_from
from pose_ros.core.results import RunInfo
from pose_ros.errors import SourceError, printable
from pose_ros.files import recording_name
from pose_ros.messages.cameras import is_rectified
from pose_ros.networks.body_hands import hand_joints
from pose_ros.pipeline import Pipeline, PipelineOptions
from pose_ros.runtime.session import engine_version
from pose_ros.sources.calibration import parse_calibration

_LOG = logging.getLogger(__name__)


def run_task(task: BagTask, progress: TaskProgress | None = None) -> TaskReport:
    """Analyze one recording, or one slice of it, and write what is asked for.

    Every output appears whole, when all of them are done, or not at all.

    Args:
        task: What to do; its paths are those of the machine that this runs on.
        progress: Is called after each image.

    Raises:
        PoseRosError: The recording cannot be read, the network cannot be had, or an output
            cannot be written.
    """
    outputs, counts = task.outputs, RunCounts()
    with contextlib.ExitStack() as stack:
        bag = stack.enter_context(open_bag(task.bag))
        images = open_images(bag, task)
        if not task.is_slice and not images.length and not bag.damage:
            raise SourceError(f"{images.name} holds no image of {images.topic} in that time")
        name = recording_name(images.name)
        check_exports(outputs.exports, [name], force=outputs.force)
        paths = [*map(Path, outputs.paths()), *export_paths(outputs.exports, name)]
        check_apart([Path(task.bag)], paths)
        camera = _given_camera(images, task.settings)
        places = stack.enter_context(OutputPlaces(force=outputs.force))
        for path in outputs.paths():
            places.place(Path(path))
        plots = None
        if outputs.plots:
            plots = place_plots(outputs.plots, places, force=outputs.force)
        pipeline = make_pipeline(task)
        info = run_info(images.name, pipeline, recorded_options(task, images))
        writers = stack.enter_context(open_writers(task, places, images, info, counts, plots=plots))
        total = images.length
        for image, result in pipeline.run_all(images_of(images, camera), counts.refuse):
            for write in writers:
                write(image, result)
            counts.add(result)
            if progress:
                progress(counts.images, total)
    return TaskReport(
        task.bag,
        images=counts.images,
        with_people=counts.with_people,
        people=len(counts.ids),
        refused=dict(sorted((images.refused + counts.refused).items())),
        damage=bag.damage,
        notes=(*images.notes, *counts.notes),
    )


def open_images(bag: Bag, task: BagTask) -> BagImages:
    """Return the images of a task.

    Raises:
        SourceError: The bag has no such topic, or several that could be meant.
        OptionError: A number is out of its range.
    """
    settings = task.settings
    return BagImages(
        bag,
        settings.topic or None,
        "" if settings.calibration else settings.camera_info or None,
        settings.depth or None,
        settings.every,
        task.start,
        task.end,
        max_skew=settings.lift.max_depth_skew,
        target_frame=settings.targets.target_frame,
        max_pixels=max_pixels_from(settings.max_megapixels),
    )


def make_pipeline(task: BagTask) -> Pipeline:
    """Return the pipeline of a task, with its networks loaded.

    Raises:
        PoseRosError: As ``create_estimator``; or an option is out of its range.
    """
    settings = task.settings
    options, engine = settings.estimator, task.engine
    estimator = create_estimator(settings.network, options=options, engine=engine)
    hands = None
    if settings.hands.enabled:
        hand_joints(estimator.skeleton)
        hands = create_body_hands(
            settings.hands.network,
            detect_palms=settings.hands.detect_palms,
            options=options,
            engine=engine,
        )
    return Pipeline(
        estimator,
        hands,
        PipelineOptions(settings.lift, settings.mount, settings.gestures, settings.targets),
    )


def recorded_options(task: BagTask, images: BagImages) -> dict[str, Any]:
    """Return what the results of a task follow from, beside the networks that ran."""
    options = asdict(task.settings)
    del options["network"], options["hands"]
    options |= options.pop("mount")
    options["detect_palms"] = task.settings.hands.detect_palms
    options |= {"precision": task.engine.precision, "require_gpu": task.engine.require_gpu}
    options |= {"topic": images.topic, "camera_info": images.camera_info, "depth": images.depth}
    return options | {"start": task.start, "end": task.end}


def run_info(source: str, pipeline: Pipeline, options: Mapping[str, Any]) -> RunInfo:
    """Return what ran over a recording.

    Args:
        source: What the user called it.
        pipeline: With the networks.
        options: What else the results follow from.
    """
    estimator, hands = pipeline.estimator, pipeline.hands
    return RunInfo(
        source=printable(source),
        network=estimator.network,
        provider=estimator.provider,
        hand_network=hands.network if hands else "",
        versions=versions(),
        # the estimator's own: they name the finder that was chosen
        options={**options, "estimator": asdict(estimator.options)},
    )


def versions() -> dict[str, str]:
    """Return the versions of all that results depend on."""
    return {
        "pose_ros": __version__,
        "numpy": np.__version__,
        "onnxruntime": engine_version(),
        "opencv": cv2.__version__,
        "scipy": metadata.version("scipy"),
    }


def _given_camera(images: BagImages, settings: Settings) -> GivenCamera | None:
    """Return what the user says of the camera; None where that is nothing."""
    if not settings.calibration and settings.hfov is None:
        return None
    given = None
    if settings.calibration:
        given = parse_calibration(settings.calibration, "of --camera-info")
    rectified = is_rectified("auto", images.topic)
    return GivenCamera(given, settings.hfov, _LOG.warning, rectified=rectified)
