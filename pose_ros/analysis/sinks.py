"""Where the results of one recording go: a bag, tables, lines of JSON, a video, a page."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TextIO, TypeAlias

from pose_ros.analysis.bag_writer import TF, TF_STATIC, BagWriter
from pose_ros.analysis.task import BagTask
from pose_ros.core.records import to_record
from pose_ros.core.results import Result, RunInfo
from pose_ros.sources.bag import BagMessage
from pose_ros.sources.bag_images import BagImages, Shot
from pose_ros.viz.image_writers import VideoFile, write_overlay

Write: TypeAlias = Callable[[Shot, Result], None]
Places: TypeAlias = Mapping[str, Path]
"""The path at which each output is made, by the path at which it is asked for."""


@contextlib.contextmanager
def open_sinks(
    task: BagTask, places: Places, images: BagImages, info: RunInfo
) -> Iterator[list[Write]]:
    """Open what the results of a task are written to, and finish it when the block ends well.

    Args:
        task: With its outputs.
        places: Where each is made.
        images: Of the recording.
        info: What runs.

    Raises:
        OutputError: One of them cannot be written.
    """
    outputs = task.outputs
    with contextlib.ExitStack() as stack:
        sinks: list[Write] = []
        if outputs.bag:
            gestures = task.settings.gestures is not None
            writer = BagWriter(places[outputs.bag], outputs.storage, info, gestures=gestures)
            writer = stack.enter_context(writer)
            sinks.append(stack.enter_context(_bag(writer, images, task)))
        if outputs.json:
            file = sys.stdout
            if outputs.json != "-":
                file = stack.enter_context(places[outputs.json].open("w", encoding="utf-8"))
            sinks.append(_lines(file, info.network))
        if outputs.overlay:
            video = VideoFile(places[outputs.overlay], images.fps)
            stack.callback(video.close)
            sinks.append(_overlay(video, outputs.overlay_parts))
        yield sinks


@contextlib.contextmanager
def _bag(writer: BagWriter, images: BagImages, task: BagTask) -> Iterator[Write]:
    """Write results among the messages of the recording that go with them."""
    bag, first = images.bag, True
    topics = {topic for topic in (TF, TF_STATIC) if bag.topic(topic)}
    if task.outputs.copy_images:
        topics |= {topic for topic in (images.camera_info, images.depth) if topic}
    begin, end = images.window
    others = _Peeked(bag.messages(topics, begin, end) if topics else iter(()))

    def write(shot: Shot, result: Result) -> None:
        nonlocal first
        if first:
            first = False
            for message in bag.messages([TF_STATIC], None, begin) if begin else ():
                writer.copy(message, shot.recorded)  # what was told before the images began
        for message in others.until(shot.recorded):
            writer.copy(message)
        if task.outputs.copy_images and shot.message:
            writer.copy(shot.message)
        writer.write(result, shot.recorded)

    yield write
    for message in others.until(None):
        writer.copy(message)


class _Peeked:
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


def _lines(file: TextIO, network: str) -> Write:
    def write(shot: Shot, result: Result) -> None:
        file.write(json_line(shot, result, network))
        if file is sys.stdout:
            file.flush()  # somebody may read along

    return write


def json_line(shot: Shot, result: Result, network: str) -> str:
    """Return an image's result as a line of JSON, with its end."""
    record = to_record(shot.frame, result.poses, network, result.hands)
    return json.dumps(record, allow_nan=False) + "\n"


def _overlay(video: VideoFile, parts: tuple[str, ...]) -> Write:
    def write(shot: Shot, result: Result) -> None:
        write_overlay(video, shot.frame, result.poses, result.hands, parts=parts)

    return write
