"""What a task does: one recording, or a slice of it, through the pipeline and into its outputs."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pose_ros import __version__
from pose_ros.analysis.exports import check_exports
from pose_ros.analysis.exports.writing import export_paths
from pose_ros.analysis.fused import FusedRecording, camera_lines
from pose_ros.analysis.fused_bags import fuse_bags
from pose_ros.analysis.images import GivenCamera, images_of
from pose_ros.analysis.outputs import OutputPlaces, check_apart
from pose_ros.analysis.task import BagTask, RunCounts, Settings, TaskProgress, TaskReport
from pose_ros.analysis.writers import open_writers, place_plots
from pose_ros.bags.images import BagImages
from pose_ros.bags.reader import Bag, open_bag
from pose_ros.build import create_body_hands, create_estimator
from pose_ros.core.encoded_images import max_pixels_from
from pose_ros.core.results import RunInfo
from pose_ros.core.types import Estimator, HandEstimator
from pose_ros.errors import SourceError, printable
from pose_ros.files import recording_name
from pose_ros.messages.cameras import is_rectified
from pose_ros.networks.body_hands import hand_joints
from pose_ros.pipeline import PeopleStage, Pipeline, PipelineOptions
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
        PoseRosError: The recording cannot be read, the network is not available, or an output
            cannot be written.
    """
    outputs, counts = task.outputs, RunCounts()
    with contextlib.ExitStack() as stack:
        bags = [stack.enter_context(open_bag(path)) for path in (task.bag, *task.others)]
        recordings = open_recordings(bags, task)
        bag, images = bags[0], recordings[0]
        if not task.is_slice and not images.length and not bag.damage:
            raise SourceError(f"{images.name} holds no image of {images.topic} in that time")
        name = recording_name(images.name)
        check_exports(outputs.exports, [name], force=outputs.force)
        paths = [*map(Path, outputs.paths()), *export_paths(outputs.exports, name)]
        check_apart([Path(task.bag), *map(Path, task.others)], paths)
        places = stack.enter_context(OutputPlaces(force=outputs.force))
        for path in outputs.paths():
            places.place(Path(path))
        plots = None
        if outputs.plots:
            plots = place_plots(outputs.plots, places, force=outputs.force)
        fused: FusedRecording | None = None
        if task.settings.is_fused:
            fused, pipeline = make_fused(task, recordings)
            results = fused.run_all(counts.refuse)
        else:
            pipeline = make_pipeline(task)
            camera = _given_camera(images, task.settings)
            results = pipeline.run_all(images_of(images, camera), counts.refuse)
        names = [view.name for view in fused.views] if fused else []
        info = run_info(images.name, pipeline, recorded_options(task, images), names)
        writers = stack.enter_context(
            open_writers(task, places, images, info, counts, plots=plots, fused=fused)
        )
        total = images.length
        for image, result in results:
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
        refused=dict(sorted(sum((r.refused for r in recordings), counts.refused).items())),
        damage=tuple(line for each in bags for line in each.damage),
        notes=(
            *dict.fromkeys(note for each in recordings for note in each.notes),
            *counts.notes,
            *(camera_lines(fused.facts()) if fused else ()),
        ),
    )


def open_recordings(bags: Sequence[Bag], task: BagTask) -> list[BagImages]:
    """Return the images of each camera of a task, the reference first.

    Raises:
        SourceError: A bag has no such topic, or several that could be meant.
        OptionError: A number is out of its range.
    """
    topics = task.settings.topics
    if not topics:
        return [open_images(bags[0], task)]
    of_each = bags if len(bags) > 1 else [bags[0]] * len(topics)
    settings = replace(task.settings, calibration="")
    return [
        open_images(bag, replace(task, settings=replace(settings, topic=topic)))
        for bag, topic in zip(of_each, topics, strict=True)
    ]


def make_fused(task: BagTask, recordings: Sequence[BagImages]) -> tuple[FusedRecording, Pipeline]:
    """Return what runs the cameras of a task, and a pipeline with the networks of the first one.

    Raises:
        PoseRosError: As ``make_pipeline`` and ``fuse_bags``.
    """
    settings = task.settings
    options = _pipeline_options(settings)

    def make_stage() -> PeopleStage:
        # filtered keypoints lag where a network swaps left and right; the fusion filters in meters
        estimator = replace(settings.estimator, smoothing=False)
        own = replace(task, settings=replace(settings, estimator=estimator))
        return PeopleStage(*_networks(own), options.lift, is_alone=False)

    fused = fuse_bags(recordings, settings, options, make_stage)
    stage = fused.cameras[0].stage
    return fused, Pipeline(stage.estimator, stage.hands, options)


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
    return Pipeline(*_networks(task), _pipeline_options(task.settings))


def _networks(task: BagTask) -> tuple[Estimator, HandEstimator | None]:
    settings = task.settings
    options, engine = settings.estimator, task.engine
    estimator = create_estimator(settings.network, options=options, engine=engine)
    hands: HandEstimator | None = None
    if settings.hands.enabled:
        hand_joints(estimator.skeleton)
        hands = create_body_hands(
            settings.hands.network,
            detect_palms=settings.hands.detect_palms,
            options=options,
            engine=engine,
        )
    return estimator, hands


def _pipeline_options(settings: Settings) -> PipelineOptions:
    return PipelineOptions(settings.lift, settings.mount, settings.gestures, settings.targets)


def recorded_options(task: BagTask, images: BagImages) -> dict[str, Any]:
    """Return what the results of a task follow from, beside the networks that ran."""
    options = asdict(task.settings)
    del options["network"], options["hands"]
    options |= options.pop("mount")
    options["detect_palms"] = task.settings.hands.detect_palms
    options |= {"precision": task.engine.precision, "require_gpu": task.engine.require_gpu}
    options |= {"topic": images.topic, "camera_info": images.camera_info, "depth": images.depth}
    options |= options.pop("two_lenses")
    if task.settings.topics:
        options |= {"topic": "", "camera_info": "", "others": list(task.others)}
    elif not task.settings.is_fused:
        del options["topics"], options["fusion"], options["offsets"], options["stereo"]
    return options | {"start": task.start, "end": task.end}


def run_info(
    source: str, pipeline: Pipeline, options: Mapping[str, Any], cameras: Sequence[str] = ()
) -> RunInfo:
    """Return what ran over a recording.

    Args:
        source: What the user called it.
        pipeline: With the networks.
        options: What else the results follow from.
        cameras: Names of those whose people are fused; none of one camera.
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
        cameras=list(cameras),
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
