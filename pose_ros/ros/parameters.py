"""Declares the parameters of a node with ROS, and judges each change of one.

A node's parameters are one frozen dataclass of ``settings/nodes.py``. An instance of it is what
the node reads: there is no second place to keep in step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias, TypeVar

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    ParameterType,
    SetParametersResult,
)

from pose_ros.errors import OptionError
from pose_ros.settings.parameters import Parameter, parameters_of, table_from

Table = TypeVar("Table")
Checks: TypeAlias = Mapping[str, Callable[[Any], Any]]
"""What the node alone can check of its parameters, by their names; each raises an OptionError."""

NO_CHECKS: Checks = MappingProxyType({})

MAX_REASON_LETTERS = 500

_TYPES = {
    bool: ParameterType.PARAMETER_BOOL,
    int: ParameterType.PARAMETER_INTEGER,
    float: ParameterType.PARAMETER_DOUBLE,
    str: ParameterType.PARAMETER_STRING,
}


def descriptor(parameter: Parameter) -> ParameterDescriptor:
    """Return what ROS tools show of a parameter and check of it."""
    kind, option = type(parameter.default), parameter.option
    described = ParameterDescriptor(description=parameter.description, read_only=option.fixed)
    described.type = _TYPES[kind]
    if option.choices:
        described.additional_constraints = f"one of {', '.join(option.choices)}"
    if parameter.range is not None:
        low, high = parameter.range
        if kind is float:
            described.floating_point_range = [
                FloatingPointRange(from_value=float(low), to_value=float(high))
            ]
        else:
            described.integer_range = [IntegerRange(from_value=int(low), to_value=int(high))]
    # lets a whole number through to the check, which knows where it may stand
    described.dynamic_typing = kind in (float, str)
    return described


def check(parameter: Parameter, value: Any, checks: Checks) -> None:
    """Refuse a value from outside.

    Raises:
        OptionError: Names the parameter, and what it may be.
    """
    value = parameter.check(value)
    if parameter.name in checks:
        checks[parameter.name](value)


def declare_on(node: Any, table: type[Table], checks: Checks = NO_CHECKS) -> Table:
    """Declare all parameters of a table on a node and return their present values.

    Args:
        node: Of rclpy.
        table: The node's parameters.
        checks: What the node alone can check.

    Raises:
        OptionError: A value from the command line or a parameter file is refused.
    """
    for name, parameter in parameters_of(table).items():
        # of any type and range at first: ROS refuses without a word on what is allowed
        node.declare_parameter(name, parameter.default, ParameterDescriptor(dynamic_typing=True))
        check(parameter, node.get_parameter(name).value, checks)
        node.set_descriptor(name, descriptor(parameter))
    return read(node, table)


def read(node: Any, table: type[Table]) -> Table:
    """Return the present values as one immutable struct.

    Raises:
        OptionError: A value is refused.
    """
    names = parameters_of(table)
    return table_from(table, {name: node.get_parameter(name).value for name in names})


def on_set(
    table: type[Any], configured: Callable[[], bool], checks: Checks = NO_CHECKS
) -> Callable[[Iterable[Any]], SetParametersResult]:
    """Return the callback for ``add_on_set_parameters_callback``.

    It only judges, and never raises; a node takes the values over after they are set.

    Args:
        table: The node's parameters; others (``use_sim_time``, QoS overrides) pass.
        configured: Whether the node holds what it made from its parameters.
        checks: What the node alone can check.
    """
    known = parameters_of(table)

    def judge(parameters: Iterable[Any]) -> SetParametersResult:
        for given in parameters:
            if given.name not in known:
                continue
            parameter = known[given.name]
            try:
                check(parameter, given.value, checks)
            except Exception as error:  # noqa: BLE001 - it would end the node
                reason = f"{error}" if isinstance(error, OptionError) else f"{error!r}"
                return SetParametersResult(successful=False, reason=reason[:MAX_REASON_LETTERS])
            if configured() and not parameter.option.live:
                return SetParametersResult(
                    successful=False,
                    reason=f"{given.name} is read when the node is configured: "
                    "deactivate and clean up first",
                )
        return SetParametersResult(successful=True)

    return judge
