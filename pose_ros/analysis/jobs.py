"""A task whose results come into a folder, all of them by one rename or none."""

from __future__ import annotations

import errno
import logging
import shutil
import uuid
from dataclasses import dataclass, replace
from pathlib import Path

from pose_ros.analysis.manifest import RECORD, Origin, TaskRecord, read_record, sync
from pose_ros.analysis.task import BagTask, TaskProgress, TaskReport
from pose_ros.errors import OutputError, PoseRosError

ATTEMPTS = 3
"""How often a task is begun whose worker dies or whose disk or memory fails."""

PARTIAL = ".partial-"

_LOG = logging.getLogger(__name__)


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
