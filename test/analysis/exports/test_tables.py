"""CSV and Parquet: read back by others, they hold what results hold, and nothing else."""

import csv
import json
import math
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pose_ros.analysis.exports import ExportOptions, open_exports, parquet
from pose_ros.analysis.exports.tables import TABLES
from pose_ros.core import skeletons
from pose_ros.core.results import RunInfo
from pose_ros.core.skeletons import Skeleton
from pose_ros.core.types import Poses
from tools.drawn_results import INFO, START, drawn_results, result_of

NAMES = ("poses", "poses.images", "poses.gestures")


def write(tmp_path, kind, results):
    """Write the tables of results."""
    options = ExportOptions({kind: str(tmp_path / f"poses.{kind}")})
    with open_exports(options, INFO) as exports:
        for result in results:
            exports.write(result)


def read_csv(path):
    """Return a table's rows; what is missing is None, numbers are numbers."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, strict=True))
    columns = dict(zip((f"{name}.csv" for name in NAMES), TABLES.values(), strict=True))[path.name]
    kinds = {"word": str, "int32": int, "int64": int, "float32": float, "float64": float}
    return [
        {name: kinds[columns[name]](word) if word else None for name, word in row.items()}
        for row in rows
    ]


def read_parquet(path):
    """Return a table's rows."""
    return pq.read_table(path).to_pylist()


READERS = {"csv": read_csv, "parquet": read_parquet}


def read(tmp_path, kind, results):
    """Write tables; returns their rows as somebody else reads them."""
    write(tmp_path, kind, results)
    return [READERS[kind](tmp_path / f"{name}.{kind}") for name in NAMES]


def known(value):
    """Return a number, None where it is NaN."""
    return None if math.isnan(value) else pytest.approx(float(value), abs=6e-5)


def vector(name, values):
    """Return the three columns of a point."""
    return {f"{name}_{axis}": known(v) for axis, v in zip("xyz", values, strict=True)}


def joints_of(result):
    """Return the rows of joints as plainly as can be."""
    nowhere = (math.nan,) * 3
    for poses, hands in ((result.poses, False), (result.hands or (), True)):
        for pose in poses:
            for k, joint in enumerate(pose.skeleton.keypoints):
                x, y = pose.keypoints[k]
                sources = pose.camera_sources
                yield {
                    "source": result.source,
                    "index": result.index,
                    "nanoseconds": result.nanoseconds,
                    "stamp": pytest.approx(result.stamp, abs=1e-6),
                    "skeleton": pose.skeleton.name,
                    "person": pose.id // 2 if hands else pose.id,
                    "side": ("left", "right")[pose.id % 2] if hands else None,
                    "pose_score": known(pose.score),
                    "joint": joint,
                    "x": known(x),
                    "y": known(y),
                    "score": known(pose.keypoint_scores[k]),
                    "z": known(math.nan if pose.depths is None else pose.depths[k]),
                    **vector("world", nowhere if pose.world is None else pose.world[k]),
                    **vector("camera", nowhere if pose.camera is None else pose.camera[k]),
                    "camera_sigma": known(
                        math.nan if pose.camera_sigmas is None else pose.camera_sigmas[k]
                    ),
                    "camera_source": (None, "model", "depth")[0 if sources is None else sources[k]],
                }


@pytest.mark.parametrize("kind", READERS)
def test_the_joints_are_those_of_the_results(tmp_path, varied, kind):
    joints, _, _ = read(tmp_path, kind, varied)
    expected = [row for result in varied for row in joints_of(result)]
    assert len(joints) == 2 * 33 + 21 + 2 * 25 + 2 * 33
    assert joints == expected
    assert [*joints[0]] == [*TABLES[""]]


@pytest.mark.parametrize("kind", READERS)
def test_images_without_anybody_are_in_a_table_of_their_own(tmp_path, varied, kind):
    _, images, _ = read(tmp_path, kind, varied)
    assert [*images[0]] == [*TABLES["images"]]
    assert [(row["index"], row["people"], row["hands"]) for row in images] == [
        (0, 2, 1), (1, 0, None), (2, 2, None), (5, 2, None),
    ]  # fmt: skip
    assert {(row["width"], row["height"], row["frame_id"]) for row in images} == {
        (640, 480, "camera")
    }


@pytest.mark.parametrize("kind", READERS)
def test_gestures(tmp_path, varied, kind):
    _, _, (point, stop) = read(tmp_path, kind, varied)
    assert [*point] == [*TABLES["gestures"]]
    assert (point["index"], point["nanoseconds"], point["person"]) == (0, START, 0)
    assert (point["gesture"], point["side"], point["event"]) == ("point", "left", "started")
    assert point["since"] == pytest.approx(START / 1e9 - 0.5, abs=1e-6)
    numbers = {**vector("origin", (1, 2, 3)), **vector("direction", (0, 0.6, 0.8))}
    numbers |= {"confidence": 0.75, "sigma": 0.25, "origin_sigma": 0.5, "ray": "metric"}
    assert {name: point[name] for name in numbers} == numbers
    nothing = {name for name, value in stop.items() if value is None}
    assert nothing == set(numbers) - {"confidence"}
    assert stop["since"] == 12.25


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("nanoseconds", [0, 1, START, 2**63 - 1, -1_500_000_000])
def test_stamps_survive_exactly(tmp_path, kind, nanoseconds):
    (result,) = drawn_results("gestures", 1)
    for rows in read(tmp_path, kind, [replace(result, nanoseconds=nanoseconds)]):
        assert {row["nanoseconds"] for row in rows} <= {nanoseconds}


def test_seconds_are_exact_as_text(tmp_path):
    (result,) = drawn_results("gestures", 1)
    write(tmp_path, "csv", [result, replace(result, nanoseconds=-1_500_000_000)])
    rows = (tmp_path / "poses.images.csv").read_text(encoding="utf-8").splitlines()
    assert [row.split(",")[3] for row in rows] == ["stamp", "1700000000.123456789", "-1.500000000"]


@pytest.mark.parametrize("kind", READERS)
def test_words_of_all_kinds(tmp_path, kind):
    """Names with what has a meaning in CSV, with other letters, and with nan in them."""
    odd = Skeleton('nan, "odd"', ("banana", 'a "b"', "c,d", "手"), ())
    points = np.full((1, 4, 2), np.nan, np.float32)
    poses = Poses(odd, [0], [0.5], np.zeros((1, 4)), points, np.zeros((1, 4)))
    source = 'nan/été, "2"\n.mcap'
    joints, images, _ = read(tmp_path, kind, [result_of(0, poses, source=source, frame_id="nan")])
    assert [row["joint"] for row in joints] == [*odd.keypoints]
    assert {(row["source"], row["skeleton"], row["x"], row["y"]) for row in joints} == {
        (source, odd.name, None, None)
    }
    assert {row["score"] for row in joints} == {0.0}
    assert images[0]["frame_id"] == "nan"


@pytest.mark.parametrize("kind", READERS)
def test_hands_alone_have_their_own_ids_and_sides(tmp_path, kind):
    skeleton = skeletons.get("blazehand21")
    poses = Poses(
        skeleton, [4, 9], [0.5, 1.0], np.zeros((2, 4)), np.zeros((2, 21, 2)), np.ones((2, 21)),
        labels=("right", "left"), label_scores=[1.0, 1.0],
    )  # fmt: skip
    joints, _, _ = read(tmp_path, kind, [result_of(0, poses)])
    assert {(row["person"], row["side"]) for row in joints} == {(4, "right"), (9, "left")}


@pytest.mark.parametrize("kind", READERS)
def test_a_run_without_images_has_tables_without_rows(tmp_path, kind):
    assert read(tmp_path, kind, []) == [[], [], []]


@pytest.mark.parametrize("kind", READERS)
def test_the_same_results_are_the_same_bytes(tmp_path, varied, kind):
    contents = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        write(folder, kind, varied)
        contents.append([(folder / f"{name}.{kind}").read_bytes() for name in NAMES])
    assert contents[0] == contents[1]


def test_csv_holds_no_zero_for_what_is_missing_and_ends_lines_plainly(tmp_path, varied):
    write(tmp_path, "csv", varied)
    text = (tmp_path / "poses.csv").read_bytes()
    assert b"\r" not in text
    header, *lines = text.decode().splitlines()
    assert header.split(",") == [*TABLES[""]]
    assert not [line for line in lines if "nan" in line]
    world = ",".join(f"{value:.4f}" for value in varied[0].poses.world[0, 15])
    assert lines[15].endswith(f",left_wrist,,,0.0000,0.0000,{world},,,,,")


def test_parquet_has_types_dictionaries_and_what_ran(tmp_path, varied):
    write(tmp_path, "parquet", varied)
    file = pq.ParquetFile(tmp_path / "poses.parquet")
    schema = file.schema_arrow
    assert schema.field("nanoseconds").type == pa.int64()
    assert schema.field("camera_x").type == pa.float32()
    assert schema.field("joint").type == pa.dictionary(pa.int32(), pa.string())
    info = json.loads(schema.metadata[b"pose_ros"])
    assert RunInfo(**info) == INFO


def test_parquet_keeps_little_in_memory(tmp_path, monkeypatch):
    """Row groups are bounded, and together they are what went in."""
    monkeypatch.setattr(parquet, "_MOST_ROWS", 100)
    results = list(drawn_results("crossing", 12))
    nobody = Poses.empty(results[0].poses.skeleton)
    results += [result_of(i, nobody) for i in range(12, 40)]
    monkeypatch.setattr(parquet, "_MOST_IMAGES", 10)
    joints, images, gestures = read(tmp_path, "parquet", results)
    assert joints == [row for result in results for row in joints_of(result)]
    assert [row["index"] for row in images] == list(range(40))
    assert gestures == []
    meta = pq.ParquetFile(tmp_path / "poses.parquet").metadata
    assert [meta.row_group(i).num_rows for i in range(meta.num_row_groups)] == [132] * 6
    meta = pq.ParquetFile(tmp_path / "poses.images.parquet").metadata
    assert max(meta.row_group(i).num_rows for i in range(meta.num_row_groups)) == 10
