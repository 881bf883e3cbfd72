"""``pose-ros doctor``: what this machine has, and what is missing."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import importlib.metadata
import json
import os
import platform
import subprocess
from collections.abc import Callable, Iterable
from typing import Any

from pose_ros import __version__
from pose_ros.cli.nodes import require_ros
from pose_ros.errors import Finding, OptionError, PoseRosError
from pose_ros.files import node_executable
from pose_ros.models import card, store
from pose_ros.runtime import session
from pose_ros.runtime.providers import ENGINE_CURE, engine_conflict, installed_engines

_CAN_RUN = "can run"


Check = Callable[[argparse.Namespace], Iterable[Finding]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--json", action="store_true", help="print JSON for a program to read")
    parser.add_argument("--models-dir", metavar="DIR", help="where model files are kept")
    graph = parser.add_argument_group("the running nodes", "looked at where ROS 2 is installed")
    graph.add_argument("--no-graph", action="store_true", help="look at this machine alone")
    graph.add_argument(
        "--seconds",
        type=float,
        default=4.0,
        help="how long to listen to them (default: %(default)g)",
    )
    graph.add_argument(
        "--wait",
        metavar="SECONDS",
        type=float,
        default=5.0,
        help="how long to wait until there are nodes and all are known (default: %(default)g)",
    )
    graph.add_argument(
        "--tf",
        nargs=2,
        metavar=("TARGET", "SOURCE"),
        help="check that /tf connects two frames, such as base_link camera_optical_frame",
    )


def run(args: argparse.Namespace) -> int:
    """Print facts and findings; 1 when a finding is an error, else 0."""
    found = examine(args.models_dir)
    findings = [finding for check in CHECKS for finding in check(args)]
    if args.json:
        listed = [dataclasses.asdict(finding) for finding in findings]
        print(json.dumps({**found, "findings": listed}, indent=2))
    else:
        for topic, facts in found.items():
            print(f"{topic}:")
            for name, value in facts.items():
                print(f"  {name:<24} {value}")
        if findings:
            print("findings:")
        for finding in findings:
            print(f"  {finding.line()}")
    return int(any(finding.severity == "error" for finding in findings))


def examine(models_dir: str | None = None) -> dict[str, dict[str, Any]]:
    """Return what this machine has, by topic."""
    return {
        "machine": {
            "pose_ros": __version__,
            "python": platform.python_version(),
            "system": platform.platform(),
            "cores": os.cpu_count(),
        },
        "engine": {
            "onnxruntime": _engine(),
            "providers": ", ".join(session.available_providers()),
            "runs on": _runs_on(models_dir),
            "opencv": _version("opencv-python-headless", "opencv-python", "opencv-contrib-python"),
            "numpy": _version("numpy"),
        },
        "models": {
            network.name: ", ".join(
                f"{status.role} {status.state}" for status in store.status(network, models_dir)
            )
            for network in card.list_cards()
        },
        "ros": {
            "distribution": os.environ.get("ROS_DISTRO", "not set"),
            "nodes": _ros(),
        },
    }


def _engine() -> str:
    named = [f"{version} ({name})" for name, version in installed_engines().items()]
    return " and ".join(named) or "unknown"


def _runs_on(models_dir: str | None) -> str:
    """Return what really runs a network: a provider may be built in and not work."""
    for network in card.list_cards():
        for status in store.status(network, models_dir):
            if status.state == "ok":
                try:
                    return session.open_session(status.path).provider
                except PoseRosError as error:
                    return str(error)
    return "known once a network is there: pose-ros models get blazepose-full"


def _version(*names: str) -> str:
    """Return the version of the first of some distributions that is there."""
    for name in names:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.version(name)
    return "unknown"


def _ros() -> str:
    try:
        require_ros()
    except PoseRosError as error:
        return str(error)
    return _CAN_RUN


def check_graph(args: argparse.Namespace) -> Iterable[Finding]:
    """Look at the nodes that run; nothing where ROS 2 is not installed.

    Raises:
        OptionError: An option is out of its range.
    """
    if not 0.5 <= args.seconds <= 600.0:
        raise OptionError(f"--seconds must be in [0.5, 600], got {args.seconds:g}")
    if not 0.0 <= args.wait <= 600.0:
        raise OptionError(f"--wait must be in [0, 600], got {args.wait:g}")
    if args.no_graph or _ros() != _CAN_RUN:
        return []
    command = [str(node_executable("doctor")), "--seconds", str(args.seconds)]
    command += ["--wait", str(args.wait)]
    if args.tf:
        command += ["--tf", *args.tf]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        return [Finding(**finding) for finding in json.loads(done.stdout)]
    except (ValueError, TypeError):
        words = (done.stderr or done.stdout).strip().splitlines() or ["it says nothing"]
        cure = "see whether `pose-ros watch` works"
        return [Finding("error", "graph", f"it cannot be looked at: {words[-1]}", cure)]


def check_engine(_args: argparse.Namespace) -> list[Finding]:
    """Say that two distributions of onnxruntime are installed."""
    conflict = engine_conflict(installed_engines())
    return [Finding("error", "onnxruntime", conflict, ENGINE_CURE)] if conflict else []


CHECKS: tuple[Check, ...] = (check_engine, check_graph)
"""Each gives what it finds; an error makes the command fail."""
