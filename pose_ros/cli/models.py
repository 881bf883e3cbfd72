"""``pose-ros models``: list the networks, fetch them, check what was fetched."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from pose_ros.runtime import model_store
from pose_ros.runtime.card import Card, list_cards, load_card
from pose_ros.runtime.model_store import FileStatus


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what ``pose-ros models`` takes."""
    commands = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--models-dir",
        type=Path,
        metavar="DIR",
        help="folder of the models (default: $XDG_CACHE_HOME/pose_ros)",
    )
    machine = argparse.ArgumentParser(add_help=False)
    machine.add_argument("--json", action="store_true", help="print JSON for a program to read")

    commands.add_parser("list", parents=[common, machine], help="show the networks there are")

    getter = commands.add_parser("get", parents=[common], help="fetch networks and convert them")
    getter.add_argument("names", nargs="+", metavar="NAME", help="network, or a card's YAML file")
    getter.add_argument(
        "--from",
        dest="sources",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="take them from this wheel or TFLite file and fetch nothing; may be repeated",
    )
    getter.add_argument("--force", action="store_true", help="fetch again what is there")

    checker = commands.add_parser(
        "check", parents=[common, machine], help="compare the files with their hashes"
    )
    checker.add_argument(
        "names", nargs="*", metavar="NAME", help="network (default: all that were fetched)"
    )


def run(args: argparse.Namespace) -> int:
    """Run ``pose-ros models`` with parsed arguments; return the exit code."""
    if args.action == "list":
        return list_models(args.models_dir, as_json=args.json)
    if args.action == "get":
        return get_models(args.names, args.models_dir, sources=args.sources, force=args.force)
    return check_models(args.names, args.models_dir, as_json=args.json)


def list_models(models_dir: Path | None = None, *, as_json: bool = False) -> int:
    """Print the networks that can be had, with what the cache holds of each."""
    cards = list_cards()
    states = {card.name: _summary(model_store.status(card, models_dir)) for card in cards}
    if as_json:
        print(json.dumps([_describe(card, states[card.name]) for card in cards], indent=2))
        return 0
    width = max(len(name) for name in states)
    for card in cards:
        print(f"{card.name:{width}}  {states[card.name]:8}  {card.title} ({card.license})")
    return 0


def get_models(
    names: Sequence[str],
    models_dir: Path | None = None,
    *,
    sources: Sequence[Path] = (),
    force: bool = False,
) -> int:
    """Bring networks into the cache and print where they lie.

    Raises:
        ModelError: One is unknown, or cannot be fetched, converted or written.
    """
    for card in [load_card(name) for name in names]:
        for path in model_store.get(card, models_dir, sources=sources, force=force).values():
            print(path)
    return 0


def check_models(
    names: Sequence[str] = (), models_dir: Path | None = None, *, as_json: bool = False
) -> int:
    """Print the state of each file; return 1 when one is damaged or a named one is missing.

    Raises:
        ModelError: A name is unknown.
    """
    cards = [load_card(name) for name in names] or list_cards()
    found = [state for card in cards for state in model_store.status(card, models_dir)]
    if as_json:
        print(json.dumps([_as_dict(file) for file in found], indent=2))
    else:
        for file in found:
            print(f"{file.state:8}  {file.card} {file.role}: {file.detail or file.path}")
        if bad := sorted({file.card for file in found if file.state == "damaged"}):
            print(f"mend it with: pose-ros models get {' '.join(bad)}")
    wrong = {"damaged", "missing"} if names else {"damaged"}
    return int(any(file.state in wrong for file in found))


def _summary(files: list[FileStatus]) -> str:
    """Return the state of a card: that of its worst file."""
    states = {file.state for file in files}
    return next(s for s in ("damaged", "missing", "outdated", "ok") if s in states)


def _describe(card: Card, state: str) -> dict[str, str]:
    return {
        "name": card.name,
        "state": state,
        "family": card.family,
        "title": card.title,
        "description": card.description,
        "skeleton": card.skeleton,
        "license": card.license,
        "homepage": card.homepage,
    }


def _as_dict(file: FileStatus) -> dict[str, str]:
    return {
        "name": file.card,
        "role": file.role,
        "path": str(file.path),
        "state": file.state,
        "detail": file.detail,
    }
