"""Many recordings: which they are, what of them is done already, and doing the rest."""

from __future__ import annotations

import contextlib
import glob
import math
import os
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pose_ros.analysis.jobs import (
    Job,
    Manifest,
    TaskRecord,
    difference,
    origin_of,
    read_record,
    sweep,
)
from pose_ros.analysis.outputs import RECORD
from pose_ros.analysis.task import BagTask, TaskReport
from pose_ros.analysis.workers import Tick, run_here, run_on_cluster
from pose_ros.bags.finding import METADATA, SUFFIXES
from pose_ros.bags.reader import open_bag
from pose_ros.core.timeline import NANOSECONDS
from pose_ros.errors import OptionError, OutputError, PoseRosError, SourceError
from pose_ros.files import locked, print_progress

THREADS = 1
"""CPU threads of each worker: one a core does more than two that wait for each other."""


@dataclass(frozen=True)
class Recording:
    """One of many recordings.

    Attributes:
        name: Of its folder of results, below that of all of them.
        path: A folder, or a file of its own.
    """

    name: str
    path: Path


@dataclass(frozen=True)
class FleetOptions:
    """How many recordings are analyzed.

    Attributes:
        out: Folder of all results.
        workers: Processes of this machine, 1 or more.
        scheduler: Address of a Dask scheduler that has the workers; empty for this machine.
        slice_s: Seconds, 1 or more; each such slice of a recording is a stream of its own, in
            which tracking starts over. None: a recording is one stream.
        force: Whether results that follow from another input or other settings are replaced.
    """

    out: Path
    workers: int = 1
    scheduler: str = ""
    slice_s: float | None = None
    force: bool = False

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise OptionError(f"expected 1 worker or more, got {self.workers}")
        if self.slice_s is not None and not 1.0 <= self.slice_s < math.inf:
            raise OptionError(f"expected slices of 1 second or more, got {self.slice_s:g}")


@dataclass
class Plan:
    """What is to be done.

    Attributes:
        jobs: Whose results are not there.
        done: What came of those that are done already, by the name of the recording.
        failed: Why nothing is done of a recording, by its name.
    """

    jobs: list[Job] = field(default_factory=list)
    done: list[tuple[str, TaskReport]] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


class Fleet:
    """Recordings that are analyzed into one folder, by one process at a time.

    Use it as a context manager: it holds the folder's lock.
    """

    def __init__(self, options: FleetOptions) -> None:
        """Lock the folder of all results, which is made where it is missing.

        Raises:
            OutputError: It cannot be written.
        """
        self.options = options
        folder = options.out
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = locked(folder, print_progress, f"writing into {folder}")
            self._lock.__enter__()
        except OSError as error:
            raise OutputError(f"cannot write into {folder}: {error.strerror}") from error
        self._manifest = Manifest(folder)

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, *_: object) -> None:
        sweep(self.options.out)
        self._lock.__exit__(None, None, None)

    def plan(self, recordings: Sequence[Recording], template: BagTask) -> Plan:
        """Return what is to be done.

        Args:
            recordings: With names that differ.
            template: The task of each, but for its recording; its outputs are names of files
                in the recording's folder of results.
        """
        plan = Plan()
        for recording in recordings:
            try:
                tasks = slices(replace(template, bag=str(recording.path)), self.options.slice_s)
                jobs = [self._job(recording, task, i, len(tasks)) for i, task in enumerate(tasks)]
            except PoseRosError as error:
                plan.failed[recording.name] = str(error)
                continue
            for job in jobs:
                report = self._manifest.find(job.name, job.origin.key)
                if report is not None:
                    plan.done.append((recording.name, report))
                elif changed := self._changed(job):
                    plan.failed[recording.name] = changed
                else:
                    plan.jobs.append(job)
        return plan

    def run(self, jobs: Sequence[Job], tick: Tick) -> Generator[tuple[Job, TaskReport], None, None]:
        """Yield jobs as they are done and on record, in no order; close it to end them all.

        Raises:
            OutputError: The manifest cannot be written.
            RuntimeUnavailableError: The cluster cannot be used.
        """
        sweep(self.options.out)
        if not jobs:
            return
        if self.options.scheduler:
            results = run_on_cluster(self.options.scheduler, jobs, tick)
        else:
            results = run_here(jobs, self.options.workers, tick, threads=THREADS)
        with contextlib.closing(results):
            for job, report in results:
                if not report.error:
                    self._manifest.add(TaskRecord(job.name, job.origin, report))
                yield job, report

    def _job(self, recording: Recording, task: BagTask, number: int, count: int) -> Job:
        name = recording.name
        if self.options.slice_s is not None:
            name += f".{number:04d}"
        task = replace(
            task,
            bag=str(recording.path.resolve()),
            engine=replace(task.engine, threads=THREADS),
        )
        origin = origin_of(task)
        return Job(
            name=name,
            folder=str((self.options.out / name).resolve()),
            task=task,
            origin=origin,
            recording=recording.name,
            weight=sum(size for _, size, _ in origin.input["files"]) / count,
            replace=self.options.force,
        )

    def _changed(self, job: Job) -> str:
        """Return why results that are there already are not those of a job; empty: none are."""
        folder = Path(job.folder)
        if self.options.force or not folder.exists():
            return ""
        before = read_record(folder)
        if before is None:
            return f"{folder} is there and is none of our results; --force replaces it"
        why = difference(before.origin, job.origin)
        return f"done before, but {why}; --force does it again"


def slices(task: BagTask, slice_s: float | None) -> list[BagTask]:
    """Cut a task into slices of some seconds, the last one as long as is left.

    Raises:
        PoseRosError: The recording cannot be read.
    """
    if slice_s is None:
        return [task]
    with open_bag(task.bag) as bag:
        duration = (bag.end_nanoseconds - bag.start_nanoseconds) / NANOSECONDS
    first = task.start or 0.0
    last = duration if task.end is None else min(task.end, duration)
    edges = [first + i * slice_s for i in range(max(1, math.ceil((last - first) / slice_s)))]
    ends = [*edges[1:], task.end]
    return [replace(task, start=a, end=b, is_slice=True) for a, b in zip(edges, ends, strict=True)]


def find_recordings(inputs: Sequence[str], exclude: Path | None = None) -> list[Recording]:
    """Return the recordings that are named, or lie below folders that are.

    A recording is a folder with a ``metadata.yaml``; a folder that has lost it, whose files are
    named after it (``run/run_0.mcap``); or an ``.mcap`` or ``.db3`` by itself, compressed or not.

    Args:
        inputs: Folders, files and globs.
        exclude: A folder that is not looked into: that of the results.

    Raises:
        SourceError: Something is not there, is no recording, or holds none.
        OptionError: Two recordings have one name.
    """
    found: list[Recording] = []
    for text in inputs:
        paths = [Path(text)]
        if is_glob(text):
            paths = [Path(name) for name in sorted(glob.glob(text, recursive=True))]  # noqa: PTH207
        here = [
            recording
            for path in paths
            if not (is_glob(text) and path.is_file() and not _is_storage(path))
            for recording in _find(path, exclude)
        ]
        if not here:
            raise SourceError(f"{text}: there is no recording, no folder, .mcap or .db3 of one")
        found += here
    by_name: dict[str, Path] = {}
    for recording in found:
        other = by_name.setdefault(recording.name, recording.path)
        if other != recording.path:
            raise OptionError(
                f"{other} and {recording.path} would both be written as {recording.name}: "
                "analyze them into two folders"
            )
    return [Recording(name, path) for name, path in by_name.items()]


def is_glob(text: str) -> bool:
    """Whether a path is a pattern, and not the name of something."""
    return glob.has_magic(text) and not Path(text).exists()


def is_recording(path: Path) -> bool:
    """Whether a path is one recording, as ``find_recordings`` tells them.

    Raises:
        SourceError: It is a folder that cannot be looked into.
    """
    if path.is_file():
        return _is_storage(path)
    if not path.is_dir():
        return False
    if (path / METADATA).is_file():
        return True
    stems = {_stem(file.name) for file in _storages(path)}
    name = path.resolve().name
    return bool(stems) and all(name in (stem, stem.rpartition("_")[0]) for stem in stems)


def _find(path: Path, exclude: Path | None) -> Iterator[Recording]:
    if not path.exists():
        raise SourceError(f"{path}: there is no such file or folder")
    if is_recording(path):
        name = path.resolve().name
        yield Recording(_stem(name) if path.is_file() else name, path)
        return
    if not path.is_dir():
        raise SourceError(f"{path} is no recording: a folder, an .mcap or a .db3 is")
    for folder, names, _ in os.walk(path):
        here = Path(folder)
        names[:] = sorted(
            name
            for name in names
            if not name.startswith(".")
            and not (here / name / RECORD).is_file()
            and not (exclude is not None and _same(here / name, exclude))
        )
        for name in [name for name in names if is_recording(here / name)]:
            names.remove(name)
            yield Recording((here / name).relative_to(path).as_posix(), here / name)
        for file in _storages(here):
            yield Recording(_stem(file.relative_to(path).as_posix()), file)


def _storages(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if _is_storage(path) and path.is_file())
    except NotADirectoryError:
        return []
    except OSError as error:
        raise SourceError(f"{folder}: {error.strerror}") from error


def _is_storage(path: Path) -> bool:
    return path.name.lower().endswith(SUFFIXES)


def _stem(name: str) -> str:
    """Return a file's name without the ending of a recording's storage."""
    ending = next((ending for ending in SUFFIXES if name.lower().endswith(ending)), "")
    return name[: len(name) - len(ending)]


def _same(a: Path, b: Path) -> bool:
    return b.exists() and a.samefile(b)
