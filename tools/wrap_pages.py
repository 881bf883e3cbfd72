"""Wrap the prose of Markdown pages at 100 columns: ``python -m tools.wrap_pages PAGE...``.

Tables, code, headings and pictures stay as they are. ``make format`` runs it on all pages.
"""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

WIDTH = 100
UNBROKEN = "\0"
"""Stands for a space at which no line is broken."""
ITEM = re.compile(r"^( *)([-*]|\d+\.) +")


def wrapped(text: str, first: str) -> list[str]:
    """Return the lines of one paragraph or list item; ``first`` is what it begins with."""
    words = " ".join(text.split())
    words = re.sub(r"`[^`]+`", lambda code: code[0].replace(" ", UNBROKEN), words)
    words = re.sub(r"\[[^]]+\]\([^)]+\)", lambda link: link[0].replace(" ", UNBROKEN), words)
    words = re.sub(  # no line may begin as a list item does
        r" (?=(?:[-+*]|\d+\.)(?: |$))", UNBROKEN, words
    )
    lines = textwrap.wrap(
        words,
        WIDTH,
        initial_indent=first,
        subsequent_indent=" " * len(first),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace(UNBROKEN, " ") for line in lines]


def wrapped_lines(text: str) -> Iterator[str]:
    """Yield the lines of a page with its prose wrapped."""
    first, paragraph, fenced, count = "", list[str](), False, 0
    for line in [*text.splitlines(), ""]:
        bare = line.strip()
        fence = bare.startswith("```")
        item = ITEM.match(line)
        number = int(item[2][:-1]) if item and item[2][0].isdigit() else 0
        begins = bool(item) and (not paragraph or number in (0, 1, count + 1))
        kept = fenced or fence or not bare or bare.startswith(("#", "|", "![", "<"))
        kept = kept or (line.startswith("    ") and not paragraph and not item)
        if (kept or begins) and paragraph:
            yield from wrapped(" ".join(paragraph), first)
            first, paragraph = "", []
        if fence:
            fenced = not fenced
        if kept:
            yield line
        elif item and begins:
            count = number or count
            first, paragraph = item[0], [line[item.end() :]]
        else:
            first = (
                first if paragraph else line[: len(line) - len(line.lstrip())]
            )  # goes on with a list's item
            paragraph.append(bare)


def wrap(text: str) -> str:
    """Return a page with its prose wrapped, and one line feed at its end."""
    return "\n".join(wrapped_lines(text)).rstrip("\n") + "\n"


if __name__ == "__main__":
    for name in sys.argv[1:]:
        page = Path(name)
        before = page.read_text(encoding="utf-8")
        if (after := wrap(before)) != before:
            page.write_text(after, encoding="utf-8")
            print(f"wrapped {page}")
