"""The command line's parser: a usage error is one line, with the name that was probably meant."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from pose_ros.cli.stopping import say
from pose_ros.errors import did_you_mean


class Parser(argparse.ArgumentParser):
    """As ``argparse`` has it, but for its errors."""

    def parse_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> argparse.Namespace:
        """Return the arguments; what is not known ends the program with one line."""
        found, rest = self.parse_known_args(args, namespace)
        if rest:
            parser = self._innermost(found)
            option = next((word for word in rest if word.startswith("-")), "")
            meant = did_you_mean(option.partition("=")[0], parser.options) if option else ""
            parser.error(f"unrecognized arguments: {' '.join(rest)}{meant}")
        return found

    @property
    def options(self) -> list[str]:
        """All options, as they are written."""
        return [option for action in self._actions for option in action.option_strings]

    def error(self, message: str) -> NoReturn:
        """End the program with one line."""
        say(f"{self.prog}: {message}; {self.prog} --help lists what there is")
        sys.exit(2)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Refuse a choice that is not there, with the nearest one."""
        if action.choices is not None and value not in action.choices:
            known: Iterable[str] = [str(choice) for choice in action.choices]
            meant = did_you_mean(str(value), known)
            raise argparse.ArgumentError(
                action, f"there is no {str(value)!r}{meant}; known: {', '.join(known)}"
            )

    def _innermost(self, found: argparse.Namespace) -> Parser:
        """Return the parser of the subcommand that was chosen."""
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                chosen = action.choices.get(getattr(found, action.dest))
                if isinstance(chosen, Parser):
                    return chosen._innermost(found)
        return self
