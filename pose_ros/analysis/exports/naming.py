"""What files are called: patterns, and further tables."""

from __future__ import annotations

import re
from pathlib import Path

PLACE = "%s"
"""Stands for a recording's name in the name of a file."""

# .mcap, .db3, .mp4, but not the .1 or .2024 of a folder
_SUFFIX = re.compile(r"\.[A-Za-z][A-Za-z0-9]{0,4}$")


def recording_name(source: str) -> str:
    """Return what a recording is called: its file or folder, without an ending such as .mcap."""
    name = Path(source).name
    return _SUFFIX.sub("", name) or name or "recording"


def table_path(path: Path, table: str) -> Path:
    """Return the file of a further table beside the first one: poses.images.csv."""
    return path.with_name(f"{path.stem}.{table}{path.suffix}") if table else path
