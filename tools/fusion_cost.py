"""How long fusion takes: people of several cameras, without networks.

    python -m tools.fusion_cost --cameras 4 --people 5

It prints milliseconds an instant on one core, as the processor counts them: other programs that
run meanwhile make it slower by what they take of the caches, and not by waiting.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from pose_ros.core.multiview.fusion import Fusion
from tools.seen_bodies import body, looking_at, seen_by


def measure(cameras: int, people: int, apart: float = 0.0, instants: int = 60) -> np.ndarray:
    """Return milliseconds of each instant: cameras in a ring, people who walk about.

    ``apart``: seconds by which each camera's images are later than those of the one before.
    """
    angles = np.arange(cameras) * 2.0 * np.pi / cameras
    views = [
        looking_at(
            f"camera {i}", (4 * np.cos(a), 4 * np.sin(a), 1.5), distortion=(-0.1, 0.02, 0, 0)
        )
        for i, a in enumerate(angles)
    ]
    fusion, took = Fusion(views), []
    for k in range(instants):
        stamp = k / 30.0
        bodies = [
            body(1.3 * np.cos(a) + 0.3 * np.sin(stamp + i), 1.3 * np.sin(a))
            for i, a in enumerate(np.arange(people) * 2.0 * np.pi / people)
        ]
        seen = {
            view.name: (stamp + i * apart, seen_by(view, bodies, noise=2.0, seed=k, depth=1.05))
            for i, view in enumerate(views)
        }
        began = time.process_time()
        found = fusion.update(stamp, seen)
        took.append(1e3 * (time.process_time() - began))
        if len(found.poses) != people:
            raise SystemExit(f"expected {people} people, got {len(found.poses)}")
    return np.array(took[5:])


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tools.fusion_cost", description=__doc__)
    parser.add_argument("--cameras", type=int, default=4)
    parser.add_argument("--people", type=int, default=5)
    parser.add_argument(
        "--apart",
        type=float,
        default=0.0,
        help="seconds by which each camera is later than the one before: it is interpolated",
    )
    args = parser.parse_args()
    took = measure(args.cameras, args.people, args.apart)
    print(
        f"{args.cameras} cameras, {args.people} people: median {np.median(took):.1f} ms, 90th "
        f"percentile {np.percentile(took, 90):.1f} ms of {len(took)} instants"
    )


if __name__ == "__main__":
    main()
