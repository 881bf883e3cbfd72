"""From one configuration to a running estimator: where networks, runtime and core meet."""

from __future__ import annotations

import dataclasses
import logging
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

from pose_ros.core.types import Estimator, Session
from pose_ros.errors import ModelError
from pose_ros.files import user_path
from pose_ros.models import store
from pose_ros.models.card import Card, load_card, read_card
from pose_ros.models.store import model_path
from pose_ros.networks.blazepose import BlazePose
from pose_ros.networks.body_hands import BodyHands
from pose_ros.networks.card_guess import CardGuess, guess_cards
from pose_ros.networks.one_shot import OneShot
from pose_ros.networks.registry import FAMILIES
from pose_ros.networks.search import Finder
from pose_ros.networks.top_down import DETECTOR_ROLE, TopDown
from pose_ros.runtime.onnx_file import Signature, describe
from pose_ros.runtime.providers import check_precision
from pose_ros.runtime.session import open_session, read_signature
from pose_ros.settings import options_of, refuse_unknown, takes_options_of
from pose_ros.settings.estimation import (
    AUTO_FINDER,
    OWN_FINDER,
    EngineOptions,
    EstimatorOptions,
    HandOptions,
    NetworkOptions,
)

_LOG = logging.getLogger(__name__)

DEFAULT_NETWORK = NetworkOptions.network
DEFAULT_HAND_NETWORK = HandOptions.network
FINDERS = ("posenet-mobilenet", "posenet-mobilenet-641x481", "openpose-mobilenet")
"""Networks that ``auto`` takes as the finder, the best first."""


@takes_options_of(EstimatorOptions, EngineOptions)
def create_estimator(
    network: str = DEFAULT_NETWORK,
    *,
    options: EstimatorOptions | None = None,
    engine: EngineOptions | None = None,
    **keywords: Any,
) -> Estimator:
    """Load a network, fetching its files when they are not there yet.

    >>> import pose_ros
    >>> estimator = pose_ros.create_estimator("blazepose-full", max_people=4)
    >>> camera = pose_ros.open_source("synthetic:stand", live=False)
    >>> first, second = camera.read(), camera.read()

    A stamp in seconds makes an image the next one of a stream, into which people are followed:

    >>> estimator.estimate(first.image, first.stamp, channels=first.channels)
    Poses(1 of blazepose33, ids=[0], scores=[1.00])
    >>> estimator.estimate(second.image, second.stamp, channels=second.channels)
    Poses(1 of blazepose33, ids=[0], scores=[1.00])

    Without a stamp it is a picture by itself:

    >>> estimator.estimate(first.image, channels=first.channels)
    Poses(1 of blazepose33, ids=[0], scores=[1.00])

    Args:
        network: Name of a model card, such as ``blazepose-full``; or the path of a card,
            ``.yaml``, or of a network alone, ``.onnx``, that tells by itself what it is.
        options: How people are found and followed; the defaults unless given.
        engine: What runs the network; the defaults unless given.
        keywords: Fields of ``EstimatorOptions`` and ``EngineOptions`` by their names, such as
            ``max_people=4, threads=1``, in place of those of ``options`` and ``engine``.

    Returns:
        An estimator for one stream of images.

    Raises:
        OptionError: An option is unknown or out of its range.
        ModelError: The network is unknown, or its files are not available.
        RuntimeUnavailableError: The provider is not there.
    """
    options, engine = _merged(options, engine, keywords)
    card = open_card(network)
    if options.masks:
        card = card.with_masks()
    try:
        family = FAMILIES[card.family]
    except KeyError:
        known = ", ".join(FAMILIES)
        raise ModelError(f"{card.name}: unknown family {card.family!r}; known: {known}") from None
    sessions = open_sessions(card, card.files, engine)
    if family.needs_people:
        sessions |= open_sessions(load_card(DEFAULT_NETWORK), [DETECTOR_ROLE], engine)
    estimator = family.make(card.contract, sessions, options)
    if family.takes_finder:
        helper = finder_card(options, engine.models_dir)
        if helper is not None:
            search = cast("BlazePose | TopDown", estimator).search
            search.finder = _open_finder(helper, engine)
        name = helper.name if helper else OWN_FINDER
        estimator.options = dataclasses.replace(options, finder=name)
    if family.finds_everybody and options.detect_tiles > 1:
        _LOG.warning("%s looks at the whole image alone: detect_tiles does nothing", card.name)
    return estimator


def finder_card(
    options: EstimatorOptions, models_dir: str | os.PathLike[str] | None = None
) -> Card | None:
    """Return the network that looks for people; None for BlazePose's own detector.

    ``auto`` fetches nothing: it takes what is in the cache.

    Raises:
        ModelError: The network that the options name is unknown, or its card is wrong.
    """
    if options.finder == OWN_FINDER:
        return None
    if options.finder != AUTO_FINDER:
        return open_card(options.finder)
    if options.max_people == 1:
        return None
    for name in FINDERS:
        card = load_card(name)
        if all(file.state == "ok" for file in store.status(card, models_dir)):
            _LOG.info("%s looks for the people", name)
            return card
    _LOG.info(
        "BlazePose's own detector looks for the people and misses many in a crowd; for more: "
        "pose-ros models get %s",
        FINDERS[0],
    )
    return None


def _merged(
    options: EstimatorOptions | None, engine: EngineOptions | None, keywords: Mapping[str, Any]
) -> tuple[EstimatorOptions, EngineOptions]:
    """Return the options with the fields that keywords give.

    Raises:
        OptionError: A keyword is unknown, or a value out of its range.
    """
    options, engine = options or EstimatorOptions(), engine or EngineOptions()
    refuse_unknown([*options_of(EstimatorOptions), *options_of(EngineOptions)], keywords)
    of_engine = options_of(EngineOptions)
    return (
        dataclasses.replace(options, **{k: v for k, v in keywords.items() if k not in of_engine}),
        dataclasses.replace(engine, **{k: v for k, v in keywords.items() if k in of_engine}),
    )


def _open_finder(card: Card, engine: EngineOptions) -> Finder:
    """Load the network that looks for people.

    Raises:
        ModelError: It does not find all people in one run, or its files are not available.
    """
    family = FAMILIES.get(card.family)
    if family is not None and family.finds_everybody:
        # few cards plan int8, and that of the network that it is asked for need not be the finder's
        if engine.precision == "int8":
            engine = dataclasses.replace(engine, precision="fp32")
        sessions = open_sessions(card, card.files, engine)
        return Finder(cast("OneShot", family.make(card.contract, sessions, EstimatorOptions())))
    raise ModelError(
        f"{card.name} cannot be the finder: it does not find all people in one run; "
        f"{FINDERS[0]} does"
    )


def open_card(network: str | os.PathLike[str]) -> Card:
    """Return the card of a network by its name, by its own path, or made for an ONNX file.

    Raises:
        ModelError: The network is unknown, its card is wrong, or what the file takes and
            gives does not tell what it is.
    """
    path = user_path(network)
    if path.suffix != ".onnx":
        return load_card(path)
    signature, fitting = guess_network(path)
    if len(fitting) != 1 or fitting[0].questions:
        guesses = [
            f"{guess.family}, but it does not say {' and '.join(guess.questions)}"
            if guess.questions
            else guess.family
            for guess in fitting
        ]
        raise ModelError(
            f"{path} takes {describe(signature.inputs)} and gives {describe(signature.outputs)}; "
            f"that fits {' or '.join(guesses) or 'no family'}. Write a card and name it instead: "
            f"pose-ros models inspect {path} prints one to begin with"
        )
    (guess,) = fitting
    _LOG.warning(
        "%s: assumed %s with the skeleton %s: %s; a card overrides this",
        path.name,
        guess.family,
        guess.skeletons[0],
        "; ".join(guess.assumed) or "its shapes determine the rest",
    )
    return read_card(guess.card(card_name(path), path.name), path)


def guess_network(path: Path) -> tuple[Signature, list[CardGuess]]:
    """Return what an ONNX file takes and gives, and what it could be.

    Raises:
        ModelError: It is not there, or onnxruntime cannot load it.
    """
    if not path.is_file():
        raise ModelError(f"there is no file {path}")
    signature = read_signature(path)
    return signature, guess_cards(signature.inputs, signature.outputs, signature.types)


def card_name(path: Path) -> str:
    """Return a network's name on a card for an ONNX file."""
    return re.sub("[^a-z0-9]+", "-", path.stem.lower()).strip("-") or "network"


@takes_options_of(EstimatorOptions, EngineOptions)
def create_body_hands(
    network: str = DEFAULT_HAND_NETWORK,
    *,
    detect_palms: bool = HandOptions.detect_palms,
    options: EstimatorOptions | None = None,
    engine: EngineOptions | None = None,
    **keywords: Any,
) -> BodyHands:
    """Load the networks that find the hands of people whose bodies are known.

    >>> import pose_ros
    >>> people, hands = pose_ros.create_estimator(), pose_ros.create_body_hands()
    >>> frame = pose_ros.open_source("synthetic:wave", live=False).read()
    >>> poses = people.estimate(frame.image, channels=frame.channels)
    >>> hands.estimate(frame.image, poses, channels=frame.channels).skeleton.name
    'blazehand21'

    Args:
        network: Name of a hand network's card, such as ``blazehand-lite``.
        detect_palms: Look for palms in the whole image too. So hands are found where no body is
            found; these have ids from ``2 * pose_ros.core.types.NO_BODY`` on.
        options: Of these ``min_tracking_confidence``, the least score of a hand, ``smoothing``
            and ``static`` count.
        engine: What runs the networks; the defaults unless given.
        keywords: As for ``create_estimator``.

    Returns:
        What finds the hands in one stream of images, given the people in each.

    Raises:
        OptionError: An argument is out of its range.
        ModelError: The network is unknown, finds no hands at wrists, or is not available.
        RuntimeUnavailableError: The provider is not there.
    """
    options, engine = _merged(options, engine, keywords)
    card = load_card(network)
    roles = (*BodyHands.ROLES, *([BodyHands.PALM_ROLE] if detect_palms else []))
    if not all(role in card.files for role in roles):
        raise ModelError(
            f"{card.name} finds no hands at the wrists of bodies; {DEFAULT_HAND_NETWORK} does"
        )
    sessions = open_sessions(card, roles, engine)
    return BodyHands(card.contract, sessions, options)


def open_sessions(
    card: Card, roles: Iterable[str], engine: EngineOptions | None = None
) -> dict[str, Session]:
    """Load files of a card, fetching or making them when they are not there yet.

    Args:
        card: The network.
        roles: Which of its files.
        engine: What runs them; the defaults unless given.

    Returns:
        What runs each file, by its role; inputs and outputs in the order of the card.

    Raises:
        OptionError: The precision is not one of the provider.
        ModelError: A file is not available, or does not fit the card.
        RuntimeUnavailableError: The provider is not there, or ``int8`` cannot be made here.
    """
    engine = engine or EngineOptions()
    provider, precision = engine.provider, engine.precision
    check_precision(precision, provider)
    file_path = model_path
    if precision == "int8":
        from pose_ros.int8 import int8_path  # late: it draws scenes, and hardly anyone asks for it

        provider, file_path = "cpu", int8_path
    sessions: dict[str, Session] = {}
    for role in roles:
        path = file_path(card, role, engine.models_dir)
        session = open_session(
            path,
            provider,
            require_gpu=engine.require_gpu,
            threads=engine.threads,
            precision=precision,
        )
        session.select(card.file(role).signature, str(path))
        sessions[role] = session
    return sessions
