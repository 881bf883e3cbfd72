"""The one statement of every option: default, range, choices, meaning, and whether it is live.

A subject is one frozen dataclass whose fields are made by ``option``. The rest is derived from
it: range errors (``check``), flags of the command line (``add_to_parser``, ``from_args``), the
parameters of the nodes (``parameters_of``, ``table_from``), and the pages that list them
(``pages``). Nothing else repeats a default, a range or a help text.
"""

from pose_ros.settings.command_line import add_to_parser, from_args
from pose_ros.settings.option import (
    Option,
    check,
    check_value,
    documented,
    group,
    option,
    options_of,
    refuse_unknown,
    takes_options_of,
)
from pose_ros.settings.parameters import Parameter, parameters_of, table_from

__all__ = [
    "Option",
    "Parameter",
    "add_to_parser",
    "check",
    "check_value",
    "documented",
    "from_args",
    "group",
    "option",
    "options_of",
    "parameters_of",
    "refuse_unknown",
    "table_from",
    "takes_options_of",
]
