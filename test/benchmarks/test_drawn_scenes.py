"""How fast scenes are drawn: it is counted, never asserted against a clock."""

import re

import pytest

from benchmarks import drawn_scenes


def test_rate_of_each_kind_of_scene_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert drawn_scenes.main(["--images", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(drawn_scenes.DRAWN)
    assert all(re.search(r" [1-9][0-9.]* a second$", line) for line in lines)
