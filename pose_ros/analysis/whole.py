"""Outputs that appear whole or not at all: each is made beside its place and moved there.

What is being made of ``out`` lies in the folder ``out.partial``, under its own name. A run that is
killed leaves that folder; the next one removes it and begins again.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

from pose_ros.analysis.bag_writer import CUSTOM_KEY
from pose_ros.errors import OutputError, SourceError
from pose_ros.sources.bag import open_bag

PARTIAL = ".partial"

_LOG = logging.getLogger(__name__)


class Whole:
    """Places for outputs; all of them are moved to where they belong when the block ends well.

    Args:
        force: Whether what is there already is replaced: files, and bags of results.
    """

    def __init__(self, *, force: bool = False) -> None:
        self._force = force
        self._places: list[tuple[Path, Path]] = []

    def place(self, target: Path) -> Path:
        """Return where an output is to be made: a file or folder that is not there yet.

        Raises:
            OutputError: It is there already, or cannot be made there.
        """
        target = target.expanduser()
        self._check(target)
        partial = partial_of(target)
        with told(target):
            if _remove_partial(target, partial):
                _LOG.warning("%s: an earlier run did not finish; it begins again", target)
            partial.mkdir(parents=True)
        self._places.append((target, partial / target.name))
        return partial / target.name

    def made(self, target: str) -> Path:
        """Return where an output is made that has a place."""
        path = Path(target).expanduser()
        return next(made for place, made in self._places if place == path)

    def __enter__(self) -> Whole:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                for target, made in self._places:
                    if not os.path.lexists(made):
                        continue  # there was nothing to write, which its maker says
                    with told(target):
                        self._check(target)
                        _replace(made, target)
        finally:
            for _, made in self._places:
                shutil.rmtree(made.parent, ignore_errors=True)

    def _check(self, target: Path) -> None:
        """Raise OutputError for what is there and stays."""
        if not os.path.lexists(target):
            return
        if not self._force:
            raise OutputError(f"{target} is there already; --force replaces it")
        if target.is_dir() and not is_results_bag(target):
            raise OutputError(
                f"{target} is a folder, but no bag of results of pose_ros, and stays: name another "
                "one, or remove it yourself"
            )


def partial_of(target: Path) -> Path:
    """Return the folder in which an output is made."""
    return target.with_name(target.name + PARTIAL)


def is_results_bag(path: Path) -> bool:
    """Return whether a folder is a bag that an analysis has written."""
    try:
        with open_bag(path) as bag:
            return CUSTOM_KEY in bag.custom
    except SourceError:
        return False


def check_apart(inputs: Sequence[Path], outputs: Sequence[Path]) -> None:
    """Check that no output is, or lies in, what is read.

    Raises:
        OutputError: One does.
    """
    kept = [path.expanduser().resolve() for path in inputs]
    for output in outputs:
        target = output.expanduser().resolve()
        for path in kept:
            if path == target or path in target.parents or target in path.parents:
                raise OutputError(f"{output} would be written over {path}, which is only read")


def _remove_partial(target: Path, partial: Path) -> bool:
    """Remove what an earlier run has left; return whether there was anything."""
    if not os.path.lexists(partial):
        return False
    if not partial.is_dir() or {path.name for path in partial.iterdir()} - {target.name}:
        raise OutputError(
            f"{partial} is in the way, and no unfinished output: remove it, or name another output"
        )
    shutil.rmtree(partial)
    return True


def _replace(made: Path, target: Path) -> None:
    if target.is_dir() and not target.is_symlink():
        before = made.with_name("before")
        target.rename(before)  # so that there is no moment with half of a bag
    made.rename(target)


@contextlib.contextmanager
def told(target: Path | str) -> Iterator[None]:
    """Tell what a file system or a database refuses in one line.

    Raises:
        OutputError: It refused something.
    """
    try:
        yield
    except OSError as error:
        raise OutputError(f"cannot write {target}: {error.strerror or error}") from error
    except sqlite3.Error as error:
        raise OutputError(f"cannot write {target}: {error}") from error
