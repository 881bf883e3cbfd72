"""From a model card to a verified ONNX file, fetched and converted when it is not there yet.

The cache is a flat folder. Each network has three files in it: the original
(``NAME.tflite``), what it was converted to (``NAME.onnx``) and a note of how
(``NAME.json``), so that a newer converter can start from the original without a
network. An original that is ONNX is run as it is, once it was seen that it takes and gives
what the card says. Files appear whole or not at all, and every use checks their hash. What
a download had got before it broke off waits in ``.part-NAME``.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal, TypeAlias

from pose_ros.core.contract import Value
from pose_ros.documents import read_json
from pose_ros.errors import DocumentError, ModelError
from pose_ros.files import (
    TEMPORARY,
    Progress,
    locked,
    print_progress,
    read_file,
    sha256_of,
    user_path,
    write_whole,
)
from pose_ros.models import tflite
from pose_ros.models.card import Card, ModelFile
from pose_ros.models.fetch import (
    MAX_MODEL_BYTES,
    drop_parts,
    fetch,
    original_path,
    problem_of,
    take_source,
)

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
        return user_path(models_dir).absolute()
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # the XDG specification: a relative path is to be ignored
    if not base.is_absolute():
        base = user_path("~/.cache")
    if not base.is_absolute():
        raise ModelError(
            "no folder for the networks: this user has no home; set HOME or XDG_CACHE_HOME, "
            "or name a folder with --models-dir"
        )
    return base / "pose_ros"


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
        ModelError: The card has no such role, or the file is not available.
    """
    file = card.file(role)
    if file.own_path:
        return _check_own(card, file.own_path)
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
        sources: Files to take the originals from, or archives of them; with any,
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
    paths = [user_path(source) for source in sources]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder, progress, "fetching models"):
            # only now is it sure that no other process is doing the same
            for left_over in folder.glob(f"{TEMPORARY}*"):
                left_over.unlink(missing_ok=True)
            _get_originals(card, folder, paths, force, progress)
            for file in _cached(card):
                if force or _converted_state(folder, file) != "ok":
                    if file.format == "tflite":
                        progress(f"converting {file.file}")
                    _write_converted(folder, file)
                    if not file.checksum.known:
                        digest = sha256_of(_onnx_path(folder, file))
                        progress(f"{file.file}: its hash was not known; this one has {digest}")
    except OSError as error:
        raise ModelError(
            f"cannot write the model cache {folder}: {error.strerror or error}; "
            "name a folder with models_dir or XDG_CACHE_HOME that can be written and has room"
        ) from error
    return {
        role: _check_own(card, file.own_path) if file.own_path else _onnx_path(folder, file)
        for role, file in card.files.items()
    }


def status(card: Card, models_dir: StrPath | None = None) -> list[FileStatus]:
    """Return what the cache holds of a card, after reading every file of it whole."""
    folder = cache_dir(models_dir)
    result = []
    for role, file in card.files.items():
        if file.own_path:
            result.append(_own_status(card, role, file.own_path))
            continue
        path = _onnx_path(folder, file)
        state = _converted_state(folder, file)
        detail = {
            "ok": "",
            "missing": f"{path} is not there",
            "damaged": f"{path} is not what was written",
            "outdated": f"{path} is of another version",
        }[state]
        if state == "ok" and not _is_original(folder, file):
            state, detail = "damaged", f"{original_path(folder, file)} is not what was fetched"
        result.append(FileStatus(card.name, role, path, state, detail))
    return result


def _cached(card: Card) -> list[ModelFile]:
    """Return the files of a card that the cache keeps: all but those that are the user's own."""
    return [file for file in card.files.values() if not file.own_path]


def _check_own(card: Card, path: Path) -> Path:
    if not path.is_file():
        raise ModelError(f"{card.name}: there is no file {path}, which its card names")
    return path


def _own_status(card: Card, role: str, path: Path) -> FileStatus:
    if path.is_file():
        return FileStatus(card.name, role, path, "ok")
    return FileStatus(card.name, role, path, "missing", f"{path} is not there")


def _onnx_path(folder: Path, file: ModelFile) -> Path:
    return folder / f"{file.file}.onnx"


def _note_path(folder: Path, file: ModelFile) -> Path:
    return folder / f"{file.file}.json"


def _recipe(file: ModelFile) -> str:
    """Return a digest of all that the content of an ONNX file follows from."""
    facts = {
        "original": file.checksum.sha256 or file.checksum.git_blob,
        "converter": _converter(file),
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
        note = read_json(_note_path(folder, file))
        recipe, sha256 = note["recipe"], note["sha256"]
    except (DocumentError, KeyError, TypeError):
        return "damaged"
    if recipe != _recipe(file):
        return "outdated"
    return "ok" if sha256 == sha256_of(path) else "damaged"


def _write_converted(folder: Path, file: ModelFile) -> None:
    original = original_path(folder, file)
    data = read_file(original, MAX_MODEL_BYTES)
    if file.format == "tflite":
        data = tflite.convert(
            data,
            inputs={value.tensor: value.name for value in file.inputs},
            outputs={value.tensor: value.name for value in file.outputs},
            shapes={value.name: value.shape for value in (*file.inputs, *file.outputs)},
            name=file.file,
        )
        # until the note is written too, it does not fit: the file counts as damaged
        write_whole(_onnx_path(folder, file), data)
    else:
        from pose_ros.runtime.session import read_signature  # it takes long to import

        read_signature(original).require(file.signature, str(original))
    note = {
        "recipe": _recipe(file),
        "sha256": hashlib.sha256(data).hexdigest(),
        "converter": _converter(file),
        "original": str(file.checksum),
    }
    write_whole(_note_path(folder, file), json.dumps(note, indent=1).encode())


def _converter(file: ModelFile) -> int | None:
    return tflite.CONVERTER_VERSION if file.format == "tflite" else None


def _get_originals(
    card: Card, folder: Path, sources: list[Path], force: bool, progress: Progress
) -> None:
    """Bring the original files of a card into the cache."""
    files = _cached(card)
    missing = [file for file in files if force or not _is_original(folder, file)]
    if any(file.format == "tflite" for file in missing):
        tflite.require_packages()  # better said before a long download than after it
    reasons: list[str] = []
    for source in sources:
        found = take_source(folder, source, files)
        if not found:
            raise ModelError(_not_in(source, card))
        missing = [file for file in missing if file not in found]
    if not sources:
        missing, reasons = fetch(folder, missing, progress)
    if missing:
        raise ModelError(_how_to_get(card, folder, missing, reasons))
    drop_parts(folder, files)


def _is_original(folder: Path, file: ModelFile) -> bool:
    """Whether nothing need be fetched: the original is there and sound, or not needed."""
    original = original_path(folder, file)
    if not original.exists():  # a sound ONNX file serves without its original
        return _converted_state(folder, file) == "ok"
    if not file.checksum.known and _note_path(folder, file).exists():
        # its hash became known when it was first had
        return _converted_state(folder, file) in ("ok", "outdated")
    return not problem_of(file, original)


def _not_in(source: Path, card: Card) -> str:
    """Return the line about a user's file that the card does not name."""
    wanted: dict[str, str] = {}
    for file in card.files.values():
        for origin in file.origins:
            wanted.setdefault(PurePosixPath(origin.file_name).name, origin.file_name)
    line = f"{source} holds none of the files of {card.name}: {', '.join(wanted.values())}"
    if source.suffix == ".onnx":
        line += f"; a network of your own is run as it is: --network {source}"
    return line


def _how_to_get(card: Card, folder: Path, missing: list[ModelFile], reasons: list[str]) -> str:
    """Return the one line that says what is missing and which file to put where."""
    why = f" ({'; '.join(dict.fromkeys(reasons))})" if reasons else ""
    # a file of several origins needs one of them, and the reasons have named some; files of one
    # package need it once
    unnamed = [[o.place for o in file.origins if o.place not in why] for file in missing]
    places = dict.fromkeys(
        " or ".join(others or [file.origins[0].place])
        for file, others in zip(missing, unnamed, strict=True)
    )
    if not any(unnamed):
        places = dict.fromkeys(["it"])
    names = ", ".join(
        f"its {file.origins[0].file_name} as {original_path(folder, file)}" for file in missing
    )
    return (
        f"{card.name} is not in the model cache and cannot be fetched{why}: "
        f"get {' and '.join(places)} on a machine with a network and run "
        f"pose-ros models get {card.name} --from FILE, or put {names}"
    )
