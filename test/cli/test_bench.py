"""``pose-ros bench``: what it times, and what it refuses."""

import json

import cv2
import numpy as np
import pytest

from pose_ros.cli import bench
from pose_ros.cli.main import main


def test_whole_chain_and_its_networks_are_timed_in_turns(capsys):
    arguments = ["bench", "synthetic:stand", "--frames", "10", "--rounds", "1", "--json"]
    assert main(arguments) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found["ms"]) == [
        "blazepose-full, whole chain",
        "its detector network alone",
        "its landmarks network alone",
    ]
    assert all(len(row) == 4 for row in found["ms"].values())
    assert set(found["ratios"]) == set(list(found["ms"])[1:])


def test_two_networks_are_timed_in_turns(lite_models, capsys):
    arguments = ["synthetic:stand", "--frames", "10", "--rounds", "1", "--json"]
    arguments += ["--network", "blazepose-lite", "--models-dir", str(lite_models)]
    assert main(["bench", *arguments, "--against", "blazepose-lite"]) == 0
    found = json.loads(capsys.readouterr().out)
    first, other = list(found["ms"])[:2]
    assert (first, other) == ("blazepose-lite, whole chain", "blazepose-lite, whole chain, fp32")
    assert next(iter(found["ratios"])) == other


def test_bench_accepts_few_pictures_and_any_spelling_of_a_network(tmp_path, capsys, monkeypatch):
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(tmp_path / name), np.full((48, 64, 3), 90, np.uint8))
    arguments = ["bench", str(tmp_path), "--rounds", "1", "--network", "BlazePose_full"]
    assert main([*arguments, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["ms"]
    assert len(rows) == 3
    assert all(np.isfinite(row).all() for row in rows.values())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--frames", "9"], "--frames must be at least 10, got 9"),
        (["--rounds", "0"], "--rounds must be at least 1, got 0"),
        (["no_such_clip.mp4"], "no_such_clip.mp4"),
    ],
)
def test_impossible_arguments_give_a_one_line_error(arguments, message, capsys):
    assert main(["bench", *arguments]) == 1
    assert message in capsys.readouterr().err


def test_contenders_take_turns_to_begin():
    order = []

    def contender(name):
        def block(first, last):
            order.append((name, first, last))
            return 0.02, 0.04

        return block

    timings = bench.race({"a": contender("a"), "b": contender("b")}, 20, block=10, rounds=2)
    assert order[:4] == [("a", 0, 10), ("b", 0, 10), ("b", 10, 20), ("a", 10, 20)]
    assert len(order) == 3 * 4  # the warm-up too
    assert timings["a"].wall_ms.tolist() == [2.0] * 4
    assert bench.ratio(timings["a"], timings["b"]) == (1.0, 1.0)
    nothing = bench.Timing(np.zeros(3), np.zeros(3))  # as a coarse clock tells
    assert bench.ratio(timings["a"], nothing) == (None, None)
    assert "a" in bench.table(timings)
