"""How far apart two cameras should stand: the error of a joint over baseline and distance.

A joint is seen by two cameras that look at it, each with the keypoint error that fusion expects
(``KEYPOINT_ERROR`` of a person of 1.7 m, less of it a camera's own where both look from about the
same place: ``share_of_own``); rays that meet most nearly give the joint. Drawn from
random errors, the error of the line from shoulder to wrist too (0.54 m).

    python -m benchmarks.camera_spacing docs/how-to/camera_spacing.jpg
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from pose_ros.core.camera import Float64Array
from pose_ros.core.multiview.triangulation import KEYPOINT_ERROR, share_of_own

HEIGHT = 1.7
ARM = 0.54
BASELINES = (0.06, 0.12, 0.25, 0.5, 1.0, 2.0, 3.0)
DISTANCES = (1.5, 2.5, 4.0)
DRAWS = 4000


def joint_errors(baseline: float, distance: float, generator: np.random.Generator) -> Float64Array:
    """Return (DRAWS, 3) meters between the true joint and the meeting of two rays."""
    centers = np.array([[-baseline / 2, 0.0, -distance], [baseline / 2, 0.0, -distance]])
    normal, right = np.zeros((DRAWS, 3, 3)), np.zeros((DRAWS, 3))
    units = -centers / np.linalg.norm(centers, axis=1, keepdims=True)
    # cameras close together make the same error, which shifts the joint and not its depth
    own = float(share_of_own(np.arccos(np.clip(units[:1] @ units[1], -1.0, 1.0)))[0])
    sigma = KEYPOINT_ERROR * HEIGHT
    shared = generator.normal(0.0, sigma * np.sqrt(1.0 - own), (DRAWS, 3))
    for center in centers:
        # an error of the keypoint is one across the ray, at the joint
        ray = shared + generator.normal(0.0, sigma * np.sqrt(own), (DRAWS, 3)) - center
        ray /= np.linalg.norm(ray, axis=1, keepdims=True)
        across = np.eye(3) - ray[:, :, None] * ray[:, None, :]
        normal += across
        right += across @ center
    return np.asarray(np.linalg.solve(normal, right[..., None])[..., 0], np.float64)


def figures(baseline: float, distance: float) -> tuple[float, float]:
    """Return centimeters of a joint, median, and degrees of an arm's line, 90th percentile."""
    generator = np.random.default_rng(2026)
    shoulder = joint_errors(baseline, distance, generator)
    wrist = joint_errors(baseline, distance, generator)
    # an arm that points at 45 degrees to the line of sight
    true = ARM * np.array([np.sqrt(0.5), 0.0, -np.sqrt(0.5)])
    line = true + wrist - shoulder
    cosine = line @ true / np.linalg.norm(line, axis=1) / ARM
    degrees = np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))
    joint = 100.0 * np.linalg.norm(shoulder, axis=1)
    return float(np.median(joint)), float(np.percentile(degrees, 90))


def main() -> None:
    """Print the table and draw the plot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("plot", type=Path)
    plot: Path = parser.parse_args().plot
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for distance in DISTANCES:
        rows = np.array([figures(baseline, distance) for baseline in BASELINES])
        for panel, values in zip(axes, rows.T, strict=True):
            panel.loglog(BASELINES, values, "o-", label=f"{distance:g} m away")
        cells = [f"{a:.0f} cm, {b:.0f}°" for a, b in rows]
        print(f"| {distance:g} m | " + " | ".join(cells) + " |")
    for panel, title in zip(axes, ("joint, median (cm)", "arm, 90th percentile (°)"), strict=True):
        panel.set_xlabel("between the cameras (m)")
        panel.set_title(title)
        panel.grid(alpha=0.3, which="both")
    axes[0].legend()
    figure.savefig(plot, dpi=110)


if __name__ == "__main__":
    main()
