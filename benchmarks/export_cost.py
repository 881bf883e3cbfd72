"""What exports cost, as in docs/reference/exports.md: ``python -m benchmarks.export_cost``.

An actor is drawn with errors such as a network's, as numbers that repeat take less room.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from pose_ros.analysis.exports import open_exports
from pose_ros.analysis.exports.writing import FORMATS
from pose_ros.core.results import Result
from pose_ros.core.timeline import NANOSECONDS
from pose_ros.settings.outputs import ExportOptions
from tools.drawn_results import FPS, INFO, START, drawn_results


def main() -> None:
    """Print a line for each format, and one for all at once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0, help="of images (%(default)s)")
    parser.add_argument("--all", action="store_true", help="only all formats at once")
    args = parser.parse_args()
    count = round(args.minutes * 60 * FPS)
    names = [name for name, kind in FORMATS.items() if not kind.needs or find_spec(kind.needs)]
    drawn = list(noisy(600))
    if not args.all:
        for name in names:
            print(f"{name:13} {measure((name,), drawn, count)}", flush=True)
    print(f"{'all':13} {measure(tuple(names), drawn, count)}")


def noisy(count: int) -> Iterator[Result]:
    """Yield results of one person whose numbers are a little off."""
    generator = np.random.default_rng(0)
    for result in drawn_results("gestures", count):
        poses = result.poses
        shape = poses.keypoint_scores.shape
        off = generator.normal(0.0, 1.0, (*shape, 9))
        poses = poses.replace(
            keypoints=poses.keypoints + off[..., :2],
            keypoint_scores=generator.random(shape),
            depths=10.0 * off[..., 2],
            world=np.array(poses.world) + 0.01 * off[..., 3:6],
            camera=np.array(poses.camera) + 0.01 * off[..., 6:],
            camera_sigmas=0.1 + 0.01 * generator.random(shape),
        )
        yield replace(result, poses=poses)


def measure(names: tuple[str, ...], drawn: list[Result], count: int) -> str:
    """Write so many images in some formats; returns what that took, in words."""
    with tempfile.TemporaryDirectory() as folder:
        files = {name: str(Path(folder) / f"{name}.{name}") for name in names}
        exports = open_exports(ExportOptions(files), INFO)
        began = time.process_time()
        for index in range(count):
            stamp = START + index * NANOSECONDS // FPS
            exports.write(replace(drawn[index % len(drawn)], index=index, nanoseconds=stamp))
        written = time.process_time()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        exports.close()
        ended = time.process_time()
        size = sum(path.stat().st_size for path in Path(folder).iterdir())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return (
        f"{1e6 * (written - began) / count:5.0f} us an image, "
        f"{1e6 * (ended - written) / count:4.0f} us at the end, "
        f"{size / 1e6 / (count / FPS / 60):5.2f} MB a minute, "
        f"peak {before / 1024:.0f} MB before the end, {peak / 1024:.0f} MB in all"
    )


if __name__ == "__main__":
    main()
