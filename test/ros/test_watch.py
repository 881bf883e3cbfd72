"""`pose-ros watch` as a command: what it prints."""

from __future__ import annotations

import subprocess

import pytest

from pose_ros.files import node_executable

PROCESS_SECONDS = 120.0


def test_watch_without_nodes_names_what_to_start() -> None:
    done = _watch("--seconds", "2.5")
    assert done.returncode == 0
    assert "no pose node found: start one" in done.stdout
    assert not done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--overlay", "film"], "--overlay must be window, browser"),
        (["--seconds", "0"], "--seconds must be above 0"),
        (["--overlay", "browser", "--port", "99999"], "cannot listen on 127.0.0.1:99999"),
    ],
)
def test_output_that_cannot_be_watched_gives_a_one_line_error(
    arguments: list[str], words: str
) -> None:
    done = _watch(*arguments)
    assert done.returncode == 1
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def _watch(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(node_executable("watch")), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=PROCESS_SECONDS, check=False
    )
