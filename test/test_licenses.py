"""Each installed package is listed and has a permissive license."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

if not any(found.read_text("RECORD") for found in metadata.distributions(name="pose_ros")):
    pytest.skip("built by colcon, without pip's metadata", allow_module_level=True)

EXTRAS = ("models", "report", "motion", "cluster")
PERMISSIVE = {
    "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "MIT", "MIT-CMU", "MPL-2.0", "PSF-2.0",
    "any-OSI",  # apsw: the user chooses the license
}  # fmt: skip


def canonical(name: str) -> str:
    return re.sub("[-_.]+", "-", name).lower()


def closure(name: str, extras: tuple[str, ...] = ()) -> dict[str, metadata.Distribution]:
    """Return all run-time requirements of a distribution, also indirect ones; without ROS 2."""
    found: dict[str, metadata.Distribution] = {}
    waiting = [(name, extras)]
    while waiting:
        wanted, features = waiting.pop()
        for line in metadata.distribution(wanted).requires or ():
            requirement = Requirement(line)
            marker, key = requirement.marker, canonical(requirement.name)
            if marker and not any(marker.evaluate({"extra": e}) for e in ("", *features)):
                continue
            if key in found or key.startswith("ros-") or key == canonical(name):
                continue
            try:
                found[key] = metadata.distribution(requirement.name)
            except metadata.PackageNotFoundError:
                continue  # an extra that this environment lacks
            waiting.append((requirement.name, tuple(requirement.extras)))
    return found


@pytest.fixture
def listed(checkout: Path) -> dict[str, str]:
    """License by package, as docs/explanation/security.md lists them."""
    page = (checkout / "docs/explanation/security.md").read_text(encoding="utf-8")
    table = page.partition("| package | license |")[2]
    return dict(re.findall(r"^\| ([a-z0-9-]+) \| ([^|]+) \|", table, re.MULTILINE))


def test_every_package_that_is_installed_is_listed(listed: dict[str, str]) -> None:
    installed = closure("pose_ros", EXTRAS)
    assert {"numpy", "onnxruntime", "jinja2", "onnx"} <= set(installed)
    assert sorted(set(installed) - set(listed)) == []


def test_every_license_is_permissive(listed: dict[str, str]) -> None:
    assert set(listed.values()) <= PERMISSIVE
    for name, package in closure("pose_ros", EXTRAS).items():
        fields = package.metadata
        kinds = ("License-Expression", "Classifier")
        stated = [line for kind in kinds for line in fields.get_all(kind) or ()]
        strong = [line for line in stated if re.search(r"\bA?GPL|General Public", line)]
        assert strong == [], f"{name} is under {strong}"
