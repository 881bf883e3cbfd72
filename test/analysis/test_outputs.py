"""Outputs appear whole or not at all, and nothing is removed that is not ours."""

import logging

import pytest

from pose_ros.analysis.outputs import OutputPlaces, is_results_bag, partial_of
from pose_ros.analysis.results_bag import BagWriter
from pose_ros.bags.writer import add_topic, open_bag_writer
from pose_ros.core.results import RunInfo
from pose_ros.errors import OutputError

INFO = RunInfo("a", "b", "cpu")


def write(path, text="new"):
    path.write_text(text)


def test_files_and_bags_appear_together(tmp_path):
    table, bag = tmp_path / "deep" / "t.csv", tmp_path / "bag"
    with OutputPlaces() as places:
        write(places.place(table))
        with BagWriter(places.place(bag), "mcap", INFO):
            assert not bag.exists()
            assert not table.exists()
    assert table.read_text() == "new"
    assert is_results_bag(bag)
    assert sorted(p.name for p in tmp_path.rglob("*")) == [
        "bag", "bag.mcap", "deep", "metadata.yaml", "t.csv",
    ]  # fmt: skip


def test_existing_output_stays_without_force(tmp_path):
    table, bag = tmp_path / "t.csv", tmp_path / "bag"
    write(table, "old")
    with BagWriter(bag, "sqlite3", INFO):
        pass
    for target in (table, bag):
        with pytest.raises(OutputError, match="--force"), OutputPlaces() as places:
            places.place(target)
    with OutputPlaces(force=True) as places:
        write(places.place(table))
        with BagWriter(places.place(bag), "mcap", INFO):
            assert table.read_text() == "old"
    assert table.read_text() == "new"
    assert sorted(p.name for p in bag.iterdir()) == ["bag.mcap", "metadata.yaml"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bag", "t.csv"]


def test_folder_that_is_not_a_bag_of_results_is_not_replaced(tmp_path):
    with open_bag_writer(tmp_path / "recorded", "sqlite3") as writer:
        add_topic(writer, "/chatter", "std_msgs/msg/String")
    (tmp_path / "folder").mkdir()
    for name in ("recorded", "folder"):
        with pytest.raises(OutputError, match="stays"), OutputPlaces(force=True) as places:
            places.place(tmp_path / name)
        assert (tmp_path / name).is_dir()


def test_leftovers_of_a_killed_run_are_removed_and_logged(tmp_path, caplog):
    table = tmp_path / "t.csv"
    partial = partial_of(table)
    partial.mkdir()
    write(partial / "t.csv", "half")
    with caplog.at_level(logging.WARNING), OutputPlaces() as places:
        write(places.place(table))
    assert "did not finish" in caplog.text
    assert table.read_text() == "new"
    assert not partial.exists()
    partial.mkdir()
    write(partial / "something of mine", "dear")
    with pytest.raises(OutputError, match="in the way"), OutputPlaces(force=True) as places:
        places.place(table)
    assert (partial / "something of mine").read_text() == "dear"


def test_error_or_interruption_leaves_the_old_output(tmp_path):
    table = tmp_path / "t.csv"
    write(table, "old")

    def fail(error):
        with OutputPlaces(force=True) as places:
            write(places.place(table))
            raise error

    for error in (OutputError("full"), KeyboardInterrupt()):
        with pytest.raises(type(error)):
            fail(error)
        assert table.read_text() == "old"
        assert [p.name for p in tmp_path.iterdir()] == ["t.csv"]


def test_place_that_cannot_be_written_gives_a_one_line_error(tmp_path):
    write(tmp_path / "file")
    with pytest.raises(OutputError, match="cannot write"), OutputPlaces() as places:
        places.place(tmp_path / "file" / "t.csv")
