"""What ends a command before its end: Ctrl-C, signals, and standard streams that are gone."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

from pose_ros.errors import printable


def say(line: str) -> None:
    """Print one line for a person on the standard error, which may be closed or full.

    What a terminal would obey in a name, such as a color or a new line, is escaped.
    """
    with contextlib.suppress(OSError):
        print(printable(line), file=sys.stderr)


class OneLine(logging.Formatter):
    """Formats a message as ``say`` does; a traceback keeps its lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        """Return the message as one line."""
        return printable(super().formatMessage(record))


@contextlib.contextmanager
def signals_end_cleanly() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the block as Ctrl-C does: what is unfinished is removed.

    The process then ends with 128 and the signal's number, as a shell says it.
    """

    def leave(number: int, frame: FrameType | None) -> None:
        del frame
        raise SystemExit(128 + number)

    with _handlers({signal.SIGTERM: leave, signal.SIGHUP: leave}):
        yield


@contextlib.contextmanager
def nothing_is_kept(command: str) -> Iterator[None]:
    """Say that nothing was written where Ctrl-C or a signal ends the block.

    Args:
        command: Such as ``pose-ros estimate``.
    """
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        say(f"{command}: stopped before the end; nothing was written")
        raise


@contextlib.contextmanager
def ending(wanted: bool = True) -> Iterator[threading.Event]:
    """Give an event that Ctrl-C or SIGTERM sets: the end of a camera, whose results are kept.

    A second signal ends the process at once.

    Args:
        wanted: If not, signals do what they do, and the event is never set.
    """
    stop = threading.Event()
    if not wanted:
        yield stop
        return
    before: dict[int, Any] = {}

    def ask(number: int, frame: FrameType | None) -> None:
        if stop.is_set() and callable(before[number]):
            before[number](number, frame)
        stop.set()

    before |= {
        number: signal.getsignal(number)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    with _handlers(dict.fromkeys(before, ask)):
        yield stop


@contextlib.contextmanager
def _handlers(handlers: dict[Any, Any]) -> Iterator[None]:
    """Set handlers of signals that are not ignored, for the time of the block."""
    before: dict[Any, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for number, handler in handlers.items():
            # who started us with a signal ignored, as nohup does, means it
            if signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def open_standard_streams() -> None:
    """Put a stream where the standard output or error was closed, so that no file takes its place.

    The standard output is then one that cannot be written, as it was.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDONLY if number < 2 else os.O_WRONLY)
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a name may hold any bytes


def end_standard_output() -> str:
    """Write out what the standard output still holds.

    Returns:
        Why that is not possible; empty when it is, or when its reader is gone.
    """
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _drop_output()
    except OSError as error:
        _drop_output()
        return f"cannot write to the standard output: {error.strerror or error}"
    return ""


def _drop_output() -> None:
    """Let go of the standard output: the interpreter does not fail over it at its own end."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
