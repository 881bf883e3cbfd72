"""Networks in whole numbers: made once, from drawn scenes, with what it costs in accuracy said."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from pose_ros.core.types import FloatArray, Frame, Session
from pose_ros.documents import read_json
from pose_ros.errors import DocumentError, ModelError, RuntimeUnavailableError
from pose_ros.files import Progress, locked, print_progress, sha256_of, write_whole
from pose_ros.models.card import Card
from pose_ros.models.store import cache_dir, model_path
from pose_ros.networks.registry import FAMILIES
from pose_ros.runtime import quantization
from pose_ros.runtime.session import open_session
from pose_ros.settings.estimation import EstimatorOptions
from pose_ros.sources.opening import open_source

SCENES = {
    "blazepose": ("synthetic?fps=2&live=0", "synthetic:crossing?fps=2&live=0"),
    "blazehand": (
        "synthetic?fps=2&live=0",
        "synthetic:wave?fps=5&live=0&distance=1.6",
        "synthetic:raise_hand?fps=3&live=0&distance=2",
    ),
}
"""What a network is fitted to, by the family of its card."""

OTHER_SCENES = {
    "blazepose": (
        "synthetic:crossing_three?fps=3&live=0&seed=1&camera_height=1.5&pitch=8",
        "synthetic?fps=1.1&live=0&seed=1&distance=2.2",
    ),
    "blazehand": ("synthetic:gestures?fps=1&live=0&seed=1",),
}
"""On what the loss is measured."""

MAX_LOSS = 0.02
"""Mean distance, in diagonals of the box, at which a network is refused."""


@dataclass(frozen=True)
class QuantizationLoss:
    """How far keypoints move from where the network in float32 has them.

    Attributes:
        count: Number of people or hands that it was measured on.
        mean: Distance in diagonals of the box around the keypoints.
        p99: Its 99th percentile.
        world_m: Mean distance in meters; None where there is none.
    """

    count: int
    mean: float
    p99: float
    world_m: float | None

    def __str__(self) -> str:
        world = "" if self.world_m is None else f", {1000 * self.world_m:.0f} mm in the world"
        return (
            f"keypoints move by {100 * self.mean:.2f}% of their box's diagonal in the mean, "
            f"{100 * self.p99:.1f}% at the 99th percentile{world} ({self.count} drawn examples)"
        )


def int8_path(
    card: Card,
    role: str,
    models_dir: str | os.PathLike[str] | None = None,
    progress: Progress = print_progress,
) -> Path:
    """Return a file of a card in whole numbers, making it when it is not there yet.

    Args:
        card: The network.
        role: Which of its files; one without a plan for whole numbers stays in float32.
        models_dir: Folder of the models; None for the user's cache.
        progress: Called with a line for each thing that takes long, and with the loss.

    Raises:
        ModelError: No file of the card has a plan, or files are not available or cannot be written.
        RuntimeUnavailableError: A package is missing, or the loss is too great here.
    """
    if card.family not in SCENES or not any(file.int8 for file in card.files.values()):
        raise ModelError(f"{card.name} has no precision int8: use fp32, or fp16 on a GPU")
    original, file = model_path(card, role, models_dir, progress), card.file(role)
    if file.int8 is None:
        return original
    folder = cache_dir(models_dir)
    path, note = (folder / f"{file.file}.int8.{end}" for end in ("onnx", "json"))
    facts: dict[str, object] = {
        "plan": asdict(file.int8),
        "from": sha256_of(original),
        "scenes": SCENES[card.family],
        "version": quantization.QUANTIZER_VERSION,
    }
    recipe = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    if _is_sound(path, note, recipe):
        return path
    quantization.require_packages()
    sessions = {
        other: _open(card, other, model_path(card, other, models_dir, progress))
        for other in card.files
    }
    try:
        with locked(folder, progress, "preparing a network in int8"):
            if not _is_sound(path, note, recipe):
                progress(f"preparing {path.stem} on drawn scenes; it is kept")
                samples = _samples(card, sessions, role)
                data = quantization.quantize(original, file.int8, samples)
                write_whole(path, data)
                loss = _loss(card, sessions, {**sessions, role: _open(card, role, path)})
                progress(f"{path.stem}: {loss}")
                if not loss.mean <= MAX_LOSS:
                    raise RuntimeUnavailableError(
                        f"{path.stem} is too inexact on this processor: use precision fp32"
                    )
                facts = {"recipe": recipe, "sha256": hashlib.sha256(data).hexdigest()}
                write_whole(note, json.dumps({**facts, "loss": asdict(loss)}, indent=1).encode())
    except OSError as error:
        raise ModelError(
            f"cannot write {path}: {error.strerror or error}; name a folder with models_dir"
        ) from error
    return path


def _open(card: Card, role: str, path: Path) -> Session:
    session = open_session(path, "cpu")
    session.select(card.file(role).signature, str(path))
    return session


class _Recorder:
    """A ``Session`` that keeps what goes in."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.provider = session.provider
        self.inputs: list[FloatArray] = []

    def run(self, *inputs: FloatArray) -> list[FloatArray]:
        # one by one, whatever the batch
        self.inputs += [one[None].copy() for one in inputs[0]]
        return self._session.run(*inputs)


def _samples(card: Card, sessions: Mapping[str, Session], role: str) -> list[FloatArray]:
    """Return what goes into a network while the scenes are looked at."""
    recorder = _Recorder(sessions[role])
    options = EstimatorOptions(max_people=3, smoothing=False)
    estimator = FAMILIES[card.family].make(card.contract, {**sessions, role: recorder}, options)
    for spec in SCENES[card.family]:
        estimator.reset()
        for frame in _frames(spec):
            estimator.estimate(frame.image, frame.stamp, channels=frame.channels)
    return recorder.inputs


def _loss(
    card: Card, sessions: Mapping[str, Session], changed: Mapping[str, Session]
) -> QuantizationLoss:
    """Measure how far keypoints move with changed networks."""
    make, options = FAMILIES[card.family].make, EstimatorOptions(static=True)
    exact, other = (make(card.contract, nets, options) for nets in (sessions, changed))
    distances, worlds = [], []
    for spec in OTHER_SCENES[card.family]:
        for frame in _frames(spec):
            a, b = (e.estimate(frame.image, channels=frame.channels) for e in (exact, other))
            if len(a) == len(b) == 1:
                away = np.hypot(*(a.keypoints[0] - b.keypoints[0]).T)
                distances.append(away / np.hypot(*np.ptp(a.keypoints[0], axis=0)))
                if a.world is not None and b.world is not None:
                    worlds.append(np.linalg.norm(a.world[0] - b.world[0], axis=1))
    if not distances:
        raise ModelError(
            f"{card.name} finds no person in drawn scenes: it cannot be converted to int8"
        )
    return QuantizationLoss(
        count=len(distances),
        mean=float(np.nanmean(distances)),
        p99=float(np.nanpercentile(distances, 99)),
        world_m=float(np.nanmean(worlds)) if worlds else None,
    )


def _frames(spec: str) -> Iterator[Frame]:
    source = open_source(spec)
    try:
        while (frame := source.read()) is not None:
            yield frame
    finally:
        source.close()


def _is_sound(path: Path, note: Path, recipe: str) -> bool:
    try:
        facts = read_json(note)
        return bool(facts["recipe"] == recipe and facts["sha256"] == sha256_of(path))
    except (DocumentError, KeyError, TypeError):
        return False
