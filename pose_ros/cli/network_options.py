"""The options that choose and set a network, shared by all commands that run one."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

from pose_ros.build import (
    DEFAULT_HAND_NETWORK,
    DEFAULT_NETWORK,
    create_body_hands,
    create_estimator,
)
from pose_ros.core.options import AUTO_FINDER, EstimatorOptions
from pose_ros.core.protocols import Estimator, HandEstimator
from pose_ros.errors import OptionError
from pose_ros.networks.body_hands import hand_joints
from pose_ros.runtime.providers import PRECISIONS, PROVIDERS


def add_network_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``build_estimator`` to a parser."""
    group = parser.add_argument_group("network")
    group.add_argument(
        "--network", default=DEFAULT_NETWORK, metavar="NAME",
        help="a network's name, or the path of your own: .onnx or a card, .yaml (%(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--threshold", type=float, metavar="T",
        help="least score, 0 to 1, at which a person is found (the network's own, such as 0.5)",
    )  # fmt: skip
    group.add_argument(
        "--min-tracking-confidence", type=float, default=0.5, metavar="T",
        help="least score, 0 to 1, at which a person is kept (%(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--max-people", type=int, default=1, metavar="N", help="1 to 10 (%(default)s)"
    )
    group.add_argument(
        "--reid-timeout", type=float, default=2.0, metavar="S",
        help="seconds for which somebody out of sight keeps the id (%(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--detect-tiles", type=int, default=1, metavar="N",
        help="1 to 4: look for small people in tiles too, N along the longer side (%(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--finder", default=AUTO_FINDER, metavar="NAME",
        help="what looks for people, for networks that see one at a time: a network that finds "
        "everybody in one look; blazepose, its own detector alone; auto, the best in the cache, "
        "and blazepose for --max-people 1 (%(default)s)",
    )  # fmt: skip
    group.add_argument("--static", action="store_true", help="treat every image by itself")
    group.add_argument(
        "--upper-body-only", action="store_true", help="give the upper body's keypoints only"
    )
    group.add_argument("--no-smoothing", action="store_true", help="do not filter over time")
    group.add_argument("--provider", choices=PROVIDERS, default="auto", help="%(default)s")
    group.add_argument("--require-gpu", action="store_true", help="fail rather than use the CPU")
    group.add_argument(
        "--threads", type=int, default=2, metavar="N", help="CPU threads (%(default)s)"
    )
    group.add_argument(
        "--precision", choices=PRECISIONS, default="fp32",
        help="%(default)s; quicker and less exact: fp16 on a GPU, int8 on a CPU, of some",
    )  # fmt: skip
    group.add_argument("--models-dir", metavar="DIR", help="where model files are kept")


def add_hand_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``build_hands`` to a parser that has those of a network."""
    group = parser.add_argument_group("hands")
    group.add_argument(
        "--hands", action="store_true", help="find the hands of the people too, 21 joints each"
    )
    group.add_argument(
        "--hand-network", metavar="NAME",
        help=f"{DEFAULT_HAND_NETWORK}, or blazehand-lite, which is quicker and less exact",
    )  # fmt: skip
    group.add_argument(
        "--detect-palms", action="store_true",
        help="with --hands: find hands without a body too, by their palms",
    )  # fmt: skip


def build_estimator(args: argparse.Namespace) -> Estimator:
    """Create the estimator that the options ask for.

    Raises:
        PoseRosError: As ``pose_ros.create_estimator``.
    """
    return create_estimator(args.network, **asdict(estimator_options(args)), **_engine(args))


def estimator_options(args: argparse.Namespace) -> EstimatorOptions:
    """Return what the options say to a running estimator.

    Raises:
        OptionError: One is out of its range.
    """
    return EstimatorOptions(
        threshold=args.threshold,
        min_tracking_confidence=args.min_tracking_confidence,
        max_people=args.max_people,
        reid_timeout=args.reid_timeout,
        detect_tiles=args.detect_tiles,
        smoothing=not args.no_smoothing,
        static=args.static,
        upper_body_only=args.upper_body_only,
        finder=args.finder,
    )


def hand_network(args: argparse.Namespace) -> str:
    """Return what finds the hands that the options ask for; empty where they ask for none.

    Raises:
        OptionError: They name it, or ask for palms, and do not ask for hands.
    """
    if args.hands:
        return args.hand_network or DEFAULT_HAND_NETWORK
    if args.hand_network:
        raise OptionError("--hand-network is of --hands: give both or neither")
    if args.detect_palms:
        raise OptionError("--detect-palms is of --hands: give both or neither")
    return ""


def build_hands(args: argparse.Namespace, estimator: Estimator) -> HandEstimator | None:
    """Create what finds the hands of the estimator's people, if the options ask for it.

    Raises:
        PoseRosError: As ``pose_ros.create_body_hands``, or the network finds no bodies.
    """
    network = hand_network(args)
    if not network:
        return None
    hand_joints(estimator.skeleton)
    return create_body_hands(
        network,
        detect_palms=args.detect_palms,
        min_tracking_confidence=args.min_tracking_confidence,
        smoothing=not args.no_smoothing,
        static=args.static,
        **_engine(args),
    )


def _engine(args: argparse.Namespace) -> dict[str, Any]:
    """Return what the options say about running a network, whichever it is."""
    return {
        "provider": args.provider,
        "require_gpu": args.require_gpu,
        "threads": args.threads,
        "precision": args.precision,
        "models_dir": args.models_dir,
    }
