"""The one statement of every option: default, range, choices, meaning, and whether it is live.

A subject is one frozen dataclass whose fields are made by ``option``. The rest is derived from
it: range errors (``check``), flags of the command line (``command_line``), parameters of the
nodes (``parameters``), and the pages that list them (``tools.option_pages``). Nothing else repeats
a default, a range or a help text.
"""

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

__all__ = [
    "Option",
    "check",
    "check_value",
    "documented",
    "group",
    "option",
    "options_of",
    "refuse_unknown",
    "takes_options_of",
]
