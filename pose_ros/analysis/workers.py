"""Jobs in processes of this machine, or on a Dask cluster whose workers see the same paths."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import multiprocessing
import os
import queue
import signal
import threading
import uuid
import warnings
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from types import FrameType
from typing import Any, TypeAlias

import cv2

from pose_ros.analysis.jobs import ATTEMPTS, Job, run_job
from pose_ros.analysis.task import TaskReport
from pose_ros.errors import RuntimeUnavailableError

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

PACKAGES = ("pose_ros", "onnxruntime", "opencv-python-headless", "scipy", "rosbags")
"""Distributions that results depend on, beside Python, numpy and what Dask itself needs."""

CONNECT = 10.0
"""Seconds in which a scheduler answers."""

WORKERS = 60.0
"""Seconds in which the first worker comes."""


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
            message = self.connection.recv()
        except (EOFError, OSError):
            message = ""
        if isinstance(message, tuple):
            self.images = message
            return None
        self.job = None
        if isinstance(message, TaskReport):
            return message
        self._end()
        self.failure = message or _death(self._process.exitcode)
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


def run_on_cluster(
    address: str, jobs: Sequence[Job], tick: Tick
) -> Generator[tuple[Job, TaskReport], None, None]:
    """Yield jobs as they are done, in no order.

    A job whose worker dies is begun again on another one, as often as the scheduler allows
    (``distributed.scheduler.allowed-failures``, 3 unless set).

    Args:
        address: Of the scheduler, such as ``tcp://10.0.0.2:8786``.
        jobs: One or more; their paths are those that the workers see.
        tick: Called every now and then; a cluster does not say how far its jobs are.

    Raises:
        RuntimeUnavailableError: ``distributed`` is not installed, there is no scheduler or no
            worker, or one has other versions than we have.
    """
    with _connected(address) as client:
        check_versions(client, address)
        run = uuid.uuid4().hex  # keys of their own: nothing is taken from an older run
        futures = client.map(
            _work,
            jobs,
            key=[f"pose_ros-{run}-{number}" for number in range(len(jobs))],
            pure=False,
            retries=ATTEMPTS - 1,
        )
        running = {future.key: (future, job) for future, job in zip(futures, jobs, strict=True)}
        done: queue.Queue[Any] = queue.Queue()
        for future in futures:
            future.add_done_callback(done.put)
        del futures, future  # what is done is let go, one by one
        while running:
            tick({})
            with contextlib.suppress(queue.Empty):
                future, job = running.pop(done.get(timeout=TICK).key)
                yield job, _result(future, job)


def _work(job: Job) -> TaskReport:
    """Do a job in a worker of the cluster; Dask itself holds BLAS to one thread."""
    cv2.setNumThreads(job.task.engine.threads)
    return run_job(job)


def _result(future: Any, job: Job) -> TaskReport:
    """Return what came of a job, or why nothing did."""
    try:
        report: TaskReport = future.result()
    except Exception as error:  # noqa: BLE001 - what a job may raise, and all that befalls a cluster
        what = " ".join(str(error).split()) or "the scheduler is gone"
        return TaskReport(job.task.bag, error=f"{type(error).__name__}: {what}")
    return report


@contextlib.contextmanager
def _connected(address: str) -> Iterator[Any]:
    """Open a client of a scheduler that has workers.

    Raises:
        RuntimeUnavailableError: There is none.
    """
    try:
        from distributed import Client
    except ImportError:
        raise RuntimeUnavailableError(
            '--scheduler needs Dask, here and on the cluster: pip install "pose_ros[cluster]"'
        ) from None
    try:
        asyncio.run(_knock(address))  # a client that finds no scheduler hangs when it is freed
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about versions: we say it in one line
            open_client: Callable[..., Any] = Client  # it says nothing of its types
            client = open_client(address, timeout=CONNECT, set_as_default=False)
    except (OSError, ValueError) as error:  # a TimeoutError among them
        raise RuntimeUnavailableError(f"no Dask scheduler answers at {address}: {error}") from None
    with client:
        try:
            client.wait_for_workers(1, timeout=WORKERS)
        except TimeoutError:
            raise RuntimeUnavailableError(
                f"the scheduler at {address} has no worker; start some: dask worker {address}"
            ) from None
        yield client


async def _knock(address: str) -> None:
    """Connect to a scheduler, and no more.

    Raises:
        OSError: There is no answer.
        ValueError: It is no address.
    """
    import distributed.comm

    dask: Any = distributed  # it says nothing of its types
    known = dask.Security().get_connection_args("client")
    await (await dask.comm.connect(address, timeout=CONNECT, **known)).close()


def check_versions(client: Any, address: str) -> None:
    """Check that everybody runs what we run: results must not depend on who made them.

    Raises:
        RuntimeUnavailableError: One does not.
    """
    found = client.get_versions(packages=list(PACKAGES))
    own = found["client"]["packages"]
    for worker, versions in found["workers"].items():
        if other := _difference(own, versions["packages"]):
            raise RuntimeUnavailableError(
                f"the worker {worker} of {address} has other versions than this machine: {other}"
            )


def _difference(own: Mapping[str, Any], theirs: Mapping[str, Any]) -> str:
    names = [name for name in own if own[name] != theirs.get(name)]
    return ", ".join(f"{name} {theirs.get(name)}, here {own[name]}" for name in names)
