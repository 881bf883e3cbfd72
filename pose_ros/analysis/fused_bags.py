"""One event that several cameras have recorded in bags: their images, and where the cameras are."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from pose_ros.analysis.fused import FusedCamera, FusedRecording
from pose_ros.analysis.results_bag import LOOK_AHEAD, PLACES
from pose_ros.analysis.task import Settings
from pose_ros.bags.images import TF_TOPICS, BagImages, RecordedImage, camera_names, take_frames
from pose_ros.bags.reader import Bag
from pose_ros.core.multiview.extrinsics import CameraView, Extrinsics
from pose_ros.core.multiview.rig import CameraRig
from pose_ros.core.multiview.views import choose_views, views_of_size
from pose_ros.core.skeletons import SIDES
from pose_ros.errors import SourceError, TransformError
from pose_ros.messages.transforms import FrameTracker
from pose_ros.pipeline import PeopleStage, PipelineOptions
from pose_ros.sources.camera_rig import parse_rig
from pose_ros.sources.stereo import half_of

_CURE = "or give --calibration, the file that says where the cameras stand"


def fuse_bags(
    recordings: Sequence[BagImages],
    settings: Settings,
    options: PipelineOptions,
    make_stage: Callable[[], PeopleStage],
) -> FusedRecording:
    """Return what runs the cameras of one event, with their places.

    Args:
        recordings: Images of each camera, the reference first; of two lenses in one image, these.
        settings: What the results follow from.
        options: The same, as the pipeline takes it.
        make_stage: Makes what finds the people of a camera.

    Raises:
        SourceError: A topic has no image, or it is not known how a camera sees or where it is.
        OptionError: The calibration is of other cameras.
    """
    if settings.two_lenses.is_stereo:
        return _fuse_halves(recordings[0], settings, options, make_stage)
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
        FusedCamera(view, images.__iter__, make_stage(), first.frame_id)
        for view, images, first in zip(views, recordings, firsts, strict=True)
    ]
    return FusedRecording(cameras, rig, options, settings.fusion, offsets)


def _fuse_halves(
    recording: BagImages,
    settings: Settings,
    options: PipelineOptions,
    make_stage: Callable[[], PeopleStage],
) -> FusedRecording:
    """Return what runs both lenses of one device.

    Raises:
        SourceError: The topic has no image.
        ImageError: An image has no two halves.
        OptionError: The calibration is of other cameras.
    """
    rig = parse_rig(settings.calibration.encode(), "--calibration")
    first = _first(recording)
    frames = [half_of(first.frame, side) for side in SIDES]
    sizes = [(frame.width, frame.height) for frame in frames]
    cameras = [
        FusedCamera(view, partial(_halves, recording, side), make_stage(), frame_id)
        for side, view, frame_id in zip(
            SIDES,
            views_of_size(choose_views(rig, SIDES), sizes),
            (first.frame_id, ""),  # /tf knows the device, which stands where its left lens is
            strict=True,
        )
    ]
    return FusedRecording(cameras, rig, options, settings.fusion, [0.0, 0.0])


def _halves(recording: BagImages, side: str) -> Iterator[RecordedImage]:
    """Yield one half of each image."""
    for image in recording:
        frame_id = image.frame_id if side == SIDES[0] else ""
        yield replace(image, frame=half_of(image.frame, side), frame_id=frame_id)


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
