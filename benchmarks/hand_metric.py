"""Trains the projection of hands that taught gestures compare in, and measures it on other hands.

``.venv/bin/python -m benchmarks.hand_metric`` writes the constants into
``pose_ros/core/gestures/hand_metric.py``; ``--folds`` changes nothing and prints the table of
docs/measurements/taught_gestures.md of hands that a training has not seen. Both read the public
hands in ``../shared/data`` (or POSE_ROS_DATA), and need NumPy and SciPy alone.

The training is by episodes, as in Snell et al., "Prototypical networks for few-shot learning"
(2017), with each example a kernel: a few examples of some classes are taught, and other hands are
asked, half the time with some of a class that was not taught. What is minimized is the cross
entropy of the shares that ``TaughtGestures`` gives. It is repeatable to the bit on one machine.
On another, sums are rounded otherwise, and the constants differ while the figures do not.
"""

from __future__ import annotations

import argparse
import csv
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

import pose_ros
from benchmarks.taught_gestures import Classes, Hands, digit_rate, digits, rates, real_hands
from pose_ros.core import skeletons
from pose_ros.core.camera import Float64Array
from pose_ros.core.gestures import hand_metric
from pose_ros.core.gestures.hand_metric import DIMENSIONS, FEATURES, HIDDEN, Constants
from pose_ros.core.gestures.shape_metric import HandMetric
from pose_ros.core.gestures.taught import landmarks_of

STEPS, EPISODES_A_STEP, LEARNING_RATE, DECAY = 4000, 4, 5e-3, 1e-3
EXAMPLES = (1, 2, 3, 5, 5, 8, 10, 20, 20)
"""How many of each class an episode teaches, by chance."""
WAYS = (2, 6)
"""How many classes."""
ASKED, UNKNOWN_CLASSES = 60, 4
FEW, UNKNOWN_SHARE, UNKNOWN_SHARE_OF_MANY = 5, 0.75, 0.35
"""How often a class is not taught: who shows many examples asks less for other gestures."""
VIEWS, STRETCH, NOISE = 6, 0.5, 0.015
"""A real hand is also shown stretched to one side, as if it were seen from another, and noisy."""
_METRIC = HandMetric(skeletons.get("blazehand21"))


@dataclass(frozen=True, eq=False)
class HandClass:
    """The hands of one class, N of them, each seen V times: (N, V, FEATURES) and (N, V, L)."""

    shapes: Float64Array
    leanings: Float64Array


Source = Sequence[HandClass]
Parameters = dict[str, Float64Array]


def fingers(data: Path) -> tuple[Hands, Classes]:
    """Return the hands that the network finds where one man shows fingers, and how many."""
    network, folder = pose_ros.create_estimator("blazehand-full"), data / "hand_gestures"
    hands, classes = [], []
    with (folder / "fingers_labels.csv").open(encoding="utf-8") as file:
        rows = [
            row for row in csv.DictReader(file) if (folder / "fingers" / row["filename"]).exists()
        ]
    for row in rows:
        image = cv2.imread(str(folder / "fingers" / row["filename"]))
        x0, y0, x1, y1 = (int(row[name]) for name in ("xmin", "ymin", "xmax", "ymax"))
        edge = max(x1 - x0, y1 - y0) // 2
        large = cv2.copyMakeBorder(image, *(edge,) * 4, cv2.BORDER_CONSTANT, value=(128,) * 3)
        crop = large[y0 : y1 + 2 * edge, x0 : x1 + 2 * edge]
        shown = cv2.resize(crop, None, fx=480 / max(crop.shape), fy=480 / max(crop.shape))
        network.reset()
        for i in range(3):  # it is looked for again in each image
            poses = network.estimate(np.asarray(shown, np.uint8), i / 10, channels="bgr")
        for pose in list(poses)[:1]:
            hands.append(landmarks_of(pose, pose.skeleton, 0.5))
            classes.append(int(row["class"][0]))
    return np.array(hands), np.array(classes)


def real_source(rng: np.random.Generator, hands: Hands, classes: Classes, views: int) -> Source:
    """Return real hands by class, each as it is and ``views`` times stretched and noisy."""
    size = np.sqrt(hands[..., :2].var(axis=1).sum(axis=1))[:, None, None]
    seen = [hands[..., :2]]
    for _ in range(views):
        angle, factor = (
            rng.uniform(0.0, 2 * np.pi, len(hands)),
            rng.normal(0.0, STRETCH, len(hands)),
        )
        way = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        along = np.einsum("nkc,nc->nk", seen[0], way) * (np.exp(factor) - 1.0)[:, None]
        stretched = seen[0] + along[..., None] * way[:, None]
        seen.append(stretched + NOISE * size * rng.normal(size=stretched.shape))
    shapes, leanings = _METRIC.features(np.concatenate(seen))
    shapes = shapes.reshape(views + 1, len(hands), -1).swapaxes(0, 1)
    leanings = leanings.reshape(views + 1, len(hands), -1).swapaxes(0, 1)
    return [HandClass(shapes[classes == c], leanings[classes == c]) for c in np.unique(classes)]


# Of a drawn right hand, in meters: x to the thumb's side, y along the fingers, z out of the palm.
_KNUCKLES = np.array([(0.025, 0.09, 0), (0.003, 0.095, 0), (-0.017, 0.088, 0), (-0.035, 0.075, 0)])
_FINGER_BONES = np.outer((1.0, 1.1, 1.03, 0.8), (0.045, 0.027, 0.023))
_SPLAY = np.radians((9.0, 0.0, -8.0, -18.0))
_THUMB_BASE, _THUMB_BONES = np.array((0.02, 0.02, 0.008)), np.array((0.042, 0.032, 0.027))
# Degrees that the joints of a finger are bent by, and how often: straight, curled, half, hooked.
_BENDS = np.array([(5, 8, 5), (72, 95, 55), (35, 45, 30), (60, 20, 10), (10, 70, 40)], np.float64)
_OFTEN = (0.4, 0.38, 0.12, 0.05, 0.05)
# Ways of the thumb's bones: spread, up, folded, around a handle, at rest.
_THUMBS = np.array(
    [
        ((0.75, 0.6, 0.2), (0.7, 0.7, 0.1), (0.65, 0.75, 0.0)),
        ((0.85, 0.5, 0.1), (0.97, 0.2, 0.0), (0.99, 0.0, 0.0)),
        ((0.5, 0.65, 0.55), (-0.2, 0.7, 0.65), (-0.85, 0.4, 0.3)),
        ((0.5, 0.6, 0.6), (0.1, 0.8, 0.6), (0.0, 0.8, 0.6)),
        ((0.6, 0.7, 0.4), (0.4, 0.85, 0.3), (0.3, 0.9, 0.3)),
    ]
)


def drawn_source(rng: np.random.Generator, shapes: int = 400, hands: int = 40) -> Source:
    """Return drawn hands: so many shapes, each made by so many people and seen from everywhere."""
    count = shapes * hands

    def each(values: Float64Array) -> Float64Array:
        return np.repeat(values, hands, axis=0)

    bends = _BENDS[rng.choice(len(_BENDS), (shapes, 4), p=_OFTEN)]
    bends = each(bends + rng.normal(0.0, 6.0, bends.shape))
    bends = bends * rng.normal(1.0, 0.08, (count, 1, 1)) + rng.normal(0.0, 6.0, (count, 4, 1))
    bends += rng.normal(0.0, 4.0, bends.shape)
    spread = each(rng.uniform(-0.1, 1.5, shapes)) + rng.normal(0.0, 0.15, count)
    splay = _SPLAY * spread[:, None] * np.clip(1.0 - bends[:, :, 0] / 70.0, 0.1, 1.0)
    splay = (splay + rng.normal(0.0, np.radians(2.0), splay.shape))[:, :, None]
    bent = np.radians(np.cumsum(bends, axis=2))
    ways = np.stack([np.sin(splay) * np.cos(bent), np.cos(splay) * np.cos(bent), np.sin(bent)], 3)
    lengths = rng.normal(1.0, 0.06, (count, 4, 1)) * rng.normal(1.0, 0.05, (count, 4, 3))
    palm = rng.normal(1.0, 0.06, (count, 1, 3)) * (1, 1, 0) + (0, 0, 1)
    knuckles = _KNUCKLES * palm + rng.normal(0.0, 0.002, (count, 4, 3))
    bones = np.cumsum(ways * (_FINGER_BONES * lengths)[..., None], axis=2)
    four = np.concatenate([knuckles[:, :, None], knuckles[:, :, None] + bones], axis=2)
    thumb = _THUMBS[rng.integers(len(_THUMBS), size=shapes)]
    thumb = each(thumb + rng.normal(0.0, 0.08, thumb.shape)) + rng.normal(0.0, 0.08, (count, 3, 3))
    thumb /= np.linalg.norm(thumb, axis=2, keepdims=True)
    thumb *= (_THUMB_BONES * rng.normal(1.0, 0.06, (count, 3)))[..., None]
    base = (_THUMB_BASE * palm[:, 0])[:, None]
    thumb = np.concatenate([base, base + np.cumsum(thumb, axis=1)], axis=1)
    joints = np.concatenate([np.zeros((count, 1, 3)), thumb, four.reshape(count, 16, 3)], axis=1)
    features, _ = _METRIC.features(_seen(rng, joints))
    # how it is turned is not learned: it is the examples' own
    leanings = np.zeros((hands, 1, 3))
    return [HandClass(each, leanings) for each in features.reshape(shapes, hands, 1, -1)]


def _seen(rng: np.random.Generator, joints: Float64Array) -> Float64Array:
    """Return (N, 21, 2) pictures of hands that are turned at random, 0.35 to 1.5 m away."""
    count = len(joints)
    turn = Rotation.random(count, random_state=rng).as_matrix()
    turned = np.einsum("nij,nkj->nki", turn, joints)
    depth = turned[..., 2] - turned[..., 2].mean(axis=1, keepdims=True)
    away = rng.uniform(0.35, 1.5, (count, 1))
    points = turned[..., :2] / (1.0 + depth / away)[..., None]
    size = np.sqrt(points.var(axis=1).sum(axis=1))[:, None, None]
    noise = 0.02 * size * rng.choice((0.5, 1.0, 2.0), (count, 1, 1))
    return np.asarray(points + noise * rng.normal(size=points.shape))


@dataclass(frozen=True, eq=False)
class Episode:
    """What is taught and asked: K classes of n examples, and Q hands, ``shown`` in 0 to K."""

    examples: Float64Array  # (K, n, FEATURES)
    example_leanings: Float64Array  # (K, n, L)
    asked: Float64Array  # (Q, FEATURES)
    asked_leanings: Float64Array  # (Q, L)
    shown: NDArray[np.int_]  # (Q,), K: what was not taught


def draw_episode(rng: np.random.Generator, source: Source) -> Episode:
    """Return some classes of a source, and others of it that are not taught."""
    smallest = min(len(c.shapes) for c in source)
    count = min(int(rng.choice(EXAMPLES)), max(1, smallest - 2))
    share = UNKNOWN_SHARE if count <= FEW else UNKNOWN_SHARE_OF_MANY
    ways = int(rng.integers(WAYS[0], min(WAYS[1], len(source)) + 1))
    if ways == len(source) and rng.random() < share:
        ways -= 1
    order = rng.permutation(len(source))
    taught, others = order[:ways], order[ways : ways + UNKNOWN_CLASSES]
    if rng.random() >= share:
        others = others[:0]
    each = ASKED // (ways + 1)
    examples, asked, shown = [], [], []

    def some(number: int, least: int) -> tuple[Float64Array, Float64Array]:
        it = source[number]
        chosen = rng.permutation(len(it.shapes))[:least]
        view = rng.integers(it.shapes.shape[1], size=len(chosen))
        return it.shapes[chosen, view], it.leanings[chosen, view]

    for way, number in enumerate(taught):
        shapes, leanings = some(number, count + each)
        examples.append((shapes[:count], leanings[:count]))
        asked.append((shapes[count:], leanings[count:]))
        shown += [way] * (len(shapes) - count)
    for number in others:
        asked.append(some(number, max(1, each // len(others))))
        shown += [ways] * len(asked[-1][0])
    return Episode(
        examples=np.array([shapes for shapes, _ in examples]),
        example_leanings=np.array([leanings for _, leanings in examples]),
        asked=np.concatenate([shapes for shapes, _ in asked]),
        asked_leanings=np.concatenate([leanings for _, leanings in asked]),
        shown=np.array(shown),
    )


def loss_and_slopes(p: Parameters, it: Episode) -> tuple[float, Parameters]:
    """Return the cross entropy of an episode and its derivatives.

    Args:
        p: ``straight`` (FEATURES, DIMENSIONS), ``inner`` (FEATURES, HIDDEN), ``bias`` (HIDDEN,),
            ``outer`` (HIDDEN, DIMENSIONS), and ``evidence`` (2,): of one example, and for each
            factor e more. Features are in units of their spread.
        it: The episode.
    """
    ways, count, _ = it.examples.shape
    questions, taught = len(it.asked), ways * count
    x = np.concatenate([it.examples.reshape(taught, -1), it.asked])
    bent = np.tanh(x @ p["inner"] + p["bias"])
    z = x @ p["straight"] + bent @ p["outer"]
    away = z[taught:, None] - z[None, :taught]
    squares = (away**2).sum(axis=2).reshape(questions, ways, count)
    widths = np.array([hand_metric.lean_width(each) for each in it.example_leanings])
    lean = it.asked_leanings[:, None, None] - it.example_leanings[None]
    squares = squares + (lean**2).sum(axis=3) / widths[:, None]
    doubted = int(hand_metric.doubted(np.array(count)))
    if doubted:
        limit = np.partition(squares, doubted, axis=2)[:, :, doubted : doubted + 1]
        squares = np.where(squares < limit, np.inf, squares)
    least = squares.min(axis=2, keepdims=True)
    kernels = np.exp(least - squares)
    density = kernels.sum(axis=2)
    evidence = np.log(density) - least[:, :, 0] + p["evidence"] @ (1.0, np.log(count))
    shares = np.concatenate([evidence, np.zeros((questions, 1))], axis=1)
    shares = np.exp(shares - shares.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    loss = -float(np.log(shares[np.arange(questions), it.shown] + 1e-12).mean())

    slope = shares
    slope[np.arange(questions), it.shown] -= 1.0
    slope = slope[:, :ways] / questions  # of the evidence
    of_squares = -slope[:, :, None] * kernels / density[:, :, None]
    of_away = 2.0 * of_squares.reshape(questions, taught, 1) * away
    of_z = np.concatenate([-of_away.sum(axis=0), of_away.sum(axis=1)])
    of_bent = of_z @ p["outer"].T * (1.0 - bent**2)
    return loss, {
        "straight": x.T @ of_z,
        "inner": x.T @ of_bent,
        "bias": of_bent.sum(axis=0),
        "outer": bent.T @ of_z,
        "evidence": slope.sum() * np.array([1.0, np.log(count)]),
    }


def train(
    sources: Sequence[Source], weights: Sequence[float], *, seed: int = 0, steps: int = STEPS
) -> Constants:
    """Return constants that few examples of the sources decide well with.

    Args:
        sources: Where episodes come from.
        weights: How often from each.
        seed: Of all that is random.
        steps: Of the descent, by Adam, with a rate that falls to 0 as a cosine.
    """
    rng = np.random.default_rng(seed)
    shapes = [c.shapes.reshape(-1, FEATURES) for source in sources for c in source]
    middle = np.concatenate(shapes).mean(axis=0)
    spread = np.concatenate(shapes).std(axis=0) + 0.05
    scaled = [
        [HandClass((c.shapes - middle) / spread, c.leanings) for c in source] for source in sources
    ]
    p: Parameters = {
        "straight": rng.normal(0.0, 0.08, (FEATURES, DIMENSIONS)),
        "inner": rng.normal(0.0, 0.7 / np.sqrt(FEATURES), (FEATURES, HIDDEN)),
        "bias": np.zeros(HIDDEN),
        "outer": rng.normal(0.0, 0.2, (HIDDEN, DIMENSIONS)),
        "evidence": np.array([6.0, 0.0]),
    }
    often = np.array(weights) / np.sum(weights)
    first, second = ({name: np.zeros_like(v) for name, v in p.items()} for _ in range(2))
    for step in range(1, steps + 1):
        total = {name: np.zeros_like(v) for name, v in p.items()}
        for _ in range(EPISODES_A_STEP):
            source = scaled[int(rng.choice(len(scaled), p=often))]
            for name, slope in loss_and_slopes(p, draw_episode(rng, source))[1].items():
                total[name] += slope / EPISODES_A_STEP
        rate = LEARNING_RATE * 0.5 * (1.0 + np.cos(np.pi * step / steps))
        for name, slope in total.items():
            first[name] = 0.9 * first[name] + 0.1 * slope
            second[name] = 0.999 * second[name] + 0.001 * slope**2
            move = first[name] / (1 - 0.9**step)
            move /= np.sqrt(second[name] / (1 - 0.999**step)) + 1e-8
            decay = DECAY if p[name].ndim == 2 else 0.0
            p[name] -= rate * (3.0 if name == "evidence" else 1.0) * (move + decay * p[name])
    inner = p["inner"] / spread[:, None]
    return Constants(
        straight=np.round(p["straight"] / spread[:, None], 3),
        inner=np.round(inner, 3),
        bias=np.round(p["bias"] - middle @ inner, 3),
        outer=np.round(p["outer"], 3),
        one_example=round(float(p["evidence"][0]), 3),
        more_examples=round(float(p["evidence"][1]), 3),
    )


@dataclass(frozen=True, eq=False)
class Data:
    """All real hands at hand, and the drawn ones."""

    hands: tuple[Hands, Classes]
    digits: tuple[Hands, Classes]
    fingers: tuple[Hands, Classes]
    drawn: Source

    @classmethod
    def read(cls, folder: Path) -> Data:
        """Return what a folder of public data holds."""
        drawn = drawn_source(np.random.default_rng(0))
        return cls(real_hands(folder), digits(folder), fingers(folder), drawn)

    def train(self, rows: NDArray[np.int_] | None = None, *, digits: bool = True) -> Constants:
        """Return constants of some rows of the hands; without any, of the others alone."""
        rng, (hands, classes) = np.random.default_rng(99), self.hands
        rows = np.arange(len(hands)) if rows is None else rows
        sources, weights = [self.drawn, real_source(rng, *self.fingers, 20)], [0.3, 0.1]
        if digits:
            sources.append(real_source(rng, *self.digits, 20))
            weights.append(0.1)
        if len(rows):
            sources.append(real_source(rng, hands[rows], classes[rows], VIEWS))
            weights.append(0.5)
        return train(sources, weights)


def folds(data: Data) -> Iterator[tuple[str, NDArray[np.int_], NDArray[np.int_]]]:
    """Yield what a projection is trained with, those rows, and the rows that are asked."""
    classes, everything = data.hands[1], np.arange(len(data.hands[1]))
    first = np.concatenate(
        [np.flatnonzero(classes == c)[: np.sum(classes == c) // 2] for c in np.unique(classes)]
    )
    second = np.setdiff1d(everything, first)
    yield "the first half of each class", first, second
    yield "the second half of each class", second, first
    yield "every second row", everything[::2], everything[1::2]
    yield "the rows between", everything[1::2], everything[::2]
    yield "none of them", everything[:0], everything


def print_folds(data: Data, draws: int) -> None:
    """Print how projections do on hands that their training has not seen."""
    hands, classes = data.hands
    for name, trained, asked in folds(data):
        with mock.patch.object(hand_metric, "CONSTANTS", data.train(trained)):
            for examples in (5, 20):
                values = dict(rates(hands[asked], classes[asked], examples, draws))
                print(f"{name}, {examples} examples, {len(asked)} other hands:", flush=True)
                for what, of_draws in values.items():
                    print(f"    {what} {np.mean(of_draws):.1%}")
    with mock.patch.object(hand_metric, "CONSTANTS", data.train(digits=False)):
        rate = digit_rate(*data.digits, 5, 3)
        print(f"digits, without them: {rate:.1%} of {len(data.digits[0])}", flush=True)


def written(text: str, constants: Constants) -> str:
    """Return the text of ``hand_metric.py`` with other constants."""
    tables = {
        "STRAIGHT": constants.straight,
        "INNER": constants.inner,
        "BIAS": constants.bias,
        "OUTER": constants.outer,
    }
    for name, values in tables.items():
        lines, line = [], ""
        for number in np.round(values.ravel() * 1000).astype(int).tolist():
            if len(line) + len(str(number)) >= 96:
                lines.append(line)
                line = ""
            line = f"{line} {number}".strip()
        table = "\n".join([*lines, line])
        text = re.sub(rf'(_{name} = _table\(\n    """\n)[^"]*', rf"\g<1>{table}\n", text)
    for name in ("one_example", "more_examples"):
        text = re.sub(rf"{name}=[-\d.]+", f"{name}={getattr(constants, name)}", text)
    return text


def main() -> None:
    """Train, and write the constants or measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folds", action="store_true", help="measure on hands that are left out")
    parser.add_argument("--draws", type=int, default=20, help="of examples (default 20)")
    args = parser.parse_args()
    checkout = Path(__file__).resolve().parents[1]
    data = Data.read(Path(os.environ.get("POSE_ROS_DATA") or checkout.parent / "shared" / "data"))
    if args.folds:
        print_folds(data, args.draws)
        return
    module = checkout / "pose_ros" / "core" / "gestures" / "hand_metric.py"
    module.write_text(written(module.read_text(encoding="utf-8"), data.train()), encoding="utf-8")


if __name__ == "__main__":
    main()
