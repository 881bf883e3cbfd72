"""Two sets of results of one recording side by side: how much they agree, as a page."""

from __future__ import annotations

import base64
import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pose_ros.core.camera import Float64Array
from pose_ros.core.joint_angles import joint_angles, triples
from pose_ros.core.results import Result, RunInfo
from pose_ros.core.skeletons import COCO_KEYPOINTS, oks
from pose_ros.core.timeline import NANOSECONDS
from pose_ros.core.tracking import best_pairs
from pose_ros.core.types import Channels, Image, Poses
from pose_ros.errors import printable
from pose_ros.report.moments import APART, Seen
from pose_ros.report.page import KeyFigure, check_installed, scale_known, template, write_page
from pose_ros.report.plots import ACCENT, INK, WARM, WIDTH, Drawing, hide_time_labels, time_axis
from pose_ros.report.series import Histogram, Series
from pose_ros.report.statistics import GestureSpan, Statistics
from pose_ros.report.tables import NOTHING, RecordingFacts, moment_text, number, percent, run_rows
from pose_ros.settings.outputs import ReportOptions, parse_joints

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SAME_PERSON = 0.3
"""Least similarity of two people who are taken for the same one."""

SEGMENT_SHARE = 0.53
"""Of the box around a person that the person covers: what COCO's areas are on average."""

_DISTANCES = np.concatenate([[0.0], np.geomspace(1e-4, 10.0, 600)])  # of a size, 2% apart
_SHARES = np.linspace(0.0, 1.0, 201)
_DEGREES = np.arange(0.0, 181.0, 0.5)
_JOINT_ROW = 20.0
_MOMENTS = 6


@dataclass
class JointAgreement:
    """One joint of the people that both found.

    Attributes:
        both: In how many of them both found it.
        only_a: Only the first did.
        only_b: Only the second did.
        distances: Between the two, in sizes of the person.
        pixels: The same in pixels.
    """

    both: int = 0
    only_a: int = 0
    only_b: int = 0
    distances: Histogram = field(default_factory=lambda: Histogram(_DISTANCES))
    pixels: Histogram = field(default_factory=lambda: Histogram(1000.0 * _DISTANCES))


class Agreement:
    """Compares results image by image, in bounded memory.

    Args:
        joints: Whose angles are compared, as in ``ReportOptions``.

    Attributes:
        images: In how many images both looked.
        matched: How many people both found, each counted in each image.
        only_a: People that only the first found, in images at which both looked.
        only_b: People that only the second found.
        same_count: In how many images both found the same number of people.
        joints: By name, those that both skeletons have.
        angles: By name, how far the two differ, degrees.
        similarity: OKS of the people of an image that both found, their mean, over time.
        counts: How many people each of the two found, over time.
    """

    def __init__(self, joints: tuple[str, ...]) -> None:
        self._asked = joints
        self.images = self.matched = self.only_a = self.only_b = self.same_count = 0
        self.joints: dict[str, JointAgreement] = {}
        self.angles: dict[str, Histogram] = {}
        self.similarity = Series(1)
        self.similarities = Histogram(_SHARES)
        self.counts = Series(2)

    def add(self, time: float, a: Poses, b: Poses) -> float:
        """Take in what both found in one image; returns the least OKS of who is in it.

        A person that only one of them found counts as 0; it is 1 where both found no person.
        """
        self.images += 1
        self.same_count += len(a) == len(b)
        self.counts.add(time, [len(a), len(b)])
        names = [name for name in a.skeleton.keypoints if name in b.skeleton.keypoints]
        ia = np.array([a.skeleton.index(name) for name in names], np.intp)
        ib = np.array([b.skeleton.index(name) for name in names], np.intp)
        found_a, found_b = a.found[:, ia], b.found[:, ib]
        xy_a = a.keypoints[:, ia].astype(np.float64)
        xy_b = b.keypoints[:, ib].astype(np.float64)
        table = np.array(
            [
                [
                    similarity(names, xy_a[i], xy_b[j], found_a[i] & found_b[j])
                    for j in range(len(b))
                ]
                for i in range(len(a))
            ]
        ).reshape(len(a), len(b))
        rows, columns = best_pairs(table, maximize=True)
        pairs = [(i, j) for i, j in zip(rows, columns, strict=True) if table[i, j] >= SAME_PERSON]
        self.matched += len(pairs)
        self.only_a += len(a) - len(pairs)
        self.only_b += len(b) - len(pairs)
        for i, j in pairs:
            self.similarities.add(table[i, j])
            self._compare_joints(names, (xy_a[i], found_a[i]), (xy_b[j], found_b[j]))
            self._compare_angles(a, b, int(i), int(j))
        values = [float(table[i, j]) for i, j in pairs]
        self.similarity.add(time, [float(np.mean(values)) if values else np.nan])
        alone = len(pairs) < max(len(a), len(b))
        return 0.0 if alone else min(values, default=1.0)

    def _compare_joints(
        self,
        names: Sequence[str],
        a: tuple[Float64Array, NDArray[np.bool_]],
        b: tuple[Float64Array, NDArray[np.bool_]],
    ) -> None:
        (xy_a, in_a), (xy_b, in_b) = a, b
        size = person_size(xy_a, xy_b, in_a & in_b)
        apart = np.hypot(*(xy_a - xy_b).T)
        for k, name in enumerate(names):
            joint = self.joints.setdefault(name, JointAgreement())
            joint.both += bool(in_a[k] and in_b[k])
            joint.only_a += bool(in_a[k] and not in_b[k])
            joint.only_b += bool(in_b[k] and not in_a[k])
            if in_a[k] and in_b[k]:
                joint.distances.add(apart[k] / size)
                joint.pixels.add(apart[k])

    def _compare_angles(self, a: Poses, b: Poses, i: int, j: int) -> None:
        measured = []
        for poses, k in ((a, i), (b, j)):
            corners = triples(poses.skeleton, self._asked)
            indices = np.array(list(corners.values()), np.intp).reshape(-1, 3)
            values, _ = joint_angles(poses[k], poses.found[k], indices)
            measured.append(dict(zip(corners, values.tolist(), strict=True)))
        for name, value in measured[0].items():
            if name in measured[1]:
                self.angles.setdefault(name, Histogram(_DEGREES)).add(
                    abs(value - measured[1][name])
                )


def person_size(a: Float64Array, b: Float64Array, both: NDArray[np.bool_]) -> float:
    """Return the size of a person that both found, pixels: the root of the box's area.

    Args:
        a: (K, 2) pixels.
        b: The other's.
        both: (K,) joints that both found; the box is around these.
    """
    sides = [np.ptp(xy[both], axis=0) if both.any() else np.zeros(2) for xy in (a, b)]
    areas = [max(float(side[0] * side[1]), 1.0) for side in sides]
    return float((areas[0] * areas[1]) ** 0.25)


def similarity(
    names: Sequence[str], a: Float64Array, b: Float64Array, both: NDArray[np.bool_]
) -> float:
    """Return COCO's object keypoint similarity of two people over the joints that both have.

    Args:
        names: K joints.
        a: (K, 2) pixels.
        b: The other's.
        both: (K,) which joints both found; at least three, or the two are not alike.
    """
    known = {name: k for k, name in enumerate(names) if both[k]}
    common = [name for name in COCO_KEYPOINTS if name in known]
    if len(common) < 3:
        return 0.0
    rows = [COCO_KEYPOINTS.index(name) for name in common]
    columns = [known[name] for name in common]
    found, truth = np.full((2, len(COCO_KEYPOINTS), 2), np.nan)
    found[rows], truth[rows] = a[columns], b[columns]
    visible = np.zeros(len(COCO_KEYPOINTS), bool)
    visible[rows] = True
    area = SEGMENT_SHARE * person_size(a, b, both) ** 2
    return oks(found, truth, visible, area)


def match_gestures(
    a: Sequence[GestureSpan], b: Sequence[GestureSpan]
) -> dict[tuple[str, str], Counter[str]]:
    """Count gestures that both, or only one of them, reported.

    Two are the same when name and side are, and they overlap in time; whose they are is not
    asked, since ids differ.

    Args:
        a: With times of the same clock as those of ``b``.
        b: The other's.

    Returns:
        By name and side: how many ``both``, ``a`` alone and ``b`` alone reported.
    """
    left = list(b)
    counts: dict[tuple[str, str], Counter[str]] = {}
    for held in a:
        row = counts.setdefault((held.name, held.side), Counter())
        partner = next((other for other in left if _same(held, other)), None)
        row["a" if partner is None else "both"] += 1
        if partner is not None:
            left.remove(partner)
    for held in left:
        counts.setdefault((held.name, held.side), Counter())["b"] += 1
    return counts


def _same(a: GestureSpan, b: GestureSpan) -> bool:
    same = (a.name, a.side) == (b.name, b.side)
    return same and a.start <= b.end and b.start <= a.end


def over_time(agreement: Agreement) -> Drawing:
    """Draw how many people each found, and how similar those are that both found."""
    end = float(agreement.counts.ends[-1])

    def paint(figure: Figure) -> None:
        above, below = figure.subplots(2, 1, sharex=True)
        counts = agreement.counts
        for column, (color, style) in enumerate(((ACCENT, "-"), (WARM, (0, (4, 2))))):
            mean = counts.mean[:, column]
            above.step(counts.times, mean, where="mid", color=color, linestyle=style)
        above.set_title("People in the image")
        most = max(1, int(np.nanmax(counts.high, initial=1.0)))
        above.set_ylim(0, 1.15 * most)
        above.set_yticks(sorted({0, max(1, most // 2), most}))
        alike = agreement.similarity
        below.plot(alike.times, alike.mean[:, 0], color=ACCENT)
        if alike.stride > 1:
            low, high = alike.low[:, 0], alike.high[:, 0]
            below.fill_between(alike.times, low, high, color=ACCENT, alpha=0.25, linewidth=0)
        below.set_title("Similarity of people found by both")
        below.set_ylim(0, 1.05)
        time_axis(below, end)
        hide_time_labels([above])

    label = "How many people A and B found over time, and how similar those are that both found"
    return Drawing("agreement", label, (WIDTH, 300), paint)


def distances(joints: Mapping[str, JointAgreement]) -> Drawing:
    """Draw how far apart the two put each joint: the median as a dot, up to the 95th percentile."""
    rows = [
        (printable(name.replace("_", " ")), *(100.0 * joint.distances.quantiles(0.5, 0.95)[:, 0]))
        for name, joint in joints.items()
        if joint.both
    ]

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        for row, (_, middle, far) in enumerate(rows):
            axes.plot([middle, far], [row, row], color=ACCENT, linewidth=3, alpha=0.45)
            axes.plot(middle, row, "o", color=ACCENT, markersize=6)
        axes.set_yticks(range(len(rows)), [name for name, _, _ in rows])
        axes.tick_params(axis="y", labelcolor=INK)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlim(left=0)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel("distance between A and B, % of the person's size")

    label = "Distance between A and B by joint, median and 95th percentile"
    return Drawing("distances", label, (WIDTH, 60 + _JOINT_ROW * len(rows)), paint)


@dataclass
class _Disagreement:
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
        joints = parse_joints(self.options.joints)
        self.sides = tuple(Statistics(joints, scale_known=scale_known(info)) for info in infos)
        self.agreement = Agreement(joints)
        self._apart: list[_Disagreement] = []
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
        self._apart.append(_Disagreement(a.time, a.result.index, least, jpegs, pictures[0][1]))

    def html(
        self,
        recordings: tuple[RecordingFacts, RecordingFacts] = (RecordingFacts(), RecordingFacts()),
    ) -> str:
        """Return the page. The same results make the same page."""
        a, b = self.sides
        joints = self.agreement.joints
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
            "plot": over_time(self.agreement).markup() if self.agreement.images > 1 else "",
            "distances": distances(joints).markup() if self.agreement.matched else "",
            "agreement": self.agreement,
        }
        return str(template("comparison.html.j2").render(context))

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

    def _cards(self) -> list[KeyFigure]:
        agreement = self.agreement
        images, people = agreement.images, agreement.matched
        everybody = people + agreement.only_a + agreement.only_b
        middle = float(agreement.similarities.quantiles(0.5)[0, 0])
        return [
            KeyFigure(number(images), "images in both"),
            KeyFigure(
                percent(agreement.same_count / images if images else math.nan),
                "of these with the same number of people",
            ),
            KeyFigure(
                percent(people / everybody if everybody else math.nan),
                "of people found by both",
                f"{agreement.only_a:,} by A alone, {agreement.only_b:,} by B alone",
            ),
            KeyFigure(number(middle, 2), "similarity, median", "OKS of people found by both"),
        ]

    def _facts(self) -> list[tuple[str, str, str]]:
        """Return rows of what each found."""
        rows: list[tuple[str, list[str]]] = []

        def row(name: str, values: list[str]) -> None:
            rows.append((name, values))

        sides = self.sides
        row("Images", [number(s.clock.images) for s in sides])
        row(
            "Images with people",
            [
                percent(s.counts.with_people / s.clock.images if s.clock.images else math.nan)
                for s in sides
            ],
        )
        row("People, counted in each image", [number(s.counts.people) for s in sides])
        row("Ids", [number(s.tracks.people) for s in sides])
        row("Hands, counted in each image", [number(s.counts.hands) for s in sides])
        row("Gestures", [number(s.gestures.counts.total()) for s in sides])
        row("People with meters", [number(s.counts.with_meters) for s in sides])
        row(
            "Joints found, of all",
            [
                percent(float(np.mean(s.main_rates.rates)) if s.main_rates else math.nan)
                for s in sides
            ],
        )
        row("Skeleton", [s.main_rates.skeleton.name if s.main_rates else "" for s in sides])
        return [(name, values[0], values[1]) for name, values in rows if values != ["0", "0"]]

    def _settings(self) -> list[dict[str, Any]]:
        """Return what ran, those rows first in which the two differ."""
        tables = [dict(run_rows(info)) for info in self.infos]
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
                    "scores": [number(score, 2) for score in scores],
                    "distance": number(100 * float(middle), 1, "%"),
                    "far": number(100 * float(far), 1, "%"),
                    "pixels": number(float(joint.pixels.quantiles(0.5)[0, 0]), 1, " px"),
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
                        "middle": number(float(middle), 1, "°"),
                        "far": number(float(far), 1, "°"),
                    }
                )
        return rows

    def _gestures(self) -> list[dict[str, Any]]:
        shifted = [self._shifted(side) for side in self.sides]
        counts = match_gestures(*shifted)
        return [
            {
                "name": name.replace("_", " "),
                "side": side or NOTHING,
                "both": count["both"],
                "a": count["a"],
                "b": count["b"],
            }
            for (name, side), count in sorted(counts.items())
        ]

    def _shifted(self, side: Statistics) -> list[GestureSpan]:
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
                "time": moment_text(one.time, end),
                "similarity": "a person is found by one alone"
                if one.similarity == 0.0
                else f"similarity {one.similarity:.2f}",
            }
            for one in sorted(self._apart, key=lambda kept: kept.time)
        ]
