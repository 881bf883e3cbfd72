"""The command line in a terminal: one line for each error, signals, and streams that are gone."""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from types import FrameType
from typing import Any, NoReturn

from pose_ros.errors import did_you_mean, printable


class Parser(argparse.ArgumentParser):
    """As ``argparse`` has it, but for its errors."""

    def parse_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> argparse.Namespace:
        """Return the arguments; what is not known ends the program with one line."""
        found, rest = self.parse_known_args(args, namespace)
        if rest:
            parser = self._innermost(found)
            option = next((word for word in rest if word.startswith("-")), "")
            meant = did_you_mean(option.partition("=")[0], parser.options) if option else ""
            parser.error(f"unrecognized arguments: {' '.join(rest)}{meant}")
        return found

    @property
    def options(self) -> list[str]:
        """All options, as they are written."""
        return [option for action in self._actions for option in action.option_strings]

    def error(self, message: str) -> NoReturn:
        """End the program with one line."""
        say(f"{self.prog}: {message}; {self.prog} --help lists what there is")
        sys.exit(2)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Refuse a choice that is not there, with the nearest one."""
        if action.choices is not None and value not in action.choices:
            known: Iterable[str] = [str(choice) for choice in action.choices]
            meant = did_you_mean(str(value), known)
            raise argparse.ArgumentError(
                action, f"there is no {str(value)!r}{meant}; known: {', '.join(known)}"
            )

    def _innermost(self, found: argparse.Namespace) -> Parser:
        """Return the parser of the subcommand that was chosen."""
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                chosen = action.choices.get(getattr(found, action.dest))
                if isinstance(chosen, Parser):
                    return chosen._innermost(found)
        return self


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


class NotTwice(logging.Filter):
    """Leaves out a line that the one before has said: several cameras log as one does."""

    _last = ""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the message is a new one."""
        before, self._last = self._last, record.getMessage()
        return self._last != before or bool(record.exc_info)


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
