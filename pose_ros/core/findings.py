"""What an examination found: how bad it is, what it is about, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from pose_ros.errors import printable

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
        # names and messages come from whoever is in the graph
        for name in ("subject", "message", "cure"):
            object.__setattr__(self, name, printable(getattr(self, name)))

    def line(self) -> str:
        """Return it as a line for a person."""
        cure = f"; {self.cure}" if self.cure else ""
        return f"{self.severity:<8} {self.subject}: {self.message}{cure}"
