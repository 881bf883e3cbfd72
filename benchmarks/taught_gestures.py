"""How well a few examples teach a gesture: real hands through ``pose_ros.TaughtGestures``.

``.venv/bin/python -m benchmarks.taught_gestures`` prints the tables of
docs/measurements/taught_gestures.md, from the public hands in ``../shared/data`` (or
POSE_ROS_DATA).
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import cv2
import numpy as np
from numpy.typing import NDArray

import pose_ros
from pose_ros.core import skeletons
from pose_ros.core.gestures import shape_metric
from pose_ros.core.gestures.taught import landmarks_of
from tools.real_postures import labeled_people

Hands = NDArray[np.float64]
Classes = NDArray[np.int_]
QUESTIONS = 200
"""Hands that are asked about in a draw."""
CLASSES = ("open", "closed", "pointing")


def real_hands(data: Path) -> tuple[Hands, Classes]:
    """Return (N, 21, 2) hands and what each shows, a number of ``CLASSES``."""
    rows = np.loadtxt(data / "taught_gestures" / "hand_landmarks.csv", delimiter=",")
    return rows[:, 1:].reshape(-1, 21, 2), rows[:, 0].astype(int)


def digits(data: Path) -> tuple[Hands, Classes]:
    """Return the hands that the network finds in pictures of a sign language's digits."""
    network = pose_ros.create_estimator("blazehand-full")
    hands, classes = [], []
    for path in sorted((data / "hand_gestures" / "digits").iterdir()):
        image = cv2.imread(str(path))
        large = cv2.resize(image, None, fx=3.0, fy=3.0, interpolation=cv2.INTER_CUBIC)
        edge = large.shape[0] // 2  # a palm that fills the picture is not found
        shown = cv2.copyMakeBorder(large, *(edge,) * 4, cv2.BORDER_CONSTANT, value=(128,) * 3)
        network.reset()
        for i in range(3):  # it is looked for again in each image
            poses = network.estimate(np.asarray(shown, np.uint8), i / 10, channels="bgr")
        for pose in list(poses)[:1]:
            hands.append(landmarks_of(pose, pose.skeleton, 0.5))
            classes.append(int(path.name[0]))
    return np.array(hands), np.array(classes)


def asked(
    hands: Hands, classes: Classes, examples: int, left_out: int | None, draw: int
) -> tuple[Classes, list[str | None], list[float]]:
    """Teach some random examples of each class but one; return what others show and are named."""
    rng, taught, used = np.random.default_rng(draw), pose_ros.TaughtGestures(), []
    for label in np.unique(classes):
        if label != left_out:
            chosen = rng.choice(np.flatnonzero(classes == label), examples, replace=False)
            used += chosen.tolist()
            for i in chosen:
                taught.add(str(label), hands[i])
    rest = rng.permutation(np.setdiff1d(np.arange(len(hands)), used))[:QUESTIONS]
    answers = [taught.classify(hands[i]) for i in rest]
    return classes[rest], [name for name, _ in answers], [sure for _, sure in answers]


def rates(
    hands: Hands, classes: Classes, examples: int, draws: int
) -> Iterator[tuple[str, list[float]]]:
    """Yield what is measured and its value in each draw."""
    right = []
    for draw in range(draws):
        shown, names, _ = asked(hands, classes, examples, None, draw)
        right.append(float(np.mean([str(s) == n for s, n in zip(shown, names, strict=True)])))
    yield "right, all taught", right
    for left_out in np.unique(classes).tolist():
        kept, refused, at_97 = [], [], []
        for draw in range(draws):
            shown, names, sure = asked(hands, classes, examples, left_out, draw)
            unknown, named = shown == left_out, np.array([n is not None for n in names])
            least = np.quantile(np.array(sure)[~unknown], 0.03)
            kept.append(float(named[~unknown].mean()))
            refused.append(float(1 - named[unknown].mean()))
            at_97.append(float(np.mean(np.array(sure)[unknown] < least)))
        yield f"{CLASSES[left_out]} not taught: refused", refused
        yield f"{CLASSES[left_out]} not taught: others kept", kept
        yield f"{CLASSES[left_out]} not taught: refused at 97% kept", at_97


def digit_rate(hands: Hands, classes: Classes, examples: int, draws: int) -> float:
    """Return the share of pictures that are right, each by examples of the others."""
    right = []
    for draw in range(draws):
        rng = np.random.default_rng(draw)
        for i in range(len(hands)):
            taught = pose_ros.TaughtGestures()
            for label in np.unique(classes):
                others = np.setdiff1d(np.flatnonzero(classes == label), [i])
                for j in rng.permutation(others)[:examples]:
                    taught.add(str(label), hands[j])
            right.append(taught.classify(hands[i])[0] == str(classes[i]))
    return float(np.mean(right))


def real_bodies(data: Path) -> tuple[Hands, list[str]]:
    """Return (N, 33, 3) people of photos and what each does; NaN is out of sight."""
    skeleton = skeletons.get("blazepose33")
    people = [(what, pose) for what, _, pose in labeled_people(data)]
    bodies = np.array([landmarks_of(pose, skeleton, 0.5) for _, pose in people])
    hips_and_knees = [
        skeleton.index(f"{s}_{j}") for s in ("left", "right") for j in ("hip", "knee")
    ]
    seen = np.isfinite(bodies[:, hips_and_knees]).all(axis=(1, 2))
    return bodies[seen], [what for (what, _), is_seen in zip(people, seen, strict=True) if is_seen]


def body_rates(bodies: Hands, labels: list[str], examples: int, draws: int) -> dict[str, float]:
    """Return how many who stand are named by some others who do, and who else is refused."""
    answers: dict[str, list[bool]] = {label: [] for label in sorted(set(labels))}
    standing = np.flatnonzero(np.array(labels) == "standing")
    for draw in range(draws):
        chosen = np.random.default_rng(draw).permutation(standing)[:examples]
        taught = pose_ros.TaughtGestures("blazepose33")
        for i in chosen:
            taught.add("standing", bodies[i])
        for i in np.setdiff1d(np.arange(len(labels)), chosen):
            name, _ = taught.classify(bodies[i], least_share=0.5)
            answers[labels[i]].append((name is None) == (labels[i] != "standing"))
    return {label: float(np.mean(right)) for label, right in answers.items()}


def cost_ms(gestures: int, examples: int) -> float:
    """Return the CPU time of a hand in milliseconds."""
    rng, taught = np.random.default_rng(0), pose_ros.TaughtGestures()
    for gesture in range(gestures):
        for _ in range(examples):
            taught.add(str(gesture), rng.normal(size=(21, 3)))
    hand = rng.normal(size=(21, 3))
    taught.classify(hand)
    begun = time.process_time()
    for _ in range(1000):
        taught.classify(hand)
    return time.process_time() - begun


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=200, help="of examples (default 200)")
    args = parser.parse_args()
    checkout = Path(__file__).resolve().parents[1]
    data = Path(os.environ.get("POSE_ROS_DATA") or checkout.parent / "shared" / "data")
    print(f"30 gestures of 20 examples: {cost_ms(30, 20):.2f} ms of CPU time a hand", flush=True)
    bodies, labels = real_bodies(data)
    print({label: labels.count(label) for label in sorted(set(labels))})
    for sigma in (0.2, 0.25, 0.3, 0.35, 0.4):
        for examples in (5, 10):
            with mock.patch.object(shape_metric, "BODY_SIGMA", sigma):
                found = body_rates(bodies, labels, examples, 20)
            right = ", ".join(f"{label} {rate:.0%}" for label, rate in found.items())
            print(f"bodies, sigma {sigma}, {examples} who stand: right {right}", flush=True)
    hands, classes = digits(data)
    rate = digit_rate(hands, classes, 5, 3)
    print(f"digits, up to 5 examples: {rate:.1%} of {len(hands)} pictures", flush=True)
    hands, classes = real_hands(data)
    for examples in (5, 20):
        for what, values in rates(hands, classes, examples, args.draws):
            low = np.quantile(values, 0.1)
            print(
                f"{examples:2} examples, {what}: {np.mean(values):.1%}, one in ten below {low:.1%}"
            )


if __name__ == "__main__":
    main()
