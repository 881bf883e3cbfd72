"""The pages without Sphinx: links lead somewhere, the site has each page, prose is wrapped."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools.wrap_pages import wrap

LINK = re.compile(r"\]\(([^)\s]+)\)")
WIDTH = 100


def without_code(text: str) -> str:
    """Return Markdown without its fenced blocks; lines keep their numbers."""
    blank = re.compile(r"^( *)```.*?^\1```$", re.DOTALL | re.MULTILINE)
    return blank.sub(lambda block: "\n" * block[0].count("\n"), text)


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and MyST make them."""
    headings = re.findall(
        r"^#+ (.+)$", without_code(page.read_text(encoding="utf-8")), re.MULTILINE
    )
    return {re.sub(r"[^\w\- ]", "", text.lower()).strip().replace(" ", "-") for text in headings}


@pytest.fixture(scope="module")
def pages(checkout: Path) -> dict[Path, str]:
    """The text of each page without its code."""
    found = [*checkout.glob("docs/**/*.md"), checkout / "README.md", checkout / "CONTRIBUTING.md"]
    return {page: without_code(page.read_text(encoding="utf-8")) for page in sorted(found)}


def test_links_lead_to_files_and_headings_that_exist(pages: dict[Path, str]) -> None:
    dead = []
    for page, text in pages.items():
        for target in LINK.findall(re.sub(r"`[^`]*`", "", text)):
            path, _, anchor = target.partition("#")
            if path.startswith(("http:", "https:")):
                continue
            file = (page.parent / path).resolve() if path else page
            if not file.exists() or (anchor and anchor not in anchors(file)):
                dead.append(f"{page.name}: {target}")
    assert dead == []


def test_the_site_lists_each_page(checkout: Path) -> None:
    docs = checkout / "docs"
    index = (docs / "index.md").read_text(encoding="utf-8")
    listed = re.findall(r"^((?:[\w-]+/)?\w+)$", index, re.MULTILINE)
    found = {str(page.relative_to(docs).with_suffix("")) for page in docs.rglob("*.md")}
    assert found - {"index"} == set(listed) - {"changelog"}


def test_prose_is_wrapped_at_100_columns(pages: dict[Path, str]) -> None:
    """A line may be longer where it cannot break: a table, a link, a code; make format wraps."""
    long = [
        f"{page.name}:{number}"
        for page, text in pages.items()
        for number, line in enumerate(text.splitlines(), start=1)
        if len(line) > WIDTH
        and not line.startswith(("|", "    ", "!["))
        and " " in re.sub(r"`[^`]*`|\[[^]]*\]\([^)]*\)", "x", line.strip().lstrip("-* "))
    ]
    assert long == []


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("word " * 30, ["word " * 19 + "word", "word " * 9 + "word"]),
        ("- " + "word " * 30, ["- " + "word " * 18 + "word", "  " + "word " * 10 + "word"]),
        ("a `code with spaces`\nb", ["a `code with spaces` b"]),
        ("| a | table |\n|---|---|", ["| a | table |", "|---|---|"]),
        ("```sh\nkept  as it is\n```", ["```sh", "kept  as it is", "```"]),
        ("1. one\n\n   goes\n   on\n2. two", ["1. one", "", "   goes on", "2. two"]),
        ("x" * 96 + " 43 6. A", ["x" * 96, "43 6. A"]),
    ],
)
def test_wrapping_breaks_no_code_link_or_table(text: str, lines: list[str]) -> None:
    assert wrap(text).splitlines() == lines
    assert wrap(wrap(text)) == wrap(text)
