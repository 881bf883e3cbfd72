"""Wheels, fetched with pip for a machine that need not be this one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from pose_ros.errors import ModelError
from pose_ros.runtime.origins import Wheel


def fetch_wheel(wheel: Wheel, folder: Path) -> Path:
    """Fetch a wheel into an empty folder and return its path.

    It goes through pip, so that the user's mirrors, proxies and settings hold.

    Raises:
        ModelError: pip cannot be run or does not find it.
    """
    command = [
        *(sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"),
        *("--python-version", wheel.python, "--implementation", "cp", "--abi", wheel.abi),
        *("--platform", wheel.platform, "--disable-pip-version-check", "--no-input"),
        *("--dest", str(folder), wheel.requirement),
    ]
    # pip draws its progress where somebody is looking
    bar = sys.stderr if sys.stderr.isatty() else subprocess.DEVNULL
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=bar,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    except OSError as error:
        raise ModelError(f"cannot run pip with {sys.executable!r}: {error.strerror}") from None
    wheels = list(folder.glob("*.whl"))
    if done.returncode == 0 and len(wheels) == 1:
        return wheels[0]
    lines = [line for line in done.stderr.splitlines() if line.strip()] or ["no reason given"]
    if "No module named pip" in lines[-1]:
        raise ModelError(f"{sys.executable} has no pip to fetch {wheel.requirement} with")
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    raise ModelError(f"pip could not fetch {wheel.requirement}: {(errors or lines)[-1]}")
