"""The site: Markdown pages by MyST, and the public names by their docstrings; ``make docs``."""

from __future__ import annotations

from typing import Any

from docutils import nodes
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
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
pygments_style = "friendly"

myst_heading_anchors = 3  # a link to a heading that no page has is a warning

autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_member_order = "bysource"
autoclass_content = "class"
# the shapes stand in the text; the whole type of an array would hide them
autodoc_type_aliases = dict.fromkeys(
    ("ArrayLike", "Float64Array", "FloatArray", "Image", "ImageLike"), "ndarray"
)
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


def mark_short_code(_app: Sphinx, doctree: nodes.document) -> None:
    """Mark code of up to 30 characters without a space in tables: it is not broken at a hyphen."""
    for entry in doctree.findall(nodes.entry):
        for code in entry.findall(nodes.literal):
            if len(code.astext()) <= 30 and " " not in code.astext():
                code["classes"].append("short")


def name_attributes(_app: Sphinx, doctree: nodes.document, _page: str) -> None:
    """Call the attributes of a class so: Sphinx calls them variables."""
    for name in doctree.findall(nodes.field_name):
        if name.astext() == "Variables":
            name.children = [nodes.Text("Attributes")]


def setup(app: Sphinx) -> None:
    """Add the check to the build, and the marks."""
    app.connect("doctree-read", mark_short_code)
    app.connect("doctree-resolved", name_attributes)
    app.connect("env-check-consistency", check_public_names)
