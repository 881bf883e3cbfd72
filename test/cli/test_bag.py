"""``pose-ros bag``: its commands are there and have help."""

import pytest

from pose_ros.cli.main import BAG_COMMANDS, main


@pytest.mark.parametrize("action", BAG_COMMANDS)
def test_every_action_has_help(action, capsys):
    with pytest.raises(SystemExit) as end:
        main(["bag", action, "--help"])
    assert end.value.code == 0
    assert f"usage: pose-ros bag {action}" in capsys.readouterr().out


def test_an_unknown_action_is_named(capsys):
    with pytest.raises(SystemExit) as end:
        main(["bag", "play"])
    assert end.value.code == 2
    assert "play" in capsys.readouterr().err
