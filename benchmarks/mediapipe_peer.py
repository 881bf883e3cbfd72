"""A peer in an environment and a process of its own: MediaPipe's Python."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import venv
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any

import numpy as np

from pose_ros.core.types import Image
from pose_ros.errors import OptionError, RuntimeUnavailableError
from pose_ros.files import print_progress, write_whole
from pose_ros.models.card import Card, load_card
from pose_ros.models.store import StrPath, cache_dir
from tools.originals import fetched_original

REQUIREMENT = "mediapipe==0.10.21"
POSES = {"blazepose-lite": 0, "blazepose-full": 1, "blazepose-heavy": 2}
HANDS = {"blazehand-lite": 0, "blazehand-full": 1}
"""The networks that MediaPipe has too, by what it calls their complexity."""

LACKING = {0: "blazepose-lite", 2: "blazepose-heavy"}
"""Cards of the landmarks that MediaPipe's wheel lacks, by what it calls their complexity."""

_WORKER = Path(__file__).with_name("mediapipe_worker.py")


def complexity_of(card: Card) -> int:
    """Return what MediaPipe calls the complexity of a network.

    Raises:
        OptionError: MediaPipe does not have it.
    """
    try:
        return (POSES | HANDS)[card.name]
    except KeyError:
        known = ", ".join(POSES | HANDS)
        raise OptionError(f"only {known} can be compared with MediaPipe") from None


def mediapipe_python() -> Path:
    """Return the interpreter of an environment with MediaPipe; made on first use, in the cache.

    Raises:
        RuntimeUnavailableError: pip cannot install MediaPipe for this Python.
    """
    folder = cache_dir() / f"mediapipe-{sys.version_info[0]}.{sys.version_info[1]}"
    python, done = folder / "bin" / "python", folder / "done"
    if done.exists():
        return python
    print_progress(f"installing {REQUIREMENT} in {folder}")
    venv.create(folder, clear=True, with_pip=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", REQUIREMENT]
    result = subprocess.run(pip, capture_output=True, text=True, check=False)
    if result.returncode:
        last = (result.stderr.strip().splitlines() or ["pip failed"])[-1]
        raise RuntimeUnavailableError(f"cannot install {REQUIREMENT} to compare with: {last}")
    done.touch()
    return python


def place_landmarks(card: Card, environment: Path, models_dir: StrPath | None = None) -> None:
    """Put a card's landmarks where MediaPipe looks for them, so that it fetches nothing itself.

    Args:
        card: A BlazePose.
        environment: Folder of an environment with MediaPipe.
        models_dir: Folder of the models; None for the user's cache.

    Raises:
        RuntimeUnavailableError: MediaPipe is not there.
        ModelError: The file is not available.
    """
    folders = list(environment.glob("lib/python*/site-packages/mediapipe/modules/pose_landmark"))
    if not folders:
        raise RuntimeUnavailableError(f"no MediaPipe in {environment}: remove it and try again")
    file = card.file("landmarks")
    path = folders[0] / PurePosixPath(file.origins[0].file_name).name
    if not file.checksum.fits(path):
        write_whole(path, fetched_original(card, "landmarks", models_dir).read_bytes())


class MediaPipe:
    """MediaPipe's solutions over frames that both sides hold in memory."""

    def __init__(self, frames: Sequence[Image]) -> None:
        """Start the process and hand it the frames.

        Args:
            frames: (H, W, 3) uint8 RGB each, of one size.
        """
        python = mediapipe_python()
        self._environment = python.parent.parent
        self._process = subprocess.Popen(
            [str(python), str(_WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "frames.npy"
            np.save(path, np.stack(frames))
            self._ask(op="load", path=str(path))

    def open(self, solution: str, **options: Any) -> None:
        """Begin a new stream with ``pose``, ``steps`` or ``hands`` and that solution's options."""
        if solution != "hands" and options["model_complexity"] in LACKING:
            place_landmarks(load_card(LACKING[options["model_complexity"]]), self._environment)
        self._ask(op="open", solution=solution, **options)

    def run(self, first: int, last: int) -> dict[str, Any]:
        """Process frames ``first`` to before ``last``.

        Returns:
            ``wall`` and ``cpu`` in seconds, and ``results``, one a frame.
        """
        return self._ask(op="run", first=first, last=last)

    def __enter__(self) -> MediaPipe:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.communicate()

    def _ask(self, **request: Any) -> dict[str, Any]:
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeUnavailableError("MediaPipe's process has no pipes")
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        except (OSError, ValueError):
            code = self._process.wait()
            raise RuntimeUnavailableError(f"MediaPipe's process ended with code {code}") from None
        return answer
