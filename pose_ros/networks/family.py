"""What a family of networks is to the rest of the package, and what its file is written with."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from pose_ros.core.contract import Contract, Value
from pose_ros.core.types import Estimator, Session
from pose_ros.errors import ModelError
from pose_ros.settings.estimation import EstimatorOptions


@dataclass(frozen=True)
class Family:
    """One way to prepare a network's input and to decode its output.

    Attributes:
        make: Builds an estimator of a card's contract, its sessions by role, and options.
        needs_people: Whether the network sees one person at a time: beside its own sessions
            ``make`` takes the one that finds people, as ``detector``.
        takes_finder: Whether another network can find the people for it: the estimator has a
            ``search``, which has a ``finder``.
        finds_everybody: Whether one look at the whole image finds all people: such a network is
            a ``OneShot``. It can be the finder of others, and it looks at no tiles.
    """

    make: Callable[[Contract, Mapping[str, Session], EstimatorOptions], Estimator]
    needs_people: bool = False
    takes_finder: bool = False
    finds_everybody: bool = False


T = TypeVar("T")


def read_settings(contract: Contract, kind: type[T]) -> T:
    """Return a card's settings.

    Args:
        contract: The card's.
        kind: A dataclass with a default for every field, of types bool, int, float, one of
            them or None, or ``Literal``; it may refuse values with a ``ValueError``.

    Raises:
        ModelError: A setting is unknown or of another kind.
    """
    hints = get_type_hints(kind)
    known = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    for name, value in contract.settings.items():
        if name not in known:
            raise ModelError(
                f"{contract.network}: decoder.{name}: no such setting; known: {', '.join(known)}"
            )
        if (expected := _expected(hints[name], value)) is not None:
            raise ModelError(
                f"{contract.network}: decoder.{name}: expected {expected}, got {value!r}"
            )
    try:
        return kind(**contract.settings)
    except ValueError as error:
        raise ModelError(f"{contract.network}: decoder: {error}") from None


def output_error(contract: Contract, expected: str) -> ModelError:
    """Return the error of a card whose outputs are not what its family decodes."""
    return ModelError(
        f"{contract.network}: expected {expected} as output of 'network', "
        f"got {describe(contract.outputs['network'])}"
    )


def describe(values: tuple[Value, ...]) -> str:
    """Return names and shapes of inputs or outputs, for a message."""
    return ", ".join(f"{value.name} {list(value.shape)}" for value in values)


def _expected(hint: Any, value: Any) -> str | None:
    """Return in words what a value should have been; None when it is."""
    if get_origin(hint) is UnionType:
        if value is None:
            return None
        hint = next(choice for choice in get_args(hint) if choice is not NoneType)
    if get_origin(hint) is Literal:
        choices = get_args(hint)
        return None if value in choices else " or ".join(map(str, choices))
    kinds = {
        bool: ((bool,), "true or false"),
        int: ((int,), "a whole number"),
        float: ((int, float), "a number"),
    }
    accepted, words = kinds[hint]
    # a bool is an int in Python
    if type(value) not in accepted:
        return words
    return None if math.isfinite(value) else "a finite number"
