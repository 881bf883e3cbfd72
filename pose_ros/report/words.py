"""Numbers, times and settings as people read them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from pose_ros.core.results import RunInfo
from pose_ros.core.types import NO_BODY, has_body
from pose_ros.report.places import Estimate
from pose_ros.report.tracks import Key

NOTHING = "\N{EN DASH}"

_MAIN_OPTIONS = (
    *("topic", "depth", "every", "threshold", "max_people", "precision", "height"),
    *("person_height", "camera_height", "smoothing"),
)


def nameless(key: Key) -> str:
    """Return what a maker of gestures is called who was in no image as a body."""
    _, number = key
    return f"id {number}" if has_body(number) else f"hand {number - NO_BODY} without a body"


def percent(share: float) -> str:
    """Return a share in [0, 1] as people read it."""
    if not math.isfinite(share):
        return NOTHING
    shown = 100.0 * share
    # what is not all does not read as all, and what is there does not read as nothing
    digits = 0 if 1.0 <= shown <= 99.0 or shown in (0.0, 100.0) else 1
    return f"{shown if digits == 0 else min(99.9, max(0.1, shown)):.{digits}f}%"


def number(value: float, digits: int = 0, unit: str = "") -> str:
    """Return a number with its unit; a dash where it is unknown."""
    return f"{value:,.{digits}f}{unit}" if math.isfinite(value) else NOTHING


def between(estimate: Estimate | None, digits: int, unit: str) -> str:
    """Return an estimate with one sigma."""
    if estimate is None:
        return NOTHING
    return f"{estimate.value:.{digits}f} ± {estimate.sigma:.{digits}f} {unit}"


def duration(seconds: float) -> str:
    """Return how long something took."""
    return f"{seconds:.1f} s" if seconds < 120 else clock_text(seconds)


def clock_text(seconds: float) -> str:
    """Return a time as people write it: 4.2 s, 3:07, 1:02:45."""
    if seconds < 0:
        return f"-{clock_text(-seconds)}"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d}"
    return f"{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d}"


def moment_text(seconds: float, end: float) -> str:
    """Return when something was, in a recording that ends at ``end`` seconds."""
    return f"{seconds:.1f} s" if end < 120 else clock_text(seconds)


def ran(info: RunInfo | None) -> list[tuple[str, str]]:
    """Return what ran as rows of a table; nothing where it is unknown."""
    if info is None:
        return []
    rows: list[tuple[str, Any]] = [
        ("Recording", info.source),
        ("Network", info.network),
        ("Hand network", info.hand_network),
        ("Ran on", info.provider),
        *sorted(info.versions.items()),
        *flat(info.options),
    ]
    return [(name, _value(value)) for name, value in rows if value != ""]


def is_main(name: str) -> bool:
    """Return whether a row of ``ran`` is shown at once: all but the options that few ask for."""
    option = name.rpartition(".")[2]
    return option in _MAIN_OPTIONS or (option == name and "_" not in name.replace("pose_ros", ""))


def flat(options: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield options by name, those within others too, as ``lift.height``."""
    for name, value in sorted(options.items()):
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _value(value: Any) -> str:
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
