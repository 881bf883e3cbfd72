"""The unit of work: one recording, or one slice of it, in; all that is written of it out.

A task is plain data. It is the same in this process, in another one and on another machine, and
so are the bytes that it writes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from pose_ros.bags.images import RecordedImage
from pose_ros.build import DEFAULT_NETWORK
from pose_ros.core.results import Result
from pose_ros.errors import ImageError
from pose_ros.settings.estimation import EngineOptions, EstimatorOptions, HandOptions
from pose_ros.settings.gestures import GestureOptions, TargetOptions
from pose_ros.settings.images import ImageOptions, LensOptions, StereoOptions
from pose_ros.settings.lifting import LiftOptions, MountOptions
from pose_ros.settings.multiview import FusionOptions
from pose_ros.settings.outputs import ExportOptions, OverlayOptions, ReportOptions

TaskProgress: TypeAlias = Callable[[int, int | None], None]
"""Called with how many images are done, and how many there are, None when unknown."""


@dataclass(frozen=True)
class Settings:
    """What the results of a recording follow from, beside the recording itself.

    Attributes:
        topic: Of the images; empty for the only one there is.
        topics: Of the images of several cameras whose people are fused, the reference first;
            empty for one camera.
        camera_info: Its topic; empty for the sibling of ``topic``.
        calibration: What a calibration file of the camera holds, YAML, in place of
            ``camera_info``; of several cameras, our file of where they stand, in place of /tf
            too. Empty for none.
        hfov: Horizontal field of view in degrees, where nothing else tells of the camera.
        depth: Topic of registered depth images; empty for none.
        every: Every so many images are analyzed, from the first one on; 1 or more.
        max_megapixels: Size above which an image is refused, before it is decoded.
        network: A network's name or path, as ``create_estimator`` takes it.
        estimator: Options of the network.
        hands: Whether hands are looked for, and by which network.
        lift: How people are placed in meters, where the camera is known.
        mount: How the camera stands over a level floor.
        gestures: How gestures are recognized; None where they are not looked for.
        targets: Which places that people point at are refused.
        fusion: How people of several cameras are fused.
        offsets: Seconds to add to the stamps of each camera but the first; None: the
            calibration's, or 0.
        two_lenses: Whether the images of ``topic`` hold those of two lenses.
    """

    topic: str = ""
    topics: tuple[str, ...] = ()
    camera_info: str = ""
    calibration: str = ""
    hfov: float | None = LensOptions.hfov
    depth: str = ""
    every: int = 1
    max_megapixels: float = ImageOptions.max_megapixels
    network: str = DEFAULT_NETWORK
    estimator: EstimatorOptions = field(default_factory=EstimatorOptions)
    hands: HandOptions = field(default_factory=HandOptions)
    lift: LiftOptions = field(default_factory=LiftOptions)
    mount: MountOptions = field(default_factory=MountOptions)
    gestures: GestureOptions | None = None
    targets: TargetOptions = field(default_factory=TargetOptions)
    fusion: FusionOptions = field(default_factory=FusionOptions)
    offsets: tuple[float, ...] | None = None
    two_lenses: StereoOptions = field(default_factory=StereoOptions)

    @property
    def is_fused(self) -> bool:
        """Whether the people of several cameras are fused."""
        return bool(self.topics) or self.two_lenses.is_stereo


@dataclass(frozen=True)
class TaskOutputs:
    """What is written of a recording; paths, empty for what is not.

    Attributes:
        bag: Folder of a rosbag2 with the results.
        storage: Of that bag: ``sqlite3`` or ``mcap``.
        copy_images: Whether it holds the images too.
        foxglove: Whether it holds people as Lichtblick and Foxglove draw them, too.
        exports: Tables and motion.
        json: Lines of JSON, one an image, as ``pose-ros estimate`` writes them; ``-`` for stdout.
        overlay: Video of the images with the people drawn in.
        drawing: What is drawn there.
        report: Page about the recording.
        report_options: What that page shows.
        plots: Folder of the page's drawings as pictures.
        force: Whether what stands there already is replaced.
    """

    bag: str = ""
    storage: str = "mcap"
    copy_images: bool = False
    foxglove: bool = False
    exports: ExportOptions = field(default_factory=ExportOptions)
    json: str = ""
    overlay: str = ""
    drawing: OverlayOptions = field(default_factory=OverlayOptions)
    report: str = ""
    report_options: ReportOptions = field(default_factory=ReportOptions)
    plots: str = ""
    force: bool = False

    def paths(self) -> tuple[str, ...]:
        """Return the paths of what is written, but for exports and plots."""
        paths = (self.bag, self.json, self.overlay, self.report)
        return tuple(path for path in paths if path and path != "-")


@dataclass(frozen=True)
class BagTask:
    """One recording, or one slice of it, to be analyzed.

    Attributes:
        bag: Path of the recording: a folder, an ``.mcap`` or a ``.db3``.
        settings: What its results follow from.
        outputs: What is written.
        start: Seconds from the recording's start; images before it are not looked at.
        end: Seconds from the recording's start; images at it and after are not looked at.
        is_slice: Whether it is one slice of several, which may hold no image.
        engine: What runs the networks; no result depends on its ``threads`` and ``models_dir``.
        others: Recordings of the further ``topics`` of the settings, one each; empty: ``bag``
            holds them too.
    """

    bag: str
    settings: Settings = field(default_factory=Settings)
    outputs: TaskOutputs = field(default_factory=TaskOutputs)
    start: float | None = None
    end: float | None = None
    is_slice: bool = False
    engine: EngineOptions = field(default_factory=EngineOptions)
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class TaskReport:
    """What came of a task; the same task gives the same report.

    Attributes:
        bag: As the task names it.
        images: How many were analyzed.
        with_people: In how many of them a person was found.
        people: How many ids there were.
        refused: How many images were not analyzed, by the reason.
        damage: What of the recording was lost, a line each.
        notes: What went with the images and could not be used, a line each.
        error: Why nothing came of it, one line; empty when something did.
    """

    bag: str
    images: int = 0
    with_people: int = 0
    people: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)
    damage: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    error: str = ""

    @property
    def lost(self) -> tuple[str, ...]:
        """What was not analyzed and what was lost, a line each."""
        return losses(self.refused, self.damage)

    @property
    def exit_code(self) -> int:
        """0; 1 when nothing came of it; 2 when images were refused or the recording damaged."""
        if self.error:
            return 1
        return 2 if self.refused or self.damage else 0


@dataclass
class RunCounts:
    """What was found so far.

    Attributes:
        images: How many were analyzed.
        with_people: In how many of them a person was found.
        ids: Of all people.
        refused: How many were not analyzed, by the reason.
        notes: What a user should know of the outputs, a line each.
    """

    images: int = 0
    with_people: int = 0
    ids: set[int] = field(default_factory=set)
    refused: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    _example: str = ""

    def add(self, result: Result) -> None:
        """Count an image that was analyzed."""
        self.images += 1
        self.with_people += len(result.poses) > 0
        self.ids.update(result.poses.ids.tolist())

    def refuse(self, _shot: RecordedImage, error: ImageError) -> None:
        """Count an image that was not; the first one's reason stands for all."""
        self._example = self._example or f"not analyzed ({error})"
        self.refused[self._example] += 1


def losses(refused: Mapping[str, int], damage: Iterable[str]) -> tuple[str, ...]:
    """Return what of a recording is not in its results, a line each.

    Args:
        refused: How many images were not analyzed, by the reason.
        damage: What was lost, a line each.
    """
    images = (f"{n} {'image' if n == 1 else 'images'} {why}" for why, n in refused.items())
    return (*images, *damage)
