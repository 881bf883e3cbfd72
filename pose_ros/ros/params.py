"""How parameters are declared once: default, range or choices, meaning, live or not.

A node's parameters are one frozen dataclass, of ``parameter_tables``. Its fields are the table
that is declared with ROS and checked on every change, and an instance of it is what the
node reads: there is no second place to keep in step.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    ParameterType,
    SetParametersResult,
)

from pose_ros.errors import OptionError, short

Value = bool | int | float | str
Table = TypeVar("Table")

MAX_REASON_LETTERS = 500

_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
_TYPES = {
    bool: ParameterType.PARAMETER_BOOL,
    int: ParameterType.PARAMETER_INTEGER,
    float: ParameterType.PARAMETER_DOUBLE,
    str: ParameterType.PARAMETER_STRING,
}


@dataclass(frozen=True)
class Rule:
    """What a parameter may be and when it may change.

    Attributes:
        description: One line, with the unit.
        low: Least value, with ``high``; None where there is no range.
        high: Greatest value.
        choices: The allowed words; empty where any text will do.
        parse: Reads what needs more than a range or choices; OptionError when it cannot.
        live: It may change at any time and applies to the next frame.
        fixed: It may never change once the node runs.
    """

    description: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    parse: Callable[[Any], Any] | None = None
    live: bool = False
    fixed: bool = False


def parameter(default: Any, description: str, **rule: Any) -> Any:
    """Return the field of a table; ``rule`` is the rest of a ``Rule``."""
    # Any: the annotation beside each field states its type, and mypy checks uses against it
    return dataclasses.field(default=default, metadata={"rule": Rule(description, **rule)})


def rules(table: type[Any]) -> dict[str, tuple[Value, Rule]]:
    """Return default and rule of each parameter of a table, by name."""
    found: dict[str, tuple[Any, Rule]] = {
        field.name: (field.default, field.metadata["rule"]) for field in dataclasses.fields(table)
    }
    return found


def check(name: str, value: Any, default: Value, rule: Rule) -> Any:
    """Return the value in the parameter's type.

    A whole number is taken where a real one is asked, and as the text of a
    device (``source:=0``): a command line or YAML cannot tell them apart.

    Raises:
        OptionError: The type is wrong, or the value out of its range or choices.
    """
    kind = type(default)
    if type(value) is int and kind in (float, str):
        value = kind(value)
    # bool is an int to isinstance
    fits = type(value) is kind
    if not fits:
        given = "nothing" if value is None else short(value)
        raise OptionError(f"{name} must be {_KINDS[kind]}, got {given}")
    if rule.low is not None and rule.high is not None and not rule.low <= value <= rule.high:
        raise OptionError(f"{name} must be in [{rule.low:g}, {rule.high:g}], got {value}")
    if rule.parse is not None:
        rule.parse(value)
    elif rule.choices and value not in rule.choices:
        raise OptionError(f"{name} must be one of {', '.join(rule.choices)}; got {short(value)}")
    return value


def descriptor(default: Value, rule: Rule) -> ParameterDescriptor:
    """Return what ROS tools show of a parameter and check of it."""
    described = ParameterDescriptor(description=rule.description, read_only=rule.fixed)
    described.type = _TYPES[type(default)]
    if rule.choices:
        described.additional_constraints = f"one of {', '.join(rule.choices)}"
    if rule.low is not None and rule.high is not None:
        if isinstance(default, float):
            described.floating_point_range = [
                FloatingPointRange(from_value=float(rule.low), to_value=float(rule.high))
            ]
        else:
            described.integer_range = [
                IntegerRange(from_value=int(rule.low), to_value=int(rule.high))
            ]
    # lets a whole number through to check(), which knows where it may stand
    described.dynamic_typing = isinstance(default, (float, str))
    return described


def declare(node: Any, table: type[Table]) -> Table:
    """Declare all parameters of a table on a node and return their present values.

    Raises:
        OptionError: A value from the command line or a parameter file is refused.
    """
    for name, (default, rule) in rules(table).items():
        # of any type and range at first: ROS refuses without a word on what is allowed
        node.declare_parameter(name, default, ParameterDescriptor(dynamic_typing=True))
        check(name, node.get_parameter(name).value, default, rule)
        node.set_descriptor(name, descriptor(default, rule))
    return read(node, table)


def read(node: Any, table: type[Table]) -> Table:
    """Return the present values as one immutable struct.

    Raises:
        OptionError: A value is refused.
    """
    values = {
        name: check(name, node.get_parameter(name).value, default, rule)
        for name, (default, rule) in rules(table).items()
    }
    return table(**values)


def on_set(
    table: type[Any], configured: Callable[[], bool]
) -> Callable[[Iterable[Any]], SetParametersResult]:
    """Return the callback for ``add_on_set_parameters_callback``.

    It only judges, and never raises; a node takes the values over after they are set.

    Args:
        table: The node's parameters; others (``use_sim_time``, QoS overrides) pass.
        configured: Whether the node holds what it made from its parameters.
    """
    known = rules(table)

    def judge(parameters: Iterable[Any]) -> SetParametersResult:
        for parameter in parameters:
            if parameter.name not in known:
                continue
            default, rule = known[parameter.name]
            try:
                check(parameter.name, parameter.value, default, rule)
            except Exception as error:  # noqa: BLE001 - it would end the node
                told = f"{error}" if isinstance(error, OptionError) else f"{error!r}"
                return SetParametersResult(successful=False, reason=told[:MAX_REASON_LETTERS])
            if configured() and not rule.live:
                return SetParametersResult(
                    successful=False,
                    reason=f"{parameter.name} is read when the node is configured: "
                    "deactivate and clean up first",
                )
        return SetParametersResult(successful=True)

    return judge
