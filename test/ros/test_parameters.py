from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import rclpy
from rcl_interfaces.msg import Parameter as ParameterMsg
from rcl_interfaces.msg import ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter

from pose_ros.errors import ModelError, OptionError
from pose_ros.files import share_path
from pose_ros.ros import parameters
from pose_ros.ros.camera_node import CameraNode
from pose_ros.ros.gesture_node import CHECKS, GestureNode, parse_commands
from pose_ros.ros.pose_node import PoseNode, hands_from
from pose_ros.settings import group, option
from pose_ros.settings.estimation import EngineOptions, EstimatorOptions, HandOptions
from pose_ros.settings.lifting import LiftOptions
from pose_ros.settings.nodes import CameraParameters, GestureParameters, PoseParameters
from pose_ros.settings.parameters import parameters_of, table_from

TABLES = (PoseParameters, CameraParameters, GestureParameters)
ALL = [(table, name) for table in TABLES for name in parameters_of(table)]


@pytest.mark.parametrize(("table", "name"), ALL)
def test_every_parameter_has_a_description_and_a_valid_default(table: type, name: str) -> None:
    parameter = parameters_of(table)[name]
    default = parameter.default
    assert parameter.description.endswith(".")
    assert parameter.check(default) == default
    assert (parameter.range is not None) == (type(default) in (int, float))
    described = parameters.descriptor(parameter)
    kinds = {
        bool: ParameterType.PARAMETER_BOOL,
        int: ParameterType.PARAMETER_INTEGER,
        float: ParameterType.PARAMETER_DOUBLE,
        str: ParameterType.PARAMETER_STRING,
    }
    assert described.type == kinds[type(default)]
    assert described.description == parameter.description
    ranges = (*described.floating_point_range, *described.integer_range)
    assert [(r.from_value, r.to_value) for r in ranges] == (
        [] if parameter.range is None else [parameter.range]
    )


def test_defaults_equal_those_of_the_library() -> None:
    found = table_from(
        PoseParameters, {name: p.default for name, p in parameters_of(PoseParameters).items()}
    )
    assert found == PoseParameters()
    assert found.estimator == EstimatorOptions()
    assert found.engine == EngineOptions()
    assert found.lift == LiftOptions()


def test_hand_network_is_the_one_in_the_parameter() -> None:
    with pytest.raises(ModelError, match="blazepose-full finds no hands at the wrists"):
        hands_from(PoseParameters(hands=HandOptions(network="blazepose-full")))


@pytest.mark.parametrize(
    ("table", "name", "value", "expected"),
    [
        (PoseParameters, "threshold", 0.25, 0.25),
        (PoseParameters, "threshold", 1, 1.0),
        (PoseParameters, "threshold", 1.01, "threshold must be in [0, 1], got 1.01"),
        (PoseParameters, "threshold", -0.1, "threshold must be in [0, 1]"),
        (PoseParameters, "threshold", float("nan"), "threshold must be in [0, 1]"),
        (PoseParameters, "threshold", "0.5", "threshold must be a number, got '0.5'"),
        (PoseParameters, "threshold", True, "threshold must be a number, got True"),
        (PoseParameters, "threshold", None, "threshold must be a number, got nothing"),
        (PoseParameters, "max_people", 10, 10),
        (PoseParameters, "max_people", 11, "max_people must be in [1, 10], got 11"),
        (PoseParameters, "max_people", 2.0, "max_people must be a whole number"),
        (PoseParameters, "smoothing", 1, "smoothing must be true or false, got 1"),
        (PoseParameters, "provider", "cuda", "cuda"),
        (PoseParameters, "provider", "gpu", "provider must be one of auto, tensorrt, cuda, cpu"),
        (PoseParameters, "precision", "fp16", "fp16"),
        (PoseParameters, "precision", "int4", "precision must be one of fp32, fp16, int8"),
        (PoseParameters, "image_transport", "theora", "image_transport must be one of raw"),
        (PoseParameters, "overlay", "box, keypoints", "box, keypoints"),
        (PoseParameters, "overlay", "none", "none"),
        (PoseParameters, "overlay", "box,none", "overlay must be none or some of"),
        (PoseParameters, "overlay", "faces", "overlay must be none or some of"),
        (PoseParameters, "person_height", 1.8, 1.8),
        (PoseParameters, "person_height", 0.0, 0.0),
        (
            PoseParameters,
            "person_height",
            0.3,
            "person_height must be in [0.5, 2.5] meters, or 0 ",
        ),
        (PoseParameters, "image_kind", "crooked", "image_kind must be one of auto, raw, rectified"),
        (PoseParameters, "id_prefix", "left_", "left_"),
        (PoseParameters, "id_prefix", "7", "id_prefix must be a lower-case letter"),
        (GestureParameters, "commands", "stop: stop", "stop: stop"),
        (GestureParameters, "commands", "", ""),
        (GestureParameters, "commands", "{", "commands is not valid YAML"),
        (GestureParameters, "commands", "jump: stop", "jump: stop"),  # it may be a taught one
        (GestureParameters, "timeout", 0.0, "timeout must be in [0.05, 2] seconds, got 0.0"),
        (GestureParameters, "operator", "loudest", "operator must be one of nearest, first"),
        (GestureParameters, "engage", "wink", "engage: 'wink' is no gesture"),
        (CameraParameters, "source", 0, "0"),
        (CameraParameters, "source", 1.5, "source must be a text"),
        (CameraParameters, "rate", 30, 30.0),
        (
            CameraParameters,
            "hfov",
            180.0,
            "hfov must be in [1, 179] degrees, or 0 for unknown",
        ),
        (CameraParameters, "width", -1, "width must be in [1, 16384] pixels, or 0 for its own"),
    ],
)
def test_value_of_a_parameter_is_checked_and_converted(
    table: type, name: str, value: Any, expected: Any
) -> None:
    parameter = parameters_of(table)[name]
    checks = CHECKS if table is GestureParameters else {}
    if isinstance(expected, str) and expected.startswith(name):
        with pytest.raises(OptionError) as found:
            parameters.check(parameter, value, checks)
        assert expected in str(found.value)
    else:
        parameters.check(parameter, value, checks)
        checked = parameter.check(value)
        assert checked == expected
        assert type(checked) is type(parameter.default)


@pytest.mark.parametrize("configured", [False, True])
@pytest.mark.parametrize(("table", "name"), ALL)
def test_only_live_parameters_change_while_configured(
    table: type, name: str, configured: bool
) -> None:
    parameter = parameters_of(table)[name]
    judge = parameters.on_set(table, lambda: configured)
    result = judge([Parameter(name, value=parameter.default)])
    assert result.successful == (parameter.option.live or not configured)
    if not result.successful:
        assert name in result.reason
        assert "deactivate" in result.reason


def test_exactly_these_parameters_are_live() -> None:
    live = {name for name, p in parameters_of(PoseParameters).items() if p.option.live}
    assert live == {
        "allow_still_images",
        *("threshold", "min_tracking_confidence", "reid_timeout", "detect_tiles"),
        *("upper_body_only", "smoothing", "overlay", "publish_overlay"),
        *("publish_markers", "min_joint_score", "person_height", "max_depth_skew"),
    }


def test_parameters_of_other_owners_are_accepted() -> None:
    judge = parameters.on_set(PoseParameters, lambda: True)
    assert judge([Parameter("use_sim_time", value=True)]).successful


def declare(ros: Any, table: type, *overrides: Parameter) -> Any:
    node = rclpy.create_node("declaring", parameter_overrides=list(overrides))
    try:
        return parameters.declare_on(node, table), node.describe_parameters(
            list(parameters_of(table))
        )
    finally:
        node.destroy_node()


@pytest.mark.parametrize("table", TABLES)
def test_parameters_are_declared_with_defaults_and_descriptions(ros: Any, table: type) -> None:
    values, described = declare(ros, table)
    assert values == table()
    assert [d.name for d in described] == list(parameters_of(table))
    assert all(d.description for d in described)
    assert [d.name for d in described if d.read_only] == ["autostart"]


@dataclass(frozen=True)
class LongerOptions(EstimatorOptions):
    """The options of an estimator, and one more: the line that a developer adds."""

    patience: float = option(3.0, help="Time to wait.", minimum=0.0, maximum=9.0, unit="seconds")


@dataclass(frozen=True)
class LongerParameters:
    """Parameters of a node with it."""

    estimator: LongerOptions = group(LongerOptions)


def test_an_added_option_is_declared_with_its_range(ros: Any) -> None:
    values, described = declare(ros, LongerParameters, Parameter("patience", value=5))
    assert values.estimator == LongerOptions(patience=5.0)
    (found,) = (d for d in described if d.name == "patience")
    assert found.description == "Time to wait (seconds)."
    (limits,) = found.floating_point_range
    assert (limits.from_value, limits.to_value) == (0.0, 9.0)


def test_overrides_are_converted_to_the_declared_type(ros: Any) -> None:
    values, _ = declare(
        ros, CameraParameters, Parameter("source", value=0), Parameter("rate", value=15)
    )
    assert values == CameraParameters(source="0", rate=15.0)


def test_bad_override_is_named_with_its_range(ros: Any) -> None:
    with pytest.raises(OptionError, match=r"^threshold must be in \[0, 1\], got 2.0$"):
        declare(ros, PoseParameters, Parameter("threshold", value=2.0))


@pytest.mark.parametrize(
    ("file", "table"),
    [
        ("pose.yaml", PoseParameters),
        ("camera.yaml", CameraParameters),
        ("gestures.yaml", GestureParameters),
    ],
)
def test_parameter_files_hold_the_defaults(file: str, table: type[Any]) -> None:
    import yaml

    given = yaml.safe_load(share_path("config", file).read_text())["/**"]["ros__parameters"]
    defaults = {name: parameter.default for name, parameter in parameters_of(table).items()}
    del defaults["autostart"]  # of a launch's nodes a launch file takes care
    assert given == defaults


COMMANDS_THAT_CANNOT_BE = {
    "date": "stop: 2024-02-30",
    "number of nothing": "point: {do: twist, linear: !!int abc}",
    "bool of nothing": "point: {do: goal, hold: !!bool x}",
    "deep": "point: " + "[" * 100_000,
    "deep and closed": "point: " + "[" * 20 + "]" * 20,
    "10 MB": "# " + "x" * 10_000_000,
    "large number": f"point: {{do: twist, linear: {10**400}}}",
    "large hexadecimal": "point: {do: twist, linear: 0x" + "f" * 5000 + "}",
    "aliases": "a: &a [1,1,1,1,1,1,1,1]\n"
    + "\n".join(f"a{i}: &a{i} [{', '.join(['*a' + str(i - 1 or '')] * 8)}]" for i in range(1, 9)),
    "object": "point: !!python/object/apply:os.system [true]",
    "list": "[stop]",
    "null character": "stop: \0",
    "surrogate": "stop: \ud800",
    "twice": "stop: stop\nstop: stop",
    "own anchor": "&a point: *a",
}


@pytest.mark.parametrize("name", COMMANDS_THAT_CANNOT_BE)
def test_impossible_commands_give_a_short_one_line_error(name: str) -> None:
    with pytest.raises(OptionError) as caught:
        parse_commands(COMMANDS_THAT_CANNOT_BE[name])
    said = str(caught.value)
    assert said.startswith("commands")
    assert "\n" not in said
    assert len(said) < 400


ODD_VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 2**63 - 1, -(2**63)),
    *(0.0, float("nan"), float("inf"), -float("inf"), 1e308, 5e-324),
    *("", "x" * 1_000_000, "\n\t", "é\u202e", "[" * 1000, "&a [*a]", "!!python/name:os.system"),
    *(b"\xff" * 10, [True], [1, 2], [0.5, float("nan")], ["a"], []),
)


@pytest.mark.parametrize("table", TABLES)
def test_no_value_of_a_parameter_terminates_a_node(ros: Any, table: type) -> None:
    """Any value is accepted or refused in a line, and the table stays readable."""
    node = {
        PoseParameters: PoseNode,
        CameraParameters: CameraNode,
        GestureParameters: GestureNode,
    }[table]()
    ros.add(node)
    for name in parameters_of(table):
        for value in ODD_VALUES:
            try:
                parameter = Parameter(name, value=value)
            except (TypeError, ValueError):
                continue  # rclpy knows no such type: it cannot come from outside either
            for result in (
                *node.set_parameters([parameter]),
                node.set_parameters_atomically([parameter]),
            ):
                assert result.successful or 0 < len(result.reason) < 1000, (name, value)
                assert "\n" not in result.reason
        node.set_parameters([Parameter(name, value=parameters_of(table)[name].default)])
    assert isinstance(parameters.read(node, table), table)


def test_impossible_commands_are_refused_with_the_reason(ros: Any) -> None:
    """As ``ros2 param set gesture commands`` asks for it, over the service."""
    ros.add(GestureNode())
    client = ros.node.create_client(SetParameters, "gesture/set_parameters")
    assert ros.spin_until(client.service_is_ready)
    value = ParameterValue(type=ParameterType.PARAMETER_STRING, string_value="point: [[[[[[[[[")
    request = SetParameters.Request(parameters=[ParameterMsg(name="commands", value=value)])
    answer = client.call_async(request)
    assert ros.spin_until(answer.done)
    (result,) = answer.result().results
    assert not result.successful
    assert "inside each other" in result.reason
