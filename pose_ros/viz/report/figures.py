"""Drawings of a report: matplotlib to SVG that takes the page's colors and has its own bytes."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pose_ros.core.camera import Float64Array
from pose_ros.viz.report.words import clock_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_INCH = 72.0  # points, which a browser takes for pixels

# Colors stand for the page's own, so that a drawing follows its light or dark scheme.
INK, MUTED, GRID, PANEL, ACCENT, LEFT, RIGHT, WARM = (f"#0101{i:02x}" for i in range(8))
PEOPLE = tuple(f"#0102{i:02x}" for i in range(10))
_VARIABLES = {
    **dict(
        zip(
            (INK, MUTED, GRID, PANEL, ACCENT, LEFT, RIGHT, WARM),
            ("ink", "muted", "grid", "panel", "accent", "left", "right", "warm"),
            strict=True,
        )
    ),
    **{color: f"p{i}" for i, color in enumerate(PEOPLE)},
}
_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "pose_ros",
    "font.family": "sans-serif",
    "font.size": 11,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.titlecolor": INK,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.facecolor": "none",
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "text.color": INK,
    "figure.facecolor": "none",
    "lines.linewidth": 1.4,
    "path.simplify": True,
    "path.simplify_threshold": 0.3,
}


def draw(
    name: str,
    label: str,
    size: tuple[float, float],
    paint: Callable[[Figure], None],
) -> str:
    """Return an SVG element for a page.

    Args:
        name: Of the drawing, unique on its page.
        label: What it shows, for those who cannot see it.
        size: Width and height in pixels.
        paint: Fills the figure.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure as NewFigure

    stream = io.BytesIO()
    with rc_context(_STYLE):
        figure = NewFigure(figsize=(size[0] / _INCH, size[1] / _INCH), layout="constrained")
        FigureCanvasSVG(figure)
        paint(figure)
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    return _for_page(stream.getvalue().decode("utf-8"), name, label)


def _for_page(svg: str, name: str, label: str) -> str:
    """Return matplotlib's SVG as an element of a page that holds others too."""
    from html import escape

    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"\s*<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->", "", svg, flags=re.DOTALL)
    used = set(re.findall(r'(?:url\(#|href="#)([^")]+)', svg))
    # ids are of the whole page: those that nothing refers to go, the others get the name
    svg = re.sub(r' id="([^"]+)"', lambda m: f' id="{name}-{m[1]}"' if m[1] in used else "", svg)
    svg = re.sub(r'(url\(#|href="#)', rf"\g<1>{name}-", svg)
    svg = re.sub(r"#010[12][0-9a-f]{2}", lambda m: f"var(--{_VARIABLES[m[0]]})", svg)
    svg = re.sub(r"font: ([\d.]+px)[^;\"]*", r"font-size: \1", svg)
    box = re.search(r'viewBox="[^"]*"', svg)
    names = "".join(
        f'xmlns{prefix}="http://www.w3.org/{name}" '
        for prefix, name in (("", "2000/svg"), (":xlink", "1999/xlink"))
    )
    head = f'<svg {names}{box[0] if box else ""} role="img" aria-label="{escape(label)}">'
    return re.sub(r"^<svg[^>]*>", lambda _: head, svg, count=1).strip()


def time_axis(axes: Axes, end: float, *, start: float = 0.0, pictures: bool = False) -> None:
    """Let an axis tell the time of the recording.

    Args:
        axes: Of a figure.
        end: Seconds, where it ends.
        start: Seconds, where it begins.
        pictures: Whether it counts pictures, which have no time.
    """
    from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator

    span = max(end - start, 1e-3)
    axes.set_xlim(start - 0.01 * span, start + 1.01 * span)
    if pictures:
        axes.set_xlabel("picture")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=10))
    elif end < 120:
        axes.set_xlabel("seconds")
        axes.xaxis.set_major_locator(MaxNLocator(nbins=10, steps=[1, 2, 5, 10]))
    else:
        steps = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)
        step = next((s for s in steps if span / s <= 10), 86400)
        axes.xaxis.set_major_locator(MultipleLocator(step))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: clock_text(x)))
        axes.set_xlabel("time" if end < 3600 else "time, hours:minutes:seconds")


def broken(
    times: Float64Array, values: Float64Array, hole: float
) -> tuple[Float64Array, Float64Array]:
    """Return a line that breaks where nothing was seen for longer than ``hole`` seconds."""
    breaks = np.flatnonzero(np.diff(times) > hole) + 1
    middles = times[breaks - 1] + hole / 2 if len(breaks) else times[:0]
    return np.insert(times, breaks, middles), np.insert(values, breaks, np.nan)


def no_labels(axes: Sequence[Axes]) -> None:
    """Leave the time to the lowest of several axes."""
    for one in axes:
        one.set_xlabel("")
        one.tick_params(labelbottom=False)
