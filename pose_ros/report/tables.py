"""Numbers, times and settings as people read them, and the tables of a report."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pose_ros.core.camera import Float64Array
from pose_ros.core.results import RunInfo
from pose_ros.core.skeletons import PEOPLE_COLORS
from pose_ros.core.types import NO_BODY, has_body
from pose_ros.report.places import STAYING_FRAMES, Estimate
from pose_ros.report.statistics import JointRates, Key, Statistics, Track

NOTHING = "\N{EN DASH}"

_MAIN_OPTIONS = (
    *("topic", "depth", "every", "threshold", "max_people", "precision", "height"),
    *("person_height", "camera_height", "smoothing"),
)
SHOWN_GESTURES = 200
_MAIN_JOINTS = ("nose", "neck", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")


def name_without_body(key: Key) -> str:
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


def estimate_text(estimate: Estimate | None, digits: int, unit: str) -> str:
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


def run_rows(info: RunInfo | None) -> list[tuple[str, str]]:
    """Return what ran as rows of a table; nothing where it is unknown."""
    if info is None:
        return []
    rows: list[tuple[str, Any]] = [
        ("Recording", info.source),
        ("Cameras", ", ".join(info.cameras)),
        ("Network", info.network),
        ("Hand network", info.hand_network),
        ("Ran on", info.provider),
        *sorted(info.versions.items()),
        *flat_options(info.options),
    ]
    return [(name, _value(value)) for name, value in rows if value != ""]


def is_main(name: str) -> bool:
    """Return whether a row of ``ran`` is shown at once: all but the options that few ask for."""
    option = name.rpartition(".")[2]
    return option in _MAIN_OPTIONS or (option == name and "_" not in name.replace("pose_ros", ""))


def flat_options(options: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield options by name, those within others too, as ``lift.height``."""
    for name, value in sorted(options.items()):
        if isinstance(value, Mapping):
            yield from flat_options(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _value(value: Any) -> str:
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def people_names(statistics: Statistics) -> dict[Key, str]:
    """Return what each person is called: the id, and the recording where there are more."""
    many = statistics.clock.sources > 1
    return {
        track.key: f"id {track.key[1]}" + (f" in {track.key[0]}" if many else "")
        for track in statistics.tracks
    }


def people(
    statistics: Statistics, tracks: Sequence[Track], names: Mapping[Key, str]
) -> list[dict[str, Any]]:
    """Return a row for each of those who were there for longest."""
    rows = []
    for track in tracks:
        motion = statistics.motions.get(track.key)
        walk = motion.walk if motion else None
        there = max(1e-9, sum(last - first for first, last in track.spans))
        rows.append(
            {
                "name": names[track.key],
                "color": track.key[1] % len(PEOPLE_COLORS),
                "first": moment_text(track.first, statistics.clock.now),
                "seconds": duration(there),
                "images": track.images,
                "spans": len(track.spans),
                "score": track.score / track.images,
                "height": estimate_text(walk.height if walk else None, 2, "m"),
                "speed": estimate_text(walk.speed if walk else None, 2, "m/s"),
                "walked": number(walk.distance, 1, " m") if walk and walk.speed else NOTHING,
                "range": _range(walk.nearest, walk.farthest)
                if walk and walk.farthest > 0
                else NOTHING,
            }
        )
    return rows


def _range(low: float, high: float) -> str:
    texts = dict.fromkeys((f"{low:.1f}", f"{high:.1f}"))
    return " to ".join(texts) + " m"


def joint_table(rates: JointRates | None) -> list[dict[str, Any]]:
    """Return a row for each joint, left and right in one."""
    if rates is None or not rates.people:
        return []
    shares, middles = rates.rates, rates.score_quantiles(0.5)[0]
    skeleton, paired, rows = rates.skeleton, {}, []
    for left, right in skeleton.left_right:
        paired[left], paired[right] = (left, right), (left, right)

    def cell(i: int) -> dict[str, Any]:
        return {
            "share": float(shares[i]),
            "score": float(middles[i]),
            "outside": float(rates.outside[i] / rates.people),
        }

    for i, name in enumerate(skeleton.keypoints):
        if i not in paired:
            rows.append(_joint_row(name.split("_"), [cell(i)]))
        elif i == min(paired[i]):
            left, right = paired[i]
            words = [w for w in name.split("_") if w not in ("left", "right")]
            rows.append(_joint_row(words, [cell(left), cell(right)]))
    return rows


def _joint_row(words: Sequence[str], cells: list[dict[str, Any]]) -> dict[str, Any]:
    name = " ".join(words)
    return {"name": name, "cells": cells, "main": name in _MAIN_JOINTS}


def gestures(statistics: Statistics, names: Mapping[Key, str]) -> dict[str, Any]:
    """Return how often each gesture was made, and the first of them one by one."""
    log = statistics.gestures
    shown = log.held[:SHOWN_GESTURES]
    counts = [
        {"name": name.replace("_", " "), "side": side or NOTHING, "count": count}
        for (name, side), count in sorted(log.counts.items(), key=lambda item: (-item[1], item[0]))
    ]
    rows = [
        {
            "person": names.get(held.key) or name_without_body(held.key),
            "name": held.name.replace("_", " "),
            "side": held.side or NOTHING,
            "start": moment_text(held.start, statistics.clock.now),
            "seconds": f"{held.end - held.start:.2f} s",
            "confidence": f"{held.confidence:.2f}",
        }
        for held in shown
    ]
    return {"counts": counts, "rows": rows, "hidden": log.counts.total() - len(shown)}


def angle_table(statistics: Statistics) -> list[dict[str, Any]]:
    """Return a row for each angle: where it lay, and how fast it changed."""
    speeds = statistics.speed_quantiles
    return [
        {
            "name": name.replace("_", " "),
            "low": number(float(low), 0, "°"),
            "middle": number(float(middle), 0, "°"),
            "high": number(float(high), 0, "°"),
            "speed": number(float(speeds[name][0]), 0, "°/s"),
            "fast": number(float(speeds[name][1]), 0, "°/s"),
        }
        for name, (low, middle, high) in statistics.angle_quantiles.items()
        if math.isfinite(middle)
    ]


def meters(statistics: Statistics, info: RunInfo | None) -> dict[str, Any]:
    """Return what is said about places, speeds and heights, and why some are withheld."""
    walks = [motion.walk for motion in statistics.motions.values()]
    heights = any(walk.height for walk in walks)
    given = option(info, "person_height") or option(info, "height")
    if heights:
        height = ""
    elif given:
        height = f"not measured: the people were said to be {given:g} m tall"
    else:
        height = (
            "withheld: without a depth camera or a known camera height, distances follow from the "
            "assumption that people are 1.7 m tall"
        )
    frame = statistics.placement.frame if statistics.placement else ""
    return {
        "known": any(len(walk.places) for walk in walks),
        "height": height,
        "speeds": any(walk.speed for walk in walks),
        "frame": frame,
        "stays": frame in STAYING_FRAMES,
        "cone": statistics.cone.angles is not None,
        "up_known": statistics.up_known,
        "moved": statistics.camera_moved,
        "sigma": float(np.nanmedian([walk.sigma for walk in walks]))
        if any(math.isfinite(walk.sigma) for walk in walks)
        else math.nan,
    }


def fused_cameras(statistics: Statistics, recording: RecordingFacts) -> list[dict[str, str]]:
    """Return the rows of the cameras whose people were fused; none of one camera."""
    return [
        {
            "name": each.name,
            "place": ", ".join(f"{value:.2f}" for value in statistics.place_of(each.pose)),
            "instants": f"{each.instants:,}",
            "with_people": f"{each.with_people:,}",
            "error": number(each.error_px, 1, " px"),
            "high": number(each.high_error_px, 1, " px"),
            "begins": f"{each.begins:+.3f} s",
            "clock": number(1e3 * each.clock, 0, " ms"),
        }
        for each in recording.cameras
    ]


def latencies(statistics: Statistics) -> dict[str, str]:
    """Return quantiles of the latency; empty where the results were not live."""
    if not statistics.latencies.counts[0]:
        return {}
    shares = {"median": 0.5, "95% within": 0.95, "99% within": 0.99}
    values = 1e3 * statistics.latencies.quantiles(*shares.values())[:, 0]
    return {name: f"{value:.1f} ms" for name, value in zip(shares, values, strict=True)}


@dataclass(frozen=True, eq=False)
class FusedCameraFacts:
    """How one of several cameras did whose people were fused.

    Attributes:
        name: Of the camera.
        pose: (4, 4) takes meters of its optical frame to that of the first camera.
        instants: At how many its images counted.
        with_people: At how many of them it saw people.
        error_px: Pixels from where it shows joints to where all cameras together have them, the
            median over the instants; NaN where no person was seen by two cameras.
        high_error_px: Its 90th percentile.
        begins: Seconds by which its recording begins after the first one's.
        clock: Seconds by which its stamps are late against the first one's, as they were
            estimated in the end; NaN unknown.
    """

    name: str
    pose: Float64Array
    instants: int
    with_people: int
    error_px: float
    high_error_px: float
    begins: float
    clock: float


@dataclass(frozen=True)
class RecordingFacts:
    """What is known of a recording once all of it has been read.

    Attributes:
        images: How many images it holds; None where it holds none or they were not counted.
        images_without_result: Of these, between the first and the last result; None as above.
        lost: What could not be read, a line each.
        network: What found the people, where the results say that and no more.
        cameras: Of the cameras that were fused, the reference first; empty of one camera.
    """

    images: int | None = None
    images_without_result: int | None = None
    lost: tuple[str, ...] = ()
    network: str = ""
    cameras: tuple[FusedCameraFacts, ...] = ()


def option(info: RunInfo | None, name: str) -> Any:
    """Return an option of what ran by its name, wherever it stands; None where it is not known."""

    def look(options: Mapping[str, Any]) -> Any:
        for key, value in options.items():
            found = look(value) if isinstance(value, Mapping) else value if key == name else None
            if found is not None:
                return found
        return None

    return look(info.options) if info else None
