"""Jobs in processes of this machine: one that dies takes nothing but its own job with it."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
import threading
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from types import FrameType
from typing import Any, TypeAlias

import cv2

from pose_ros.analysis.jobs import ATTEMPTS, Job, run_job
from pose_ros.analysis.task import TaskReport

Images: TypeAlias = Mapping[str, tuple[int, int | None]]
"""Of each job that is running, by its name: images done, and how many there are."""

Tick: TypeAlias = Callable[[Images], None]

PROCESS = "pose-ros worker"
"""What the processes are called, for ``multiprocessing.active_children``."""

TICK = 0.25
"""Seconds between two looks at how far the jobs are."""

_LOG = logging.getLogger(__name__)

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""What numerical libraries read once, when a process loads them."""


def cores() -> int:
    """Return how many CPU cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_here(
    jobs: Sequence[Job], workers: int, tick: Tick, *, threads: int = 1
) -> Generator[tuple[Job, TaskReport], None, None]:
    """Yield jobs as they are done, in no order.

    Args:
        jobs: Each is begun up to ``ATTEMPTS`` times, should its process die.
        workers: How many processes.
        tick: Called every now and then with how far the running jobs are.
        threads: CPU threads of each process.
    """
    waiting = deque(jobs)
    failures: Counter[str] = Counter()
    slots: list[_Slot] = []
    with contextlib.ExitStack() as stack:
        for _ in range(min(workers, len(jobs))):
            slots.append(_Slot(threads))
            stack.callback(slots[-1].close)
        while True:
            for slot in slots:
                if slot.job is None and waiting:
                    slot.give(waiting.popleft())
            busy = {slot.connection: slot for slot in slots if slot.job is not None}
            if not busy:
                return
            for connection in wait(list(busy), TICK):
                slot = busy[connection]  # type: ignore[index]
                job, report = slot.job, slot.take()
                if job is None or slot.job is not None:
                    continue  # it goes on
                if report is None:
                    failures[job.name] += 1
                    report = _given_up(job, slot.failure, failures[job.name])
                if report is None:
                    waiting.append(job)
                else:
                    yield job, report
            tick({slot.job.name: slot.images for slot in slots if slot.job is not None})


def _given_up(job: Job, failure: str, attempt: int) -> TaskReport | None:
    """Return the report of a job that failed once too often; None where it is begun again."""
    number = f"in attempt {attempt} of {ATTEMPTS}"
    if attempt >= ATTEMPTS:
        return TaskReport(job.task.bag, error=f"{failure} {number}")
    _LOG.warning("%s: %s %s; begun again", job.name, failure, number)
    return None


class _Slot:
    """A place for one process, its present job, and how far that is."""

    def __init__(self, threads: int) -> None:
        self.job: Job | None = None
        self.images: tuple[int, int | None] = 0, None
        self.failure = ""
        self._threads = threads
        self._start()

    def give(self, job: Job) -> None:
        """Begin a job."""
        self.job, self.images = job, (0, None)
        with contextlib.suppress(OSError):  # it has died: take() finds that
            self.connection.send(job)

    def take(self) -> TaskReport | None:
        """Hear what the process says; the slot has no job any more where that has ended.

        Returns:
            What came of the job; None where it goes on, or failed so that another attempt
            may succeed: then another process stands in for this one.
        """
        try:
            told = self.connection.recv()
        except (EOFError, OSError):
            told = ""
        if isinstance(told, tuple):
            self.images = told
            return None
        self.job = None
        if isinstance(told, TaskReport):
            return told
        self._end()
        self.failure = told or _death(self._process.exitcode)
        self._start()
        return None

    def close(self) -> None:
        """End the process, whatever it is doing."""
        self._process.kill()
        self._end()

    def _start(self) -> None:
        # not forked: threads and the engine's state do not outlive a fork
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, self._threads), name=PROCESS, daemon=True
        )
        with _environment(dict.fromkeys(_THREADS, str(self._threads))), _deaf_to_ctrl_c():
            self._process.start()
        theirs.close()

    def _end(self) -> None:
        self.connection.close()
        self._process.join()


def _serve(connection: Connection[Any, Any], threads: int) -> None:
    """Do the jobs that come over the connection, until it is closed or one fails."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    cv2.setNumThreads(threads)

    def progress(done: int, count: int | None) -> None:
        connection.send((done, count))

    # with the parent goes the other end of the connection: no worker is left behind
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            job = connection.recv()
            try:
                connection.send(run_job(job, progress))
            except MemoryError:
                connection.send("there was not enough memory")
                return  # and what it took is given back
            except (BrokenPipeError, ConnectionResetError):
                raise
            except OSError as error:
                connection.send(str(error))
                return


@contextlib.contextmanager
def _deaf_to_ctrl_c() -> Iterator[None]:
    """Let Ctrl-C not reach the processes that are started meanwhile: their parent ends them.

    Nor does it interrupt the start itself; it is heard when that is done.
    """
    resource_tracker.ensure_running()  # its start would let signals through again
    heard: list[tuple[int, FrameType | None]] = []
    handler: Any = None
    if threading.current_thread() is threading.main_thread():
        handler = signal.signal(signal.SIGINT, lambda number, frame: heard.append((number, frame)))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # what they inherit
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if handler is not None:
            signal.signal(signal.SIGINT, handler)
    if heard and callable(handler):
        handler(*heard[0])


@contextlib.contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set variables for the processes that are started meanwhile."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _death(exitcode: int | None) -> str:
    """Return what became of a process."""
    if exitcode == -signal.SIGKILL:
        return "its process was killed, as is done when memory runs out"
    if exitcode is not None and exitcode < 0:
        return f"its process died of {signal.Signals(-exitcode).name}"
    return f"its process ended with exit code {exitcode}"
