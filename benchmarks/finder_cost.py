"""What a finder costs: five drawn people at 30 Hz, followed with and without it, in turns.

``python -m benchmarks.finder_cost --models-dir DIR`` prints CPU milliseconds a frame of one thread:
the mean, the median, and the slowest frame of a search: the median over all searches of each frame
from its beginning on, and the greatest of these. The first frame is left out.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

import pose_ros
from pose_ros.networks.search import SEARCH_PERIOD
from pose_ros.synthetic.source import open_synthetic

FPS = 30


def main() -> None:
    """Print a line for each finder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models-dir", help="where model files are kept")
    parser.add_argument("--finder", default="posenet-mobilenet", help="%(default)s")
    parser.add_argument("--tiles", type=int, default=2, help="detect_tiles (%(default)s)")
    parser.add_argument("--scene", default="five", help="what is drawn (%(default)s)")
    parser.add_argument("--seconds", type=float, default=3.0, help="of the scene (%(default)s)")
    args = parser.parse_args()
    source = open_synthetic(f"synthetic:{args.scene}?width=1280&height=720&fps={FPS}", live=False)
    estimators = {
        finder: pose_ros.create_estimator(
            max_people=10,
            detect_tiles=args.tiles,
            finder=finder,
            threads=1,
            models_dir=args.models_dir,
        )
        for finder in ("blazepose", args.finder)
    }
    times: dict[str, list[float]] = {finder: [] for finder in estimators}
    people: dict[str, list[int]] = {finder: [] for finder in estimators}
    for frame in range(round(args.seconds * FPS) + 1):
        image = source.read()
        if image is None:
            break
        for finder, estimator in estimators.items():
            began = time.process_time()
            poses = estimator.estimate(image.image, frame / FPS, channels=image.channels)
            times[finder].append(1000 * (time.process_time() - began))
            people[finder].append(len(poses))
    period = round(SEARCH_PERIOD * FPS)
    for finder, all_ms in times.items():
        ms = np.array(all_ms[1:])
        of_search = np.arange(1, len(ms) + 1) % period
        slowest = max(np.median(ms[of_search == i]) for i in range(period))
        print(
            f"{finder}: {np.mean(people[finder][1:]):.2f} people, {ms.mean():.1f} ms a frame, "
            f"median {np.median(ms):.1f}, slowest of a search {slowest:.1f}: "
            f"{slowest / np.median(ms):.2f} frames"
        )
    mean = [float(np.mean(ms[1:])) for ms in times.values()]
    print(f"ratio {mean[1] / mean[0]:.3f}")


if __name__ == "__main__":
    main()
