"""docs/reference/faults.md promises nothing that no test shows."""

from __future__ import annotations

import ast
import re
from pathlib import Path


def test_each_row_names_a_test_that_exists(checkout: Path) -> None:
    docs = checkout / "docs" / "reference"
    page = (docs / "faults.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if re.match(r"\| (?!fault \|)[^-]", line)]
    found = re.findall(r"\| \[(test_\w+)\]\((\S+)\) \|$", page, re.MULTILINE)
    assert len(found) == len(rows) >= 40
    missing = []
    for name, path in found:
        tree = ast.parse((docs / path).read_text(encoding="utf-8"))
        names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        if name not in names:
            missing.append(f"{path}: {name}")
    assert missing == []
