"""What has been done, so that a second run skips it; survives being cut off anywhere.

Each folder of results holds its record, ``task.json``; it came there with the results, by one
rename. The manifest, ``manifest.jsonl``, holds the same records, a line each: it is read in one go
and made whole from the folders where a line got lost.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pose_ros import __version__
from pose_ros.analysis.task import BagTask, TaskReport
from pose_ros.bags.reader import SUFFIXES
from pose_ros.documents import parse_json
from pose_ros.errors import DocumentError, OutputError, SourceError
from pose_ros.files import user_path, write_whole

MANIFEST = "manifest.jsonl"
RECORD = "task.json"
RESULTS = "results"
"""The bag of results in the folder of each recording."""

SAID = 3
"""How many changed settings are listed."""

_PARTS = (*SUFFIXES, ".yaml")


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
        del outputs["overlay_parts"]
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
    old, new = _flat(before.settings), _flat(now.settings)
    changed = [name for name in sorted(old | new) if old.get(name) != new.get(name)]
    told = [f"{name} was {old.get(name)}, now {new.get(name)}" for name in changed[:SAID]]
    if len(changed) > SAID:
        told.append(f"and {len(changed) - SAID} more")
    return ", ".join(told)


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat


def sync(folder: Path) -> None:
    """Bring all files of a folder to the disk, as far as its file system can."""
    for path in folder.rglob("*"):
        if path.is_file():
            with contextlib.suppress(OSError), path.open("rb") as stream:
                os.fsync(stream.fileno())
