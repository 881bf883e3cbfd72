"""The drawings of a page about two sets of results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from pose_ros.errors import printable
from pose_ros.report import figures
from pose_ros.report.agreement import Agreement, JointAgreement
from pose_ros.report.figures import ACCENT, INK, WARM, Drawing
from pose_ros.report.plots import WIDTH

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ROW = 20.0


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
        figures.time_axis(below, end)
        figures.no_labels([above])

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
    return Drawing("distances", label, (WIDTH, 60 + _ROW * len(rows)), paint)
