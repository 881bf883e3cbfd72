"""The same jobs on a Dask cluster, whose workers see the same paths."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import uuid
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import Any

import cv2

from pose_ros.analysis.jobs import ATTEMPTS, Job, run_job
from pose_ros.analysis.task import TaskReport
from pose_ros.analysis.workers import TICK, Tick
from pose_ros.errors import RuntimeUnavailableError

PACKAGES = ("pose_ros", "onnxruntime", "opencv-python-headless", "scipy", "rosbags")
"""Distributions that results depend on, beside Python, numpy and what Dask itself needs."""

CONNECT = 10.0
"""Seconds in which a scheduler answers."""

WORKERS = 60.0
"""Seconds in which the first worker comes."""


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
    told = client.get_versions(packages=list(PACKAGES))
    own = told["client"]["packages"]
    for worker, versions in told["workers"].items():
        if other := _difference(own, versions["packages"]):
            raise RuntimeUnavailableError(
                f"the worker {worker} of {address} has other versions than this machine: {other}"
            )


def _difference(own: Mapping[str, Any], theirs: Mapping[str, Any]) -> str:
    names = [name for name in own if own[name] != theirs.get(name)]
    return ", ".join(f"{name} {theirs.get(name)}, here {own[name]}" for name in names)
