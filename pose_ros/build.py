"""From one configuration to a running estimator: where networks, runtime and core meet."""

from __future__ import annotations

import dataclasses
import functools
import logging
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from pose_ros.core.options import AUTO_FINDER, OWN_FINDER, EstimatorOptions
from pose_ros.core.protocols import Estimator, Session
from pose_ros.errors import ModelError
from pose_ros.networks.blazepose import BlazePose
from pose_ros.networks.body_hands import BodyHands
from pose_ros.networks.draft import Draft
from pose_ros.networks.drafts import drafts
from pose_ros.networks.finder import Finder
from pose_ros.networks.one_shot import OneShot
from pose_ros.networks.registry import FAMILIES, TOP_DOWN
from pose_ros.networks.top_down import DETECTOR_ROLE, TopDown
from pose_ros.runtime import model_store
from pose_ros.runtime.card import Card, load_card, read_card
from pose_ros.runtime.model_store import model_path
from pose_ros.runtime.providers import check_precision
from pose_ros.runtime.session import open_session, read_signature
from pose_ros.runtime.signature import Signature, describe
from pose_ros.share import user_path

_LOG = logging.getLogger(__name__)

DEFAULT_NETWORK = "blazepose-full"
DEFAULT_HAND_NETWORK = "blazehand-full"
FINDERS = ("posenet-mobilenet", "posenet-mobilenet-641x481", "openpose-mobilenet")
"""Networks that ``auto`` takes as the finder, the best first."""


def create_estimator(
    network: str = DEFAULT_NETWORK,
    *,
    threshold: float | None = None,
    min_tracking_confidence: float = 0.5,
    max_people: int = 1,
    reid_timeout: float = 2.0,
    detect_tiles: int = 1,
    smoothing: bool = True,
    static: bool = False,
    upper_body_only: bool = False,
    finder: str = AUTO_FINDER,
    provider: str = "auto",
    require_gpu: bool = False,
    threads: int = 2,
    precision: str = "fp32",
    models_dir: str | os.PathLike[str] | None = None,
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
        threshold: Least score, in [0, 1], at which a person is newly found; None for
            the network's own.
        min_tracking_confidence: Least score, in [0, 1], at which a person is kept.
        max_people: Most people to look for, 1 to 10.
        reid_timeout: Seconds, 0 to 60, for which somebody out of sight keeps the id.
        detect_tiles: Tiles along the image's longer side, 1 to 4, in which small
            people are looked for besides the whole image; 1 for none.
        smoothing: Filter keypoints over time, by stamps.
        static: Treat every image by itself.
        upper_body_only: Give the upper body's keypoints only, without depths.
        finder: What looks for people, for BlazePose and other networks that see one person at a
            time: the name or path of any network that finds everybody in one look, beside
            which BlazePose's own detector looks too; ``blazepose`` for that alone; ``auto``
            for the best whose files are in the cache, and for ``blazepose`` where
            ``max_people`` is 1.
        provider: ``auto``, ``tensorrt``, ``cuda`` or ``cpu``.
        require_gpu: Raise rather than run on the CPU.
        threads: CPU threads for one run of a network, 1 to 64.
        precision: ``fp32``; quicker and less exact ``fp16`` on a GPU, and ``int8`` on the
            CPU for networks whose card plans it.
        models_dir: Where model files are kept; the user's cache by default.

    Returns:
        An estimator for one stream of images.

    Raises:
        OptionError: An argument is out of its range.
        ModelError: The network is unknown, or its files cannot be had.
        RuntimeUnavailableError: The provider is not there.
    """
    options = EstimatorOptions(
        threshold=threshold,
        min_tracking_confidence=min_tracking_confidence,
        max_people=max_people,
        reid_timeout=reid_timeout,
        detect_tiles=detect_tiles,
        smoothing=smoothing,
        static=static,
        upper_body_only=upper_body_only,
        finder=finder,
    )
    card = open_card(network)
    try:
        family = FAMILIES[card.family]
    except KeyError:
        known = ", ".join(FAMILIES)
        raise ModelError(f"{card.name}: unknown family {card.family!r}; known: {known}") from None
    load = functools.partial(
        open_sessions,
        models_dir=models_dir,
        provider=provider,
        require_gpu=require_gpu,
        threads=threads,
        precision=precision,
    )
    sessions = load(card, card.files)
    if card.family in TOP_DOWN:
        sessions |= load(load_card(DEFAULT_NETWORK), [DETECTOR_ROLE])
    estimator = family(card.contract, sessions, options)
    if isinstance(estimator, BlazePose | TopDown):
        helper = finder_card(options, models_dir)
        if helper is not None:
            estimator.finder = _open_finder(helper, load, precision)
        name = helper.name if helper else OWN_FINDER
        estimator.options = dataclasses.replace(options, finder=name)
    if isinstance(estimator, OneShot) and detect_tiles > 1:
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
        if all(file.state == "ok" for file in model_store.status(card, models_dir)):
            _LOG.info("%s looks for the people", name)
            return card
    _LOG.info(
        "BlazePose's own detector looks for the people and misses many in a crowd; for more: "
        "pose-ros models get %s",
        FINDERS[0],
    )
    return None


def _open_finder(card: Card, load: Callable[..., dict[str, Session]], precision: str) -> Finder:
    """Load the network that looks for people.

    Raises:
        ModelError: It does not find everybody in one look, or its files cannot be had.
    """
    if card.family in FAMILIES and card.family not in TOP_DOWN:
        # few cards plan int8, and that of the network that it is asked for need not be the finder's
        sessions = load(card, card.files, precision="fp32" if precision == "int8" else precision)
        network = FAMILIES[card.family](card.contract, sessions, EstimatorOptions())
        if isinstance(network, OneShot):
            return Finder(network)
    raise ModelError(
        f"{card.name} cannot be the finder: it does not find everybody in one look; "
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
    signature, fitting = guess(path)
    if len(fitting) != 1 or fitting[0].questions:
        guesses = [
            f"{draft.family}, but it does not say {' and '.join(draft.questions)}"
            if draft.questions
            else draft.family
            for draft in fitting
        ]
        raise ModelError(
            f"{path} takes {describe(signature.inputs)} and gives {describe(signature.outputs)}; "
            f"that fits {' or '.join(guesses) or 'no family'}. Say it on a card and name that: "
            f"pose-ros models inspect {path} prints one to begin with"
        )
    (draft,) = fitting
    _LOG.warning(
        "%s is taken for %s of %s: %s; a card of its own may say otherwise",
        path.name,
        draft.family,
        draft.skeletons[0],
        "; ".join(draft.assumed) or "all else follows from its shapes",
    )
    return read_card(draft.card(card_name(path), path.name), path)


def guess(path: Path) -> tuple[Signature, list[Draft]]:
    """Return what an ONNX file takes and gives, and what it could be.

    Raises:
        ModelError: It is not there, or onnxruntime cannot load it.
    """
    if not path.is_file():
        raise ModelError(f"there is no file {path}")
    signature = read_signature(path)
    return signature, drafts(signature.inputs, signature.outputs, signature.types)


def card_name(path: Path) -> str:
    """Return a network's name on a card for an ONNX file."""
    return re.sub("[^a-z0-9]+", "-", path.stem.lower()).strip("-") or "network"


def create_body_hands(
    network: str = DEFAULT_HAND_NETWORK,
    *,
    detect_palms: bool = False,
    min_tracking_confidence: float = 0.5,
    smoothing: bool = True,
    static: bool = False,
    provider: str = "auto",
    require_gpu: bool = False,
    threads: int = 2,
    precision: str = "fp32",
    models_dir: str | os.PathLike[str] | None = None,
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
        min_tracking_confidence: Least score, in [0, 1], of a hand.
        smoothing: As for ``create_estimator``; so are the others.
        static: Treat every image by itself.
        provider: ``auto``, ``tensorrt``, ``cuda`` or ``cpu``.
        require_gpu: Raise rather than run on the CPU.
        threads: CPU threads for one run of a network, 1 to 64.
        precision: As for ``create_estimator``.
        models_dir: Where model files are kept; the user's cache by default.

    Returns:
        What finds the hands in one stream of images, given the people in each.

    Raises:
        OptionError: An argument is out of its range.
        ModelError: The network is unknown, finds no hands at wrists, or cannot be had.
        RuntimeUnavailableError: The provider is not there.
    """
    options = EstimatorOptions(
        min_tracking_confidence=min_tracking_confidence, smoothing=smoothing, static=static
    )
    card = load_card(network)
    roles = (*BodyHands.ROLES, *([BodyHands.PALM_ROLE] if detect_palms else []))
    if not all(role in card.files for role in roles):
        raise ModelError(
            f"{card.name} finds no hands at the wrists of bodies; {DEFAULT_HAND_NETWORK} does"
        )
    sessions = open_sessions(
        card,
        roles,
        models_dir=models_dir,
        provider=provider,
        require_gpu=require_gpu,
        threads=threads,
        precision=precision,
    )
    return BodyHands(card.contract, sessions, options)


def open_sessions(
    card: Card,
    roles: Iterable[str],
    *,
    models_dir: str | os.PathLike[str] | None = None,
    provider: str = "auto",
    require_gpu: bool = False,
    threads: int = 2,
    precision: str = "fp32",
) -> dict[str, Session]:
    """Load files of a card, fetching or making them when they are not there yet.

    Args:
        card: The network.
        roles: Which of its files.
        models_dir: As for ``create_estimator``; so are the others.
        provider: ``auto``, ``tensorrt``, ``cuda`` or ``cpu``.
        require_gpu: Raise rather than run on the CPU.
        threads: CPU threads for one run of a network, 1 to 64.
        precision: ``fp32``, ``fp16`` or ``int8``.

    Returns:
        What runs each file, by its role; inputs and outputs in the order of the card.

    Raises:
        OptionError: An argument is out of its range.
        ModelError: A file cannot be had, or does not fit the card.
        RuntimeUnavailableError: The provider is not there, or ``int8`` cannot be made here.
    """
    check_precision(precision, provider)
    file_path = model_path
    if precision == "int8":
        from pose_ros.int8 import int8_path  # late: it draws scenes, and hardly anyone asks for it

        provider, file_path = "cpu", int8_path
    sessions: dict[str, Session] = {}
    for role in roles:
        path = file_path(card, role, models_dir)
        session = open_session(
            path, provider, require_gpu=require_gpu, threads=threads, precision=precision
        )
        session.select(card.file(role).signature, str(path))
        sessions[role] = session
    return sessions
