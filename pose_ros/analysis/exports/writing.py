"""Writes what is asked for of a run: all files appear when all are complete, or none does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Protocol

from pose_ros.analysis.exports.bvh import HIPS, write_bvh
from pose_ros.analysis.exports.coco import CocoDataset, CocoResults
from pose_ros.analysis.exports.coordinates import write_mot
from pose_ros.analysis.exports.markers import write_c3d, write_trc
from pose_ros.analysis.exports.motion import MotionFile
from pose_ros.analysis.exports.rerun import RerunFile
from pose_ros.analysis.exports.tables import CsvTables, ParquetTables, table_names
from pose_ros.analysis.outputs import OutputPlaces
from pose_ros.core.results import Result, RunInfo
from pose_ros.core.types import Frame
from pose_ros.errors import OptionError, OutputError, did_you_mean
from pose_ros.files import recording_name, user_path
from pose_ros.settings.outputs import ExportOptions

PLACE = "%s"
"""Stands for a recording's name in the name of a file."""


def table_path(path: Path, table: str) -> Path:
    """Return the file of a further table beside the first one: poses.images.csv."""
    return path.with_name(f"{path.stem}.{table}{path.suffix}") if table else path


class Exporter(Protocol):
    """Writes one format."""

    def write(self, result: Result) -> None:
        """Take in the result of the next image."""

    def finish(self) -> tuple[str, ...]:
        """Complete the files; returns what a user should know of them, a line each."""

    def abandon(self) -> None:
        """Let go of the files as they are."""


@dataclass(frozen=True)
class Format:
    """One way to write results.

    Attributes:
        help: What it is, for ``--help``.
        begin: Opens an exporter on the paths of its tables.
        tables: Returns what its files are called beside the first one.
        needs: Module of another project that it needs, if any.
        extra: Extra of pose_ros that installs it.
        suffixes: Endings that its files may have, the usual one first.
    """

    help: str
    begin: Callable[[Sequence[Path], RunInfo, ExportOptions], Exporter]
    tables: Callable[[ExportOptions], Sequence[str]] = lambda _: ("",)
    needs: str = ""
    extra: str = "report"
    suffixes: tuple[str, ...] = (".json",)


FORMATS: dict[str, Format] = {
    "csv": Format(
        "tables of joints, angles, images and gestures as CSV",
        CsvTables,
        table_names,
        suffixes=(".csv",),
    ),
    "parquet": Format(
        "the same tables as Parquet",
        ParquetTables,
        table_names,
        needs="pyarrow",
        suffixes=(".parquet", ".pq"),
    ),
    "coco": Format("a COCO keypoints data set, JSON", CocoDataset),
    "coco_results": Format("people as COCO's evaluation takes them, JSON", CocoResults),
    "bvh": Format(
        "motion of one person",
        partial(MotionFile, write=write_bvh, needed=HIPS),
        suffixes=(".bvh",),
    ),
    "trc": Format(
        "markers of one person for OpenSim, meters",
        partial(MotionFile, write=write_trc),
        suffixes=(".trc",),
    ),
    "mot": Format(
        "joint angles of one person for OpenSim, degrees",
        partial(MotionFile, write=write_mot),
        suffixes=(".mot",),
    ),
    "c3d": Format(
        "markers of one person for motion capture, millimeters",
        partial(MotionFile, write=write_c3d),
        needs="c3d",
        extra="motion",
        suffixes=(".c3d",),
    ),
    "rrd": Format(
        "people, hands and gestures over time for Rerun",
        RerunFile,
        needs="rerun",
        extra="rerun",
        suffixes=(".rrd",),
    ),
}
"""Formats by name."""


def export_paths(options: ExportOptions, name: str) -> list[Path]:
    """Return all files that are written of a recording of that name.

    Raises:
        OptionError: A format is unknown, or two files are one.
    """
    paths = [
        table_path(_filled(file, name), table)
        for key, file in options.files.items()
        for table in _format(key).tables(options)
    ]
    _refuse_twice(paths)
    return paths


def check_exports(
    options: ExportOptions, names: Sequence[str] = ("",), *, force: bool = False
) -> None:
    """Refuse what cannot end well, before anything runs.

    Args:
        options: What is to be written.
        names: Of all recordings that are each exported by themselves.
        force: Whether files that stand there are replaced.

    Raises:
        OptionError: Two recordings or formats would be written to one file, or an option is
            of a format that is not asked for.
        OutputError: A file stands there already, or a format needs what is not installed.
    """
    for option, given, of in (
        ("--person", options.person is not None, {"bvh", "trc", "mot", "c3d"}),
        ("--rrd-images", options.rrd_images, {"rrd"}),
        ("--coco17", options.coco17, {"coco"}),
        ("--wide", options.wide, {"csv", "parquet"}),
        ("--coco-ids", options.coco_ids != "index", {"coco", "coco_results"}),
    ):
        if given and not of & options.files.keys():
            raise OptionError(f"{option} works only with --{min(of)} FILE: give both or neither")
    for key, file in options.files.items():
        if Path(file).name in ("", "-") or Path(file).is_dir():
            raise OptionError(f"--{key.replace('_', '-')} takes the name of a file, got {file!r}")
        needs, extra = _format(key).needs, _format(key).extra
        if needs and find_spec(needs) is None:
            raise OutputError(f'{file} needs {needs}: pip install "pose_ros[{extra}]"')
        if len(names) > 1 and PLACE not in file:
            raise OptionError(
                f"{len(names)} recordings would all be written to {file}: "
                f"let {PLACE} in it stand for their names, such as {PLACE}{Path(file).suffix}"
            )
    paths = [path for name in names for path in export_paths(options, name)]
    _refuse_twice(paths)
    there = [str(path) for path in paths if path.exists()]
    if there and not force:
        more = f" (and {len(there) - 1} more)" if len(there) > 1 else ""
        raise OutputError(f"{there[0]}{more} is there already; --force replaces it")


def open_exports(
    options: ExportOptions,
    info: RunInfo,
    *,
    name: str | None = None,
    places: OutputPlaces | None = None,
) -> Exports:
    """Open what is asked for.

    Args:
        options: What is written.
        info: What ran.
        name: Of the recording, for patterns; that of its source if not given.
        places: With which other outputs the files appear; if not given they appear when they
            are closed, in place of what is there.

    Raises:
        OptionError: A format is unknown, or two files are one.
        OutputError: A file cannot be written.
    """
    return Exports(options, info, recording_name(info.source) if name is None else name, places)


class Exports:
    """What is written of one run; as a context it is closed, or given up on an exception."""

    def __init__(
        self, options: ExportOptions, info: RunInfo, name: str, places: OutputPlaces | None = None
    ) -> None:
        """Open as ``open_exports`` does."""
        self.paths = tuple(export_paths(options, name))
        """All files that may be there in the end."""
        self._exporters: dict[str, Exporter] = {}
        self._notes: tuple[str, ...] | None = None
        self._stack = ExitStack()
        if places is None:
            places = self._stack.enter_context(OutputPlaces(force=True))
        try:
            for key, pattern in options.files.items():
                file = _filled(pattern, name)
                with _translated(file):
                    made = [places.place(table_path(file, t)) for t in _format(key).tables(options)]
                    self._exporters[str(file)] = FORMATS[key].begin(made, info, options)
        except BaseException:
            self.abandon()
            raise

    def write(self, result: Result, frame: Frame | None = None) -> None:
        """Write the result of the next image.

        Args:
            result: What was found in it.
            frame: The image, for formats that may hold it.

        Raises:
            OutputError: A file cannot be written.
        """
        for file, exporter in self._exporters.items():
            with _translated(file):
                exporter.write(result)
                write_image = getattr(exporter, "write_image", None)
                if write_image is not None and frame is not None:
                    write_image(frame)

    def close(self) -> tuple[str, ...]:
        """Complete all files; a second call does nothing.

        Returns:
            What a user should know of them, a line each.

        Raises:
            OutputError: A file cannot be written.
        """
        if self._notes is None:
            notes: list[str] = []
            try:
                for file, exporter in self._exporters.items():
                    with _translated(file):
                        notes += [f"{file}: {note}" for note in exporter.finish()]
            except BaseException:
                self.abandon()
                raise
            self._notes = tuple(notes)
            self._stack.close()
        return self._notes

    def abandon(self) -> None:
        """Give up: nothing is left but what stood there before; a second call does nothing."""
        if self._notes is None:
            self._notes = ()
            for exporter in self._exporters.values():
                with suppress(OSError):
                    exporter.abandon()
            with suppress(_GivenUpError), self._stack:
                raise _GivenUpError

    def __enter__(self) -> Exports:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon()


class _GivenUpError(Exception):
    """Tells a context that its files are not wanted."""


def _filled(pattern: str, name: str) -> Path:
    return user_path(pattern.replace(PLACE, name))


def _format(key: str) -> Format:
    if key not in FORMATS:
        raise OptionError(
            f"unknown format {key!r}{did_you_mean(key, FORMATS)}; known: {', '.join(FORMATS)}"
        )
    return FORMATS[key]


def _refuse_twice(paths: Sequence[Path]) -> None:
    seen: set[Path] = set()
    for path in paths:
        if path in seen:
            raise OptionError(f"{path} would be written twice: name its files apart")
        seen.add(path)


@contextmanager
def _translated(file: object) -> Iterator[None]:
    """Tell of an error of the system as one of the file."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"cannot write {file}: {error.strerror or error}") from error
