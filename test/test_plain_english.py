"""Plain English: words that the project does not use, in pages, comments, strings and test names.

Names of variables may be anything; names of tests are sentences and are checked too.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

INSTEAD = {
    "told": "say who does what: the log names it, the page shows it",
    "somebody": "a person, someone",
    "nobody": "no person, no one",
    "anew": "again, from the start",
    "whom": "rewrite with a subject: the person that the tracker follows",
    "he": "they",
    "him": "them",
    "his": "their",
    "himself": "themselves",
    "whoever": "name the person or program: any person, the user, a subscriber",
    "whomever": "any person",
    "be had": "is available, can be read",
    "what is no": "what is not",
    "that is no": "that is not",
}
WORDS = re.compile(rf"\b({'|'.join(INSTEAD)})\b", re.IGNORECASE)
ALLOWED = re.compile(r"that is no longer|what is no longer", re.IGNORECASE)

STRINGS = {tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}

TEXTS = (
    "README.md", "CONTRIBUTING.md", "CHANGELOG.rst", "package.xml", "docs/**/*.md", "msg/*.msg",
    "config/*", "models/*.yaml", "examples/*.md", "pose_ros/**/*.j2",
)  # fmt: skip
CODE = ("benchmarks", "docs", "examples", "launch", "pose_ros", "test", "tools")


def uses(text: str) -> list[str]:
    """Return the words of the list that a text uses, as they stand in it."""
    return WORDS.findall(ALLOWED.sub("", text))


def texts_of(source: str) -> Iterator[tuple[int, str]]:
    """Return (line, text) of each comment and string of Python, and of each name of a test."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in STRINGS:
            yield token.start[0], token.string
        elif token.type == tokenize.NAME and token.string.startswith("test_"):
            yield token.start[0], token.string.replace("_", " ")


def found_in_code(checkout: Path) -> list[str]:
    """Return the places in Python files, each as ``file:line: word: what to write instead``."""
    return [
        f"{path.relative_to(checkout)}:{line}: {word}: {INSTEAD[word.lower()]}"
        for top in CODE
        for path in sorted((checkout / top).rglob("*.py"))
        if path.name != "test_plain_english.py" and "msg" not in path.relative_to(checkout).parts
        for line, text in texts_of(path.read_text(encoding="utf-8"))
        for word in uses(text)
    ]


def test_pages_messages_and_configuration_use_plain_words(checkout: Path) -> None:
    files = [path for pattern in TEXTS for path in sorted(checkout.glob(pattern))]
    assert len(files) > 40
    found = [
        f"{path.relative_to(checkout)}:{number}: {word}: {INSTEAD[word.lower()]}"
        for path in files
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        for word in uses(line)
    ]
    assert found == []


def test_comments_strings_and_test_names_use_plain_words(checkout: Path) -> None:
    assert found_in_code(checkout) == []


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("# he waits\nx = 1", ["he"]),
        ('def f():\n    """Tell nobody."""', ["nobody"]),
        ('raise ValueError(f"{1} begins anew")', ["anew"]),
        ("def test_a_person_is_told_once(): ...", ["told"]),
        ("told = 1  # a name may be anything", []),
        ("# that is no longer used", []),
        ("# The header is theirs", []),
    ],
)
def test_words_are_found_in_comments_strings_and_test_names(source: str, words: list[str]) -> None:
    found = Counter(word for _, text in texts_of(source) for word in uses(text))
    assert found == Counter(words)
