"""Postures of real people in photos, against what a person who looked at the photos says.

python -m tools.real_postures

Each photo is looked at as it is and turned by a quarter to either side: a person who stands then
lies across the image. The camera is taken to be level. No photo shows a person who lies or falls.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import cv2
import numpy as np

import pose_ros
from pose_ros.core.gestures.postures import POSTURE_NAMES
from pose_ros.core.gestures.recognizer import GestureRecognizer
from pose_ros.core.types import Image
from pose_ros.settings.estimation import EstimatorOptions
from pose_ros.settings.gestures import GestureOptions

DATA = Path(os.environ.get("POSE_ROS_DATA") or Path(__file__).parents[2] / "shared" / "data")
FRAMES, PERIOD = 8, 0.1  # a photo is shown for so many images: postures are held

# the middle of the person's box, in shares of the photo's width and height
LABELS: dict[str, dict[tuple[float, float], str]] = {
    "000000000785.jpg": {(0.61, 0.54): "standing"},
    "000000040083.jpg": {(0.26, 0.62): "sitting", (0.68, 0.67): "sitting"},
    "000000196141.jpg": {(0.52, 0.55): "standing", (0.85, 0.75): "other"},
    "000000197388.jpg": {(0.06, 0.41): "standing", (0.79, 0.77): "other"},
    "COCO_val2014_000000000192.jpg": {(0.5, 0.64): "standing", (0.65, 0.82): "standing"},
    "COCO_val2014_000000000328.jpg": {(0.24, 0.54): "sitting"},
    "COCO_val2014_000000000395.jpg": {(0.07, 0.61): "standing"},
    "COCO_val2014_000000000474.jpg": {(0.52, 0.57): "other"},
    "COCO_val2014_000000000536.jpg": {
        (0.85, 0.78): "sitting",
        (0.29, 0.71): "standing",
        (0.5, 0.67): "standing",
    },
    "COCO_val2014_000000000564.jpg": {(0.59, 0.75): "standing"},
    "COCO_val2014_000000000589.jpg": {(0.66, 0.59): "other"},
    "humans_0.jpg": {(0.41, 0.59): "other", (0.61, 0.48): "other"},
    "humans_2.jpg": {(0.27, 0.68): "standing", (0.76, 0.54): "standing"},
    "humans_4.jpg": {
        (0.88, 0.3): "standing",
        (0.51, 0.61): "other",
        (0.69, 0.57): "other",
        (0.25, 0.61): "other",
        (0.11, 0.48): "other",
    },
    "humans_6.jpg": {(0.53, 0.79): "standing", (0.88, 0.83): "standing", (0.22, 0.82): "standing"},
    "humans_8.jpg": {(0.61, 0.55): "standing", (0.45, 0.54): "standing"},
    "peds_2.jpg": {(0.81, 0.53): "sitting"},
    "peds_3.jpg": {(0.91, 0.46): "standing", (0.11, 0.49): "standing", (0.45, 0.55): "standing"},
}
BODY = ("standing", "sitting", "lying")


def found_in(image: Image) -> list[tuple[tuple[float, float], str]]:
    """Return the middle of each person, in shares of the image, and their posture, or ``none``."""
    options = EstimatorOptions(max_people=10, static=True, detect_tiles=2)
    estimator = pose_ros.create_estimator("blazepose-full", options=options)
    poses = estimator.estimate(image, channels="bgr")
    recognizer = GestureRecognizer(GestureOptions(postures=True))
    held = []
    for number in range(FRAMES):
        held = [g for g in recognizer.update(poses, number * PERIOD) if g.name in POSTURE_NAMES]
    people = []
    for pose in poses:
        names = {g.name for g in held if g.person == pose.id and g.event != "ended"}
        x, y = (pose.box[:2] + pose.box[2:]) / 2 / image.shape[1::-1]
        people.append(((float(x), float(y)), next((n for n in BODY if n in names), "none")))
    return people


def compare(turn: int | None) -> Counter[tuple[str, str]]:
    """Return how often each label got each posture.

    Args:
        turn: OpenCV's code of a quarter turn; None: as the photo is.
    """
    counts: Counter[tuple[str, str]] = Counter()
    for name, people in LABELS.items():
        folder = "images" if (DATA / "images" / name).exists() else "coco_keypoints"
        image = cv2.imread(str(DATA / folder / name))
        if turn is not None:
            image = cv2.rotate(image, turn)
        for (x, y), posture in found_in(np.asarray(image, np.uint8)):
            places = {None: (x, y), cv2.ROTATE_90_CLOCKWISE: (y, 1.0 - x)}
            middle = np.array(places.get(turn, (1.0 - y, x)))
            away = {place: float(np.hypot(*(middle - place))) for place in people}
            nearest = min(away, key=lambda place: away[place])
            if away[nearest] < 0.06:
                counts[people[nearest], posture] += 1
    return counts


def main() -> None:
    """Print a table for upright photos and one for turned ones."""
    upright = compare(None)
    turned = compare(cv2.ROTATE_90_CLOCKWISE) + compare(cv2.ROTATE_90_COUNTERCLOCKWISE)
    for title, counts in (("as they are", upright), ("turned by a quarter", turned)):
        print(title)
        print(f"{'':10}" + "".join(f"{name:>10}" for name in (*BODY, "none")))
        for label in ("standing", "sitting", "other"):
            row = [counts[label, name] for name in (*BODY, "none")]
            print(f"{label:10}" + "".join(f"{n:10d}" for n in row))


if __name__ == "__main__":
    main()
