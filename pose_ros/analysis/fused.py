"""Recordings of one event by several calibrated cameras: their people become one skeleton each.

The first camera is the reference: each of its images is a common stamp. Every other camera gives
the image at that stamp or the next one, and ``Fusion`` interpolates in between. Where a camera
beside the reference takes its images at the same time, as that of a stereo camera does, both images
are matched, and the reference has a depth image (``disparity``).
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from pose_ros.bags.images import RecordedImage
from pose_ros.core.camera import Camera, Float64Array
from pose_ros.core.depth import DepthImage
from pose_ros.core.gestures.recognizer import GestureRecognizer
from pose_ros.core.multiview.clocks import offsets_by_rays
from pose_ros.core.multiview.disparity import NearPair
from pose_ros.core.multiview.extrinsics import CameraView
from pose_ros.core.multiview.fusion import FusedPeople, Fusion
from pose_ros.core.multiview.hands import HandFusion
from pose_ros.core.multiview.rig import CameraRig
from pose_ros.core.multiview.views import room_of
from pose_ros.core.results import Result
from pose_ros.core.timeline import StampOrder
from pose_ros.core.types import Poses
from pose_ros.errors import ImageError, OptionError
from pose_ros.pipeline import FoundGestures, FoundPeople, GestureStage, PeopleStage, PipelineOptions
from pose_ros.report import FusedCameraFacts
from pose_ros.settings.multiview import FusionOptions

OFFSET_SECONDS = 30.0
"""Seconds from the beginning of each video by which the offsets are found."""

Refuse = Callable[[RecordedImage, ImageError], None]
Images = Callable[[], Iterator[RecordedImage]]
"""Opens the images of one camera from the beginning, a second time too."""


@dataclass(frozen=True, eq=False)
class FusedCamera:
    """One of the cameras of an event.

    Attributes:
        view: How it sees, and where it stands.
        images: Its images.
        stage: What finds its people; one of its own.
        frame_id: Of its images, where they do not say it; the camera's name where empty.
    """

    view: CameraView
    images: Images
    stage: PeopleStage
    frame_id: str = ""

    @property
    def frame(self) -> str:
        """TF frame of its images."""
        return self.frame_id or self.view.name


@dataclass(frozen=True, eq=False)
class _Sample:
    """One image of a camera with its people."""

    stamp: float
    image: RecordedImage
    found: FoundPeople


@dataclass(eq=False)
class _Watched:
    """How a camera does: counts of instants, and pixels that it is off, for each of them."""

    instants: int = 0
    with_people: int = 0
    clock: float = math.nan
    errors: array[float] = field(default_factory=lambda: array("f"))


@dataclass(eq=False)
class FusedRecording:
    """Runs the cameras of one event and joins what they see.

    Attributes:
        cameras: The reference is first.
        rig: Where they are from; None: from /tf, which says with each image where up is.
        options: What the results follow from beside the networks.
        fusion: How people are joined.
        offsets: Seconds by which each camera's video begins after the first one's; None: they are
            found by how people move.
        seen: The image of each camera nearest to the last instant, by name.
    """

    cameras: Sequence[FusedCamera]
    rig: CameraRig | None
    options: PipelineOptions = field(default_factory=PipelineOptions)
    fusion: FusionOptions = field(default_factory=FusionOptions)
    offsets: Sequence[float] | None = None
    seen: dict[str, RecordedImage] = field(default_factory=dict)
    _watched: dict[str, _Watched] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.offsets is not None and len(self.offsets) != len(self.cameras):
            raise OptionError(
                f"expected {len(self.cameras)} offsets, the first one 0, got {len(self.offsets)}"
            )

    @property
    def views(self) -> list[CameraView]:
        """The cameras, the reference first."""
        return [camera.view for camera in self.cameras]

    @property
    def others(self) -> dict[str, Float64Array]:
        """(4, 4) that takes meters of each further camera to the reference, by its name."""
        first = np.linalg.inv(self.views[0].extrinsics.pose)
        return {view.name: first @ view.extrinsics.pose for view in self.views[1:]}

    def facts(self) -> tuple[FusedCameraFacts, ...]:
        """Return how each camera did, over all instants so far."""
        poses = {self.views[0].name: np.eye(4), **self.others}
        found = []
        offsets = self.offsets or [0.0] * len(self.cameras)
        for view, offset in zip(self.views, offsets, strict=True):
            watched = self._watched.get(view.name, _Watched())
            errors = np.array(watched.errors)
            found.append(
                FusedCameraFacts(
                    name=view.name,
                    pose=poses[view.name],
                    instants=watched.instants,
                    with_people=watched.with_people,
                    error_px=float(np.median(errors)) if len(errors) else math.nan,
                    high_error_px=float(np.percentile(errors, 90)) if len(errors) else math.nan,
                    begins=offset,
                    clock=watched.clock,
                )
            )
        return tuple(found)

    def run_all(self, refused: Refuse) -> Iterator[tuple[RecordedImage, Result]]:
        """Yield the images of the reference, each with the people of all cameras at its stamp.

        Args:
            refused: Takes each image that is left out, with what is wrong with it.
        """
        begun: list[list[tuple[float, FoundPeople]]] = [[] for _ in self.cameras]
        beside = None if self.offsets is None else self._beside(self.offsets)
        if self.offsets is None:
            begun = [self._begin(camera) for camera in self.cameras]
            self.offsets = offsets_by_rays(
                self.views, [[(stamp, found.poses) for stamp, found in each] for each in begun]
            )
        besides = [beside, *(None for _ in self.cameras[1:])]
        streams = [
            _Stream(self._samples(camera, known, refused, other), offset)
            for camera, known, offset, other in zip(
                self.cameras, begun, self.offsets, besides, strict=True
            )
        ]
        fusion, hand_fusion = Fusion(self.views, self.fusion), HandFusion(self.views)
        gestures = self._gestures()
        self._watched = {view.name: _Watched() for view in self.views}
        for sample in streams[0]:
            newest = {self.cameras[0].view.name: sample}
            self.seen = {self.cameras[0].view.name: sample.image}
            for camera, stream in zip(self.cameras[1:], streams[1:], strict=True):
                other = stream.reach(sample.stamp)
                if other is not None:
                    newest[camera.view.name] = other
                    self.seen[camera.view.name] = stream.nearest(sample.stamp)
            people = fusion.update(
                sample.stamp, {name: (s.stamp, s.found.poses) for name, s in newest.items()}
            )
            self._watch(people)
            image = sample.image
            of_each = {
                name: (s.stamp, s.found.hands)
                for name, s in newest.items()
                if s.found.hands is not None
            }
            hands = hand_fusion.update(people, of_each, self.fusion.max_skew)
            held = FoundGestures((), {}, {})
            if gestures is not None:
                held = gestures.run(people.poses, hands, sample.stamp, image.place)
            yield (
                image,
                Result(
                    index=image.frame.index,
                    nanoseconds=image.nanoseconds,
                    width=image.frame.width,
                    height=image.frame.height,
                    poses=people.poses,
                    hands=hands,
                    gestures=held.gestures,
                    targets=held.targets,
                    goals=held.goals,
                    frame_id=image.frame_id,
                    source=image.frame.source,
                    fused=people.points,
                    room=self._room(image),
                ),
            )

    def _beside(self, offsets: Sequence[float]) -> _Beside | None:
        """Return the camera beside the reference; None where none is near enough."""
        for camera, offset in zip(self.cameras[1:], offsets[1:], strict=True):
            pair = NearPair(self.views[0], camera.view)
            if pair.usable:
                return _Beside(pair, camera.images(), offset - offsets[0])
        return None

    def _watch(self, people: FusedPeople) -> None:
        """Remember how the cameras do at one instant."""
        for name, report in people.cameras.items():
            watched = self._watched[name]
            watched.instants += report.used
            watched.with_people += report.used and report.people > 0
            watched.clock = report.offset
            if math.isfinite(report.error_px):
                watched.errors.append(report.error_px)

    def _room(self, image: RecordedImage) -> Float64Array | None:
        """Return (4, 4) from the common world to a frame with z up; None where up is not known."""
        if self.rig is not None:
            return room_of(self.rig)
        if isinstance(image.place, str):
            return None
        room: Float64Array = image.place @ np.linalg.inv(self.views[0].extrinsics.pose)
        return room

    def _gestures(self) -> GestureStage | None:
        options = self.options.gestures
        if options is None:
            return None
        targets = self.options.targets
        return GestureStage(GestureRecognizer(options), targets, targets.target_frame)

    def _begin(self, camera: FusedCamera) -> list[tuple[float, FoundPeople]]:
        """Return the people in the images of the first seconds."""
        found: list[tuple[float, FoundPeople]] = []
        for sample in self._samples(camera, [], lambda _image, _error: None):
            found.append((sample.stamp, sample.found))
            if sample.stamp - found[0][0] >= OFFSET_SECONDS:
                break
        return found

    def _samples(
        self,
        camera: FusedCamera,
        known: list[tuple[float, FoundPeople]],
        refused: Refuse,
        beside: _Beside | None = None,
    ) -> Iterator[_Sample]:
        """Yield a camera's images with their people; ``known`` are those of the first images."""
        order = StampOrder()
        count = 0
        if not known:
            camera.stage.reset()
        room = None if self.rig is None else room_of(self.rig)
        unknown = "the calibration does not say where up is"
        for recorded in camera.images():
            place = recorded.place  # what /tf says; it knows where the robot is
            if isinstance(place, str) and self.rig is not None:
                place = unknown if room is None else room @ camera.view.extrinsics.pose
            image = replace(
                recorded,
                camera=camera.view.camera,
                frame_id=recorded.frame_id or camera.frame,
                place=place,
                target_frame=self.options.targets.target_frame,
            )
            frame = image.frame
            try:
                order.check(frame.stamp)
                if count < len(known):
                    found = known[count][1]
                else:
                    found = camera.stage.run(
                        frame.image,
                        frame.stamp,
                        _ViewInputs(camera.view, beside, image),
                        channels=frame.channels,
                    )
            except ImageError as error:
                refused(image, error)
                continue
            count += 1
            yield _Sample(frame.stamp, image, found)


class _Beside:
    """The images of a camera beside the reference, which measure distances together.

    Args:
        pair: Both cameras.
        images: Of the other one.
        offset: Seconds by which its stamps are earlier.
    """

    def __init__(self, pair: NearPair, images: Iterator[RecordedImage], offset: float) -> None:
        self._pair, self._images, self._offset = pair, images, offset
        self._last: RecordedImage | None = None

    def depth(self, image: RecordedImage) -> DepthImage | None:
        """Return the depth image of an image of the reference; None without one of its time."""
        stamp, most = image.frame.stamp - self._offset, self._pair.max_skew
        while self._last is None or self._last.frame.stamp < stamp - most:
            self._last = next(self._images, None)
            if self._last is None:
                return None
        if self._last.frame.stamp > stamp + most:
            return None
        own, other = image.frame, self._last.frame
        return self._pair.measure(own.image, other.image, own.stamp, channels=own.channels)


class _ViewInputs:
    """The camera of a calibration, and what the camera beside it helps to measure."""

    def __init__(self, view: CameraView, beside: _Beside | None, image: RecordedImage) -> None:
        self._view, self._beside, self._image = view, beside, image

    def camera_for(self, width: int, height: int) -> Camera | None:  # noqa: ARG002
        return self._view.camera

    def depth_for(self, stamp: float, width: int, height: int) -> DepthImage | None:  # noqa: ARG002
        return None if self._beside is None else self._beside.depth(self._image)


class _Stream:
    """The images of one camera, at the stamps of all."""

    def __init__(self, samples: Iterator[_Sample], offset: float) -> None:
        self._samples, self._offset = samples, offset
        self._newest: _Sample | None = None
        self._before: _Sample | None = None

    def __iter__(self) -> Iterator[_Sample]:
        for sample in self._samples:
            yield replace(sample, stamp=sample.stamp + self._offset)

    def reach(self, stamp: float) -> _Sample | None:
        """Return the first image at a stamp or after it; the last one where there is none."""
        while self._newest is None or self._newest.stamp < stamp:
            sample = next(self._samples, None)
            if sample is None:
                break
            self._before = self._newest
            self._newest = replace(sample, stamp=sample.stamp + self._offset)
        return self._newest

    def nearest(self, stamp: float) -> RecordedImage:
        """Return the image nearest to a stamp that was reached."""
        there = [each for each in (self._before, self._newest) if each is not None]
        return min(there, key=lambda each: abs(each.stamp - stamp)).image


def camera_lines(facts: Sequence[FusedCameraFacts]) -> list[str]:
    """Return what a user should know of the cameras in the end, a line each."""
    lines = []
    for each in facts:
        found = [] if each.begins == 0.0 else [f"begins {each.begins:+.3f} s after the first"]
        if math.isfinite(each.error_px):
            found.append(f"{each.error_px:.1f} px off what all cameras say (median)")
        lines.append(f"{each.name}: {', '.join(found) or 'saw no person together with another'}")
    return lines


def reprojected(view: CameraView, result: Result) -> Poses:
    """Return where the fused people are in the image of a camera, in pixels alone.

    Joints behind the camera, and those without meters, are missing.
    """
    points = np.zeros((0, len(result.poses.skeleton), 3))
    pixels = view.project(points if result.fused is None else result.fused)
    known = np.asarray(np.isfinite(pixels).all(axis=2))
    low = np.where(known[..., None], pixels, np.inf).min(axis=1)
    high = np.where(known[..., None], pixels, -np.inf).max(axis=1)
    boxes = np.concatenate([low, high], axis=1)
    poses = result.poses
    return Poses(
        poses.skeleton,
        poses.ids,
        poses.scores,
        np.where(np.isfinite(boxes), boxes, np.nan),
        np.where(known[..., None], pixels, np.nan),
        np.where(known, poses.keypoint_scores, 0.0),
    )
