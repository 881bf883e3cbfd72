"""The options that choose and set a network, shared by all commands that run one."""

from __future__ import annotations

import argparse

from pose_ros.build import create_body_hands, create_estimator
from pose_ros.core.types import Estimator, HandEstimator
from pose_ros.errors import OptionError
from pose_ros.networks.body_hands import hand_joints
from pose_ros.settings.command_line import add_to_parser, from_args
from pose_ros.settings.estimation import (
    EngineOptions,
    EstimatorOptions,
    HandOptions,
    NetworkOptions,
)


def add_network_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``build_estimator`` to a parser."""
    group = parser.add_argument_group("network")
    for options in (NetworkOptions, EstimatorOptions, EngineOptions):
        add_to_parser(options, group)


def add_hand_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``build_hands`` to a parser that has those of a network."""
    group = parser.add_argument_group("hands")
    add_to_parser(HandOptions, group)
    parser.set_defaults(hand_network=None)  # so that it is known whether it was given


def build_estimator(args: argparse.Namespace) -> Estimator:
    """Create the estimator that the options ask for.

    Raises:
        PoseRosError: As ``pose_ros.create_estimator``.
    """
    return create_estimator(
        args.network, options=estimator_options(args), engine=engine_options(args)
    )


def estimator_options(args: argparse.Namespace) -> EstimatorOptions:
    """Return how people are found.

    Raises:
        OptionError: An option is out of its range.
    """
    return from_args(EstimatorOptions, args)


def engine_options(args: argparse.Namespace) -> EngineOptions:
    """Return what runs the networks.

    Raises:
        OptionError: An option is out of its range.
    """
    return from_args(EngineOptions, args)


def hand_options(args: argparse.Namespace) -> HandOptions:
    """Return whether and how hands are looked for.

    Raises:
        OptionError: The options say how, and do not ask for hands.
    """
    hands = from_args(HandOptions, args)
    for flag in ("--hand-network", "--detect-palms"):
        if not hands.enabled and getattr(args, flag[2:].replace("-", "_")):
            raise OptionError(f"{flag} is of --hands: give both or neither")
    return hands


def build_hands(args: argparse.Namespace, estimator: Estimator) -> HandEstimator | None:
    """Create what finds the hands of the estimator's people, if the options ask for it.

    Raises:
        PoseRosError: As ``pose_ros.create_body_hands``, or the network finds no bodies.
    """
    hands = hand_options(args)
    if not hands.enabled:
        return None
    hand_joints(estimator.skeleton)
    return create_body_hands(
        hands.network,
        detect_palms=hands.detect_palms,
        options=estimator_options(args),
        engine=engine_options(args),
    )
