"""The files of networks as their makers publish them, from before their conversion to ONNX."""

from __future__ import annotations

from pathlib import Path

from pose_ros.models.card import Card
from pose_ros.models.fetch import original_path
from pose_ros.models.store import StrPath, cache_dir, get


def fetched_original(card: Card, role: str, models_dir: StrPath | None = None) -> Path:
    """Return the verified original of a card's file; fetch it if need be.

    Args:
        card: The network.
        role: Which of its files.
        models_dir: Folder of the models; None for the user's cache.

    Raises:
        ModelError: The card has no such role, or the file is not available.
    """
    path = original_path(cache_dir(models_dir), card.file(role))
    get(card, models_dir)
    if not path.exists():  # the cache holds the converted file only
        get(card, models_dir, force=True)
    return path
