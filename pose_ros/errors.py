"""The errors that pose_ros raises on purpose; each message says what is wrong and what to do.

The command line and the nodes print a ``PoseRosError`` as one line. Any other
exception is a defect of pose_ros and keeps its traceback. A ``Finding`` is what a
check found, where nothing is raised.
"""

from __future__ import annotations

import contextlib
import difflib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `` (did you mean 'wave'?)`` for a misspelled name; empty where none is near."""
    names = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), names, n=1, cutoff=0.6)
    return f" (did you mean {names[near[0]]!r}?)" if near else ""


def printable(text: str | os.PathLike[str]) -> str:
    r"""Return a text as one line for a terminal, a log, a file or a message.

    Control characters are escaped, and so are the bytes of a file's name that are not UTF-8, which
    Python keeps as surrogates: they become ``\xe9`` and the like.
    """
    name = os.fspath(text)
    with contextlib.suppress(UnicodeEncodeError):  # a surrogate that stands for no byte
        name = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")
        for letter in name
    )


class PoseRosError(Exception):
    """Root of all errors that a user can mend; its text can be printed whatever it names."""

    def __str__(self) -> str:
        return printable(super().__str__())


class OptionError(PoseRosError, ValueError):
    """An option, a parameter or an argument is out of its range or unknown."""


class ImageError(PoseRosError, ValueError):
    """An image has the wrong shape, type, encoding or too few bytes."""


class ModelError(PoseRosError):
    """A model file is missing, damaged, of the wrong kind or cannot be fetched."""


class RuntimeUnavailableError(PoseRosError):
    """What was asked to run a network (a GPU, a provider) is not there."""


class SourceError(PoseRosError):
    """A camera, video, picture or folder cannot be opened or read."""


class DocumentError(PoseRosError, ValueError):
    """A file, a YAML or a JSON document cannot be read; the message follows its name."""


class OutputError(PoseRosError):
    """A result cannot be written where it was asked to go."""


class TransformError(PoseRosError):
    """It is not known how two coordinate frames lie to each other."""


def short(value: object, letters: int = 80) -> str:
    """Return how a value looks in a message, cut where it is long."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - Python refuses to write an int of 5000 digits, for one
        return f"an object of type {type(value).__name__}"
    return text if len(text) <= letters else f"{text[: letters - 1]}…"


Severity: TypeAlias = Literal["ok", "warning", "error"]


@dataclass(frozen=True)
class Finding:
    """One result of a check; control characters in its texts are escaped.

    Attributes:
        severity: ``error``: it does not work so; ``warning``: it works, and not as well as it
            could.
        subject: What was checked, such as a topic or a node.
        message: What was found, one line.
        cure: What to do about it, one line; empty where all is well.
    """

    severity: Severity
    subject: str
    message: str
    cure: str = ""

    def __post_init__(self) -> None:
        # names and messages come from any node in the graph
        for name in ("subject", "message", "cure"):
            object.__setattr__(self, name, printable(getattr(self, name)))

    def line(self) -> str:
        """Return it as a line for a person."""
        cure = f"; {self.cure}" if self.cure else ""
        return f"{self.severity:<8} {self.subject}: {self.message}{cure}"
