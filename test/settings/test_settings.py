"""One statement of an option gives its checks, its flag, its parameter and its row in the docs."""

from __future__ import annotations

import argparse
import ast
import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pose_ros.errors import OptionError
from pose_ros.settings import check, documented, group, option, options_of
from pose_ros.settings.command_line import add_to_parser, from_args
from pose_ros.settings.estimation import EngineOptions, EstimatorOptions
from pose_ros.settings.gestures import GestureOptions
from pose_ros.settings.nodes import CameraParameters, GestureParameters
from pose_ros.settings.parameters import parameters_of, table_from
from tools.option_pages import NODES, SUBJECTS, files, option_table, parameter_file

KINDS = [kind for kinds in SUBJECTS.values() for kind in kinds]


@documented
@dataclass(frozen=True)
class LongerOptions(EstimatorOptions):
    """The options of an estimator, and one more: the line that a developer adds."""

    patience: float = option(3.0, help="Time to wait.", minimum=0.0, maximum=9.0, unit="seconds")
    limit: float | None = option(
        None, help="Most of it.", minimum=1.0, maximum=2.0, unset=0.0, meaning_of_unset="none"
    )


def check_letters(text: str) -> str:
    if not text.isalpha():
        raise OptionError(f"name must be letters, got {text!r}")
    return text


@dataclass(frozen=True)
class SampleTable:
    """Parameters of a node."""

    name: str = option("a", help="Name of it.", parse=check_letters)
    people: LongerOptions = group(LongerOptions, "People.")


def parsed(kind: type[Any], *words: str) -> Any:
    parser = argparse.ArgumentParser()
    add_to_parser(kind, parser)
    return from_args(kind, parser.parse_args(words))


def test_an_added_option_is_a_flag() -> None:
    parser = argparse.ArgumentParser()
    add_to_parser(LongerOptions, parser)
    text = " ".join(parser.format_help().split())
    assert "--patience S time to wait (0 to 9 seconds; default: 3)" in text
    assert parsed(LongerOptions).patience == 3.0
    assert parsed(LongerOptions, "--patience", "4.5").patience == 4.5
    with pytest.raises(OptionError, match=r"patience must be in \[0, 9\] seconds, got 10.0"):
        parsed(LongerOptions, "--patience", "10")


def test_an_added_option_is_a_parameter_with_its_range() -> None:
    parameter = parameters_of(SampleTable)["patience"]
    assert parameter.default == 3.0
    assert parameter.range == (0.0, 9.0)
    assert parameter.description == "Time to wait (seconds)."
    assert table_from(SampleTable, {"patience": 4}).people.patience == 4.0
    with pytest.raises(OptionError, match=r"patience must be in \[0, 9\] seconds, got -1.0"):
        table_from(SampleTable, {"patience": -1})


def test_an_added_option_is_in_the_tables_the_parameter_file_and_the_docstring() -> None:
    row = "| `patience` | `--patience` | `patience` | `3` | 0 to 9 seconds | Time to wait |"
    assert row in option_table(LongerOptions)
    written = parameter_file(SampleTable, "Head.")
    assert "    # Time to wait (0 to 9 seconds).\n    patience: 3.0\n" in written
    assert "patience: Time to wait; in [0, 9] seconds." in (LongerOptions.__doc__ or "")


def test_an_added_option_is_a_keyword_of_the_dataclass() -> None:
    assert LongerOptions(patience=9).patience == 9
    with pytest.raises(OptionError, match=r"patience must be in \[0, 9\] seconds, got nan"):
        LongerOptions(patience=float("nan"))
    with pytest.raises(OptionError, match="patience must be a number, got '3'"):
        LongerOptions(patience="3")


def test_value_that_means_none_is_outside_the_range_of_the_option() -> None:
    parameter = parameters_of(SampleTable)["limit"]
    assert (parameter.default, parameter.range) == (0.0, (0.0, 2.0))
    assert table_from(SampleTable, {"limit": 0.0}).people.limit is None
    assert table_from(SampleTable, {"limit": 1.5}).people.limit == 1.5
    assert parsed(LongerOptions).limit is None
    with pytest.raises(OptionError, match=r"limit must be in \[1, 2\], or 0 for none, got 0.5"):
        table_from(SampleTable, {"limit": 0.5})


def test_a_misspelled_parameter_is_named_with_the_near_one() -> None:
    with pytest.raises(OptionError, match=r"'patienc' \(did you mean 'patience'\?\)"):
        table_from(SampleTable, {"patienc": 1.0})


def test_check_of_a_node_parameter_applies_to_its_value() -> None:
    with pytest.raises(OptionError, match="name must be letters, got '7'"):
        table_from(SampleTable, {"name": "7"})


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_option_is_in_its_range_and_says_what_it_means(kind: type[Any]) -> None:
    check(kind())
    for name, found in options_of(kind).items():
        assert found.help, name
        assert found.help[:1].isupper(), name
        assert f"    {name}: " in (kind.__doc__ or ""), name


def test_an_option_of_numbers_without_a_range_is_refused() -> None:
    with pytest.raises(OptionError, match="needs minimum and maximum"):
        option(1.0, help="It.")
    with pytest.raises(OptionError, match="needs unset"):
        option(None, help="It.")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_options_keep_their_defaults_without_flags(kind: type[Any]) -> None:
    assert parsed(kind) == kind()


def test_flags_set_their_fields_of_the_dataclass() -> None:
    found = parsed(EstimatorOptions, "--no-smoothing", "--static", "--max-people", "3")
    assert found == EstimatorOptions(smoothing=False, static=True, max_people=3)
    assert parsed(EngineOptions, "--precision", "fp16").precision == "fp16"
    found = parsed(GestureOptions, "--gesture-score", "0.7", "--stop-gesture", "both_up")
    assert found == GestureOptions(min_score=0.7, stop="both_up")


@pytest.mark.parametrize("command", [["estimate"], ["bag", "run"]])
def test_each_flag_is_in_the_help_of_the_commands(command: list[str], capsys: Any) -> None:
    from pose_ros.cli.main import main

    with pytest.raises(SystemExit):
        main([*command, "--help"])
    words = capsys.readouterr().out.split()
    for kind in (EstimatorOptions, EngineOptions, GestureOptions):
        for name, found in options_of(kind).items():
            flag = f"--no-{found.flag}" if found.default is True else f"--{found.flag}"
            assert not found.flag or flag in words, name


@pytest.mark.parametrize("node", NODES)
def test_options_with_the_same_parameter_of_a_node_are_equal(node: str) -> None:
    """Options of two groups with one name are one parameter, so they say the same."""
    found: dict[str, Any] = {}
    for field in dataclasses.fields(NODES[node]):
        kind = field.metadata.get("group")
        for each in options_of(kind).values() if kind else ():
            if each.parameter:
                same = dataclasses.replace(each, parse=None)
                assert found.setdefault(each.parameter, same) == same


@pytest.mark.parametrize("path", list(files()))
def test_pages_of_options_are_up_to_date(checkout: Path, path: str) -> None:
    written = (checkout / path).read_text(encoding="utf-8")
    assert written == files()[path], "run python -m tools.option_pages"


def stated_defaults(source: str) -> Iterator[tuple[str, Any]]:
    """Yield name and value of each default that a source states by a number or a text."""
    for node in ast.walk(ast.parse(source)):
        pairs: list[tuple[str, ast.expr | None]] = []
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            arguments = node.args
            plain = [*arguments.posonlyargs, *arguments.args]
            with_default = plain[len(plain) - len(arguments.defaults) :]
            pairs += zip((a.arg for a in with_default), arguments.defaults, strict=True)
            pairs += zip((a.arg for a in arguments.kwonlyargs), arguments.kw_defaults, strict=True)
        elif isinstance(node, ast.ClassDef):
            lines = [line for line in node.body if isinstance(line, ast.AnnAssign)]
            pairs += ((ast.unparse(line.target), line.value) for line in lines)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("add_argument"):
            flag = ast.unparse(node.args[0]).strip("'-").replace("-", "_")
            pairs += ((flag, key.value) for key in node.keywords if key.arg == "default")
        for name, value in pairs:
            if isinstance(value, ast.Constant):
                yield name, value.value


def test_default_stated_twice_is_found() -> None:
    source = "def f(a, max_people=1, *, threads: int = 2): ...\nclass C:\n    rate: float = 20.0"
    assert list(stated_defaults(source)) == [("max_people", 1), ("threads", 2), ("rate", 20.0)]
    source = "group.add_argument('--max-people', type=int, default=1, metavar='N')"
    assert list(stated_defaults(source)) == [("max_people", 1)]


def test_no_default_of_an_option_is_stated_twice(checkout: Path) -> None:
    """A switch that is off, and None, are every function's and no second statement."""
    defaults: dict[str, set[str]] = {}
    for kind in [*KINDS, *NODES.values()]:
        for name, found in options_of(kind).items():
            for each in (name, found.parameter, found.flag.replace("-", "_")):
                defaults.setdefault(each, set()).add(repr(found.default))
    twice = [
        f"{path.relative_to(checkout)}: {name} = {value!r}"
        for path in sorted((checkout / "pose_ros").rglob("*.py"))
        for name, value in stated_defaults(path.read_text(encoding="utf-8"))
        if not isinstance(value, bool) and value not in (None, "")
        if repr(value) in defaults.get(name, ())
    ]
    assert not twice, "\n".join(twice)


# Fields that are read by a name that is put together: fusion_node reads {kind}_topic.
READ_BY_NAME = {"camera_info_topic", "poses_topic"}


def test_each_option_is_read_by_code_that_obeys_it(checkout: Path) -> None:
    sources = [
        path
        for path in (checkout / "pose_ros").rglob("*.py")
        if path.parent != checkout / "pose_ros" / "settings"
    ]
    read = {
        node.attr
        for path in sources
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    }
    unread = {
        f"{kind.__name__}.{name}"
        for kind in [*KINDS, *NODES.values()]
        for name in set(options_of(kind)) - read - READ_BY_NAME
    }
    assert unread == set()


@pytest.mark.parametrize("table", [CameraParameters, GestureParameters])
def test_nodes_that_read_their_options_once_have_none_that_is_live(table: type[Any]) -> None:
    live = [name for name, found in parameters_of(table).items() if found.option.live]
    assert live == [], f"{table.__name__} is read when the node starts, and not with each image"
