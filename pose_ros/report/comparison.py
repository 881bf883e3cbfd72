"""Two sets of results of one recording side by side, as a page."""

from __future__ import annotations

import base64
import math
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pose_ros.core.results import Result, RunInfo
from pose_ros.core.timeline import NANOSECONDS
from pose_ros.core.types import Channels, Image
from pose_ros.report import page, words
from pose_ros.report.agreement import Agreement, match_gestures
from pose_ros.report.builder import check_installed, scale_known, write_page
from pose_ros.report.difference_plots import distances, over_time
from pose_ros.report.gesture_log import Held
from pose_ros.report.moments import APART, Seen
from pose_ros.report.options import RecordingFacts, ReportOptions
from pose_ros.report.statistics import Statistics

_MOMENTS = 6


@dataclass
class _Apart:
    """An image in which the two disagree."""

    time: float
    index: int
    similarity: float
    jpegs: tuple[bytes, bytes]
    size: tuple[int, int]


class ComparisonBuilder:
    """Takes in results of two runs, image by image, and writes a page about both.

    Args:
        infos: What ran; None where it is unknown.
        names: What the two are called on the page.
        options: What the page shows.

    Raises:
        RuntimeUnavailableError: matplotlib or jinja2 is not installed.
    """

    def __init__(
        self,
        infos: tuple[RunInfo | None, RunInfo | None],
        names: tuple[str, str],
        options: ReportOptions | None = None,
    ) -> None:
        check_installed()
        self.infos, self.names = infos, names
        self.options = options or ReportOptions()
        self.sides = tuple(
            Statistics(self.options.joints, scale_known=scale_known(info)) for info in infos
        )
        self.agreement = Agreement(self.options.joints)
        self._apart: list[_Apart] = []
        self._first: int | None = None

    def add(
        self,
        a: Result | None,
        b: Result | None,
        image: Image | None = None,
        channels: Channels = "rgb",
    ) -> None:
        """Take in what both found in the next image.

        Args:
            a: The first one's; None where it did not look.
            b: The second one's, of an image with the same stamp.
            image: (H, W, 3) uint8 that they are of; it is not changed.
            channels: Order of the image's color channels.
        """
        for side, result in zip(self.sides, (a, b), strict=True):
            if result is not None:
                side.add(result)
                self._first = result.nanoseconds if self._first is None else self._first
        if a is None or b is None or self._first is None:
            return
        time = (a.nanoseconds - self._first) / NANOSECONDS
        least = self.agreement.add(time, a.poses, b.poses)
        if image is not None and self.options.pictures and least < 1.0:
            self._look(Seen(a, image, channels, time), Seen(b, image, channels, time), least)

    def _look(self, a: Seen, b: Seen, least: float) -> None:
        """Keep the images in which the two are least alike; of neighbors only one."""
        near = [kept for kept in self._apart if abs(kept.time - a.time) < APART]
        rivals = near or (self._apart if len(self._apart) >= _MOMENTS else [])
        if rivals:
            if least >= min(kept.similarity for kept in rivals) and near:
                return
            worst = max(rivals, key=lambda kept: kept.similarity)
            if least >= worst.similarity:
                return
            for kept in near or [worst]:
                self._apart.remove(kept)
        pictures = a.picture, b.picture
        jpegs = pictures[0][0], pictures[1][0]
        self._apart.append(_Apart(a.time, a.result.index, least, jpegs, pictures[0][1]))

    def html(
        self,
        recordings: tuple[RecordingFacts, RecordingFacts] = (RecordingFacts(), RecordingFacts()),
    ) -> str:
        """Return the page. The same results make the same page."""
        a, b = self.sides
        context = {
            "title": self.options.title or f"{self.names[0]} and {self.names[1]}",
            "names": self.names,
            "notes": self._notes(recordings),
            "cards": self._cards(),
            "facts": self._facts(),
            "settings": self._settings(),
            "joints": self._joints(),
            "angles": self._angles(),
            "gestures": self._gestures(),
            "moments": self._moments(max(a.clock.now, b.clock.now)),
            "plot": self._agreement() if self.agreement.images > 1 else "",
            "distances": self._distances() if self.agreement.matched else "",
            "agreement": self.agreement,
        }
        return str(page.template("comparison.html.j2").render(context))

    def write(
        self,
        path: str | os.PathLike[str],
        recordings: tuple[RecordingFacts, RecordingFacts] = (RecordingFacts(), RecordingFacts()),
    ) -> None:
        """Write the page; the file is there when it is complete.

        Raises:
            OutputError: It cannot be written.
        """
        write_page(Path(path), self.html(recordings))

    def _notes(self, recordings: tuple[RecordingFacts, RecordingFacts]) -> list[str]:
        notes = [
            f"{name}: {line}"
            for name, recording in zip("AB", recordings, strict=True)
            for line in recording.lost
        ]
        for letter, side in zip("AB", self.sides, strict=True):
            alone = side.clock.images - self.agreement.images
            if alone:
                notes.append(
                    f"{alone:,} images were looked at in {letter} alone: they count in its own "
                    "figures and not in how the two agree."
                )
        if not self.agreement.images:
            notes.append("No image was looked at in both: no two stamps are the same.")
        return notes

    def _cards(self) -> list[page.KeyFigure]:
        agreement = self.agreement
        images, people = agreement.images, agreement.matched
        everybody = people + agreement.only_a + agreement.only_b
        middle = float(agreement.similarities.quantiles(0.5)[0, 0])
        return [
            page.KeyFigure(words.number(images), "images in both"),
            page.KeyFigure(
                words.percent(agreement.same_count / images if images else math.nan),
                "of these with the same number of people",
            ),
            page.KeyFigure(
                words.percent(people / everybody if everybody else math.nan),
                "of people found by both",
                f"{agreement.only_a:,} by A alone, {agreement.only_b:,} by B alone",
            ),
            page.KeyFigure(
                words.number(middle, 2), "similarity, median", "OKS of people found by both"
            ),
        ]

    def _facts(self) -> list[tuple[str, str, str]]:
        """Return rows of what each found."""
        rows: list[tuple[str, list[str]]] = []

        def row(name: str, values: list[str]) -> None:
            rows.append((name, values))

        sides = self.sides
        row("Images", [words.number(s.clock.images) for s in sides])
        row(
            "Images with people",
            [
                words.percent(s.counts.with_people / s.clock.images if s.clock.images else math.nan)
                for s in sides
            ],
        )
        row("People, counted in each image", [words.number(s.counts.people) for s in sides])
        row("Ids", [words.number(s.tracks.people) for s in sides])
        row("Hands, counted in each image", [words.number(s.counts.hands) for s in sides])
        row("Gestures", [words.number(s.gestures.counts.total()) for s in sides])
        row("People with meters", [words.number(s.counts.with_meters) for s in sides])
        row(
            "Joints found, of all",
            [
                words.percent(float(np.mean(s.main_rates.rates)) if s.main_rates else math.nan)
                for s in sides
            ],
        )
        row("Skeleton", [s.main_rates.skeleton.name if s.main_rates else "" for s in sides])
        return [(name, values[0], values[1]) for name, values in rows if values != ["0", "0"]]

    def _settings(self) -> list[dict[str, Any]]:
        """Return what ran, those rows first in which the two differ."""
        tables = [dict(words.ran(info)) for info in self.infos]
        rows: list[dict[str, Any]] = [
            {"name": name, "values": (tables[0].get(name, ""), tables[1].get(name, ""))}
            for name in dict.fromkeys([*tables[0], *tables[1]])
        ]
        for one in rows:
            one["differs"] = one["values"][0] != one["values"][1]
        return sorted(rows, key=lambda one: not one["differs"])

    def _joints(self) -> list[dict[str, Any]]:
        rates = [side.main_rates for side in self.sides]
        rows = []
        for name, joint in self.agreement.joints.items():
            shares = [
                float(r.rates[r.skeleton.index(name)])
                if r is not None and name in r.skeleton.keypoints
                else math.nan
                for r in rates
            ]
            scores = [
                float(r.score_quantiles(0.5)[0, r.skeleton.index(name)])
                if r is not None and name in r.skeleton.keypoints
                else math.nan
                for r in rates
            ]
            middle, far = joint.distances.quantiles(0.5, 0.95)[:, 0]
            rows.append(
                {
                    "name": name.replace("_", " "),
                    "shares": shares,
                    "scores": [words.number(score, 2) for score in scores],
                    "distance": words.number(100 * float(middle), 1, "%"),
                    "far": words.number(100 * float(far), 1, "%"),
                    "pixels": words.number(float(joint.pixels.quantiles(0.5)[0, 0]), 1, " px"),
                }
            )
        return rows

    def _angles(self) -> list[dict[str, str]]:
        rows = []
        for name, histogram in self.agreement.angles.items():
            middle, far = histogram.quantiles(0.5, 0.95)[:, 0]
            if math.isfinite(middle):
                rows.append(
                    {
                        "name": name.replace("_", " "),
                        "middle": words.number(float(middle), 1, "°"),
                        "far": words.number(float(far), 1, "°"),
                    }
                )
        return rows

    def _gestures(self) -> list[dict[str, Any]]:
        shifted = [self._shifted(side) for side in self.sides]
        counts = match_gestures(*shifted)
        return [
            {
                "name": name.replace("_", " "),
                "side": side or words.NOTHING,
                "both": count["both"],
                "a": count["a"],
                "b": count["b"],
            }
            for (name, side), count in sorted(counts.items())
        ]

    def _shifted(self, side: Statistics) -> list[Held]:
        """Return the gestures of one side in seconds from the first image of either."""
        shift = (side.clock.first_nanoseconds - (self._first or 0)) / NANOSECONDS
        return [
            replace(held, start=held.start + shift, end=held.end + shift)
            for held in side.gestures.held
        ]

    def _moments(self, end: float) -> list[dict[str, Any]]:
        return [
            {
                "sources": [
                    "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")
                    for jpeg in one.jpegs
                ],
                "width": one.size[0],
                "height": one.size[1],
                "time": words.moment_text(one.time, end),
                "similarity": "a person is found by one alone"
                if one.similarity == 0.0
                else f"similarity {one.similarity:.2f}",
            }
            for one in sorted(self._apart, key=lambda kept: kept.time)
        ]

    def _distances(self) -> Any:
        from markupsafe import Markup

        return Markup(distances(self.agreement.joints).svg())  # noqa: S704 - our own

    def _agreement(self) -> Any:
        from markupsafe import Markup

        return Markup(over_time(self.agreement).svg())  # noqa: S704 - our own
