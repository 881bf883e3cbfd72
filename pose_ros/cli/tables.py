"""Plain tables for a terminal: aligned, and no wider than it is."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence

_GAP = "  "
_LEAST = 12  # letters of a column that is shortened


def table(
    titles: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1, width: int | None = None
) -> list[str]:
    """Return the lines of a table.

    Args:
        titles: Of the columns.
        rows: Their cells.
        left: So many columns, the first ones, are aligned to the left, and shortened in their
            middle where the table is too wide; the others are aligned to the right.
        width: Letters of a line; None: as many as the terminal has, and no limit elsewhere.
    """
    if width is None and sys.stdout.isatty():
        width = shutil.get_terminal_size().columns
    lines = [list(titles), *(list(row) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(titles))]
    if width is not None:
        for i in sorted(range(left), key=lambda column: -widths[column]):
            excess = sum(widths) + len(_GAP) * (len(widths) - 1) - width
            widths[i] = min(widths[i], max(_LEAST, widths[i] - max(0, excess)))
    return [
        _GAP.join(
            _shortened(cell, widths[i]).ljust(widths[i]) if i < left else cell.rjust(widths[i])
            for i, cell in enumerate(line)
        ).rstrip()
        for line in lines
    ]


def _shortened(text: str, width: int) -> str:
    if len(text) <= width:
        return text
    tail = (width - 1) // 2
    return f"{text[: width - 1 - tail]}…{text[len(text) - tail :]}"
