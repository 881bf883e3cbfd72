"""Many recordings on a Dask cluster: a worker that is killed loses and doubles nothing."""

import os
import signal
import sys
from types import SimpleNamespace

import pytest

from pose_ros.analysis import workers
from pose_ros.analysis.jobs import PARTIAL
from pose_ros.errors import RuntimeUnavailableError


@pytest.fixture
def scheduler():
    """A cluster of two worker processes on the loopback."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address=None,
        worker_dashboard_address=None,
        silence_logs=50,
    ) as here:
        yield here


def test_cluster_writes_the_same_bytes_as_one_process_even_if_a_worker_is_killed(
    recordings, analyze, by_one, contents, scheduler, tmp_path
):
    killed: list[int] = []

    def kill_in_the_middle(running):
        attempts = list(tmp_path.rglob(f".*{PARTIAL}*"))
        if len(attempts) == 2 and not killed:  # both workers are at it
            victim = scheduler.workers[0].pid
            killed.append(victim)
            os.kill(victim, signal.SIGKILL)

    address = scheduler.scheduler_address
    done = analyze(recordings, tmp_path, kill_in_the_middle, scheduler=address)
    assert killed
    assert sorted(done) == ["day1/run1", "day1/run2", "day2/run1"]
    assert contents(tmp_path) == contents(by_one)
    # and it is on record: no worker runs again
    assert analyze(recordings, tmp_path, scheduler=address) == {}


def test_missing_scheduler_is_one_error(recordings, analyze, tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "CONNECT", 0.2)
    for address in ("tcp://127.0.0.1:1", "nonsense"):
        with pytest.raises(RuntimeUnavailableError, match="no Dask scheduler answers at"):
            analyze(recordings, tmp_path, scheduler=address)


def test_missing_dask_is_one_error(recordings, analyze, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(RuntimeUnavailableError, match=r"pip install .pose_ros\[cluster\]"):
        analyze(recordings, tmp_path, scheduler="tcp://127.0.0.1:1")


def test_workers_with_other_versions_are_refused():
    own = {"python": "3.11", "pose_ros": "0.2", "numpy": "2.3"}
    theirs = {"python": "3.11", "pose_ros": "0.1"}
    reported = {"client": {"packages": own}, "workers": {"tcp://a:1": {"packages": own}}}
    client = SimpleNamespace(get_versions=lambda packages: reported)
    workers.check_versions(client, "tcp://s:8786")
    reported["workers"]["tcp://b:2"] = {"packages": theirs}
    with pytest.raises(RuntimeUnavailableError) as error:
        workers.check_versions(client, "tcp://s:8786")
    assert "tcp://b:2" in str(error.value)
    assert "pose_ros 0.1, here 0.2, numpy None, here 2.3" in str(error.value)
