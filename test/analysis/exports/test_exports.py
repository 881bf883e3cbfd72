"""All formats: files appear complete or not at all, and impossible options are refused at once."""

import importlib.util
import pickle
import sys

import pytest

from pose_ros.analysis.exports import check_exports, open_exports
from pose_ros.analysis.outputs import OutputPlaces
from pose_ros.errors import OptionError, OutputError
from pose_ros.files import recording_name
from pose_ros.settings.outputs import ExportOptions
from tools.drawn_results import INFO, drawn_results

# Rerun's SDK is large and optional: test_rerun.py tests its file
SUFFIXES = {
    "csv": "csv",
    "parquet": "parquet",
    "coco": "json",
    "coco_results": "results.json",
    "bvh": "bvh",
    "trc": "trc",
    "mot": "mot",
    "c3d": "c3d",
}


def all_formats(folder, name="poses"):
    """Return options for a file of each format that has ``SUFFIXES``."""
    return ExportOptions({key: str(folder / f"{name}.{SUFFIXES[key]}") for key in SUFFIXES})


def files(folder):
    """Return the content of the files of a folder, by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_all_formats_are_written_in_one_run(tmp_path):
    """They appear together, at the end, and a second close changes nothing."""
    exports = open_exports(all_formats(tmp_path), INFO)
    for result in drawn_results("gestures", 3):
        exports.write(result)
        assert not set(tmp_path.iterdir()) & set(exports.paths)
    notes = exports.close()
    written = files(tmp_path)
    assert set(written) == {path.name for path in exports.paths}
    assert len(written) == 14
    assert exports.close() == notes
    assert files(tmp_path) == written
    assert notes == tuple(
        f"{tmp_path}/poses.{kind}: person 0, 3 frames, 0.1 s"
        for kind in ("bvh", "trc", "mot", "c3d")
    )


def test_files_appear_with_the_other_outputs_of_a_run(tmp_path):
    with OutputPlaces() as places:
        exports = open_exports(all_formats(tmp_path), INFO, places=places)
        exports.close()
        assert not set(tmp_path.iterdir()) & set(exports.paths)
    assert set(files(tmp_path)) == {path.name for path in exports.paths[:-4]}


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_run_that_fails_leaves_the_old_files(tmp_path, error):
    (tmp_path / "poses.csv").write_text("older")
    exports = open_exports(all_formats(tmp_path), INFO)

    def run():
        with exports:
            for result in drawn_results("gestures", 2):
                exports.write(result)
            raise error

    with pytest.raises(error):
        run()
    assert files(tmp_path) == {"poses.csv": b"older"}
    exports.close()
    assert files(tmp_path) == {"poses.csv": b"older"}


def test_output_that_cannot_be_opened_leaves_no_files(tmp_path):
    (tmp_path / "no folder").write_text("")
    options = ExportOptions(
        {"csv": str(tmp_path / "poses.csv"), "coco": str(tmp_path / "no folder" / "x.json")}
    )
    with pytest.raises(OutputError, match="cannot write .*no folder/x.json"):
        open_exports(options, INFO)
    assert set(files(tmp_path)) == {"no folder"}


class FullDisk:
    """Where nothing can be written."""

    def __init__(self, folder):
        self.link = folder / "full"
        self.link.symlink_to("/dev/full")

    def place(self, target):
        return self.link


@pytest.mark.parametrize("kind", SUFFIXES)
def test_a_full_disk_gives_a_one_line_error(tmp_path, kind):
    file = tmp_path / f"poses.{SUFFIXES[kind]}"

    def run():
        places = FullDisk(tmp_path)
        with open_exports(ExportOptions({kind: str(file)}), INFO, places=places) as exports:
            for result in drawn_results("gestures", 3):
                exports.write(result)

    with pytest.raises(OutputError, match=f"cannot write {file}: .*No space left"):
        run()


def test_missing_folders_are_created_and_patterns_in_names_are_filled(tmp_path):
    options = ExportOptions({"csv": str(tmp_path / "out" / "%s.csv")})
    with open_exports(options, INFO):
        pass
    assert set(files(tmp_path / "out")) == {
        "run 1.csv", "run 1.angles.csv", "run 1.images.csv", "run 1.gestures.csv",
    }  # fmt: skip
    with open_exports(options, INFO, name="other"):
        pass
    assert "other.csv" in files(tmp_path / "out")


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("/a/run.mcap", "run"),
        ("run.2024", "run.2024"),
        ("rosbag2_2024_01_02-03_04_05/", "rosbag2_2024_01_02-03_04_05"),
        ("clip.mp4", "clip"),
        ("synthetic:walking", "synthetic:walking"),
        ("", "recording"),
        ("/dev/video0", "video0"),
        (".mcap", ".mcap"),
    ],
)
def test_name_of_a_recording_follows_its_path(source, name):
    assert recording_name(source) == name


def test_export_options_can_be_pickled(tmp_path):
    options = ExportOptions({"csv": "%s.csv"}, person=3, coco17=True, coco_ids="name")
    assert pickle.loads(pickle.dumps(options)) == options


@pytest.mark.parametrize(
    ("options", "names", "expected"),
    [
        ({"xls": "a.xls"}, ("a",), "unknown format 'xls'; known: csv, parquet"),
        ({"csv": "a.csv"}, ("a", "b"), r"2 recordings .* %s\.csv"),
        ({"csv": "%s.csv"}, ("a", "a"), "a.csv would be written twice"),
        ({"coco": "%s.json", "coco_results": "a.json"}, ("a",), "a.json would be written twice"),
        ({"csv": "a.csv", "parquet": "a.images.csv"}, ("a",), "a.images.csv would be written"),
        ({"csv": ""}, ("a",), "--csv takes the name of a file"),
        ({"parquet": "-"}, ("a",), "--parquet takes the name of a file"),
        ({"coco_results": "/"}, ("a",), "--coco-results takes the name of a file"),
    ],
)
def test_impossible_options_are_refused_before_anything_runs(options, names, expected):
    with pytest.raises(OptionError, match=expected):
        check_exports(ExportOptions(options), names)


@pytest.mark.parametrize(
    ("options", "files", "expected"),
    [
        ({"person": 0}, {"csv": "a.csv"}, "--person works only with --bvh FILE"),
        ({"coco17": True}, {"coco_results": "a.json"}, "--coco17 works only with --coco FILE"),
        ({"coco_ids": "name"}, {"bvh": "a.bvh"}, "--coco-ids works only with --coco FILE"),
    ],
)
def test_options_of_a_format_not_written_are_refused(options, files, expected):
    with pytest.raises(OptionError, match=expected):
        check_exports(ExportOptions(files, **options))


def test_existing_files_stay_without_force(tmp_path):
    (tmp_path / "a.gestures.csv").write_text("older")
    options = ExportOptions({"csv": str(tmp_path / "%s.csv")})
    with pytest.raises(OutputError, match=r"a\.gestures\.csv is there already; --force"):
        check_exports(options, ["b", "a"])
    check_exports(options, ["b", "a"], force=True)
    check_exports(options, ["b"])


def test_parquet_without_pyarrow_gives_a_one_line_error(tmp_path, monkeypatch):
    options = ExportOptions({"parquet": str(tmp_path / "poses.parquet")})
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(OutputError, match=r'pip install "pose_ros\[report\]"'):
        open_exports(options, INFO)
    assert files(tmp_path) == {}
    found = importlib.util.find_spec
    monkeypatch.setattr(
        "pose_ros.analysis.exports.writing.find_spec",
        lambda name: None if name == "pyarrow" else found(name),
    )
    with pytest.raises(OutputError, match=r'needs pyarrow: pip install "pose_ros\[report\]"'):
        check_exports(options)


@pytest.mark.parametrize("wrong", [{"person": -1}, {"coco_ids": "id"}])
def test_wrong_options_are_refused(wrong):
    with pytest.raises(OptionError):
        ExportOptions(**wrong)
