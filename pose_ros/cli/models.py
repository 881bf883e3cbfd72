"""``pose-ros models``: list the networks, fetch and check them, look into one of your own."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import yaml

from pose_ros.errors import ModelError
from pose_ros.models import store
from pose_ros.models.card import Card, list_cards, load_card
from pose_ros.models.store import FileStatus
from pose_ros.runtime.onnx_file import describe


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
        help="take them from this file, or this wheel or archive of them, and fetch nothing; "
        "may be repeated",
    )
    getter.add_argument("--force", action="store_true", help="fetch again what is there")

    checker = commands.add_parser(
        "check", parents=[common, machine], help="compare the files with their hashes"
    )
    checker.add_argument(
        "names", nargs="*", metavar="NAME", help="network (default: all that were fetched)"
    )

    inspector = commands.add_parser(
        "inspect",
        parents=[machine],
        help="show what an ONNX file takes and gives, and a card to begin with",
    )
    inspector.add_argument("file", type=Path, metavar="FILE", help="an ONNX file")


def run(args: argparse.Namespace) -> int:
    """Run ``pose-ros models`` with parsed arguments; return the exit code."""
    if args.action == "list":
        return list_models(args.models_dir, as_json=args.json)
    if args.action == "get":
        return get_models(args.names, args.models_dir, sources=args.sources, force=args.force)
    if args.action == "inspect":
        return inspect_model(args.file, as_json=args.json)
    return check_models(args.names, args.models_dir, as_json=args.json)


def list_models(models_dir: Path | None = None, *, as_json: bool = False) -> int:
    """Print the known networks and which of their files are in the cache."""
    cards = list_cards()
    states = {card.name: _summary(store.status(card, models_dir)) for card in cards}
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
        for path in store.get(card, models_dir, sources=sources, force=force).values():
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
    found = [state for card in cards for state in store.status(card, models_dir)]
    if as_json:
        print(json.dumps([_as_dict(file) for file in found], indent=2))
    else:
        for file in found:
            print(f"{file.state:8}  {file.card} {file.role}: {file.detail or file.path}")
        if bad := sorted({file.card for file in found if file.state == "damaged"}):
            print(f"mend it with: pose-ros models get {' '.join(bad)}")
    wrong = {"damaged", "missing"} if names else {"damaged"}
    return int(any(file.state in wrong for file in found))


def inspect_model(path: Path, *, as_json: bool = False) -> int:
    """Print what an ONNX file takes and gives, and cards for what it could be.

    What is printed is itself a card, the rest of it in comments.

    Raises:
        ModelError: The file is not there, or is no network.
    """
    from pose_ros.build import card_name, guess_network  # onnxruntime takes long to import

    if path.is_file() and path.suffix != ".onnx":
        raise ModelError(f"{path} is no .onnx file, and those are what is inspected")
    signature, fitting = guess_network(path)
    name = card_name(path)
    if as_json:
        found = {
            "file": str(path),
            "inputs": [
                {"name": n, "shape": shape, "type": signature.types[n]}
                for n, shape in signature.inputs.items()
            ],
            "outputs": [{"name": n, "shape": shape} for n, shape in signature.outputs.items()],
            "fits": [
                {
                    "family": guess.family,
                    "finds": guess.finds,
                    "assumed": guess.assumed,
                    "questions": guess.questions,
                    "card": guess.card(name, path.name),
                }
                for guess in fitting
            ],
        }
        print(json.dumps(found, indent=2))
        return 0
    types = ", ".join(signature.types.values())
    print(f"# {path} takes {describe(signature.inputs)} as {types}")
    print(f"# and gives {describe(signature.outputs)}.")
    if not fitting:
        print("# That fits none of the families that docs/how-to/own_network.md describes.")
    for number, guess in enumerate(fitting):
        print(f"#\n# {'or' if number else 'It fits'} {guess.family}: {guess.finds}")
        for line in guess.assumed:
            print(f"#   assumed: {line}")
        for line in guess.questions:
            print(f"#   to fill in: {line}")
        text = yaml.safe_dump(
            guess.card(name, path.name), sort_keys=False, default_flow_style=None, width=96
        )
        # a file is one card: any further one is in comments
        print(
            "".join(f"# {line}\n" if number else f"{line}\n" for line in text.splitlines()), end=""
        )
    return 0


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
        "skeleton": card.skeleton.name,
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
