"""One of many tasks, and the record of all that were done.

The results of a task come into a folder, all of them by one rename or none.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import logging
import os
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pose_ros import __version__
from pose_ros.analysis.outputs import RECORD
from pose_ros.analysis.task import BagTask, TaskProgress, TaskReport
from pose_ros.bags.finding import SUFFIXES
from pose_ros.documents import parse_json
from pose_ros.errors import DocumentError, OutputError, PoseRosError, SourceError
from pose_ros.files import user_path, write_whole
from pose_ros.report.tables import flat_options

MANIFEST = "manifest.jsonl"

SAID = 3
"""How many changed settings are listed."""

_PARTS = (*SUFFIXES, ".yaml")
ATTEMPTS = 3
"""How often a task is begun whose worker dies or whose disk or memory fails."""

PARTIAL = ".partial-"
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Origin:
    """What a folder of results follows from.

    Attributes:
        input: The recording: its name, and name, size and time of change of its files.
        settings: Of the analysis, pose_ros's version among them; what JSON takes.
    """

    input: Mapping[str, Any]
    settings: Mapping[str, Any]

    @property
    def key(self) -> str:
        """The same for the same results."""
        text = json.dumps([self.input, self.settings], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class TaskRecord:
    """A task that was done.

    Attributes:
        name: Of the folder of its results, below that of the manifest.
        origin: What they follow from.
        report: What came of it.
    """

    name: str
    origin: Origin
    report: TaskReport

    def line(self) -> str:
        """Return it as one line of JSON, line break included."""
        return json.dumps(asdict(self), sort_keys=True) + "\n"


def read_line(line: str | bytes) -> TaskRecord | None:
    """Return the record of a line; None where it was cut off or is something else."""
    try:
        fields = parse_json(line, MANIFEST)
        report: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in fields["report"].items()
        }
        return TaskRecord(fields["name"], Origin(**fields["origin"]), TaskReport(**report))
    except (DocumentError, KeyError, TypeError, AttributeError):
        return None


def read_record(folder: Path) -> TaskRecord | None:
    """Return the record of a folder of results; None where there is none."""
    try:
        return read_line((folder / RECORD).read_bytes())
    except OSError:
        return None


class Manifest:
    """The records of all that was done in a folder; one process at a time may write it."""

    def __init__(self, folder: Path) -> None:
        """Read what was done before.

        Raises:
            OutputError: The folder cannot be read or written.
        """
        self._folder = folder
        self._path = folder / MANIFEST
        self._done: dict[str, tuple[str, TaskReport]] = {}
        try:
            lines = self._path.read_bytes().splitlines() if self._path.exists() else []
            records = [record for line in lines if (record := read_line(line)) is not None]
            if len(records) != len(lines):  # cut off: what is appended needs a line of its own
                write_whole(self._path, "".join(record.line() for record in records).encode())
            elif lines and not self._path.read_bytes().endswith(b"\n"):
                with self._path.open("ab") as stream:
                    stream.write(b"\n")
        except OSError as error:
            raise OutputError(f"cannot read {self._path}: {error.strerror}") from error
        for record in records:
            self._keep(record)

    def find(self, name: str, key: str) -> TaskReport | None:
        """Return what came of a task that was done, with its results still there, or None."""
        made, report = self._done.get(name, ("", None))
        if made == key:
            return report if (self._folder / name / RECORD).is_file() else None
        record = read_record(self._folder / name)
        if record is None or record.origin.key != key:
            return None
        self.add(record)  # the run ended between its results and its line
        return record.report

    def add(self, record: TaskRecord) -> None:
        """Append a record; it is on the disk when this returns.

        Raises:
            OutputError: It cannot be written.
        """
        try:
            with self._path.open("ab") as stream:
                stream.write(record.line().encode())
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise OutputError(f"cannot write {self._path}: {error.strerror}") from error
        self._keep(record)

    def _keep(self, record: TaskRecord) -> None:
        self._done[record.name] = record.origin.key, record.report


def origin_of(task: BagTask) -> Origin:
    """Return what the results of a task will follow from.

    Raises:
        SourceError: The recording is not there.
    """
    settings = asdict(task.settings)
    engine = asdict(task.engine)
    settings |= {name: engine[name] for name in ("provider", "require_gpu", "precision")}
    network = user_path(task.settings.network)
    if network.is_file():  # one's own: its name does not say what it is
        settings["network_sha256"] = hashlib.sha256(network.read_bytes()).hexdigest()
    outputs = asdict(task.outputs)
    del outputs["force"]
    if not task.outputs.overlay:
        del outputs["drawing"]
    if not task.outputs.plots:
        del outputs["plots"]
    if not task.outputs.report and not task.outputs.plots:
        del outputs["report_options"]
    settings["outputs"] = outputs
    settings |= {"start": task.start, "end": task.end, "pose_ros": __version__}
    return Origin(fingerprint(Path(task.bag)), json.loads(json.dumps(settings)))


def fingerprint(bag: Path) -> dict[str, Any]:
    """Return what tells a recording from another one without reading it.

    Raises:
        SourceError: It is not there, or cannot be looked at.
    """
    try:
        paths = [bag]
        if bag.is_dir():
            paths = sorted(path for path in bag.iterdir() if path.name.lower().endswith(_PARTS))
        files = [[p.name, p.stat().st_size, p.stat().st_mtime_ns] for p in paths]
    except OSError as error:
        raise SourceError(f"{bag}: {error.strerror}") from error
    return {"name": bag.name, "files": files}


def difference(before: Origin, now: Origin) -> str:
    """Return in a few words what is not as it was; empty where all is."""
    if dict(before.input) != dict(now.input):
        return "the recording has changed since"
    old, new = dict(flat_options(before.settings)), dict(flat_options(now.settings))
    changed = [name for name in sorted(old | new) if old.get(name) != new.get(name)]
    changes = [f"{name} was {old.get(name)}, now {new.get(name)}" for name in changed[:SAID]]
    if len(changed) > SAID:
        changes.append(f"and {len(changed) - SAID} more")
    return ", ".join(changes)


def sync(folder: Path) -> None:
    """Bring all files of a folder to the disk, as far as its file system can."""
    for path in folder.rglob("*"):
        if path.is_file():
            with contextlib.suppress(OSError), path.open("rb") as stream:
                os.fsync(stream.fileno())


@dataclass(frozen=True)
class Job:
    """One task of many.

    Attributes:
        name: Of its folder of results, below that of all of them.
        folder: The path of its results.
        task: What to do; its outputs are relative to that folder.
        origin: What the results will follow from.
        recording: Name of the recording, of which this may be a slice.
        weight: Bytes to be read, about: how much of the whole work this is.
        replace: Whether results that follow from something else are replaced.
    """

    name: str
    folder: str
    task: BagTask
    origin: Origin
    recording: str
    weight: float = 1.0
    replace: bool = False


def run_job(job: Job, progress: TaskProgress | None = None) -> TaskReport:
    """Do a task; its folder of results is there at the end, or an error is said.

    The same job may run twice at a time, where a worker was given up that was still alive:
    the results of one of them are kept, and they are the same.

    Raises:
        MemoryError: There is not enough; later there may be.
        OSError: A disk failed; another attempt may succeed.
    """
    from pose_ros.analysis.run import run_task

    folder = Path(job.folder)
    made = read_record(folder)
    if made is not None and made.origin.key == job.origin.key:
        return made.report
    attempt = folder.with_name(f".{folder.name}{PARTIAL}{uuid.uuid4().hex}")
    try:
        attempt.mkdir(parents=True)
        report = run_task(_inside(job.task, attempt), progress)
        record = TaskRecord(job.name, job.origin, report)
        (attempt / RECORD).write_text(record.line(), encoding="utf-8")
        sync(attempt)
        _place(attempt, job)
    except PoseRosError as error:
        report = TaskReport(job.task.bag, error=str(error))
    except (MemoryError, OSError):
        raise
    except Exception as error:  # noqa: BLE001 - a defect, of no concern to the other tasks
        _LOG.exception("%s: this is a defect of pose_ros", job.name)
        defect = " ".join(f"{type(error).__name__}: {error}".split())
        report = TaskReport(job.task.bag, error=f"a defect of pose_ros: {defect}")
    finally:
        shutil.rmtree(attempt, ignore_errors=True)
    return report


def sweep(folder: Path) -> None:
    """Remove what attempts that were killed have left below a folder."""
    for path in folder.rglob(f".*{PARTIAL}*"):
        shutil.rmtree(path, ignore_errors=True)


def _inside(task: BagTask, folder: Path) -> BagTask:
    """Return the task with its outputs in a folder."""

    def put(name: str) -> str:
        return str(folder / name) if name else ""

    outputs, exports = task.outputs, task.outputs.exports
    return replace(
        task,
        outputs=replace(
            outputs,
            bag=put(outputs.bag),
            json=put(outputs.json),
            exports=replace(exports, files={k: put(name) for k, name in exports.files.items()}),
            overlay=put(outputs.overlay),
            report=put(outputs.report),
            plots=put(outputs.plots),
        ),
    )


def _place(attempt: Path, job: Job) -> None:
    """Move what an attempt made to where it belongs.

    Raises:
        OutputError: Something else is there.
    """
    folder = Path(job.folder)
    try:
        attempt.rename(folder)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise
    else:
        return
    made = read_record(folder)
    if made is not None and made.origin.key == job.origin.key:
        return  # another attempt was quicker; the results are the same
    if not job.replace:
        raise OutputError(f"{folder} is there already; --force replaces it")
    before = attempt.with_name(f"{attempt.name}-before")
    folder.rename(before)
    attempt.rename(folder)
    shutil.rmtree(before, ignore_errors=True)
