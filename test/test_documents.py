"""Files, YAML and JSON from anywhere: plain data within bounds, or one line."""

import os
import socket

import pytest

from pose_ros.documents import parse_json, parse_yaml, read_yaml
from pose_ros.errors import DocumentError
from pose_ros.files import read_file


def alias_bomb() -> str:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    for name, inner in zip("bcdefghi", "abcdefgh", strict=True):
        lines.append(f"{name}: &{name} [{', '.join([f'*{inner}'] * 9)}]")
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("", None),
        ("a: 1\nb: [true, 0.5, text, null]", {"a": 1, "b": [True, 0.5, "text", None]}),
        ("day: 2024-02-30", {"day": "2024-02-30"}),
        ("n: 18446744073709551615", {"n": 2**64 - 1}),
        ("b: &b {x: 1}\nc:\n  <<: *b\n  x: 2", {"b": {"x": 1}, "c": {"x": 2}}),
        ("a: &a [1, 2]\nb: *a", {"a": [1, 2], "b": [1, 2]}),
        (b"name: J\xc3\xbcrgen", {"name": "Jürgen"}),
        ("[[[[[[[[1]]]]]]]]", [[[[[[[[1]]]]]]]]),
    ],
)
def test_plain_data_is_returned_unchanged(text, data):
    assert parse_yaml(text, "card") == data


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (alias_bomb(), "more than 100000 values, aliases expanded"),
        ("a: &x {b: *x}", "line 1: *x names no value before it"),
        ("a: *x", "*x names no value"),
        ("[[[[[[[[[1]]]]]]]]]", "more than 8 lists and mappings inside each other"),
        ("[" * 60_000, "more than 8 lists"),
        ("x: 1" + "0" * 400, "a whole number of more than 64 bits"),
        ("x: " + "1" * 5000, "not valid YAML"),
        ("x: 0x1" + "0" * 5000, "a whole number of more than 64 bits"),
        ("a: 1\na: 2", "the key 'a' stands twice at line 2"),
        ("a: b: c", "mapping values are not allowed"),
        ("? [1, 2]\n: 3", "unhashable key"),
        ("--- 1\n--- 2", "expected a single document"),
        ("x: !!int abc", "not valid YAML"),
        ("x: !!int ''", "not valid YAML"),
        ("x: !!bool abc", "not valid YAML"),
        ("x: !!float abc", "not valid YAML"),
        ("x: !!timestamp 2024-13-45", "not valid YAML"),
        ("x: !!binary abc", "not valid YAML"),
        ("!!set {a}", "not valid YAML"),
        ("x: !!python/object/apply:os.getcwd []", "not valid YAML"),
        ("x: \x00", "not valid YAML"),
        ("x: \ud800", "not valid YAML"),
        (b"\xff\xfe", "not UTF-8 text: byte 0 is wrong"),
        ("x: " + "a" * 70_000, "larger than 64 KiB"),
        ("x: " + "ä" * 40_000, "larger than 64 KiB"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_unsupported_document_gives_a_one_line_error_that_begins_with_its_name(text, problem):
    with pytest.raises(DocumentError) as caught:
        parse_yaml(text, "commands", max_bytes=1 << 16)
    line = str(caught.value)
    assert line.startswith("commands")
    assert problem in line
    assert "\n" not in line
    assert len(line) < 300


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[" * 200_000, "not valid JSON"),
        ("{", "not valid JSON"),
        ('{"a": 1' + "0" * 400 + "}", "a whole number of more than 64 bits"),
        ("1" * 5000, "not valid JSON"),
        (b"\xff", "not UTF-8 text"),
        ("[" + " " * (1 << 20) + "]", "larger than 1 MiB"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_damaged_json_gives_a_one_line_error(text, problem):
    with pytest.raises(DocumentError, match=problem):
        parse_json(text, "note")


def test_valid_json_is_returned(tmp_path):
    assert parse_json('{"a": [1, 2.5, null]}', "note") == {"a": [1, 2.5, None]}


def test_only_regular_files_are_read(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        for path, kind in (
            (tmp_path / "fifo", "a FIFO"),
            (tmp_path / "socket", "a socket"),
            ("/dev/zero", "a device"),
            (tmp_path, "a folder"),
        ):
            with pytest.raises(DocumentError, match=f"is {kind}, expected a regular file"):
                read_file(path)


def test_missing_and_large_files_give_a_one_line_error(tmp_path):
    with pytest.raises(DocumentError, match="No such file"):
        read_file(tmp_path / "missing")
    with pytest.raises(DocumentError, match="null"):
        read_file("a\0b")
    path = tmp_path / "large.yaml"
    path.write_bytes(b"[" * 2048)
    with pytest.raises(DocumentError, match="larger than 1 KiB"):
        read_yaml(path, max_bytes=1024)


def test_a_link_to_a_file_is_read(tmp_path):
    (tmp_path / "real.yaml").write_text("a: 1")
    (tmp_path / "link.yaml").symlink_to(tmp_path / "real.yaml")
    assert read_yaml(tmp_path / "link.yaml") == {"a": 1}
