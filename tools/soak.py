"""Runs the three nodes for a while and watches what they hold: memory, threads, files.

    .venv/bin/python -m tools.soak --seconds 1800

A camera node draws a person who gestures, the pose node runs its real network, the gesture node
commands a robot. Once a second each process is asked for its resident memory, threads, open files
and the shared memory it has used. What grows from the first quarter to the last is a leak.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

PROGRAMS = Path(sys.prefix) / "lib" / "pose_ros"
NODES = {
    "camera_node": ("autostart:=true", "source:=synthetic:wave?width=320&height=240&fps=10"),
    "pose_node": ("autostart:=true", "hands:=true"),
    "gesture_node": ("autostart:=true", "hands:=true"),
}
SHARED = "/dev/shm"  # noqa: S108 - the transport's memory, not a file of ours
WARM_UP_SECONDS = 20.0
"""Until networks are loaded and queues are full."""


@dataclass
class Held:
    """What one process held, sample by sample.

    Attributes:
        rss: Resident memory, bytes.
        threads: Their number.
        files: Open file descriptors.
    """

    rss: list[int] = field(default_factory=list)
    threads: list[int] = field(default_factory=list)
    files: list[int] = field(default_factory=list)

    def sample(self, pid: int) -> None:
        """Read /proc once."""
        proc = Path("/proc") / str(pid)
        self.rss.append(4096 * int((proc / "statm").read_text(encoding="ascii").split()[1]))
        self.threads.append(len(list((proc / "task").iterdir())))
        self.files.append(len(list((proc / "fd").iterdir())))


@dataclass
class Soak:
    """What was seen.

    Attributes:
        nodes: By the name of the program.
        shared: Bytes in those files of /dev/shm that a node has ever used, sample by sample.
        ended: Programs that ended by themselves, with their exit codes.
    """

    nodes: dict[str, Held] = field(default_factory=dict)
    shared: list[int] = field(default_factory=list)
    ended: dict[str, int] = field(default_factory=dict)


def growth(samples: list[int]) -> float:
    """Return by how much the last quarter's median is above the first quarter's."""
    quarter = max(1, len(samples) // 4)
    return statistics.median(samples[-quarter:]) - statistics.median(samples[:quarter])


def soak(seconds: float, logs: Path) -> Soak:
    """Run the nodes, which end with this call.

    Args:
        seconds: After the warm-up.
        logs: Folder for what the nodes print.
    """
    seen = Soak()
    processes: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name, settings in NODES.items():
            parameters = [word for text in settings for word in ("-p", text)]
            with (logs / f"{name}.log").open("wb") as log:
                processes[name] = subprocess.Popen(
                    [str(PROGRAMS / name), "--ros-args", *parameters],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
        _watch(processes, time.monotonic() + WARM_UP_SECONDS, Soak())
        _watch(processes, time.monotonic() + seconds, seen)
        seen.ended = {n: p.returncode for n, p in processes.items() if p.poll() is not None}
    finally:
        for process in processes.values():
            process.terminate()
        for process in processes.values():
            try:
                process.wait(30.0)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    return seen


def _shared_files(pid: int) -> set[Path]:
    """Return the files of shared memory that a process has mapped."""
    maps = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8")
    paths = (line.split(maxsplit=5)[-1] for line in maps.splitlines())
    return {Path(path) for path in paths if path.startswith(SHARED + "/")}


def _bytes_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _watch(processes: dict[str, subprocess.Popen[bytes]], end: float, seen: Soak) -> None:
    shared: set[Path] = set()  # not all of /dev/shm: other programs use it too
    while time.monotonic() < end and all(p.poll() is None for p in processes.values()):
        for name, process in processes.items():
            seen.nodes.setdefault(name, Held()).sample(process.pid)
            shared |= _shared_files(process.pid)
        seen.shared.append(sum(map(_bytes_of, shared)))
        time.sleep(1.0)


def main() -> None:
    """Print a line for each process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=1800.0)
    parser.add_argument("--logs", type=Path, default=Path())
    args = parser.parse_args()
    seen = soak(args.seconds, args.logs)
    for name, held in seen.nodes.items():
        print(
            f"{name:13} {held.rss[-1] / 1e6:7.1f} MB ({growth(held.rss) / 1e6:+.1f}), "
            f"{held.threads[-1]} threads ({growth(held.threads):+.0f}), "
            f"{held.files[-1]} files ({growth(held.files):+.0f})"
        )
    print(f"{SHARED} {seen.shared[-1] / 1e6:.1f} MB ({growth(seen.shared) / 1e6:+.1f})")
    sys.exit(f"ended by itself: {seen.ended}" if seen.ended else None)


if __name__ == "__main__":
    main()
