"""What an analysis costs beside its networks: it is counted, never asserted against a clock."""

import json

import pytest

from pose_ros.analysis import throughput
from pose_ros.cli.main import main
from pose_ros.runtime.session import OrtSession


def test_time_of_the_networks_is_reported(recordings, monkeypatch, capsys):
    monkeypatch.setattr(throughput, "WARM_UP", 2)
    run = OrtSession.run
    assert main(["bench", str(recordings / "day1/run1"), "--bag", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["images"] == 10
    assert found["of these in the networks"] <= found["CPU ms an image"]
    assert found["networks' share"] * found["CPU ms an image"] == pytest.approx(
        found["of these in the networks"]
    )
    assert found["peak of memory, MB"] > 50
    assert OrtSession.run is run


def test_too_few_images_are_an_error(recordings, capsys):
    assert main(["bench", str(recordings / "day1/run1"), "--bag"]) == 1
    assert "too few to measure" in capsys.readouterr().err
