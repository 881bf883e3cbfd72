"""The list of public pictures: complete for the tests, and missing sets are named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools.public_pictures import SETS, main


def test_folder_of_the_tests_is_complete(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(data)]) == 0, capsys.readouterr().out


def test_missing_sets_are_named_with_their_origin(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "video").mkdir()
    (tmp_path / "video" / "dance.avi").write_bytes(b"")
    assert main([str(tmp_path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == str(tmp_path)
    assert len(lines) == 1 + len(SETS)
    (video,) = (line for line in lines if line.startswith("video "))
    assert video.split()[1] == "ok"
    assert sum(line.split()[1] == "-" for line in lines[1:]) == len(SETS) - 1


def test_each_folder_that_a_test_reads_is_listed(checkout: Path) -> None:
    read = set()
    for path in (checkout / "test").rglob("*.py"):
        read |= set(re.findall(r'\bdata / "(\w+)"', path.read_text(encoding="utf-8")))
    assert read <= {each.folder.partition("/")[0] for each in SETS}
