"""A report's statistics as words, tables and drawings, and these as a page."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pose_ros.core.results import RunInfo
from pose_ros.viz.report import plots
from pose_ros.viz.report.figures import PEOPLE, clock_text
from pose_ros.viz.report.joint_rates import JointRates
from pose_ros.viz.report.moments import Moment, Moments
from pose_ros.viz.report.options import Recording, ReportOptions
from pose_ros.viz.report.places import Estimate
from pose_ros.viz.report.statistics import Statistics
from pose_ros.viz.report.tracks import Key, Track

SHOWN_PEOPLE = 20
SHOWN_MOTIONS = 3
SHOWN_GESTURES = 200
GESTURE_ROWS = 40
NOTHING = "\N{EN DASH}"

_BASES = {
    "depth": "joints that a depth camera measured",
    "shape": "the network's metric shape of the body",
    "picture": "the picture alone, so they are angles as they are seen",
}


@dataclass(frozen=True)
class Card:
    """A figure at the top of the page."""

    value: str
    label: str
    note: str = ""


def render(
    info: RunInfo | None,
    options: ReportOptions,
    statistics: Statistics,
    moments: Moments,
    recording: Recording,
) -> str:
    """Return a page about one recording."""
    tracks = statistics.tracks.longest(SHOWN_PEOPLE)
    names = people_names(statistics)
    context = {
        "title": options.title or (info.source if info else "") or "Results",
        "info": info,
        "ran": ran(info),
        "cards": cards(statistics, recording),
        "notes": [*recording.lost, *notes(statistics, info)],
        "people": people(statistics, tracks, names),
        "hidden_people": statistics.tracks.people - len(tracks),
        "joints": joint_table(statistics.main_rates),
        "rates": statistics.main_rates,
        "gestures": gestures(statistics, names),
        "angles": angle_table(statistics),
        "basis": _BASES.get(statistics.main_basis or "", ""),
        "meters": meters(statistics, info),
        "latency": latencies(statistics),
        "recording": recording,
        "moments": gallery(moments, statistics, names),
        "pictures": options.pictures,
        "statistics": statistics,
        "plots": drawings(statistics, tracks, names),
        "seconds": clock_text,
    }
    return str(template("report.html.j2").render(context))


def template(name: str) -> Any:
    """Return a template of this folder; all that it is told is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "number": number}
    return environment.get_template(name)


def percent(share: float) -> str:
    """Return a share in [0, 1] as people read it."""
    if not math.isfinite(share):
        return NOTHING
    shown = 100.0 * share
    # what is not all does not read as all, and what is there does not read as nothing
    digits = 0 if 1.0 <= shown <= 99.0 or shown in (0.0, 100.0) else 1
    return f"{min(99.9, shown) if shown < 100.0 else shown:.{digits}f}%"


def number(value: float, digits: int = 0, unit: str = "") -> str:
    """Return a number with its unit; a dash where it is unknown."""
    return f"{value:,.{digits}f}{unit}" if math.isfinite(value) else NOTHING


def between(estimate: Estimate | None, digits: int, unit: str) -> str:
    """Return an estimate with one sigma."""
    if estimate is None:
        return NOTHING
    return f"{estimate.value:.{digits}f} ± {estimate.sigma:.{digits}f} {unit}"


def people_names(statistics: Statistics) -> dict[Key, str]:
    """Return what each person is called: the id, and the recording where there are more."""
    many = statistics.clock.sources > 1
    return {
        track.key: f"id {track.key[1]}" + (f" in {track.key[0]}" if many else "")
        for track in statistics.tracks
    }


def ran(info: RunInfo | None) -> list[tuple[str, str]]:
    """Return what ran as rows of a table."""
    if info is None:
        return []
    rows = [
        ("Recording", info.source),
        ("Network", info.network),
        ("Hand network", info.hand_network),
        ("Ran on", info.provider),
    ]
    rows += [(name, str(version)) for name, version in sorted(info.versions.items())]
    rows += [(name, _value(value)) for name, value in sorted(info.options.items())]
    return [(name, value) for name, value in rows if value]


def _value(value: Any) -> str:
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def cards(statistics: Statistics, recording: Recording) -> list[Card]:
    """Return the figures at the top."""
    clock, counts = statistics.clock, statistics.counts
    found = [Card(number(clock.images), "pictures" if clock.pictures else "images")]
    if clock.images > 1 and not clock.pictures:
        rate = 1.0 / clock.interval if clock.interval > 0 else math.nan
        found.append(Card(duration(clock.now), "duration", f"{number(rate, 1)} images a second"))
    found.append(
        Card(
            percent(counts.with_people / clock.images if clock.images else math.nan),
            "of images with people",
            f"{counts.with_people:,} of {clock.images:,}",
        )
    )
    most = int(np.nanmax(statistics.in_image.high, initial=0.0))
    if not clock.pictures:
        found.append(Card(number(statistics.tracks.people), "ids", f"up to {most} at once"))
    else:
        found.append(Card(number(counts.people), "people", f"up to {most} in one"))
    if statistics.gestures.counts or not clock.pictures:
        kinds = len({name for name, _ in statistics.gestures.counts})
        note = f"of {kinds} kinds" if kinds > 1 else ""
        found.append(Card(number(statistics.gestures.counts.total()), "gestures", note))
    if statistics.latencies.counts[0]:
        middle, late = 1e3 * statistics.latencies.quantiles(0.5, 0.95)[:, 0]
        found.append(Card(f"{middle:.0f} ms", "latency, median", f"95% within {late:.0f} ms"))
    if recording.images_without_result is not None and recording.images:
        lost = recording.images_without_result
        found.append(
            Card(number(lost), "images without a result", percent(lost / recording.images))
        )
    return found


def duration(seconds: float) -> str:
    """Return how long something took."""
    return f"{seconds:.1f} s" if seconds < 120 else clock_text(seconds)


def notes(statistics: Statistics, info: RunInfo | None) -> list[str]:
    """Return what a reader has to know before the figures are believed."""
    clock, counts = statistics.clock, statistics.counts
    found = []
    if not clock.images:
        return ["There are no results: nothing was looked at."]
    if not counts.with_people:
        found.append("Nobody was found in any image.")
    if clock.rounds > clock.sources:
        times = clock.rounds - clock.sources
        found.append(
            f"Stamps went back {times} time{'s' if times > 1 else ''}, as in a bag that is played "
            "in a loop: time goes on here where they did."
        )
    if clock.skipped:
        found.append(f"{clock.skipped:,} images are missing between those that were looked at.")
    if clock.longest_gap > 2 * clock.hole:
        found.append(f"There is a gap of {duration(clock.longest_gap)} without any image.")
    if len(counts.sizes) > 1:
        sizes = ", ".join(f"{w} x {h}" for (w, h), _ in counts.sizes.most_common(4))
        found.append(f"The images are of {len(counts.sizes)} sizes: {sizes}.")
    if len(statistics.rates) > 1:
        found.append(
            f"People were found with more than one skeleton ({', '.join(statistics.rates)}); the "
            "joints below are those of the most frequent."
        )
    if counts.negative_latencies:
        found.append(
            f"{counts.negative_latencies:,} results were recorded before their image was taken: "
            "the clocks of camera and recorder differ, and latencies mean little."
        )
    if info is None:
        found.append(
            "The recording does not say what ran: network, versions and options are unknown."
        )
    return found


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
                "color": track.key[1] % len(PEOPLE),
                "first": clock_text(track.first)
                if statistics.clock.now >= 120
                else f"{track.first:.1f} s",
                "seconds": duration(there),
                "images": track.images,
                "spans": len(track.spans),
                "score": track.score / track.images,
                "height": between(walk.height if walk else None, 2, "m"),
                "speed": between(walk.speed if walk else None, 2, "m/s"),
                "walked": number(walk.distance, 1, " m") if walk and walk.speed else NOTHING,
                "range": f"{walk.nearest:.1f} to {walk.farthest:.1f} m"
                if walk and walk.farthest > 0
                else NOTHING,
            }
        )
    return rows


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
            rows.append({"name": name.replace("_", " "), "cells": [cell(i)]})
        elif i == min(paired[i]):
            left, right = paired[i]
            words = [w for w in name.split("_") if w not in ("left", "right")]
            rows.append({"name": " ".join(words), "cells": [cell(left), cell(right)]})
    return rows


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
            "person": names.get(held.key, f"id {held.key[1]}"),
            "name": held.name.replace("_", " "),
            "side": held.side or NOTHING,
            "start": clock_text(held.start)
            if statistics.clock.now >= 120
            else f"{held.start:.2f} s",
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
    options = info.options if info else {}
    walks = [motion.walk for motion in statistics.motions.values()]
    heights = any(walk.height for walk in walks)
    given = options.get("person_height")
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
        "up_known": statistics.up_known,
        "moved": len(statistics.camera_way) > 0,
        "sigma": float(np.nanmedian([walk.sigma for walk in walks]))
        if any(math.isfinite(walk.sigma) for walk in walks)
        else math.nan,
    }


def latencies(statistics: Statistics) -> dict[str, str]:
    """Return quantiles of the latency; empty where the results were not live."""
    if not statistics.latencies.counts[0]:
        return {}
    shares = {"median": 0.5, "95% within": 0.95, "99% within": 0.99}
    values = 1e3 * statistics.latencies.quantiles(*shares.values())[:, 0]
    return {name: f"{value:.1f} ms" for name, value in zip(shares, values, strict=True)}


def gallery(
    moments: Moments, statistics: Statistics, names: Mapping[Key, str]
) -> list[dict[str, Any]]:
    """Return the pictures in order of time, each with a caption."""
    ranked = sorted(statistics.tracks, key=lambda track: (-track.images, track.number))
    longest = [track.key for track in ranked]
    chosen = [m for kind in moments.found for m in moments.chosen(kind, longest)]
    return [
        {
            "src": "data:image/jpeg;base64," + base64.b64encode(moment.jpeg).decode("ascii"),
            "width": moment.size[0],
            "height": moment.size[1],
            "caption": caption(moment, names),
            "time": clock_text(moment.time)
            if statistics.clock.now >= 120
            else f"{moment.time:.2f} s",
            "index": moment.index,
            "kind": moment.kind,
        }
        for moment in sorted(chosen, key=lambda m: m.time)
    ]


def caption(moment: Moment, names: Mapping[Key, str]) -> str:
    """Return what a picture shows."""
    person = "" if moment.person is None else names.get(moment.person, f"id {moment.person[1]}")
    if moment.kind == "first":
        return f"{person} is first seen"
    if moment.kind == "gesture":
        name, side = moment.gesture
        return f"{person}: {name.replace('_', ' ')}" + (f", {side}" if side else "") + " starts"
    if moment.kind == "unsure":
        return f"least sure: joints of {person} score {-moment.rank:.2f} on average"
    return f"most people: {moment.rank:.0f}"


def drawings(
    statistics: Statistics, tracks: Sequence[Track], names: Mapping[Key, str]
) -> dict[str, Any]:
    """Return the drawings as safe markup, by name; empty where there is nothing to show."""
    from markupsafe import Markup

    found: dict[str, Any] = dict.fromkeys(("people", "gestures", "floor", "latency"), "")
    if statistics.clock.images:
        found["people"] = plots.people_over_time(statistics, tracks, names)
    if statistics.gestures.held:
        held = _rows_of(statistics.gestures.held)
        found["gestures"] = plots.gesture_timeline(statistics, held, names)
    if any(
        len(statistics.motions[t.key].walk.places) for t in tracks if t.key in statistics.motions
    ):
        found["floor"] = plots.floor_plan(statistics, tracks, names)
    if statistics.latencies.counts[0]:
        found["latency"] = plots.latency(statistics)
    moving = [
        track
        for track in sorted(tracks, key=lambda t: (-t.images, t.number))
        if track.key in statistics.motions
        and np.isfinite(statistics.motions[track.key].angles.mean).any()
    ]
    found["motions"] = []
    if not statistics.clock.pictures:
        for i, track in enumerate(moving[:SHOWN_MOTIONS]):
            svg = plots.joint_motion(statistics, track, names[track.key], i)
            found["motions"].append((names[track.key], Markup(svg)))  # noqa: S704 - our own
    return {
        name: Markup(svg) if isinstance(svg, str) else svg  # noqa: S704 - our own
        for name, svg in found.items()
    }


def _rows_of(held: Iterable[Any]) -> list[Any]:
    """Return the gestures of the first rows of a timeline."""
    rows: dict[Any, None] = {}
    kept = []
    for one in held:
        row = (one.key, one.name, one.side)
        if row in rows or len(rows) < GESTURE_ROWS:
            rows[row] = None
            kept.append(one)
    return kept
