"""Gathers results and writes them as a page: its figures, notes, pictures and drawings."""

from __future__ import annotations

import base64
import contextlib
import importlib.util
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pose_ros.core.camera import Float64Array
from pose_ros.core.results import Result, RunInfo
from pose_ros.core.types import Channels, Image
from pose_ros.errors import OutputError, RuntimeUnavailableError, printable
from pose_ros.report import plots, tables
from pose_ros.report.moments import Moment, Moments, Seen
from pose_ros.report.places import CHAIN_SHARE, CameraPlacement
from pose_ros.report.plots import Drawing
from pose_ros.report.statistics import Key, Statistics, Track
from pose_ros.report.tables import (
    RecordingFacts,
    duration,
    is_main,
    moment_text,
    name_without_body,
    number,
    option,
    percent,
    run_rows,
)
from pose_ros.settings.outputs import ReportOptions, parse_joints

PLOTS = ("people", "gestures", "floor", "latency", "angles_*", "isb_*")
"""Names, as patterns, of the files that ``ReportBuilder.write_plots`` may write."""

_NEEDED = ("jinja2", "matplotlib")
SHOWN_PEOPLE = 20
SHOWN_MOTIONS = 3
_BASES = {
    "camera": "joints that a depth camera or several cameras measured",
    "world": "the network's metric shape of the body",
    "image": "the picture alone, so they are angles as they are seen",
}


def check_installed() -> None:
    """Check that what draws reports is there, before a long run and not after it.

    Raises:
        RuntimeUnavailableError: It is not.
    """
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise RuntimeUnavailableError(
            f"reports and plots need {' and '.join(missing)}: pip install 'pose_ros[report]'"
        )


class ReportBuilder:
    """Takes in results one by one and writes a page about them.

    What it keeps does not grow with the recording: some megabytes, and the pictures.

    Args:
        info: What ran; None where it is unknown, as of a bag that was recorded live.
        options: What the page shows.
        name: What the recording is called, where ``info`` does not say.
        others: Further cameras whose people were fused with the first one's, by name: (4, 4) that
            takes meters of their optical frame to that of the first one.

    Raises:
        RuntimeUnavailableError: matplotlib or jinja2 is not installed.
    """

    def __init__(
        self,
        info: RunInfo | None,
        options: ReportOptions | None = None,
        name: str = "",
        *,
        others: Mapping[str, Float64Array] | None = None,
    ) -> None:
        check_installed()
        self.info = info
        self.options = options or ReportOptions()
        self._title = self.options.title or (info.source if info else "") or name or "Results"
        joints = parse_joints(self.options.joints)
        self.statistics = Statistics(
            joints,
            scale_known=scale_known(info),
            others=others,
            camera_names=info.cameras if info else (),
        )
        self.moments = Moments()

    def add(
        self,
        result: Result,
        image: Image | None = None,
        channels: Channels = "rgb",
        *,
        up: NDArray[np.floating] | None = None,
        placement: CameraPlacement | None = None,
        latency: float | None = None,
    ) -> None:
        """Take in the next result.

        Args:
            result: In the order of its recording.
            image: (H, W, 3) uint8 that it is of, for pictures of moments; it is not changed.
            channels: Order of the image's color channels.
            up: (3,) against gravity in the image's optical frame, where that is known.
            placement: Where the camera was, in a frame with z up that stays, where that is
                known: people are then placed, and their walk is measured, in it.
            latency: Seconds after its stamp at which a live result was recorded.
        """
        added = self.statistics.add(result, up=up, placement=placement, latency=latency)
        if image is not None and self.options.pictures:
            self.moments.look(
                Seen(result, image, channels, added.time),
                new=added.new,
                started=added.started,
                people=added.people,
            )

    def html(self, recording: RecordingFacts | None = None) -> str:
        """Return the page. The same results make the same page."""
        known = recording or RecordingFacts()
        return render(self.info, self._title, self.statistics, self.moments, known)

    def write_plots(self, folder: str | os.PathLike[str]) -> None:
        """Write the page's drawings as PNG files: ``people.png``, ``angles_id_0.png``, ....

        Args:
            folder: It is there already.

        Raises:
            OutputError: One cannot be written.
        """
        for name, drawing in drawings(self.statistics):
            path = Path(folder) / f"{name}.png"
            try:
                path.write_bytes(drawing.png())
            except OSError as error:
                raise OutputError(f"cannot write {path.name}: {error.strerror}") from error

    def write(self, path: str | os.PathLike[str], recording: RecordingFacts | None = None) -> None:
        """Write the page; the file is there when it is complete.

        Args:
            path: Of the file, which is replaced.
            recording: What is known now that all has been read.

        Raises:
            OutputError: It cannot be written.
        """
        write_page(Path(path), self.html(recording))


def write_page(path: Path, page: str) -> None:
    """Write a file that is there when it is complete.

    Raises:
        OutputError: It cannot be written.
    """
    partial = path.with_name(f"{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(page, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise OutputError(f"cannot write {path}: {error.strerror}") from error


def scale_known(info: RunInfo | None) -> bool:
    """Return whether meters of the model follow from more than an assumed height."""
    return bool(option(info, "camera_height"))


@dataclass(frozen=True)
class KeyFigure:
    """A figure at the top of the page."""

    value: str
    label: str
    note: str = ""


def render(
    info: RunInfo | None,
    title: str,
    statistics: Statistics,
    moments: Moments,
    recording: RecordingFacts,
) -> str:
    """Return a page about one recording."""
    tracks = statistics.tracks.longest(SHOWN_PEOPLE)
    names = tables.people_names(statistics)
    facts = run_rows(info)
    context = {
        "title": title,
        "info": info,
        "ran": [fact for fact in facts if is_main(fact[0])],
        "ran_options": [fact for fact in facts if not is_main(fact[0])],
        "hidden_motions": statistics.tracks.people > SHOWN_MOTIONS,
        "chain": CHAIN_SHARE,
        "cards": cards(statistics, recording),
        "notes": [*recording.lost, *notes(statistics, info, recording)],
        "people": tables.people(statistics, tracks, names),
        "hidden_people": statistics.tracks.people - len(tracks),
        "joints": tables.joint_table(statistics.main_rates),
        "rates": statistics.main_rates,
        "gestures": tables.gestures(statistics, names),
        "angles": tables.angle_table(statistics),
        "basis": _BASES.get(statistics.main_basis or "", ""),
        "meters": tables.meters(statistics, info),
        "latency": tables.latencies(statistics),
        "cameras": tables.fused_cameras(statistics, recording),
        "recording": recording,
        "moments": gallery(moments, statistics, names),
        "plots": _markup(statistics),
    }
    return str(template("report.html.j2").render(context))


def _on_one_line(value: Any) -> Any:
    """Return a text of a recording as a page can show it: control characters are escaped."""
    return value if type(value) is not str else printable(value)


def template(name: str) -> Any:
    """Return a template of this folder; all values in it are escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        finalize=_on_one_line,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "number": number}
    return environment.get_template(name)


def cards(statistics: Statistics, recording: RecordingFacts) -> list[KeyFigure]:
    """Return the figures at the top."""
    clock, counts = statistics.clock, statistics.counts
    found = [KeyFigure(number(clock.images), _images(statistics))]
    if clock.images > 1 and not clock.pictures:
        rate = 1.0 / clock.interval if clock.interval > 0 else math.nan
        found.append(
            KeyFigure(duration(clock.now), "duration", f"{number(rate, 1)} images a second")
        )
    found.append(
        KeyFigure(
            percent(counts.with_people / clock.images if clock.images else math.nan),
            "of images with people",
            f"{counts.with_people:,} of {clock.images:,}",
        )
    )
    most = int(np.nanmax(statistics.in_image.high, initial=0.0))
    if not clock.pictures:
        ids = statistics.tracks.people
        found.append(KeyFigure(number(ids), "id" if ids == 1 else "ids", f"up to {most} at once"))
    else:
        found.append(KeyFigure(number(counts.people), "people", f"up to {most} in one"))
    if statistics.gestures.counts or not clock.pictures:
        kinds = len({name for name, _ in statistics.gestures.counts})
        note = f"of {kinds} kinds" if kinds > 1 else ""
        found.append(KeyFigure(number(statistics.gestures.counts.total()), "gestures", note))
    if statistics.latencies.counts[0]:
        middle, late = 1e3 * statistics.latencies.quantiles(0.5, 0.95)[:, 0]
        found.append(KeyFigure(f"{middle:.0f} ms", "latency, median", f"95% within {late:.0f} ms"))
    if recording.images_without_result is not None and recording.images:
        lost = recording.images_without_result
        found.append(
            KeyFigure(number(lost), "images without a result", percent(lost / recording.images))
        )
    return found


def _images(statistics: Statistics) -> str:
    word = "picture" if statistics.clock.pictures else "image"
    return word if statistics.clock.images == 1 else f"{word}s"


def notes(statistics: Statistics, info: RunInfo | None, recording: RecordingFacts) -> list[str]:
    """Return what a reader has to know before the figures are believed."""
    clock, counts = statistics.clock, statistics.counts
    found = []
    if not clock.images:
        return ["There are no results: nothing was looked at."]
    if not counts.with_people:
        found.append("No person was found in any image.")
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
        what = (
            "versions and options are" if recording.network else "network, versions and options are"
        )
        found.append(f"The recording does not say what ran: {what} unknown.")
    return found


def gallery(
    moments: Moments, statistics: Statistics, names: Mapping[Key, str]
) -> list[dict[str, Any]]:
    """Return the pictures in order of time; what is to be seen in one of them stands below it."""
    ranked = sorted(statistics.tracks, key=lambda track: (-track.images, track.number))
    longest = [track.key for track in ranked]
    pictures: dict[float, list[Moment]] = {}
    for kind in moments.found:
        for moment in moments.chosen(kind, longest):
            pictures.setdefault(moment.time, []).append(moment)
    end = statistics.clock.now
    return [
        {
            "src": "data:image/jpeg;base64," + base64.b64encode(of[0].jpeg).decode("ascii"),
            "width": of[0].size[0],
            "height": of[0].size[1],
            "caption": captions(of, names),
            "time": f"picture {of[0].index + 1}"
            if statistics.clock.pictures
            else moment_text(time, end),
        }
        for time, of in sorted(pictures.items())
    ]


def captions(moments: Sequence[Moment], names: Mapping[Key, str]) -> str:
    """Return what a picture shows of which several things are worth telling."""

    def name(moment: Moment) -> str:
        key = moment.person
        return "" if key is None else names.get(key) or name_without_body(key)

    new = [name(moment) for moment in moments if moment.kind == "first"]
    shown = [f"{', '.join(new)} first seen"] if new else []
    for moment in moments:
        if moment.kind == "gesture":
            gesture, side = moment.gesture
            words = f"{gesture.replace('_', ' ')} {side}".rstrip()
            shown.append(f"{name(moment)} starts: {words}")
        elif moment.kind == "unsure":
            shown.append(f"least sure, joints of {name(moment)} score {-moment.rank:.2f}")
        elif moment.kind == "crowd":
            shown.append(f"most people, {moment.rank:.0f}")
    return "; ".join(shown)


def drawings(statistics: Statistics) -> list[tuple[str, Drawing]]:
    """Return the drawings of a page in their order, each with the name of its file.

    Those of joints are of the people who were there for longest.
    """
    tracks, names = statistics.tracks.longest(SHOWN_PEOPLE), tables.people_names(statistics)
    found: list[Drawing] = []
    if statistics.clock.images:
        found.append(plots.people_over_time(statistics, tracks, names))
    if statistics.gestures.held:
        found.append(plots.gesture_timeline(statistics, statistics.gestures.held, names))
    if any(
        len(statistics.motions[t.key].walk.places) for t in tracks if t.key in statistics.motions
    ):
        found.append(plots.floor_plan(statistics, tracks, names))
    if statistics.latencies.counts[0]:
        found.append(plots.latency(statistics))
    named = [(drawing.name, drawing) for drawing in found]
    if not statistics.clock.pictures:
        for i, track in enumerate(_moving(statistics, tracks)[:SHOWN_MOTIONS]):
            name = names[track.key]
            motion = plots.joint_motion(statistics, track, name, i)
            named.append((f"angles_{name.replace(' ', '_')}", motion))
            if np.isfinite(statistics.motions[track.key].anatomical.mean).any():
                motion = plots.anatomical_motion(statistics, track, name, i)
                named.append((f"isb_{name.replace(' ', '_')}", motion))
    return named


def _moving(statistics: Statistics, tracks: Sequence[Track]) -> list[Track]:
    """Return those whose joints are known, who was there for longest first."""
    return [
        track
        for track in sorted(tracks, key=lambda t: (-t.images, t.number))
        if track.key in statistics.motions
        and np.isfinite(statistics.motions[track.key].angles.mean).any()
    ]


def _markup(statistics: Statistics) -> dict[str, Any]:
    """Return the drawings as safe markup, by name; empty where there is nothing to show."""
    found: dict[str, Any] = dict.fromkeys(("people", "gestures", "floor", "latency"), "")
    found["motions"], found["anatomical"] = [], []
    for name, drawing in drawings(statistics):
        svg = drawing.markup()
        if drawing.name in found:
            found[drawing.name] = svg
        else:
            kind, _, who = name.partition("_")
            group = "motions" if kind == "angles" else "anatomical"
            found[group].append((who.replace("_", " "), svg))
    return found
