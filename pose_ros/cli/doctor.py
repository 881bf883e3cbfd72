"""``pose-ros doctor``: what this machine has, and what is missing."""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import json
import os
import platform
from typing import Any

from pose_ros import __version__
from pose_ros.cli.node_process import require_ros
from pose_ros.errors import PoseRosError
from pose_ros.runtime import card, model_store, session


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--json", action="store_true", help="for a program")
    parser.add_argument("--models-dir", metavar="DIR", help="where model files are kept")


def run(args: argparse.Namespace) -> int:
    """Print the findings; 0 whatever they are."""
    found = examine(args.models_dir)
    if args.json:
        print(json.dumps(found, indent=2))
        return 0
    for topic, facts in found.items():
        print(f"{topic}:")
        for name, value in facts.items():
            print(f"  {name:<24} {value}")
    return 0


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
            "onnxruntime": _version("onnxruntime", "onnxruntime-gpu"),
            "providers": ", ".join(session.available_providers()),
            "runs on": _runs_on(models_dir),
            "opencv": _version("opencv-python-headless", "opencv-python", "opencv-contrib-python"),
            "numpy": _version("numpy"),
        },
        "models": {
            network.name: ", ".join(
                f"{status.role} {status.state}"
                for status in model_store.status(network, models_dir)
            )
            for network in card.list_cards()
        },
        "ros": {
            "distribution": os.environ.get("ROS_DISTRO", "not set"),
            "nodes": _ros(),
        },
    }


def _runs_on(models_dir: str | None) -> str:
    """Return what really runs a network: a provider may be built in and not work."""
    for network in card.list_cards():
        for status in model_store.status(network, models_dir):
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
    return "can run"
