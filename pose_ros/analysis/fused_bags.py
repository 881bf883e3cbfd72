"""One event that several cameras have recorded in bags: their images, and where the cameras are."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence

import numpy as np

from pose_ros.analysis.fused import FusedCamera, FusedRecording
from pose_ros.analysis.results_bag import LOOK_AHEAD, PLACES
from pose_ros.analysis.task import Settings
from pose_ros.bags.images import TF_TOPICS, BagImages, RecordedImage, camera_names, take_frames
from pose_ros.bags.reader import Bag
from pose_ros.core.multiview.extrinsics import CameraView, Extrinsics
from pose_ros.core.multiview.rig import CameraRig
from pose_ros.core.multiview.views import choose_views, views_of_size
from pose_ros.errors import SourceError, TransformError
from pose_ros.messages.transforms import FrameTracker
from pose_ros.pipeline import PeopleStage, PipelineOptions
from pose_ros.sources.camera_rig import parse_rig

_CURE = "or give --calibration, the file that says where the cameras stand"


def fuse_bags(
    recordings: Sequence[BagImages],
    settings: Settings,
    options: PipelineOptions,
    make_stage: Callable[[int], PeopleStage],
) -> FusedRecording:
    """Return what runs the cameras of one event, with their places.

    Args:
        recordings: Images of each camera, the reference first.
        settings: What the results follow from.
        options: The same, as the pipeline takes it.
        make_stage: Makes what finds the people of a camera, by its number.

    Raises:
        SourceError: A topic has no image, or it is not known how a camera sees or where it is.
        OptionError: The calibration is of other cameras.
    """
    topics = [images.topic for images in recordings]
    names = camera_names(topics if len(set(topics)) > 1 else [r.name for r in recordings])
    firsts = [_first(images) for images in recordings]
    rig: CameraRig | None = None
    offsets = [0.0] * len(recordings)
    if settings.calibration:
        rig = parse_rig(settings.calibration.encode(), "--calibration")
        views = choose_views(rig, names)
        if rig.offsets is not None:
            known = dict(zip([view.name for view in rig.views], rig.offsets.tolist(), strict=True))
            offsets = [known[view.name] - known[views[0].name] for view in views]
        sizes = [(image.frame.width, image.frame.height) for image in firsts]
        views = views_of_size(views, sizes)
    else:
        views = _views_by_tf(recordings, names, firsts)
    if settings.offsets is not None:
        offsets = [0.0, *settings.offsets]
    cameras = [
        FusedCamera(view, images.__iter__, make_stage(number), first.frame_id)
        for number, (view, images, first) in enumerate(zip(views, recordings, firsts, strict=True))
    ]
    return FusedRecording(cameras, rig, options, settings.fusion, offsets)


def _first(images: BagImages) -> RecordedImage:
    """Return the first image of a topic in the whole bag, whatever part of it is looked at."""
    recorded = iter(BagImages(images.bag, images.topic, images.camera_info))
    with contextlib.closing(recorded):  # type: ignore[type-var]
        image = next(recorded, None)
    if image is None:
        raise SourceError(f"{images.name} holds no image of {images.topic}")
    return image


def _views_by_tf(
    recordings: Sequence[BagImages], names: Sequence[str], firsts: Sequence[RecordedImage]
) -> list[CameraView]:
    """Return the cameras by ``camera_info`` and /tf.

    The world is the first of ``PLACES`` that /tf_static connects with all cameras, else the
    reference's optical frame, in which all others stand as they do at the first image.
    """
    for images, image in zip(recordings, firsts, strict=True):
        if image.camera is None:
            raise SourceError(
                f"{images.name} does not say how {images.topic} sees: record its camera_info, "
                + _CURE
            )
    if len({image.frame_id for image in firsts}) < len(firsts):
        raise SourceError(
            f"images of two cameras are in one frame ({firsts[0].frame_id}): set frame_id in the "
            f"cameras' drivers, {_CURE}"
        )
    bags = list({id(images.bag): images.bag for images in recordings}.values())
    frames = [image.frame_id for image in firsts]
    stamp = firsts[0].frame.stamp
    staying, moving = _tracker(bags, None), _tracker(bags, firsts[0].recorded + LOOK_AHEAD)
    for tracker, worlds in ((staying, PLACES), (moving, frames[:1])):
        for world in worlds:
            with contextlib.suppress(TransformError):
                poses = [
                    np.eye(4) if frame == world else tracker.lookup(world, frame, stamp)
                    for frame in frames
                ]
                return [
                    CameraView(name, image.camera, Extrinsics.from_pose(pose))
                    for name, image, pose in zip(names, firsts, poses, strict=True)
                    if image.camera is not None
                ]
    raise SourceError(
        f"/tf does not say where the cameras are against each other ({', '.join(frames)}): record "
        f"/tf and /tf_static, {_CURE}"
    )


def _tracker(bags: Sequence[Bag], until: int | None) -> FrameTracker:
    """Return the frames of /tf_static, and those of /tf up to a time; None: without these."""
    tracker = FrameTracker(lambda _kind, _text: None)  # the images' own notes say it
    for bag in bags:
        for topic, static in TF_TOPICS.items():
            if bag.topic(topic) and (static or until is not None):
                for message in bag.messages([topic], None, None if static else until):
                    take_frames(tracker, message, lambda _kind, _text: None)
    return tracker
