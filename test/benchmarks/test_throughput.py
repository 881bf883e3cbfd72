"""Cost of an analysis beside its networks: it is counted, never compared with a clock."""

import json

import pytest

from benchmarks import throughput
from pose_ros.runtime.session import OrtSession
from pose_ros.synthetic.scene_bag import BagOptions, write_scene_bag
from pose_ros.synthetic.source import open_synthetic


@pytest.fixture
def recording(tmp_path):
    """A recording of 1.2 s at 10 images a second."""
    source = open_synthetic("pointing?width=320&height=240", fps=10, loop=True, live=False)
    write_scene_bag(tmp_path / "bag", source, BagOptions("sqlite3", depth="none", seconds=1.2))
    return tmp_path / "bag"


def test_time_of_the_networks_is_reported(recording, monkeypatch, capsys):
    monkeypatch.setattr(throughput, "WARM_UP", 2)
    run = OrtSession.run
    assert throughput.main([str(recording), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["images"] == 10
    assert found["of these in the networks"] <= found["CPU ms an image"]
    assert found["networks' share"] * found["CPU ms an image"] == pytest.approx(
        found["of these in the networks"]
    )
    assert found["peak of memory, MB"] > 50
    assert OrtSession.run is run


def test_too_few_images_are_an_error(recording, capsys):
    assert throughput.main([str(recording)]) == 1
    assert "too few to measure" in capsys.readouterr().err
