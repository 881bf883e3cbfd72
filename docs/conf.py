"""The site: Markdown pages by MyST, and the public names by their docstrings; ``make docs``."""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx
from sphinx.util import logging

import pose_ros

project = "pose_ros"
author = copyright = "pose_ros developers"  # noqa: A001
version = release = pose_ros.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "pose_ros"
html_copy_source = False
pygments_style = "friendly"

myst_heading_anchors = 3  # a link to a heading that no page has is a warning

autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_member_order = "bysource"
autoclass_content = "class"
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # an attribute in a docstring and its declaration are one entry
toc_object_entries_show_parents = "hide"
add_module_names = False
python_maximum_signature_line_length = 80


def check_public_names(_app: Sphinx, env: Any) -> None:
    """Warn of each name of ``pose_ros.__all__`` that no page documents."""
    documented = env.get_domain("py").objects
    for name in pose_ros.__all__:
        if name != "__version__" and f"pose_ros.{name}" not in documented:
            logging.getLogger(__name__).warning("no page documents pose_ros.%s", name)


def setup(app: Sphinx) -> None:
    """Add the check to the build."""
    app.connect("env-check-consistency", check_public_names)
