"""The drawings of a report: matplotlib to SVG that takes the page's colors, the same each time."""

from __future__ import annotations

import io
import logging
import math
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pose_ros.core.anatomical_angles import NAMES as ANATOMICAL_NAMES
from pose_ros.core.camera import Float64Array
from pose_ros.core.skeletons import PEOPLE_COLORS
from pose_ros.errors import printable
from pose_ros.report.series import Series
from pose_ros.report.statistics import GestureSpan, Key, Statistics, Track
from pose_ros.report.tables import clock_text, name_without_body

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# its notes about a cache that it cannot keep or builds again are none that a user can act on
logging.getLogger("matplotlib").setLevel(logging.ERROR)

_INCH = 72.0  # points, which a browser takes for pixels

# Colors have the names of the page's own: a drawing follows its light or dark scheme.
_COLORS = (
    *("ink", "muted", "grid", "panel", "accent", "left", "right", "warm"),
    *(f"p{i}" for i in range(len(PEOPLE_COLORS))),
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
WIDTH = 960.0  # pixels
_ROW = 22.0  # pixels of one person or gesture in a timeline
_ANATOMICAL_ROWS = (
    ("hip_flexion", "hip_adduction", "hip_rotation"),
    ("knee_flexion", "ankle_dorsiflexion", "elbow_flexion"),
    ("shoulder_plane", "shoulder_elevation", "shoulder_rotation"),
    ("trunk_bending", "trunk_rotation"),
)
_MOST_ROWS = 24  # of a timeline of gestures
_MOST_NAMES = 10  # on a map
_LEAST_BAR = 0.002  # of the recording: what is shorter is drawn as long


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

    def markup(self) -> Any:
        """Return the same for a template, which does not escape it."""
        from markupsafe import Markup

        return Markup(self.svg())  # noqa: S704 - our own

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


def break_at_gaps(
    times: Float64Array, values: Float64Array, hole: float
) -> tuple[Float64Array, Float64Array]:
    """Return a line that breaks where nothing was seen for longer than ``hole`` seconds."""
    breaks = np.flatnonzero(np.diff(times) > hole) + 1
    middles = times[breaks - 1] + hole / 2 if len(breaks) else times[:0]
    return np.insert(times, breaks, middles), np.insert(values, breaks, np.nan)


def hide_time_labels(axes: Sequence[Axes]) -> None:
    """Leave the time to the lowest of several axes."""
    for one in axes:
        one.set_xlabel("")
        one.tick_params(labelbottom=False)


def person_color(key: Key) -> str:
    """Return a person's color, that of the overlay."""
    return PEOPLE[key[1] % len(PEOPLE)]


def people_over_time(
    statistics: Statistics, tracks: Sequence[Track], names: Mapping[Key, str]
) -> Drawing:
    """Draw how many people there were, and when which id was there."""
    clock, series = statistics.clock, statistics.in_image
    end = clock.now

    def paint(figure: Figure) -> None:
        rows = max(1, len(tracks))
        above, below = figure.subplots(2, 1, height_ratios=(90.0, _ROW * rows + 12), sharex=True)
        times, mean = series.times, series.mean[:, 0]
        low, high = series.low[:, 0], series.high[:, 0]
        if series.stride > 1:
            above.fill_between(times, low, high, step="mid", color=ACCENT, alpha=0.25, linewidth=0)
            above.step(times, mean, where="mid", color=ACCENT)
        else:
            above.fill_between(times, 0, mean, step="mid", color=ACCENT, alpha=0.25, linewidth=0)
            above.step(times, mean, where="mid", color=ACCENT)
        most = int(np.nanmax(high, initial=1.0))
        above.set_ylim(0, max(1, most) * 1.15)
        above.set_yticks(sorted({0, max(1, most // 2), max(1, most)}))
        above.set_title("People in the image")
        _rows(below, [names[track.key] for track in tracks], "Ids")
        for row, track in enumerate(tracks):
            _bars(below, row, track.spans, end, person_color(track.key))
        time_axis(below, end, pictures=clock.pictures)
        hide_time_labels([above])

    most = int(np.nanmax(series.high[:, 0], initial=0.0))
    label = (
        f"How many people were in the image over time, up to {most}, and when each of "
        f"{len(tracks)} ids was seen"
    )
    return Drawing("people", label, (WIDTH, 190 + _ROW * max(1, len(tracks))), paint)


def gesture_timeline(
    statistics: Statistics, held: Sequence[GestureSpan], names: Mapping[Key, str]
) -> Drawing:
    """Draw when who made which gesture: a row for each person, gesture and side.

    Where these are too many, there is a row for each gesture and side, in the people's colors.
    """
    clock = statistics.clock
    whole = len({(one.key, one.name, one.side) for one in held}) <= _MOST_ROWS
    rows: dict[tuple[str, str, str], list[GestureSpan]] = {}
    for one in sorted(held, key=lambda one: (one.key if whole else (0, 0), one.start)):
        who = (names.get(one.key) or name_without_body(one.key)) if whole else ""
        rows.setdefault((who, one.name, one.side), []).append(one)

    def label(who: str, name: str, side: str) -> str:
        words = printable(f"{name.replace('_', ' ')} {side}".rstrip())
        return f"{who} · {words}" if who else words

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        _rows(axes, [label(*row) for row in rows], "")
        for row, gestures in enumerate(rows.values()):
            for one in gestures:
                _bars(axes, row, [[one.start, one.end]], clock.now, person_color(one.key))
        time_axis(axes, clock.now, pictures=clock.pictures)

    text = f"Timeline of {len(held)} gestures in {len(rows)} rows"
    return Drawing(
        "gestures", text, (WIDTH, 70 + _ROW * len(rows)), paint, "Gestures, in the people's colors"
    )


def joint_motion(statistics: Statistics, track: Track, name: str, number: int) -> Drawing:
    """Draw the angles of one person's joints over time, and how fast they change, side by side."""
    motion, clock = statistics.motions[track.key], statistics.clock
    kinds = list(dict.fromkeys(angle.partition("_")[2] for angle in statistics.angle_names))
    fastest = float(np.nanmax(motion.speeds.high, initial=10.0))

    def paint(figure: Figure) -> None:
        rows = figure.subplots(
            len(kinds), 2, sharex=True, squeeze=False, gridspec_kw={"width_ratios": (3, 2)}
        )
        for (angles, speeds), kind in zip(rows, kinds, strict=True):
            for i, angle in enumerate(statistics.angle_names):
                side, _, of = angle.partition("_")
                if of == kind:
                    color = LEFT if side == "left" else RIGHT
                    _band(angles, motion.angles, i, color, clock.hole)
                    _band(speeds, motion.speeds, i, color, clock.hole)
            angles.set_ylim(0, 190)
            angles.set_yticks([0, 90, 180], ["0°", "90°", "180°"])
            angles.set_title(f"{kind.capitalize()}: angle")
            speeds.set_ylim(0, 1.1 * fastest)
            speeds.yaxis.set_major_locator(MaxNLocator(3))
            speeds.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}°/s"))
            speeds.set_title(f"{kind.capitalize()}: speed")
        for axes in rows[-1]:
            time_axis(axes, track.last, start=track.first, pictures=clock.pictures)
        hide_time_labels(list(rows[:-1].ravel()))

    from matplotlib.ticker import FuncFormatter, MaxNLocator

    label = f"Angles of the {', '.join(kinds)} of {name} over time, and their speed, left and right"
    title = f"Joint angles of {name}: left orange, right teal"
    return Drawing(f"angles-{number}", label, (WIDTH, 40 + 100.0 * len(kinds)), paint, title)


def anatomical_motion(statistics: Statistics, track: Track, name: str, number: int) -> Drawing:
    """Draw the ISB's angles of one person over time, left and right in one plot each."""
    motion, clock = statistics.motions[track.key], statistics.clock
    columns = max(map(len, _ANATOMICAL_ROWS))

    def paint(figure: Figure) -> None:
        grid = figure.subplots(len(_ANATOMICAL_ROWS), columns, sharex=True)
        for row, kinds in zip(grid, _ANATOMICAL_ROWS, strict=True):
            for axes, kind in zip(row, kinds, strict=False):
                for angle, color in ((f"left_{kind}", LEFT), (f"right_{kind}", RIGHT), (kind, INK)):
                    if angle in ANATOMICAL_NAMES:
                        column = ANATOMICAL_NAMES.index(angle)
                        _band(axes, motion.anatomical, column, color, clock.hole)
                axes.yaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 3, 5, 10]))
                axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}°"))
                axes.set_title(kind.replace("_", " ").capitalize())
                time_axis(axes, track.last, start=track.first, pictures=clock.pictures)
                axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
                axes.tick_params(labelbottom=True)
            for axes in row[len(kinds) :]:
                axes.remove()
        for row, below in zip(grid[:-1], _ANATOMICAL_ROWS[1:], strict=True):
            hide_time_labels(row[: len(below)])

    from matplotlib.ticker import FuncFormatter, MaxNLocator

    label = f"Angles of {name} by the definitions of the ISB over time, left and right"
    title = f"Angles of {name} by the ISB: left orange, right teal"
    size = (WIDTH, 40 + 110.0 * len(_ANATOMICAL_ROWS))
    return Drawing(f"isb-{number}", label, size, paint, title)


def floor_plan(
    statistics: Statistics, tracks: Sequence[Track], names: Mapping[Key, str]
) -> Drawing:
    """Draw where people were, from above: ahead of the camera is up, its left is left."""
    ways = {
        track.key: statistics.motions[track.key].walk.places.mean
        for track in tracks
        if track.key in statistics.motions and len(statistics.motions[track.key].walk.places)
    }
    placement = statistics.placement
    camera = statistics.camera_way.mean if len(statistics.camera_way) else np.zeros((1, 2))
    others = {name: statistics.place_of(pose)[:2] for name, pose in statistics.others.items()}
    everything = np.concatenate([camera, *ways.values(), *(p[None] for p in others.values())])
    everything = everything[np.isfinite(everything).all(axis=1)]
    low, high = everything.min(axis=0) - 0.5, everything.max(axis=0) + 0.5
    span = np.maximum(high - low, 2.0)
    middle = (low + high) / 2
    low, high = middle - span / 2, middle + span / 2

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.set_aspect("equal")
        # x ahead is up and y is to the left
        axes.set_xlim(high[1], low[1])
        axes.set_ylim(low[0], high[0])
        if statistics.cone.angles is not None and placement is not None:
            _cone(axes, camera[-1], placement.transform[:3, :3], statistics.cone.angles, span)
        if statistics.camera_moved:
            axes.plot(camera[:, 1], camera[:, 0], color=MUTED, linewidth=1.2, linestyle=(0, (3, 2)))
        for key, way in ways.items():
            color = person_color(key)
            axes.plot(way[:, 1], way[:, 0], color=color, alpha=0.9)
            axes.plot(*way[0, ::-1], "o", color=PANEL, markeredgecolor=color, markersize=7)
            axes.plot(*way[-1, ::-1], "o", color=color, markersize=7)
            if len(ways) > _MOST_NAMES:
                continue
            axes.annotate(
                names[key],
                (float(way[-1, 1]), float(way[-1, 0])),
                xytext=(7, 5),
                textcoords="offset points",
                color=INK,
                fontsize=10,
            )
        x, y = camera[-1]
        axes.plot(y, x, marker="^", color=INK, markersize=10)
        axes.annotate(
            statistics.camera_name, (y, x), xytext=(9, -4), textcoords="offset points",
            color=MUTED, fontsize=10,
        )  # fmt: skip
        for name, (ahead, left) in others.items():
            axes.plot(left, ahead, marker="^", color=MUTED, markersize=10)
            axes.annotate(
                name, (left, ahead), xytext=(9, -4), textcoords="offset points", color=MUTED,
                fontsize=10,
            )  # fmt: skip
        step = next(s for s in (1, 2, 5, 10, 20, 50, 100, 1000) if max(span) / s <= 12)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MultipleLocator(step))
            axis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g} m"))

    from matplotlib.ticker import FuncFormatter, MultipleLocator

    width = min(WIDTH, max(420.0, 560.0 * float(span[1] / span[0]) + 80))
    label = f"Map of where {len(ways)} people were, seen from above, with the camera and its view"
    return Drawing(
        "floor",
        label,
        (width, min(620.0, width * float(span[0] / span[1]) + 40)),
        paint,
        "Where people were, from above: from ring to dot",
    )


def latency(statistics: Statistics) -> Drawing:
    """Draw how long after its image each result was recorded."""
    series, clock = statistics.latency, statistics.clock

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        times, mean = break_at_gaps(
            series.times, 1e3 * series.mean[:, 0], clock.hole * series.stride
        )
        axes.plot(times, mean, color=ACCENT)
        if series.stride > 1:
            low, high = 1e3 * series.low[:, 0], 1e3 * series.high[:, 0]
            axes.fill_between(series.times, low, high, color=ACCENT, alpha=0.25, linewidth=0)
        axes.set_ylim(bottom=min(0.0, float(np.nanmin(1e3 * series.low, initial=0.0))))
        axes.set_ylabel("ms")
        time_axis(axes, clock.now)

    label = "Latency of the results over time"
    return Drawing("latency", label, (WIDTH, 220), paint, label)


def _rows(axes: Axes, labels: Sequence[str], title: str) -> None:
    """Prepare axes for a timeline with a row each, the first one at the top."""
    axes.set_ylim(max(1, len(labels)) - 0.4, -0.6)
    axes.set_yticks(range(len(labels)), labels)
    axes.tick_params(axis="y", labelcolor=INK)
    axes.grid(visible=False, axis="y")
    axes.set_title(title)


def _bars(axes: Axes, row: int, spans: Sequence[Sequence[float]], end: float, color: str) -> None:
    least = _LEAST_BAR * max(end, 1e-3)
    bars = [(first, max(last - first, least)) for first, last in spans]
    axes.broken_barh(bars, (row - 0.32, 0.64), color=color, linewidth=0)


def _band(axes: Axes, series: Series, column: int, color: str, hole: float) -> None:
    """Draw one value of a series: its mean, and from least to greatest where rows are merged."""
    times, mean = break_at_gaps(series.times, series.mean[:, column], hole * series.stride)
    axes.plot(times, mean, color=color)
    if series.stride > 1:
        axes.fill_between(
            series.times,
            series.low[:, column],
            series.high[:, column],
            color=color,
            alpha=0.2,
            linewidth=0,
        )


def _cone(
    axes: Axes,
    camera: np.ndarray,
    turn: np.ndarray,
    angles: tuple[float, float],
    span: np.ndarray,
) -> None:
    """Draw what the camera sees of the floor."""
    far = 3.0 * float(max(span))
    corners = [(float(camera[1]), float(camera[0]))]
    for angle in np.linspace(-angles[0], angles[1], 9):
        x, y, _ = turn @ np.array([math.sin(angle), 0.0, math.cos(angle)])
        length = max(math.hypot(x, y), 1e-6)
        corners.append((float(camera[1] + far * y / length), float(camera[0] + far * x / length)))
    axes.fill(*zip(*corners, strict=True), color=ACCENT, alpha=0.10, linewidth=0)
