from __future__ import annotations

import threading

from pose_ros.ros.threads import Worker

WAIT_SECONDS = 60.0


class Gate:
    """A handler that blocks at each item until the test releases it."""

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.errors: list[Exception] = []
        self.entered = threading.Semaphore(0)
        self.leave = threading.Semaphore(0)

    def __call__(self, item: int) -> None:
        self.seen.append(item)
        self.entered.release()
        assert self.leave.acquire(timeout=WAIT_SECONDS)
        if item < 0:
            raise ValueError(str(item))


def test_the_newest_item_wins_and_drops_are_counted() -> None:
    gate = Gate()
    worker = Worker(gate, gate.errors.append)
    assert worker.put(1)
    assert gate.entered.acquire(timeout=WAIT_SECONDS)
    # 1 is in work: 2 waits, and is replaced twice
    assert [worker.put(item) for item in (2, 3, 4)] == [True, False, False]
    gate.leave.release()
    assert gate.entered.acquire(timeout=WAIT_SECONDS)
    gate.leave.release()
    assert worker.stop()
    assert gate.seen == [1, 4]
    assert worker.dropped == 2


def test_worker_survives_an_error() -> None:
    gate = Gate()
    worker = Worker(gate, gate.errors.append)
    for item in (-1, 2):
        worker.put(item)
        assert gate.entered.acquire(timeout=WAIT_SECONDS)
        gate.leave.release()
    assert worker.stop()
    assert gate.seen == [-1, 2]
    assert [str(error) for error in gate.errors] == ["-1"]


def test_stop_waits_for_the_current_item_and_drops_the_next() -> None:
    gate = Gate()
    worker = Worker(gate, gate.errors.append)
    worker.put(1)
    assert gate.entered.acquire(timeout=WAIT_SECONDS)
    worker.put(2)
    assert not worker.stop(timeout_seconds=0.01)
    gate.leave.release()
    assert worker.stop()
    assert worker.put(3)
    assert gate.seen == [1]


def test_worker_can_stop_itself() -> None:
    stopped = threading.Event()

    def handle(_item: int) -> None:
        worker.stop()
        stopped.set()

    worker: Worker[int] = Worker(handle, lambda _error: None)
    worker.put(1)
    assert stopped.wait(WAIT_SECONDS)
    assert worker.stop()
