"""Drawings of a report: matplotlib to SVG that takes the page's colors and has its own bytes."""

from __future__ import annotations

import io
import logging
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pose_ros.core.camera import Float64Array
from pose_ros.report.words import clock_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# its notes about a cache that it cannot keep or builds again are none that a user can act on
logging.getLogger("matplotlib").setLevel(logging.ERROR)

_INCH = 72.0  # points, which a browser takes for pixels

# Colors have the names of the page's own: a drawing follows its light or dark scheme.
_COLORS = (
    *("ink", "muted", "grid", "panel", "accent", "left", "right", "warm"),
    *(f"p{i}" for i in range(10)),
)
INK, MUTED, GRID, PANEL, ACCENT, LEFT, RIGHT, WARM, *_PEOPLE = (f"pose_ros:{n}" for n in _COLORS)
PEOPLE = tuple(_PEOPLE)
_PLACEHOLDERS = {name: f"#0101{i:02x}" for i, name in enumerate(_COLORS)}
_DPI = 144  # of a picture: twice the pixels of the page

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
    "text.parse_math": False,  # a $ in a name is a dollar
    "path.simplify": True,
    "path.simplify_threshold": 0.3,
}


@dataclass(frozen=True, eq=False)
class Drawing:
    """One drawing of a report.

    Attributes:
        name: Unique on its page, and of its file.
        label: What it shows, for those who cannot see it.
        size: Width and height in pixels.
        paint: Fills the figure.
        title: What a picture of it says above, which a page says around it.
    """

    name: str
    label: str
    size: tuple[float, float]
    paint: Callable[[Figure], None]
    title: str = ""

    def svg(self) -> str:
        """Return an SVG element for a page."""
        from matplotlib.backends.backend_svg import FigureCanvasSVG

        svg = self._saved(FigureCanvasSVG, _PLACEHOLDERS, "svg", 0.0)
        return _for_page(svg.decode("utf-8"), self.name, self.label)

    def png(self) -> bytes:
        """Return a PNG file, in the page's light colors."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        return self._saved(FigureCanvasAgg, light_colors(), "png", 24.0 if self.title else 0.0)

    def _saved(
        self, canvas: Callable[[Figure], object], colors: Mapping[str, str], kind: str, above: float
    ) -> bytes:
        from matplotlib import rc_context
        from matplotlib.colors import get_named_colors_mapping
        from matplotlib.figure import Figure as NewFigure

        known = get_named_colors_mapping()
        for name, color in colors.items():
            known[f"pose_ros:{name}"] = color
        stream = io.BytesIO()
        with rc_context(_STYLE), warnings.catch_warnings():
            # names may hold letters that the font lacks
            warnings.filterwarnings("ignore", "Glyph .* missing from font")
            size = (self.size[0] / _INCH, (self.size[1] + above) / _INCH)
            figure = NewFigure(figsize=size, layout="constrained")
            canvas(figure)
            self.paint(figure)
            if kind == "png":
                figure.suptitle(self.title, fontsize=11, color=INK)
                figure.set_facecolor(PANEL)
            metadata = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
            figure.savefig(
                stream, format=kind, metadata=metadata, dpi=_DPI if kind == "png" else _INCH
            )
        return stream.getvalue()


@cache
def light_colors() -> dict[str, str]:
    """Return the page's colors in its light scheme, by name."""
    css = (Path(__file__).parent / "report.css").read_text(encoding="utf-8")
    colors = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", css[: css.index("@media")]))
    return {name: colors[name] for name in _COLORS}


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
    for color, placeholder in _PLACEHOLDERS.items():
        svg = svg.replace(placeholder, f"var(--{color})")
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
