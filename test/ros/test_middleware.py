"""Middleware of a process: the profile of Fast DDS, shared memory, the domain."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from pose_ros.ros import middleware
from pose_ros.ros.middleware import PROFILE_VARIABLES, SHARED_MEMORY, sweep

NODE = """
import sys, rclpy
rclpy.init()
node = rclpy.create_node("victim")
print("up", flush=True)
sys.stdin.read()
"""

CLAIM = "import os; os.getpid = lambda: 7\nfrom pose_ros.ros.middleware import claim_domain\n"


@pytest.mark.parametrize(
    ("rclpy", "name"),
    [("7.1.5", "FASTRTPS_DEFAULT_PROFILES_FILE"), ("9.1.2", "FASTDDS_DEFAULT_PROFILES_FILE")],
)
def test_profile_is_set_under_the_variable_that_this_fast_dds_reads(
    rclpy: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda _: rclpy)
    environment: dict[str, str] = {}
    middleware.prepare(environment)
    (path,) = environment.values()
    assert set(environment) == {name}
    segments = [
        element.text
        for element in ET.parse(Path(path)).iter()
        if element.tag.endswith("segment_size")
    ]
    assert segments == [str(middleware.SEGMENT_BYTES)]


@pytest.mark.parametrize("name", middleware.USER_VARIABLES)
def test_variable_set_by_the_user_is_kept(name: str) -> None:
    environment = {name: "own"}
    middleware.prepare(environment)
    assert environment == {name: "own"}


def test_too_little_shared_memory_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "SEGMENT_BYTES", 1 << 60)
    environment: dict[str, str] = {}
    middleware.prepare(environment)
    assert environment == {}


def segment(folder: Path, name: str, age_seconds: float = 60.0) -> Path:
    path = folder / name
    path.write_bytes(b"x" * 1000)
    lock = folder / f"{name}_el"
    lock.touch()
    os.utime(lock, (time.time() - age_seconds,) * 2)
    return path


@pytest.mark.parametrize("kind", ["fastrtps", "fastdds"])
def test_only_segments_without_an_owner_are_removed(tmp_path: Path, kind: str) -> None:
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


def segment_of(process: Any) -> Path:
    """Return a process' own segment: other processes of this machine have some, too."""
    # it holds the lock of it
    opened = {path.readlink() for path in Path(f"/proc/{process.pid}/fd").iterdir()}
    locks = [path.name for path in opened if path.parent == SHARED_MEMORY]
    (found,) = {
        name.removesuffix("_el") for name in locks if re.match(r"fast\w+_[0-9a-f]{16}_el", name)
    }
    return SHARED_MEMORY / found


def test_segments_of_a_killed_node_are_removed_and_those_of_a_living_one_stay(
    victims: list[Any],
) -> None:
    for process in victims:
        assert process.stdout.readline() == b"up\n"
    killed, living = victims
    gone, stays = segment_of(killed), segment_of(living)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert gone.exists()
    assert stays.exists()
    for path in (gone, stays):  # as if they were older: other processes may be starting
        os.utime(f"{path}_el", (time.time() - 60.0,) * 2)
    sweep()
    assert not gone.exists()
    assert stays.exists()
    living.stdin.close()
    assert living.wait(60) == 0
    assert not stays.exists()


def test_processes_that_run_at_once_claim_different_domains() -> None:
    # as if all had the same process id, modulo the number of domains
    program = f"{CLAIM}print(claim_domain(), claim_domain(), flush=True); input()"
    started = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    found = []
    try:
        for process in started:
            assert process.stdout
            first, second = process.stdout.readline().split()
            assert first == second
            found.append(int(first))
    finally:
        for process in started:
            process.communicate("\n", timeout=60)
    assert len(set(found)) == 3
    assert all(1 <= number <= middleware.LAST_DOMAIN for number in found)
    # what has ended has given its domain back
    assert claimed_by_a_process() == min(found)


def claimed_by_a_process() -> int:
    """Return the domain that a process claims; it has ended, so that the domain is free."""
    command = [sys.executable, "-c", f"{CLAIM}print(claim_domain())"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return int(done.stdout)


def test_domain_in_which_a_participant_listens_is_left_alone() -> None:
    free = claimed_by_a_process()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as participant:
        participant.bind(("", 7400 + 250 * free + 10))
        assert claimed_by_a_process() != free


def test_error_says_what_to_set_when_no_domain_is_free() -> None:
    with contextlib.ExitStack() as stack:
        for domain in range(1, middleware.LAST_DOMAIN + 1):
            participant = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            with contextlib.suppress(OSError):  # some other participant listens
                participant.bind(("", 7400 + 250 * domain + 10))
        command = [sys.executable, "-c", f"{CLAIM}claim_domain()"]
        ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert "OptionError: the ROS domains 1 to 101 are all in use" in ended.stderr
    assert "set ROS_DOMAIN_ID" in ended.stderr
