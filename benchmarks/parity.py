"""How like MediaPipe's the landmarks are: the same frames through both, landmark by landmark.

python -m benchmarks.parity clip.mp4 --no-smoothing
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.command import run_command
from benchmarks.mediapipe_peer import HANDS, MediaPipe, complexity_of
from pose_ros.build import open_card
from pose_ros.cli.bench import add_frame_arguments, read_frames
from pose_ros.cli.options import add_network_arguments, build_estimator
from pose_ros.core.geometry import Region
from pose_ros.core.types import Estimator, Image, Poses
from pose_ros.networks.blazepose import BlazePose

Array = NDArray[np.float64]

ANATOMICAL = {"Left": "right", "Right": "left"}
"""What a hand is that MediaPipe names, which takes the image for a mirror's."""


@dataclass(frozen=True)
class Difference:
    """How far two answers for one person or hand lie apart; arrays are over the landmarks.

    Attributes:
        pixels: Distance in pixels.
        relative: Distance over the diagonal of the landmarks' box.
        score: Difference of the visibility, or of the one score of a hand's side.
        world_m: Distance in meters.
    """

    pixels: Array
    relative: Array
    score: Array
    world_m: Array


def difference(poses: Poses, expected: dict[str, Any] | None) -> Difference | None:
    """Compare one frame's result with MediaPipe's; None unless both found a person."""
    if expected is None or len(poses) == 0 or poses.world is None:
        return None
    landmarks, world = np.array(expected["landmarks"]), np.array(expected["world"])
    pixels = np.hypot(*(poses.keypoints[0] - landmarks[:, :2]).T)
    diagonal = float(np.hypot(*np.ptp(landmarks[:, :2], axis=0)))
    return Difference(
        pixels=pixels,
        relative=pixels / diagonal,
        score=np.abs(poses.keypoint_scores[0] - landmarks[:, 3]),
        world_m=np.linalg.norm(poses.world[0] - world, axis=1),
    )


def hand_differences(hands: Poses, expected: Sequence[dict[str, Any]]) -> list[Difference]:
    """Compare one frame's hands with MediaPipe's, each with the nearest one of its side."""
    found = []
    for answer in expected:
        landmarks = np.array(answer["landmarks"])
        same = [hand for hand in hands if hand.label == ANATOMICAL[answer["handedness"]]]
        away = [np.hypot(*(hand.keypoints - landmarks[:, :2]).T) for hand in same]
        if not away:
            continue
        best = int(np.argmin([distance.mean() for distance in away]))
        hand, pixels = same[best], away[best]
        world = np.full((len(landmarks), 3), np.nan) if hand.world is None else hand.world
        found.append(
            Difference(
                pixels=pixels,
                relative=pixels / np.hypot(*np.ptp(landmarks[:, :2], axis=0)),
                score=np.abs([(hand.label_score or 0.0) - answer["score"]]),
                world_m=np.linalg.norm(world - answer["world"], axis=1),
            )
        )
    return found


@dataclass(frozen=True)
class Comparison:
    """The differences over many frames.

    Attributes:
        frames: Number of frames compared.
        disagreements: Frames in which only one of the two found a person, or in which the
            sides of the hands differ.
        differences: Of the frames in which both did.
    """

    frames: int
    disagreements: int
    differences: Sequence[Difference]

    def figures(self) -> dict[str, float]:
        """Return means and percentiles by name; none when no person was found."""
        if not self.differences:
            return {}
        relative, pixels, score, world = (
            np.concatenate([getattr(d, name) for d in self.differences])
            for name in ("relative", "pixels", "score", "world_m")
        )
        return {
            "distance, mean, % of the box's diagonal": 100 * float(relative.mean()),
            "distance, 99th percentile, %": 100 * float(np.percentile(relative, 99)),
            "distance, mean, pixels": float(pixels.mean()),
            "distance, 99th percentile, pixels": float(np.percentile(pixels, 99)),
            "score, mean difference": float(score.mean()),
            "world, mean, mm": 1000 * float(world.mean()),
        }


def compare_steps(estimator: BlazePose, frames: Sequence[Image], complexity: int = 1) -> Comparison:
    """Compare single steps: every frame in the very region that MediaPipe chose.

    Tracking feeds each result into the next region, and the network's answer to
    a region that is moved by a hundredth of a pixel differs by tenths: over a
    clip two runs of MediaPipe part too when single pixels change by one level.
    Step by step the two can be compared without that.
    """
    with MediaPipe(frames) as peer:
        peer.open("steps", model_complexity=complexity)
        expected = peer.run(0, len(frames))["results"]
    differences, disagreements, region = [], 0, None
    for frame, answer in zip(frames, expected, strict=True):
        if answer is None:
            region = None
            continue
        values = answer.get("found") or region
        region = answer.get("next")
        if values is None:
            continue
        (found,) = estimator.find_landmarks(frame, "rgb", [Region(*values)])
        if found is None or found.presence < estimator.options.min_tracking_confidence:
            disagreements += 1
            continue
        poses = Poses(
            skeleton=estimator.skeleton,
            ids=np.zeros(1, np.int64),
            scores=np.array([found.presence], np.float32),
            boxes=np.zeros((1, 4), np.float32),
            keypoints=found.points[None, :, :2],
            keypoint_scores=found.scores[None],
            world=found.world[None],
        )
        result = difference(poses, answer)
        if result is not None:
            differences.append(result)
    return Comparison(len(frames), disagreements, differences)


def compare(
    estimator: Estimator,
    frames: Sequence[Image],
    *,
    static: bool,
    smooth: bool,
    complexity: int = 1,
) -> Comparison:
    """Run both over the same frames of one size, at 30 frames a second.

    Args:
        estimator: BlazePose with options that match.
        frames: (H, W, 3) uint8 RGB.
        static: Each frame by itself.
        smooth: Whether MediaPipe filters over time.
        complexity: MediaPipe's: 0 lite, 1 full, 2 heavy.
    """
    with MediaPipe(frames) as peer:
        peer.open(
            "pose",
            static_image_mode=static,
            smooth_landmarks=smooth,
            model_complexity=complexity,
        )
        expected = peer.run(0, len(frames))["results"]
    estimator.reset()
    found = [estimator.estimate(frame, i / 30) for i, frame in enumerate(frames)]
    pairs = list(zip(found, expected, strict=True))
    differences = [difference(poses, answer) for poses, answer in pairs]
    return Comparison(
        frames=len(frames),
        disagreements=sum((len(poses) == 0) != (answer is None) for poses, answer in pairs),
        differences=[d for d in differences if d is not None],
    )


def compare_hands(
    estimator: Estimator,
    frames: Sequence[Image],
    *,
    static: bool,
    complexity: int = 1,
) -> Comparison:
    """Run BlazeHand and MediaPipe's hands over the same frames, at 30 frames a second.

    Args:
        estimator: BlazeHand; it is best not to let it smooth, for MediaPipe does not.
        frames: (H, W, 3) uint8 RGB of one size.
        static: Each frame by itself.
        complexity: MediaPipe's: 0 lite, 1 full.
    """
    with MediaPipe(frames) as peer:
        peer.open(
            "hands",
            static_image_mode=static,
            max_num_hands=estimator.options.max_people,
            model_complexity=complexity,
        )
        expected = peer.run(0, len(frames))["results"]
    estimator.reset()
    found = [estimator.estimate(frame, i / 30) for i, frame in enumerate(frames)]
    pairs = list(zip(found, expected, strict=True))
    sides = [
        sorted(hands.labels or ()) == sorted(ANATOMICAL[one["handedness"]] for one in answer)
        for hands, answer in pairs
    ]
    return Comparison(
        frames=len(frames),
        disagreements=sides.count(False),
        differences=[d for hands, answer in pairs for d in hand_differences(hands, answer)],
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the program's arguments."""
    add_frame_arguments(parser)
    parser.add_argument("--json", action="store_true", help="for a program")
    add_network_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Print how far the landmarks lie from MediaPipe's."""
    card, static = open_card(args.network), args.static
    complexity = complexity_of(card)
    frames = read_frames(args)
    estimator = build_estimator(args)
    if card.name in HANDS:
        compared = compare_hands(estimator, frames, static=static, complexity=complexity)
    else:
        compared = compare(
            estimator, frames, static=static, smooth=args.smoothing, complexity=complexity
        )
    results = {"picture by picture" if static else "as a clip": compared}
    if isinstance(estimator, BlazePose) and not static:
        results["step by step"] = compare_steps(estimator, frames, complexity)
    figures = {
        name: {"frames": result.frames, "disagreements": result.disagreements, **result.figures()}
        for name, result in results.items()
    }
    if args.json:
        print(json.dumps(figures))
        return 0
    for name, values in figures.items():
        print(f"{name}:")
        for what, value in values.items():
            print(f"  {what:<42} {value:.4g}")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns the exit code."""
    return run_command("benchmarks.parity", __doc__, add_arguments, run, argv)


if __name__ == "__main__":
    sys.exit(main())
