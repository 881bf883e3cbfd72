"""Postures of real people in photos, against what a person who looked at the photos says.

python -m tools.real_postures

It needs the network that finds all people of a photo: ``pose-ros models get posenet-mobilenet``,
without a network ``--from ../shared/data/posenet/posenet_mobilenet_v1_075_353_481_quant.tflite``.

Each photo is looked at as it is and turned by a quarter to either side: a person who stands then
lies across the image. The camera is taken to be level. No photo shows a person who lies or falls.
Of the clips of a dancer, a man who balances and a man at a desk it counts in how many images the
largest person has each posture.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

import pose_ros
from pose_ros.core.gestures.recognizer import Gesture, GestureRecognizer
from pose_ros.core.types import Pose, Poses
from pose_ros.settings.estimation import EngineOptions, EstimatorOptions
from pose_ros.settings.gestures import GestureOptions
from tools.real_gestures import Clip, clips

DATA = Path(os.environ.get("POSE_ROS_DATA") or Path(__file__).parents[2] / "shared" / "data")
FRAMES, PERIOD = 8, 0.1  # a photo is shown for so many images: postures are held

# the middle of the person's box, in shares of the photo's width and height
LABELS: dict[str, dict[tuple[float, float], str]] = {
    "000000000785.jpg": {(0.61, 0.54): "standing"},
    "000000040083.jpg": {(0.26, 0.62): "sitting", (0.67, 0.68): "sitting"},
    "000000196141.jpg": {
        (0.08, 0.28): "standing",
        (0.52, 0.55): "standing",
        (0.9, 0.4): "standing",
        (0.85, 0.75): "other",
    },
    "000000197388.jpg": {
        (0.06, 0.41): "standing",
        (0.93, 0.44): "standing",
        (0.79, 0.77): "other",
        (0.41, 0.56): "other",
        (0.51, 0.39): "other",
    },
    "COCO_val2014_000000000192.jpg": {(0.5, 0.64): "standing", (0.65, 0.85): "standing"},
    "COCO_val2014_000000000257.jpg": {
        (0.27, 0.9): "standing",
        (0.39, 0.77): "standing",
        (0.51, 0.78): "standing",
    },
    "COCO_val2014_000000000328.jpg": {
        (0.24, 0.54): "sitting",
        (0.46, 0.6): "sitting",
        (0.72, 0.63): "sitting",
    },
    "COCO_val2014_000000000357.jpg": {
        (0.13, 0.48): "standing",
        (0.44, 0.17): "standing",
        (0.85, 0.75): "standing",
        (0.91, 0.83): "other",
    },
    "COCO_val2014_000000000395.jpg": {
        (0.07, 0.61): "standing",
        (0.19, 0.65): "standing",
        (0.9, 0.73): "standing",
    },
    "COCO_val2014_000000000474.jpg": {(0.52, 0.57): "other"},
    "COCO_val2014_000000000536.jpg": {
        (0.85, 0.76): "sitting",
        (0.29, 0.71): "standing",
        (0.5, 0.72): "standing",
    },
    "COCO_val2014_000000000564.jpg": {(0.59, 0.75): "standing", (0.93, 0.4): "sitting"},
    "COCO_val2014_000000000589.jpg": {(0.66, 0.59): "other"},
    "humans_0.jpg": {(0.41, 0.59): "other", (0.61, 0.48): "other"},
    "humans_2.jpg": {(0.27, 0.7): "standing", (0.76, 0.54): "standing"},
    "humans_4.jpg": {
        (0.88, 0.3): "standing",
        (0.51, 0.61): "other",
        (0.69, 0.57): "other",
        (0.25, 0.61): "other",
        (0.11, 0.48): "other",
    },
    "humans_6.jpg": {
        (0.06, 0.75): "standing",
        (0.22, 0.82): "standing",
        (0.53, 0.79): "standing",
        (0.88, 0.83): "standing",
    },
    "humans_8.jpg": {(0.58, 0.55): "standing", (0.46, 0.54): "standing"},
    "peds_2.jpg": {(0.03, 0.44): "standing", (0.81, 0.53): "sitting"},
    "peds_3.jpg": {
        (0.11, 0.49): "standing",
        (0.45, 0.55): "standing",
        (0.57, 0.41): "standing",
        (0.75, 0.42): "standing",
        (0.91, 0.46): "standing",
    },
    "test_couple.jpg": {(0.4, 0.54): "standing", (0.57, 0.56): "standing"},
}
FOLDERS = ("images", "coco_keypoints", "posenet")
BODY = ("fallen", "standing", "sitting", "lying")


def labeled_people(
    data: Path, turn: int | None = None, models_dir: Path | None = None
) -> Iterator[tuple[str, str, Pose]]:
    """Yield what a person is said to do, the posture that is found, and the pose.

    Args:
        data: The folder of public data.
        turn: OpenCV's code of a quarter turn; None: photos as they are.
        models_dir: The model cache; None: the usual one.
    """
    engine = EngineOptions(models_dir=models_dir)
    options = EstimatorOptions(max_people=10, static=True, finder="posenet-mobilenet")
    estimator = pose_ros.create_estimator("blazepose-full", options=options, engine=engine)
    for name, people in LABELS.items():
        path = next(data / f / name for f in FOLDERS if (data / f / name).exists())
        image = cv2.imread(str(path))
        if turn is not None:
            image = cv2.rotate(image, turn)
        estimator.reset()
        poses = estimator.estimate(np.asarray(image, np.uint8), channels="bgr")
        for pose, posture in zip(poses, postures_of(poses), strict=True):
            x, y = (pose.box[:2] + pose.box[2:]) / 2 / image.shape[1::-1]
            places = {None: (x, y), cv2.ROTATE_90_CLOCKWISE: (y, 1.0 - x)}
            middle = np.array(places.get(turn, (1.0 - y, x)))
            away = {place: float(np.hypot(*(middle - place))) for place in people}
            nearest = min(away, key=lambda place: away[place])
            if away[nearest] < 0.06:
                yield people[nearest], posture, pose


def postures_of(poses: Poses) -> list[str]:
    """Return how each person of a photo holds their body, or ``none``."""
    recognizer = GestureRecognizer(GestureOptions(postures=True))
    held: Sequence[Gesture] = ()
    for number in range(FRAMES):
        held = recognizer.update(poses, number * PERIOD)
    return [posture_of(held, pose.id) for pose in poses]


def posture_of(gestures: Sequence[Gesture], person: int) -> str:
    """Return how a person holds their body, or ``none``."""
    names = {g.name for g in gestures if g.person == person and g.event != "ended"}
    return next((name for name in BODY if name in names), "none")


def compare(
    turn: int | None, data: Path = DATA, models_dir: Path | None = None
) -> Counter[tuple[str, str]]:
    """Return how often each label got each posture; arguments as of ``labeled_people``."""
    people = labeled_people(data, turn, models_dir)
    return Counter((label, posture) for label, posture, _ in people)


def watch(clip: Clip) -> tuple[Counter[str], int]:
    """Return in how many images the largest person has each posture, and how many show one."""
    recognizer = GestureRecognizer(GestureOptions(postures=True))
    counts: Counter[str] = Counter()
    for moment in clip.watch():
        held = recognizer.update(moment.poses, moment.stamp, up=moment.up)
        if len(moment.poses):
            sizes = np.ptp(moment.poses.boxes.reshape(-1, 2, 2), axis=1).prod(axis=1)
            counts[posture_of(held, int(moment.poses.ids[int(np.argmax(sizes))]))] += 1
    return counts, counts.total()


def main() -> None:
    """Print a table for upright photos, one for turned ones, and one for clips."""
    upright = compare(None)
    turned = compare(cv2.ROTATE_90_CLOCKWISE) + compare(cv2.ROTATE_90_COUNTERCLOCKWISE)
    header = "".join(f"{name:>10}" for name in (*BODY, "none"))
    for title, counts in (("as they are", upright), ("turned by a quarter", turned)):
        print(title)
        print(f"{'':16}{header}")
        for label in ("standing", "sitting", "other"):
            row = [counts[label, name] for name in (*BODY, "none")]
            print(f"{label:16}" + "".join(f"{n:10d}" for n in row))
    print(f"clips, in images\n{'':16}{header}")
    for clip in clips(DATA):
        seen, images = watch(clip)
        row = [seen[name] for name in (*BODY, "none")]
        print(f"{clip.name:16}" + "".join(f"{n:10d}" for n in row) + f" of {images}")


if __name__ == "__main__":
    main()
