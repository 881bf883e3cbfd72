"""CSV and Parquet: other readers find the values of the results, and no more."""

import csv
import json
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from pose_ros.analysis.exports import open_exports, tables
from pose_ros.analysis.exports.tables import TABLES
from pose_ros.core import skeletons
from pose_ros.core.gestures.recognizer import Gesture
from pose_ros.core.results import RunInfo
from pose_ros.core.skeletons import Skeleton
from pose_ros.core.types import Poses
from pose_ros.errors import OutputError
from pose_ros.report.statistics import Statistics
from pose_ros.settings.outputs import ExportOptions
from tools.drawn_results import INFO, START, drawn_results, result_of

BLAZE = skeletons.get("blazepose33")
NAMES = ("poses", "poses.angles", "poses.images", "poses.gestures")


def write(tmp_path, kind, results, *, wide=False):
    """Write the tables of results."""
    options = ExportOptions({kind: str(tmp_path / f"poses.{kind}")}, wide=wide)
    with open_exports(options, INFO) as exports:
        for result in results:
            exports.write(result)


def read_csv(path):
    """Return a table's rows; missing cells are None, numbers are parsed."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, strict=True))
    columns = dict(zip((f"{name}.csv" for name in NAMES), TABLES.values(), strict=True))[path.name]
    kinds: dict[str, Callable[[str], object]] = {
        "bool": lambda word: {"true": True, "false": False}[word],
        "word": str,
        "int32": int,
        "int64": int,
        "float32": float,
        "float64": float,
    }
    return [
        {name: kinds[columns[name]](word) if word else None for name, word in row.items()}
        for row in rows
    ]


def read_parquet(path):
    """Return a table's rows."""
    return pq.read_table(path).to_pylist()


READERS = {"csv": read_csv, "parquet": read_parquet}


def read(tmp_path, kind, results):
    """Write tables; returns their rows as another program reads them."""
    write(tmp_path, kind, results)
    return [READERS[kind](tmp_path / f"{name}.{kind}") for name in NAMES]


def known(value):
    """Return a number, None where it is NaN."""
    return None if math.isnan(value) else pytest.approx(float(value), abs=6e-5)


def vector(name, values):
    """Return the three columns of a point in meters."""
    return {f"{name}_{axis}_m": known(v) for axis, v in zip("xyz", values, strict=True)}


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
                    "stamp_ns": result.nanoseconds,
                    "stamp_s": pytest.approx(result.stamp, abs=1e-6),
                    "skeleton": pose.skeleton.name,
                    "person": pose.id // 2 if hands else pose.id,
                    "side": ("left", "right")[pose.id % 2] if hands else None,
                    "pose_score": known(pose.score),
                    "joint": joint,
                    "found": pose.keypoint_scores[k] >= pose.skeleton.least_score,
                    "x_px": known(x),
                    "y_px": known(y),
                    "score": known(pose.keypoint_scores[k]),
                    "z_px": known(math.nan if pose.depths is None else pose.depths[k]),
                    **vector("world", nowhere if pose.world is None else pose.world[k]),
                    **vector("camera", nowhere if pose.camera is None else pose.camera[k]),
                    "camera_sigma_m": known(
                        math.nan if pose.camera_sigmas is None else pose.camera_sigmas[k]
                    ),
                    "camera_source": (None, "model", "depth")[0 if sources is None else sources[k]],
                }


@pytest.mark.parametrize("kind", READERS)
def test_table_of_joints_equals_the_results(tmp_path, varied, kind):
    joints, *_ = read(tmp_path, kind, varied)
    expected = [row for result in varied for row in joints_of(result)]
    assert len(joints) == 2 * 33 + 21 + 2 * 25 + 2 * 33
    assert joints == expected
    assert [*joints[0]] == [*TABLES[""]]


@pytest.mark.parametrize("kind", READERS)
def test_images_without_people_are_in_the_table_of_images(tmp_path, varied, kind):
    _, _, images, _ = read(tmp_path, kind, varied)
    assert [*images[0]] == [*TABLES["images"]]
    assert [(row["index"], row["people"], row["hands"]) for row in images] == [
        (0, 2, 1), (1, 0, None), (2, 2, None), (5, 2, None),
    ]  # fmt: skip
    assert {(row["width_px"], row["height_px"], row["frame_id"]) for row in images} == {
        (640, 480, "camera")
    }


@pytest.mark.parametrize("kind", READERS)
def test_table_of_gestures_equals_the_results(tmp_path, varied, kind):
    _, _, _, (point, stop) = read(tmp_path, kind, varied)
    assert [*point] == [*TABLES["gestures"]]
    assert (point["index"], point["stamp_ns"], point["person"]) == (0, START, 0)
    assert (point["gesture"], point["side"], point["event"]) == ("point", "left", "started")
    assert point["since_s"] == pytest.approx(START / 1e9 - 0.5, abs=1e-6)
    numbers = vector("origin", (1, 2, 3)) | {
        f"direction_{axis}": known(v) for axis, v in zip("xyz", (0, 0.6, 0.8), strict=True)
    }
    numbers |= {"confidence": 0.75, "sigma_rad": 0.25, "origin_sigma_m": 0.5, "ray": "metric"}
    numbers |= {"target_frame": "base_link", "goal_yaw_rad": -0.5}
    numbers |= vector("target", (1.5, -2.0, 0.0))
    assert {name: point[name] for name in numbers} == numbers
    nothing = {name for name, value in stop.items() if value is None}
    assert nothing == (set(numbers) | {"origin_x_px", "origin_y_px"}) - {"confidence"}
    assert stop["since_s"] == 12.25


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("nanoseconds", [0, 1, START, 2**63 - 1, -1_500_000_000])
def test_stamps_survive_exactly(tmp_path, kind, nanoseconds):
    (result,) = drawn_results("gestures", 1)
    for rows in read(tmp_path, kind, [replace(result, nanoseconds=nanoseconds)]):
        assert {row["stamp_ns"] for row in rows} <= {nanoseconds}


def test_seconds_are_exact_as_text(tmp_path):
    (result,) = drawn_results("gestures", 1)
    write(tmp_path, "csv", [result, replace(result, nanoseconds=-1_500_000_000)])
    rows = (tmp_path / "poses.images.csv").read_text(encoding="utf-8").splitlines()
    assert [row.split(",")[3] for row in rows] == [
        "stamp_s",
        "1700000000.123456789",
        "-1.500000000",
    ]


@pytest.mark.parametrize("kind", READERS)
def test_names_with_commas_quotes_and_other_letters_are_read_back_unchanged(tmp_path, kind):
    """Names with what has a meaning in CSV, with other letters, and with nan in them."""
    odd = Skeleton('nan, "odd"', ("banana", 'a "b"', "c,d", "手"), ())
    points = np.full((1, 4, 2), np.nan, np.float32)
    poses = Poses(odd, [0], [0.5], np.zeros((1, 4)), points, np.zeros((1, 4)))
    source = 'nan/été, "2"\n.mcap'
    joints, _, images, _ = read(
        tmp_path, kind, [result_of(0, poses, source=source, frame_id="nan")]
    )
    assert [row["joint"] for row in joints] == [*odd.keypoints]
    assert {(row["source"], row["skeleton"], row["x_px"], row["y_px"]) for row in joints} == {
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
    joints, *_ = read(tmp_path, kind, [result_of(0, poses)])
    assert {(row["person"], row["side"]) for row in joints} == {(4, "right"), (9, "left")}


@pytest.mark.parametrize("kind", READERS)
def test_a_run_without_images_has_tables_without_rows(tmp_path, kind):
    assert read(tmp_path, kind, []) == [[], [], [], []]


@pytest.mark.parametrize("kind", READERS)
def test_same_results_give_the_same_bytes(tmp_path, varied, kind):
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
    assert lines[15].endswith(f",left_wrist,false,,,0.0000,0.0000,{world},,,,,")


def test_parquet_has_types_dictionaries_and_what_ran(tmp_path, varied):
    write(tmp_path, "parquet", varied)
    file = pq.ParquetFile(tmp_path / "poses.parquet")
    schema = file.schema_arrow
    assert schema.field("stamp_ns").type == pa.int64()
    assert schema.field("camera_x_m").type == pa.float32()
    assert schema.field("joint").type == pa.dictionary(pa.int32(), pa.string())
    info = json.loads(schema.metadata[b"pose_ros"])
    assert RunInfo(**info) == INFO


def test_parquet_keeps_little_in_memory(tmp_path, monkeypatch):
    """Row groups are bounded, and together they are what went in."""
    monkeypatch.setattr(tables, "_MOST_ROWS", 100)
    results = list(drawn_results("crossing", 12))
    nobody = Poses.empty(results[0].poses.skeleton)
    results += [result_of(i, nobody) for i in range(12, 40)]
    monkeypatch.setattr(tables, "_MOST_IMAGES", 10)
    joints, _, images, gestures = read(tmp_path, "parquet", results)
    assert joints == [row for result in results for row in joints_of(result)]
    assert [row["index"] for row in images] == list(range(40))
    assert gestures == []
    meta = pq.ParquetFile(tmp_path / "poses.parquet").metadata
    assert [meta.row_group(i).num_rows for i in range(meta.num_row_groups)] == [132] * 6
    meta = pq.ParquetFile(tmp_path / "poses.images.parquet").metadata
    assert max(meta.row_group(i).num_rows for i in range(meta.num_row_groups)) == 10


def bent(result, degrees, *, score=1.0):
    """Return a result whose person 0 bends the left elbow so far, in the network's meters."""
    world = np.array(result.poses.world)
    shoulder, elbow, wrist = (BLAZE.index(f"left_{n}") for n in ("shoulder", "elbow", "wrist"))
    upper = world[0, shoulder] - world[0, elbow]
    upper /= np.linalg.norm(upper)
    across = np.cross(upper, (0.0, 0.0, 1.0))
    across /= np.linalg.norm(across)
    turn = math.radians(degrees)
    world[0, wrist] = world[0, elbow] + 0.25 * (math.cos(turn) * upper + math.sin(turn) * across)
    scores = np.array(result.poses.keypoint_scores)
    scores[0, wrist] = score
    return replace(result, poses=result.poses.replace(world=world, keypoint_scores=scores))


@pytest.mark.parametrize("kind", READERS)
def test_angles_have_degrees_speed_and_what_they_were_measured_in(tmp_path, kind):
    """The elbow opens by 6 degrees an image, and the wrist is hidden in the last one."""
    results = [
        bent(result, 90 + 6 * i, score=1.0 if i < 5 else 0.2)
        for i, result in enumerate(drawn_results("gestures", 6))
    ]
    _, angles, _, _ = read(tmp_path, kind, results)
    assert [*angles[0]] == [*TABLES["angles"]]
    assert len(angles) == 6 * (8 + 20)
    elbow = [row for row in angles if (row["joint"], row["side"]) == ("elbow", "left")]
    found = [row["angle_deg"] for row in elbow]
    assert found == [*(pytest.approx(90 + 6 * i, abs=1e-3) for i in range(5)), None]
    rate = 6 / (results[1].stamp - results[0].stamp)
    assert [row["speed_deg_per_s"] for row in elbow] == [
        None, *[pytest.approx(rate, rel=1e-3)] * 4, None,
    ]  # fmt: skip
    assert [row["basis"] for row in elbow] == ["world"] * 5 + [None]
    assert {row["person"] for row in angles} == {0}
    assert {row["stamp_ns"] for row in angles} == {result.nanoseconds for result in results}


def test_angles_of_the_table_are_those_of_the_report(tmp_path, varied):
    """A depth camera's meters before the network's, and these before the image."""
    _, angles, _, _ = read(tmp_path, "parquet", varied)
    bases = {(row["index"], row["person"]): row["basis"] for row in angles if row["basis"]}
    assert bases == {
        (0, 0): "world", (0, 1): "camera", (2, 0): "image", (2, 1): "image",
        (5, 0): "world", (5, 1): "world",
    }  # fmt: skip
    statistics = Statistics()
    for result in varied[3:]:
        statistics.add(result)
    mean = {
        name: np.nanmean([motion.angles.mean[0, i] for motion in statistics.motions.values()])
        for i, name in enumerate(statistics.angle_names)
    }
    for name, value in mean.items():
        side, _, joint = name.partition("_")
        rows = [
            row["angle_deg"] for row in angles
            if (row["index"], row["side"], row["joint"]) == (5, side, joint)
        ]  # fmt: skip
        assert np.mean(rows) == pytest.approx(value, abs=1e-3)


def test_speeds_do_not_mix_what_was_measured_in_different_ways(tmp_path):
    """From meters to the image an angle jumps; no joint moved as fast as that."""
    first, second, third = drawn_results("gestures", 3)
    third = replace(third, poses=third.poses.replace(world=None))
    _, angles, _, _ = read(tmp_path, "parquet", [first, second, third])
    known = [row for row in angles if row["angle_deg"] is not None]
    assert {row["speed_deg_per_s"] is None for row in known if row["index"] == 1} == {False}
    assert {row["speed_deg_per_s"] for row in angles if row["index"] == 2} == {None}


@pytest.mark.parametrize("kind", READERS)
def test_the_wide_form_has_a_row_for_each_person_and_image(tmp_path, varied, kind):
    """It has the values of the long form, under names with joint, quantity and unit."""
    long, angles, *_ = read(tmp_path / "long", kind, varied[:1])
    write(tmp_path / "wide", kind, [*varied[:2], varied[3]], wide=True)
    people, hands, bends = (
        typed(tmp_path / "wide" / f"poses{name}.{kind}") for name in ("", ".hands", ".angles")
    )
    assert (len(people), len(hands), len(bends)) == (4, 1, 4)
    assert len(people.column_names) == 8 + 33 * 13
    types = {name: people.schema.field(name).type for name in people.column_names}
    assert (types["stamp_ns"], types["left_wrist_found"]) == (pa.int64(), pa.bool_())
    assert pa.types.is_floating(types["left_wrist_x_px"])
    rows = {
        (name, row["person"]): row
        for name, table in (("blazepose33", people), ("blazehand21", hands), ("", bends))
        for row in table.to_pylist()
        if row["index"] == 0
    }
    for row in long:
        wide = rows[row["skeleton"], row["person"]]
        for name in ("found", "x_px", "score", "world_z_m", "camera_x_m", "camera_source"):
            value = wide[f"{row['joint']}_{name}"] or None
            assert value == (row[name] and pytest.approx(row[name])) or not row[name]
    for row in angles:
        name = "_".join(filter(None, (row["side"], row["joint"], "angle_deg")))
        value = rows["", row["person"]][name]
        assert value == (row["angle_deg"] and pytest.approx(row["angle_deg"]))


def typed(path):
    """Return a table as read by a program that infers types, as pandas does."""
    return pyarrow.csv.read_csv(path) if path.suffix == ".csv" else pq.read_table(path)


@pytest.mark.parametrize("kind", READERS)
def test_a_wide_table_of_two_skeletons_is_refused(tmp_path, varied, kind):
    with pytest.raises(OutputError, match="of one skeleton"):
        write(tmp_path, kind, varied, wide=True)


@pytest.mark.parametrize("kind", READERS)
def test_wide_tables_without_images_have_no_rows(tmp_path, kind):
    write(tmp_path, kind, [], wide=True)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == sorted(f"{name}.{kind}" for name in NAMES)


@pytest.mark.parametrize("kind", READERS)
def test_columns_have_the_types_that_the_documents_say(tmp_path, varied, kind):
    """In CSV as far as text has any: a column without any value has none."""
    write(tmp_path, kind, varied)
    types = pa.types
    checks = {
        "bool": types.is_boolean, "int32": types.is_integer, "int64": types.is_integer,
        "float32": types.is_floating, "float64": types.is_floating,
        "word": lambda found: types.is_string(found) or types.is_dictionary(found),
    }  # fmt: skip
    for columns, name in zip(TABLES.values(), NAMES, strict=True):
        schema = typed(tmp_path / f"{name}.{kind}").schema
        assert schema.names == [*columns]
        for column, expected in columns.items():
            found = schema.field(column).type
            # a whole number without a point may be read as one
            whole = expected.startswith("float") and types.is_integer(found) and kind == "csv"
            assert checks[expected](found) or types.is_null(found) or whole, (name, column)


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_names_never_become_formulas_of_a_spreadsheet(tmp_path, name):
    joint = Skeleton(name, (name,), ())
    poses = Poses(joint, [0], [0.5], np.zeros((1, 4)), np.zeros((1, 1, 2)), np.ones((1, 1)))
    gesture = Gesture(name, "left", 0, "started", 0.75, 0.0)
    write(tmp_path, "csv", [result_of(0, poses, source=name, frame_id=name, gestures=(gesture,))])
    for path in tmp_path.iterdir():
        with path.open(encoding="utf-8", newline="") as file:
            words = [word for row in csv.reader(file) for word in row]
        assert not [word for word in words if word.startswith(("=", "+", "@", "\t", "\r"))]
        assert not [word for word in words if word.startswith("-") and not number(word)]


def number(word):
    try:
        return math.isfinite(float(word)) and word != "-1"
    except ValueError:
        return False


@pytest.mark.parametrize("kind", READERS)
def test_names_that_are_not_utf8_are_written_with_escapes(tmp_path, kind):
    (result,) = drawn_results("gestures", 1)
    source = b"caf\xe9.jpg".decode("utf-8", "surrogateescape")
    rows = read(tmp_path, kind, [replace(result, source=source)])[0]
    assert {row["source"] for row in rows} == {r"caf\udce9.jpg"}
