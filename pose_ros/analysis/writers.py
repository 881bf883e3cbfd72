"""Writers of the results of one recording: a bag, tables, lines of JSON, a video, a page."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO, TypeAlias

import cv2

from pose_ros.analysis.exports import open_exports
from pose_ros.analysis.exports.rerun import RerunViewer
from pose_ros.analysis.fused import FusedRecording, reprojected
from pose_ros.analysis.outputs import OutputPlaces, write_errors
from pose_ros.analysis.results_bag import LOOK_AHEAD, TF, TF_STATIC, BagWriter, Placements
from pose_ros.analysis.task import BagTask, RunCounts, losses
from pose_ros.bags.images import TF_TOPICS, BagImages, RecordedImage
from pose_ros.bags.reader import BagMessage
from pose_ros.core.frames import MEMORY_SECONDS
from pose_ros.core.results import Result, RunInfo
from pose_ros.core.timeline import NANOSECONDS
from pose_ros.core.types import Frame, Image, Poses
from pose_ros.errors import OutputError
from pose_ros.files import user_path
from pose_ros.report import PLOTS, CameraPlacement, RecordingFacts, ReportBuilder
from pose_ros.settings.outputs import ExportOptions, OverlayOptions, parse_parts
from pose_ros.viz.image_writers import ImageWriter, VideoFile, side_by_side
from pose_ros.viz.overlay import draw

Write: TypeAlias = Callable[[RecordedImage, Result], None]
Place: TypeAlias = Callable[[RecordedImage], CameraPlacement | None]

WORLD = "world"
"""Frame in which a calibration says where cameras stand, as the fusion node has it."""
_MEMORY = round(MEMORY_SECONDS * NANOSECONDS)


@contextlib.contextmanager
def open_writers(
    task: BagTask,
    places: OutputPlaces,
    images: BagImages,
    info: RunInfo,
    counts: RunCounts,
    *,
    plots: Path | None = None,
    fused: FusedRecording | None = None,
) -> Iterator[list[Write]]:
    """Open what the results of a task are written to, and finish it when the block ends well.

    Args:
        task: With its outputs.
        places: Has a place for each.
        images: Of the recording.
        info: What runs.
        counts: What came of the images; takes what a user should know of the outputs.
        plots: Folder of ``place_plots``; None where there are none.
        fused: What runs the cameras whose people are fused; None of one camera.

    Raises:
        OutputError: One of them cannot be written.
    """
    outputs = task.outputs
    with contextlib.ExitStack() as stack:
        writers = [stack.enter_context(exports(outputs.exports, info, places, counts.notes))]
        gestures = task.settings.gestures is not None
        if outputs.bag:
            made_bag, node = places.made(outputs.bag), "/fusion" if fused else "/pose"
            writer = BagWriter(
                made_bag,
                outputs.storage,
                info,
                gestures=gestures,
                node=node,
                foxglove=outputs.foxglove,
            )
            bag = _bag(writer, images, task, fused)
            writers.append(stack.enter_context(_guarded(outputs.bag, bag)))
        if outputs.json:
            made = json_lines(outputs.json, places, info.network, gestures=gestures)
            writers.append(stack.enter_context(made))
        if outputs.overlay:
            video = VideoFile(places.made(outputs.overlay), images.fps, name=outputs.overlay)
            stack.callback(video.close)
            writers.append(drawings(video, outputs.drawing, fused))
        if outputs.report or outputs.plots:

            def known() -> RecordingFacts:
                refused = images.refused + counts.refused
                lost = losses(refused, images.bag.damage)
                without = sum(refused.values())
                cameras = fused.facts() if fused else ()
                return RecordingFacts(counts.images + without, without, lost, cameras=cameras)

            others = fused.others if fused else None
            builder = ReportBuilder(info, outputs.report_options, others=others)
            path = places.made(outputs.report) if outputs.report else None
            by_tf = _placing(images)
            made = page(builder, path, plots, known, lambda i: by_tf(i) or in_room(fused, i))
            writers.append(stack.enter_context(made))
        yield writers


@contextlib.contextmanager
def json_lines(
    target: str, places: OutputPlaces, network: str, *, gestures: bool
) -> Iterator[Write]:
    """Open lines of JSON, and complete them when the block ends well.

    Args:
        target: Path that ``places`` has a place for, or ``-`` for the standard output.
        places: Where and with what else the file appears.
        network: What finds the people.
        gestures: Whether they were looked for.

    Raises:
        OutputError: It cannot be written.
        BrokenPipeError: The reader of the standard output is gone.
    """
    if target == "-":
        yield _to_stdout(lines(sys.stdout, network, gestures=gestures))
    else:
        made = _lines_in(places.made(target), network, gestures=gestures)
        with _guarded(target, made) as write:
            yield write


def _to_stdout(write: Write) -> Write:
    def guarded(image: RecordedImage, result: Result) -> None:
        try:
            with write_errors("to the standard output"):
                write(image, result)
        except OutputError as error:
            if isinstance(error.__cause__, BrokenPipeError):
                raise error.__cause__ from None
            raise

    return guarded


@contextlib.contextmanager
def _lines_in(path: Path, network: str, *, gestures: bool) -> Iterator[Write]:
    with path.open("w", encoding="utf-8") as file:
        yield lines(file, network, gestures=gestures)


@contextlib.contextmanager
def _guarded(path: str, writer: contextlib.AbstractContextManager[Write]) -> Iterator[Write]:
    """Let a writer tell of its disk in one line, by the path that the user knows."""
    with write_errors(path):
        write = writer.__enter__()

    def guarded(image: RecordedImage, result: Result) -> None:
        with write_errors(path):
            write(image, result)

    try:
        yield guarded
    except BaseException:
        with write_errors(path):
            writer.__exit__(*sys.exc_info())
        raise
    with write_errors(path):
        writer.__exit__(None, None, None)


@contextlib.contextmanager
def _bag(
    writer: BagWriter, images: BagImages, task: BagTask, fused: FusedRecording | None
) -> Iterator[Write]:
    """Write results among the messages of the recording that go with them."""
    bag, first = images.bag, True
    topics = {topic for topic in (TF, TF_STATIC) if bag.topic(topic)}
    cameras = fused.cameras if fused and not topics else ()  # else a camera had two parents
    if task.outputs.copy_images:
        topics |= {topic for topic in (images.camera_info, images.depth) if topic}
    begin, end = images.window
    others = _MessagesUntil(bag.messages(topics, begin, end) if topics else iter(()))

    def write(image: RecordedImage, result: Result) -> None:
        nonlocal first
        if first:
            first = False
            for message in bag.messages([TF_STATIC], None, begin) if begin else ():
                writer.copy(message, image.recorded)  # what came before the images began
            if cameras:
                poses = {camera.frame: camera.view.extrinsics.pose for camera in cameras}
                writer.place_cameras(WORLD, poses, image.nanoseconds, image.recorded)
        for message in others.until(image.recorded):
            writer.copy(message)
        if task.outputs.copy_images and image.message:
            writer.copy(image.message)
        writer.write(result, image.recorded)

    with writer:
        yield write
        for message in others.until(None):
            writer.copy(message)


def _placing(images: BagImages) -> Place:
    """Return what tells where the camera of a bag's images was."""
    bag, (begin, end) = images.bag, images.window
    topics = [topic for topic in TF_TOPICS if bag.topic(topic)]
    messages = _MessagesUntil(bag.messages(topics, None, end + LOOK_AHEAD) if topics else iter(()))
    placements = Placements(lambda _kind, _text: None)  # the images' own notes say it

    def place(image: RecordedImage) -> CameraPlacement | None:
        for message in messages.until(image.recorded + LOOK_AHEAD):
            if message.nanoseconds >= begin - _MEMORY or TF_TOPICS[message.topic]:
                placements.take(message)
        return placements.at(image.frame_id, image.frame.stamp)

    return place


class _MessagesUntil:
    """Messages in recorded order, taken up to a time."""

    def __init__(self, messages: Iterator[BagMessage]) -> None:
        self._messages = messages
        self._next = next(messages, None)

    def until(self, nanoseconds: int | None) -> Iterator[BagMessage]:
        """Yield what was recorded until then, it included; None: all that is left."""
        while self._next is not None:
            if nanoseconds is not None and self._next.nanoseconds > nanoseconds:
                return
            yield self._next
            self._next = next(self._messages, None)


def lines(file: TextIO, network: str, *, gestures: bool) -> Write:
    """Return what writes lines of JSON.

    Args:
        file: They are written to.
        network: What finds the people.
        gestures: Whether they were looked for.
    """
    # a program may read along
    is_live = file is sys.stdout or not stat.S_ISREG(os.fstat(file.fileno()).st_mode)

    def write(_image: RecordedImage, result: Result) -> None:
        file.write(json_line(result, network, gestures=gestures))
        if is_live:
            file.flush()

    return write


def json_line(result: Result, network: str, *, gestures: bool) -> str:
    """Return an image's result as a line of JSON, with its end.

    Args:
        result: Of the image.
        network: What found the people.
        gestures: Whether they were looked for.
    """
    record = result.to_record(network, gestures=gestures)
    return json.dumps(record, allow_nan=False) + "\n"


@contextlib.contextmanager
def exports(
    options: ExportOptions,
    info: RunInfo,
    places: OutputPlaces,
    notes: list[str],
    name: str | None = None,
) -> Iterator[Write]:
    """Open tables and motion, and complete them when the block ends well.

    Args:
        options: What is exported.
        info: What runs.
        places: Where and with what else the files appear.
        notes: Takes what a user should know of them at the end, a line each.
        name: Of the recording, for patterns; that of its source if not given.

    Raises:
        OutputError: A file cannot be written.
    """
    with open_exports(options, info, name=name, places=places) as files:
        yield lambda image, result: files.write(result, image.frame)
        notes += files.close()


@contextlib.contextmanager
def viewer(info: RunInfo, address: str) -> Iterator[Write]:
    """Show results and their images in Rerun's viewer until the block ends.

    Args:
        info: What runs.
        address: Of a viewer that runs; empty: one is started.

    Raises:
        OutputError: Rerun is not installed, or cannot be started.
    """
    shown = RerunViewer(info, address)

    def write(image: RecordedImage, result: Result) -> None:
        shown.write(result)
        shown.write_image(image.frame)

    try:
        yield write
    except BaseException:
        shown.abandon()
        raise
    shown.finish()


def place_plots(target: str, places: OutputPlaces, *, force: bool) -> Path:
    """Return a folder for plots, which appear in another one with the other outputs.

    Args:
        target: The folder in which they appear; what else is in it stays.
        places: Has a place for them.
        force: Whether older plots are replaced.

    Raises:
        OutputError: There are older ones, or the folder cannot be written.
    """
    folder = user_path(target)
    there = sorted(path for name in PLOTS for path in folder.glob(f"{name}.png"))
    if there and not force:
        raise OutputError(f"{there[0]} is there already; --force replaces it")
    return places.place_set(folder, folder / f"{PLOTS[0]}.png")


def in_room(fused: FusedRecording | None, image: RecordedImage) -> CameraPlacement | None:
    """Return where the first of several cameras is in the room; None where that is not known."""
    if fused is None or fused.rig is None or isinstance(image.place, str):
        return None
    return CameraPlacement(WORLD, image.place)


@contextlib.contextmanager
def page(
    builder: ReportBuilder,
    path: Path | None,
    plots: Path | None,
    known: Callable[[], RecordingFacts],
    place: Place = lambda _image: None,
) -> Iterator[Write]:
    """Write a page about the results, its drawings as pictures, or both when the block ends well.

    Args:
        builder: Of the page.
        path: Of the page; None for none.
        plots: Folder of the drawings; None for none.
        known: Tells what is known of the recording in the end.
        place: Tells where the camera was.

    Raises:
        OutputError: It cannot be written.
    """

    def write(image: RecordedImage, result: Result) -> None:
        frame = image.frame
        builder.add(result, frame.image, frame.channels, up=image.up, placement=place(image))

    yield write
    if path is not None:
        with write_errors(path.name):
            path.write_text(builder.html(known()), encoding="utf-8")
    if plots is not None:
        builder.write_plots(plots)


def drawings(
    writer: ImageWriter, options: OverlayOptions, fused: FusedRecording | None = None
) -> Write:
    """Return what writes the images with the people drawn in.

    Args:
        writer: Takes the images.
        options: How people are drawn.
        fused: Of several cameras, whose images stand side by side, with the fused people
            projected back into each; None of one camera.
    """
    parts = parse_parts(options.overlay)

    def drawn(frame: Frame, poses: Poses, hands: Poses | None) -> Image:
        picture = frame.image.copy()  # a report shows it as it was captured
        draw(
            picture,
            poses,
            parts,
            hands=hands,
            channels=frame.channels,
            keypoint_scale=options.keypoint_scale,
            link_scale=options.link_scale,
        )
        if frame.channels == "rgb":
            cv2.cvtColor(picture, cv2.COLOR_RGB2BGR, dst=picture)
        return picture

    def write(image: RecordedImage, result: Result) -> None:
        frame = image.frame
        if fused is None:
            writer.write(frame, drawn(frame, result.poses, result.hands))
            return
        seen = [(view, fused.seen.get(view.name)) for view in fused.views]
        pictures = [
            None if other is None else drawn(other.frame, reprojected(view, result), None)
            for view, other in seen
        ]
        writer.write(frame, side_by_side(pictures, frame.width, frame.height))

    return write
