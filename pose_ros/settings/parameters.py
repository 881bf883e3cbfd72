"""Options as ROS parameters, in plain data: ``pose_ros.ros.parameters`` declares them.

A node's parameters are one frozen dataclass, a table. Its fields are options of their own
(``option``) and whole dataclasses of options (``group``), whose options are parameters too.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pose_ros.errors import OptionError
from pose_ros.settings.option import Option, Plain, check_value, options_of, refuse_unknown

Table = TypeVar("Table")


@dataclass(frozen=True)
class Parameter:
    """A ROS parameter.

    Attributes:
        name: As ROS knows it.
        option: What it may be.
        section: Heading above it in the parameter file; empty where no section begins.
    """

    name: str
    option: Option
    section: str = ""

    @property
    def default(self) -> Plain:
        """Its default; where the option's is None, what stands for that."""
        default = self.option.unset if self.option.default is None else self.option.default
        if default is None:  # ``option`` refuses it
            raise OptionError(f"{self.name} has no default")
        return default

    @property
    def range(self) -> tuple[float, float] | None:
        """Least and greatest value, with that which stands for None; None without a range."""
        found = self.option
        if found.minimum is None or found.maximum is None:
            return None
        if found.default is None and isinstance(found.unset, int | float):
            return min(found.minimum, found.unset), max(found.maximum, found.unset)
        return found.minimum, found.maximum

    @property
    def description(self) -> str:
        """One sentence, with the unit and what stands for None."""
        found = self.option
        notes = [found.unit]
        if found.default is None:
            shown = f"{found.unset:g}" if found.kind in (int, float) else "empty"
            notes.append(f"{shown}: {found.meaning_of_unset}")
        added = "; ".join(filter(None, notes))
        return f"{found.help.rstrip('.')} ({added})." if added else f"{found.help.rstrip('.')}."

    def check(self, value: Any) -> Any:
        """Return a value from outside in the parameter's type.

        Raises:
            OptionError: The type is wrong, or the value out of its range or choices.
        """
        return check_value(self.name, value, self.option)


def parameters_of(table: type[Any]) -> Mapping[str, Parameter]:
    """Return the parameters of a table by name, in the order of its fields."""
    found: dict[str, Parameter] = {}
    for field in dataclasses.fields(table):
        if kind := field.metadata.get("group"):
            inner, section = list(options_of(kind).values()), field.metadata["section"]
        else:
            own = options_of(table)
            inner, section = ([own[field.name]] if field.name in own else []), ""
        for each in inner:
            if each.parameter and each.parameter not in found:
                heading = section or each.section
                found[each.parameter] = Parameter(each.parameter, each, heading)
                section = ""
    return found


def table_from(table: type[Table], values: Mapping[str, Any]) -> Table:
    """Return a table with the values of its parameters.

    Args:
        table: The dataclass.
        values: By the names of the parameters; what is left out has its default.

    Raises:
        OptionError: A name is unknown, or a value is refused.
    """
    known = parameters_of(table)
    refuse_unknown(known, values)
    checked = {name: known[name].check(value) for name, value in values.items()}
    fields: dict[str, Any] = {}
    for field in dataclasses.fields(table):  # type: ignore[arg-type]
        if kind := field.metadata.get("group"):
            fields[field.name] = kind(**_python(options_of(kind), checked))
    return table(**fields, **_python(options_of(table), checked))


def _python(options: Mapping[str, Option], checked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of options: None where a parameter has what stands for it."""
    return {
        name: None if found.default is None and value == found.unset else value
        for name, found in options.items()
        if (value := checked.get(found.parameter)) is not None
    }
