"""Outputs that appear whole or not at all: each is made beside its place and moved there.

What is being made of ``out`` lies in the folder ``out.partial``, under its own name. A run that is
killed leaves that folder; the next one removes it and begins again.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from pose_ros.bags.reader import open_bag
from pose_ros.errors import OptionError, OutputError, SourceError
from pose_ros.files import user_path
from pose_ros.sources.opening import Input
from pose_ros.viz.image_writers import FRAMES, PicturePattern, Pictures

CUSTOM_KEY = "pose_ros"
"""Of the custom data of a bag of results: the ``RunInfo``."""
RECORD, RESULTS = "task.json", "results"
"""In the folder of one recording of many: what came of it, and its bag of results."""
PARTIAL = ".partial"

JSON_LINES = (".jsonl", ".json", ".ndjson", ".txt")
"""Endings of files with a line of JSON for each image."""
PAGES = (".html", ".htm")
"""Endings of pages."""

_LOG = logging.getLogger(__name__)
_STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class _Place:
    """Where an output belongs, where it is made, and the folder that is removed in the end.

    Of a set of files ``target`` is the folder into which they go, and ``made`` holds them.
    """

    target: Path
    made: Path
    partial: Path
    is_set: bool = False


class OutputPlaces:
    """Places for outputs; all of them are moved to where they belong when the block ends well.

    Args:
        force: Whether what is there already is replaced: files, and bags of results.
    """

    def __init__(self, *, force: bool = False) -> None:
        self._force = force
        self._places: list[_Place] = []
        self._streams: dict[Path, Path] = {}
        self._folders: list[Path] = []
        self._unwanted = False
        self.written: tuple[Path, ...] = ()
        """Files and bags that were moved to where they belong, once the block has ended well."""

    def place(self, target: Path) -> Path:
        """Return where an output is to be made: a file or folder that is not there yet.

        A pipe or a device, such as ``/dev/null``, is written as it is.

        Raises:
            OutputError: It is there already, another output has that name, or it cannot be made
                there.
        """
        target = user_path(target)
        if is_stream(target):
            self._streams[target] = target
            return target
        self._check(target)
        if any(_same(target, place.target) for place in self._places if not place.is_set):
            raise OutputError(f"{target} would be written twice: name the outputs apart")
        return self._begin(target, target)

    def place_set(self, folder: Path, first: Path) -> Path:
        """Return a folder for files that all go into ``folder``, which may be there already.

        Args:
            folder: In which they appear; their names and folders are those of the returned one.
            first: Path of one of them, beside which they are made.

        Raises:
            OutputError: They cannot be made there.
        """
        made = self._begin(user_path(folder), user_path(first), is_set=True)
        with write_errors(folder):
            made.mkdir()
        return made

    def made(self, target: str) -> Path:
        """Return where an output is made that has a place."""
        path = user_path(target)
        if path in self._streams:
            return path
        return next(place.made for place in self._places if place.target == path)

    def give_up(self) -> None:
        """Let nothing appear, however the block ends."""
        self._unwanted = True

    def __enter__(self) -> OutputPlaces:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None and not self._unwanted:
                with uninterrupted():
                    self._move()
        finally:
            for place in self._places:
                shutil.rmtree(place.partial, ignore_errors=True)
            for folder in reversed(self._folders):  # those that stayed empty
                with contextlib.suppress(OSError):
                    folder.rmdir()

    def _begin(self, target: Path, beside: Path, *, is_set: bool = False) -> Path:
        partial = partial_of(beside)
        with write_errors(target):
            if _remove_partial(beside, partial):
                _LOG.warning("%s: an earlier run did not finish; it begins again", target)
            self._make_folder(partial.parent)
            partial.mkdir()
        self._places.append(_Place(target, partial / beside.name, partial, is_set))
        return self._places[-1].made

    def _make_folder(self, folder: Path) -> None:
        missing = []
        while not folder.exists():
            missing.append(folder)
            folder = folder.parent
        for path in reversed(missing):
            path.mkdir(exist_ok=True)
            self._folders.append(path)

    def _move(self) -> None:
        """Move all that was made to where it belongs, once it is known that all of it may be."""
        moves = []
        for place in self._places:
            if place.is_set:
                files = sorted(path for path in place.made.rglob("*") if path.is_file())
                moves += [(path, place.target / path.relative_to(place.made)) for path in files]
            elif os.path.lexists(place.made):  # else there was nothing to write: its maker says it
                moves.append((place.made, place.target))
        for _, target in moves:
            self._check(target)
        written = []
        for made, target in moves:
            with write_errors(target):
                self._make_folder(target.parent)
                _replace(made, target)
            written.append(target)
        self.written = tuple(written)

    def _check(self, target: Path) -> None:
        """Raise OutputError for what is there and stays."""
        if not os.path.lexists(target):
            return
        if not self._force:
            raise OutputError(f"{target} is there already; --force replaces it")
        if target.is_dir() and not is_results_bag(target):
            raise OutputError(
                f"{target} is a folder, but no bag of results of pose_ros, and stays: name another "
                "one, or remove it yourself"
            )


def partial_of(target: Path) -> Path:
    """Return the folder in which an output is made."""
    return target.with_name(target.name + PARTIAL)


def is_stream(path: Path) -> bool:
    """Return whether a path is a pipe, a device or an open file: what is written as it is."""
    if str(path).startswith(("/dev/std", "/dev/fd/", "/proc/")):
        return True
    return path.exists() and not path.is_file() and not path.is_dir()


def check_suffix(option: str, file: str | Path, suffixes: Sequence[str]) -> None:
    """Check that a file's name ends as the format of an option does, whatever its case.

    Args:
        option: Such as ``--csv``.
        file: What it was given.
        suffixes: That it may have; none at all is taken too.

    Raises:
        OptionError: It ends otherwise.
    """
    suffix = Path(file).suffix.lower()
    if suffix and suffix not in suffixes and not is_stream(Path(file)):
        known = " or ".join(suffixes)
        raise OptionError(f"{option} takes a file that ends with {known}, got {str(file)!r}")


def is_results_bag(path: Path) -> bool:
    """Return whether a folder is a bag that an analysis has written."""
    try:
        with open_bag(path) as bag:
            return CUSTOM_KEY in bag.custom
    except SourceError:
        return False


def check_apart(inputs: Sequence[Path], outputs: Sequence[Path]) -> None:
    """Check that no output is, or lies in, what is read: a file, or a folder that is one recording.

    A link to an input, another spelling of it and a second name of the same file count as it.
    Nor may two outputs be one.

    Raises:
        OutputError: One does.
    """
    taken: set[Path] = set()
    for output in outputs:
        place = user_path(output).resolve()
        if place in taken:
            raise OutputError(f"{output} would be written twice: name the outputs apart")
        taken.add(place)
    kept = [user_path(path) for path in inputs]
    places = {path.resolve(): path for path in kept}
    around = {parent for path in places for parent in path.parents}
    files = {identity: path for path in kept if (identity := _identity(path)) is not None}
    for output in outputs:
        target = user_path(output).resolve()
        over = next((places[path] for path in (target, *target.parents) if path in places), None)
        if over is None and target in around:
            over = next(path for place, path in places.items() if target in place.parents)
        identity = _identity(target)
        if over is None and identity is not None:
            over = files.get(identity)
        if over is not None:
            raise OutputError(f"{output} would be written over {over}, which is only read")


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what two names of one file have in common; None where there is no file."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def _same(one: Path, other: Path) -> bool:
    """Return whether two paths, of which there may be nothing yet, are one."""
    return one.resolve() == other.resolve()


def _remove_partial(target: Path, partial: Path) -> bool:
    """Remove what an earlier run has left; return whether there was anything."""
    if not os.path.lexists(partial):
        return False
    if not partial.is_dir() or {path.name for path in partial.iterdir()} - {target.name}:
        raise OutputError(
            f"{partial} is in the way, and no unfinished output: remove it, or name another output"
        )
    shutil.rmtree(partial)
    return True


def _replace(made: Path, target: Path) -> None:
    if target.is_dir() and not target.is_symlink():
        before = made.with_name("before")
        target.rename(before)  # so that there is no moment with half of a bag
    made.rename(target)


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Let Ctrl-C and signals that end a process wait until the block is done."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard: list[tuple[int, FrameType | None]] = []
    before: dict[signal.Signals, Any] = {
        number: signal.signal(number, lambda number, frame: heard.append((number, frame)))
        for number in _STOPS
        if callable(signal.getsignal(number))  # else it is ignored, or ends the process at once
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if heard:
        before[signal.Signals(heard[0][0])](*heard[0])


@contextlib.contextmanager
def write_errors(target: Path | str) -> Iterator[None]:
    """Tell what a file system or a database refuses in one line.

    Raises:
        OutputError: It refused something.
    """
    try:
        yield
    except OSError as error:
        raise OutputError(f"cannot write {target}: {error.strerror or error}") from error
    except sqlite3.Error as error:
        raise OutputError(f"cannot write {target}: {error}") from error


_ADVICE = (
    "let all pictures be numbered, as in --out out/%04i.jpg, name a folder, --out out/, "
    "or write a video, --out out.mp4"
)


def open_pictures(
    target: str, inputs: Sequence[Input], places: OutputPlaces, *, frames: int | None, force: bool
) -> Pictures:
    """Return what writes the pictures of a run; they appear with its other outputs.

    Args:
        target: As ``PicturePattern.of`` takes it.
        inputs: All that is read.
        places: Has a place for them.
        frames: Most images of an input; None for all.
        force: Whether pictures that are there already are replaced.

    Raises:
        OutputError: Two would have one name, one is there already or is an input, or there is
            no such format.
    """
    folder = target.endswith("/")
    pattern = PicturePattern.of(f"{user_path(target)}{'/' if folder else ''}")
    _refuse_twice(pattern, inputs, frames)
    files = [file for source in inputs for file in source.files]
    if not pattern.name and any(_is_same(file.parent, pattern.folder) for file in files):
        raise OutputError(
            f"{target} is a folder whose files are only read: name another folder, or a pattern, "
            "such as --out 'poses/%s.jpg'"
        )
    there = sorted(set(_there(pattern, inputs)))
    check_apart(files, there)
    if there and not force:
        more = f" (and {len(there) - 1} more)" if len(there) > 1 else ""
        raise OutputError(f"{there[0]}{more} is there already; --force replaces it")
    first = pattern.path(inputs[0].name, 0, single=inputs[0].is_picture)
    return Pictures(pattern, places.place_set(pattern.folder, pattern.folder / first))


def _refuse_twice(pattern: PicturePattern, inputs: Sequence[Input], frames: int | None) -> None:
    """Raise OutputError where it is plain that two pictures would have one name."""
    if not pattern.name or (pattern.numbered and not pattern.by_source):
        return  # a folder keeps its pictures apart, and numbers rise through the run
    many = next((i for i in inputs if not i.is_picture and len(i.files) < 2 and frames != 1), None)
    if many is not None and not pattern.numbered:
        name = pattern.path(many.name, 0, single=False)
        raise OutputError(
            f"{pattern.folder / name} would be written twice: {many.name} has many images; "
            + _ADVICE
        )
    names = [
        pattern.path(name, 0, single=source.is_picture)
        for source in inputs
        for name in _names(source)
    ]
    name, count = max(Counter(names).items(), key=lambda item: item[1])
    if count > 1:
        raise OutputError(f"{pattern.folder / name} would be written twice: {_ADVICE}")


def _names(source: Input) -> list[str]:
    """Return what the images of an input are called: each by itself in a sequence of pictures."""
    is_sequence = not source.is_picture and len(source.files) > 1
    return [file.name for file in source.files] if is_sequence else [source.name]


def _there(pattern: PicturePattern, inputs: Sequence[Input]) -> Iterator[Path]:
    """Yield the files, there already, that pictures of this run may be written to."""
    videos = [name for source in inputs if not source.is_picture for name in _names(source)]
    if videos:
        regex, depth = pattern.regex(videos), len(Path(pattern.name or FRAMES).parts)
        for path in pattern.folder.glob("/".join(["*"] * depth)):
            if regex.fullmatch(str(path.relative_to(pattern.folder))):
                yield path
    for number, source in enumerate(inputs):
        if source.is_picture:
            name = pattern.path(source.name, 0 if pattern.by_source else number, single=True)
            if (pattern.folder / name).exists():
                yield pattern.folder / name


def _is_same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()
