"""Shared memory of killed processes, in a folder of our own and that of Fast DDS."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pose_ros.ros.shared_memory import SHARED_MEMORY, sweep
from pose_ros.ros.transport import PROFILE_VARIABLES

NODE = """
import sys, rclpy
rclpy.init()
node = rclpy.create_node("victim")
print("up", flush=True)
sys.stdin.read()
"""


def segment(folder: Path, name: str, age_seconds: float = 60.0) -> Path:
    path = folder / name
    path.write_bytes(b"x" * 1000)
    lock = folder / f"{name}_el"
    lock.touch()
    os.utime(lock, (time.time() - age_seconds,) * 2)
    return path


@pytest.mark.parametrize("kind", ["fastrtps", "fastdds"])
def test_segments_without_an_owner_go_and_nothing_else(tmp_path: Path, kind: str) -> None:
    dead = segment(tmp_path, f"{kind}_0123456789abcdef")
    owned = segment(tmp_path, f"{kind}_fedcba9876543210")
    young = segment(tmp_path, f"{kind}_00000000000000aa", age_seconds=0.0)
    others = [segment(tmp_path, "postgres_0123456789abcdef"), segment(tmp_path, f"{kind}_port7411")]
    linked = tmp_path / f"{kind}_00000000000000bb_el"
    linked.symlink_to(tmp_path / f"{kind}_0123456789abcdef")
    with (tmp_path / f"{owned.name}_el").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert sweep(tmp_path) == 1000
    assert not dead.exists()
    assert not (tmp_path / f"{dead.name}_el").exists()
    assert all(path.exists() for path in (owned, young, *others))
    assert sweep(tmp_path) == 1000
    assert not owned.exists()


def test_missing_folder_is_not_an_error(tmp_path: Path) -> None:
    assert sweep(tmp_path / "none") == 0


@pytest.fixture
def victims() -> Iterator[list[Any]]:
    environment = {k: v for k, v in os.environ.items() if k not in PROFILE_VARIABLES}
    made = [
        subprocess.Popen(
            [sys.executable, "-c", NODE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        )
        for _ in range(2)
    ]
    yield made
    for process in made:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def segments() -> set[str]:
    found = {path.name for path in SHARED_MEMORY.glob("fast*_*") if "port" not in path.name}
    return {name for name in found if not name.endswith("_el")}


def test_segments_of_a_killed_node_are_removed_and_those_of_a_living_one_stay(
    victims: list[Any],
) -> None:
    before = segments()
    for process in victims:
        assert process.stdout.readline() == b"up\n"
    made = segments() - before
    assert len(made) == 2
    killed, living = victims
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert segments() >= made
    assert sweep(young_seconds=0.0) > 0
    left = segments() & made
    assert len(left) == 1
    assert sweep(young_seconds=0.0) == 0
    living.stdin.close()
    assert living.wait(20) == 0
    assert not segments() & made
