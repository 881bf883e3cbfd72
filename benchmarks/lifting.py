"""How well people are placed in meters: drawn people who point, through the real network.

python -m benchmarks.lifting --frames 300 --plot lifting.jpg
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.command import run_command
from pose_ros.cli.options import add_network_arguments, build_estimator
from pose_ros.core.camera import Camera, Float64Array
from pose_ros.core.depth import DepthImage
from pose_ros.core.geometry import angle_between
from pose_ros.core.lifting.body_model import NETWORK_HEIGHT
from pose_ros.core.lifting.lifter import Lifter, level_floor
from pose_ros.core.types import Estimator, Image, Poses
from pose_ros.errors import OptionError, OutputError, SourceError
from pose_ros.settings.lifting import LiftOptions
from pose_ros.synthetic.depth_camera import to_millimeters
from pose_ros.synthetic.pointing import draw_pointing
from pose_ros.synthetic.raytrace import View
from pose_ros.synthetic.source import Truth

MAIN_JOINTS = [*range(11, 17), *range(23, 29)]
"""Shoulders to wrists and hips to ankles of ``blazepose33``."""

DISTANCES = (1.5, 2.2, 3.0, 4.0, 6.0)
"""Edges of the table's rows, meters."""

ARM_SIGMAS = (0.0, 0.08, 0.16, 1.0)
"""The same of how unsure an arm is, as it is stated."""

# The cosine between the arm and the line from the camera.
VIEWS = {
    "at the camera": (-1.01, -0.8),
    "nearer to it": (-0.8, -0.2),
    "across the view": (-0.2, 0.2),
    "away from it": (0.2, 1.01),
}

_WIDTH, _HEIGHT, _MARGIN = 360, 240, 40  # pixels of a plot
_EXAMPLES = 3
_INK, _DOT, _LIGHT = (40, 40, 40), (180, 90, 20), (225, 225, 225)  # BGR, as all colors here
_TRUE, _FOUND = (60, 60, 220), (60, 160, 40)
_TRUNK_AND_ARMS = ((11, 12), (11, 13), (13, 15), (12, 14), (14, 16), (11, 23), (12, 24), (23, 24))


@dataclass(frozen=True, eq=False)
class Drawn:
    """One picture's truth, what the network finds in it, and its depth image."""

    image: Image
    truth: Truth
    poses: Poses
    camera: Camera
    view: View
    depth: DepthImage


@dataclass(frozen=True)
class Setting:
    """What the lifter knows.

    Attributes:
        height: The person's true height.
        floor: The camera's true height and pitch.
        depth: A depth camera's image, in millimeters.
        pixels: Keypoints at their true places, not where the network sees them.
        shape: The true metric shape, not the network's.
        plain: OpenCV's ``solvePnP`` of the metric shape takes the lifter's place.
    """

    height: bool = False
    floor: bool = False
    depth: bool = False
    pixels: bool = False
    shape: bool = False
    plain: bool = False


SETTINGS = {
    "height known": Setting(height=True),
    "height and floor known": Setting(height=True, floor=True),
    "nothing known": Setting(),
    "floor known": Setting(floor=True),
    "depth camera": Setting(depth=True),
    "plain PnP": Setting(plain=True),
    "height known, true pixels": Setting(height=True, pixels=True),
    "height known, true pixels and shape": Setting(height=True, pixels=True, shape=True),
}


@dataclass(frozen=True, eq=False)
class Errors:
    """Errors in N frames.

    Attributes:
        hips: (N,) of the depth of the mid-hips, signed, a share.
        pointing: (N,) degrees between the true line from shoulder to wrist and the found one.
        views: (N,) cosine between the true line and that from the camera to the hips.
        distances: (N,) meters, true.
        joints: (N, 33) meters.
        sigmas: (N, 33) meters, as stated; NaN where none are.
        sources: (N, 33) of ``PositionSource``.
        wrists: (N,) index of the pointing arm's wrist.
    """

    hips: Float64Array
    pointing: Float64Array
    views: Float64Array
    distances: Float64Array
    joints: Float64Array
    sigmas: Float64Array
    sources: NDArray[np.uint8]
    wrists: NDArray[np.intp]

    def arms(self) -> Float64Array:
        """Return how unsure the pointing wrist is from its shoulder on: (N,) meters, stated."""
        rows = np.arange(len(self.wrists))
        wrists, shoulders = self.sigmas[rows, self.wrists], self.sigmas[rows, self.wrists - 4]
        return np.sqrt(np.maximum(wrists**2 - shoulders**2, 0.0))

    def of(self, rows: NDArray[np.bool_]) -> Errors:
        """Return those of some frames."""
        return Errors(*(values[rows] for values in vars(self).values()))

    def summary(self) -> dict[str, float]:
        """Return the figures of the report: percent, degrees, centimeters."""
        hips, joints = 100.0 * np.abs(self.hips), self.joints[:, MAIN_JOINTS]
        within = joints < self.sigmas[:, MAIN_JOINTS]
        return {
            "frames": float(len(self.hips)),
            "hips median %": float(np.median(hips)),
            "hips 95th %": float(np.percentile(hips, 95)),
            "pointing median deg": float(np.median(self.pointing)),
            "pointing 90th deg": float(np.percentile(self.pointing, 90)),
            "joints median cm": float(100.0 * np.median(joints)),
            "within sigma %": float(100.0 * within.mean()),
        }


def draw(estimator: Estimator, count: int, seed: int) -> list[Drawn]:
    """Draw people who point and look for each; those that are not found are left out.

    Raises:
        OptionError: The network finds another skeleton than ``blazepose33``.
    """
    if estimator.skeleton.name != "blazepose33":
        raise OptionError(
            f"lifting is measured with a BlazePose, not with {estimator.network}, "
            f"which finds {estimator.skeleton.name}"
        )
    found = []
    for picture in draw_pointing(count, seed):
        poses = estimator.estimate(picture.frame.image, channels=picture.frame.channels)
        if not len(poses):
            continue
        depth = DepthImage(to_millimeters(picture.source.measured_depth(0.0)), "16UC1", 0.0)
        view = picture.source.view
        found.append(Drawn(picture.frame.image, picture.truth, poses, picture.camera, view, depth))
    return found


def lift(drawn: Drawn, setting: Setting) -> Poses:
    """Return the first person of a picture, lifted."""
    truth, view, poses = drawn.truth, drawn.view, drawn.poses
    if setting.pixels:
        # beyond the image too: what is asked is what the lifter makes of it
        keypoints, scores = np.array(poses.keypoints), np.array(poses.keypoint_scores)
        keypoints[0] = truth.pixels
        poses = poses.replace(keypoints=keypoints, keypoint_scores=scores)
    if setting.shape:
        world = np.array(poses.world)
        world[0] = _network_shape(truth)
        poses = poses.replace(world=world)
    if setting.plain:
        return poses.replace(camera=_plain_pnp(poses, drawn.camera))
    lifter = Lifter(LiftOptions(height=truth.height if setting.height else None))
    return lifter.lift(
        poses,
        drawn.camera,
        floor=level_floor(view.height, view.pitch_degrees) if setting.floor else None,
        depth=drawn.depth if setting.depth else None,
    )


def measure(frames: Sequence[Drawn], setting: Setting) -> Errors:
    """Return the errors of each frame, looked at by itself."""
    rows = []
    for drawn in frames:
        truth, lifted = drawn.truth, lift(drawn, setting)
        arm = truth.arm or "right"
        shoulder, wrist = (truth.skeleton.index(f"{arm}_{part}") for part in ("shoulder", "wrist"))
        assert lifted.camera is not None  # noqa: S101 - that is what lift does
        points = lifted.camera[0].astype(np.float64)
        sigmas, sources = np.full(len(points), np.nan), np.zeros(len(points), np.uint8)
        if lifted.camera_sigmas is not None and lifted.camera_sources is not None:
            sigmas, sources = lifted.camera_sigmas[0].astype(float), lifted.camera_sources[0]
        line, true_line = points[wrist] - points[shoulder], truth.pointing(arm)
        true_hips = truth.camera[23:25].mean(axis=0)
        rows.append(
            (
                points[23:25, 2].mean() / true_hips[2] - 1.0,
                float(angle_between(line, true_line)),
                true_line @ true_hips / np.linalg.norm(true_hips),
                np.linalg.norm(true_hips),
                np.linalg.norm(points - truth.camera, axis=1),
                sigmas,
                sources,
                wrist,
            )
        )
    return Errors(*(np.array(column) for column in zip(*rows, strict=True)))


def report(frames: Sequence[Drawn]) -> dict[str, dict[str, float]]:
    """Return the figures of all settings, and of the first one by distance and direction."""
    found = {name: measure(frames, setting).summary() for name, setting in SETTINGS.items()}
    for name in ("height known", "depth camera"):
        errors = measure(frames, SETTINGS[name])
        for near, far in itertools.pairwise(DISTANCES):
            rows = (errors.distances >= near) & (errors.distances < far)
            if rows.any():
                found[f"{name}, {near:g} to {far:g} m"] = errors.of(rows).summary()
        stated = errors.arms()
        for low, high in itertools.pairwise(ARM_SIGMAS):
            rows = (stated >= low) & (stated < high)
            if rows.any():
                found[f"{name}, arm sigma {low:g} to {high:g} m"] = errors.of(rows).summary()
        for view, (low, high) in VIEWS.items():
            rows = (errors.views >= low) & (errors.views < high)
            if rows.any():
                found[f"{name}, arm {view}"] = errors.of(rows).summary()
    return found


def keypoint_offsets(frames: Sequence[Drawn]) -> dict[str, dict[str, float]]:
    """Return by how much the network's pixels differ from the true ones, apart from lifting.

    In centimeters at the joint: the median outward along the bone that ends there and to its
    side (of shoulders and hips, along the line between them and down), and of the distance.
    """
    found = {}
    for pair in ((11, 12), (13, 14), (15, 16), (23, 24), (25, 26), (27, 28)):
        rows = []
        for drawn in frames:
            truth = drawn.truth
            for own, other in (pair, pair[::-1]):
                before = other if own in (11, 12, 23, 24) else own - 2
                along = truth.pixels[own] - truth.pixels[before]
                along = along / max(float(np.linalg.norm(along)), 1e-6)
                aside = np.array([-along[1], along[0]])
                aside *= np.sign(aside[1]) or 1.0
                scale = 100.0 * truth.camera[own, 2] / drawn.camera.matrix[0, 0]
                error = (drawn.poses.keypoints[0, own] - truth.pixels[own]) * scale
                rows.append((error @ along, error @ aside, np.linalg.norm(error)))
        outward, down, distance = np.median(rows, axis=0).tolist()
        name = frames[0].truth.skeleton.keypoints[pair[0]].removeprefix("left_")
        found[name] = {"outward cm": outward, "down cm": down, "distance cm": distance}
    return found


def table(figures: dict[str, dict[str, float]]) -> str:
    """Return a report as lines of text."""
    width = max(map(len, figures))
    columns = list(next(iter(figures.values())))
    lines = ["  ".join([" " * width, *columns])]
    for name, values in figures.items():
        cells = [f"{value:>{len(column)}.3g}" for column, value in values.items()]
        lines.append("  ".join([name.ljust(width), *cells]))
    return "\n".join(lines)


def _plain_pnp(poses: Poses, camera: Camera) -> Float64Array:
    """Return (N, 33, 3) meters: each network's shape as a rigid body, placed by its pixels."""
    found = np.full((*poses.keypoint_scores.shape, 3), np.nan)
    for i, pose in enumerate(poses):
        assert pose.world is not None  # noqa: S101 - BlazePose has one
        seen = pose.keypoint_scores > 0.5
        shape, pixels = pose.world.astype(np.float64), pose.keypoints.astype(np.float64)
        if seen.sum() < 6:
            continue
        points = (shape[seen], pixels[seen], camera.matrix, np.zeros(5))
        _, turn, shift = cv2.solvePnP(*points, flags=cv2.SOLVEPNP_SQPNP)
        turn, shift = cv2.solvePnPRefineLM(*points, turn, shift)
        rotation, _ = cv2.Rodrigues(turn)
        found[i] = shape @ rotation.T + shift.ravel()
    return found


def _network_shape(truth: Truth) -> Float64Array:
    """Return the true joints as a perfect network would give them: along the ray to the hips."""
    hips = truth.camera[23:25].mean(axis=0)
    ahead = hips / np.linalg.norm(hips)
    right = np.cross([0.0, 1.0, 0.0], ahead)
    right /= np.linalg.norm(right)
    axes = np.array([right, np.cross(ahead, right), ahead])
    shape: Float64Array = (truth.camera - hips) @ axes.T * (NETWORK_HEIGHT / truth.height)
    return shape


def plot(frames: Sequence[Drawn]) -> Image:
    """Return a picture: a few people, and the errors of all by distance and by direction."""
    rows = [_examples(frames[:_EXAMPLES])]
    for name in ("height known", "depth camera"):
        errors = measure(frames, SETTINGS[name])
        hips = np.clip(100.0 * errors.hips, -12.0, 12.0)
        pointing = np.minimum(errors.pointing, 60.0)
        rows.append(
            np.hstack(
                [
                    _scatter(
                        errors.distances, hips, (1.5, 5.5), (-12.0, 12.0),
                        f"{name}: depth of the hips, %, over meters",
                    ),
                    _scatter(
                        errors.views, pointing, (-1.0, 1.0), (0.0, 60.0),
                        f"{name}: pointing, degrees, over the cosine",
                    ),
                ]
            )
        )  # fmt: skip
    return np.vstack(rows)


def _examples(frames: Sequence[Drawn]) -> Image:
    """Return pictures, and below them where the people are from above: true and found."""
    width = 2 * _WIDTH // _EXAMPLES
    canvas: Image = np.full((width * 3 // 4 + width, 2 * _WIDTH, 3), 255, np.uint8)
    for i, drawn in enumerate(frames):
        height = width * drawn.image.shape[0] // drawn.image.shape[1]
        picture = cv2.resize(drawn.image, (width, height), interpolation=cv2.INTER_AREA)
        columns = slice(i * width, (i + 1) * width)
        canvas[: min(height, width * 3 // 4), columns] = picture[: width * 3 // 4]
        canvas[width * 3 // 4 :, columns] = _from_above(drawn, width)
    return canvas


def _from_above(drawn: Drawn, size: int) -> Image:
    """Return two meters around a person's true hips from above, the camera below."""
    canvas: Image = np.full((size, size, 3), 255, np.uint8)
    lifted = lift(drawn, SETTINGS["height known"])
    assert lifted.camera is not None  # noqa: S101 - that is what lift does
    assert lifted.camera_sigmas is not None  # noqa: S101
    middle = drawn.truth.camera[23:25].mean(axis=0)

    def place(point: Float64Array) -> tuple[int, int]:
        x, _, z = (point - middle) / 2.0 * size
        return round(size / 2 + x), round(size / 2 - z)

    found = lifted.camera[0].astype(np.float64)
    for points, color in ((drawn.truth.camera, _TRUE), (found, _FOUND)):
        for a, b in _TRUNK_AND_ARMS:
            cv2.line(canvas, place(points[a]), place(points[b]), color, 2, cv2.LINE_AA)
    wrist = drawn.truth.skeleton.index(f"{drawn.truth.arm}_wrist")
    radius = round(float(lifted.camera_sigmas[0, wrist]) / 2.0 * size)
    cv2.circle(canvas, place(found[wrist]), radius, _FOUND, 1, cv2.LINE_AA)
    cv2.rectangle(canvas, (0, 0), (size - 1, size - 1), _LIGHT, 1)
    return canvas


def _scatter(
    x: Float64Array,
    y: Float64Array,
    across: tuple[float, float],
    up: tuple[float, float],
    title: str,
) -> Image:
    canvas: Image = np.full((_HEIGHT, _WIDTH, 3), 255, np.uint8)
    right, bottom = _WIDTH - _MARGIN // 2, _HEIGHT - _MARGIN

    def place(a: float, b: float) -> tuple[int, int]:
        column = _MARGIN + (a - across[0]) / (across[1] - across[0]) * (right - _MARGIN)
        row = bottom - (b - up[0]) / (up[1] - up[0]) * (bottom - _MARGIN)
        return round(column), round(row)

    def write(text: str, column: int, row: int) -> None:
        font = cv2.FONT_HERSHEY_SIMPLEX
        cv2.putText(canvas, text, (column, row), font, 0.36, _INK, 1, cv2.LINE_AA)

    for value in np.linspace(*up, 5):
        cv2.line(canvas, place(across[0], value), place(across[1], value), _LIGHT, 1)
        write(f"{value:g}", 6, place(0, value)[1] + 4)
    for value in np.linspace(*across, 5):
        cv2.line(canvas, place(value, up[0]), place(value, up[1]), _LIGHT, 1)
        write(f"{value:g}", place(value, 0)[0] - 8, bottom + 16)
    for a, b in zip(x.tolist(), y.tolist(), strict=True):
        cv2.circle(canvas, place(a, b), 2, _DOT, -1, cv2.LINE_AA)
    write(title, _MARGIN, _MARGIN - 12)
    return canvas


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the program's arguments."""
    parser.add_argument("--frames", type=int, default=100, metavar="N", help="%(default)s")
    parser.add_argument("--seed", type=int, default=2026, help="of what is drawn (%(default)s)")
    parser.add_argument("--plot", metavar="FILE", help="a picture of the errors")
    parser.add_argument("--json", action="store_true", help="for a program")
    add_network_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Print how far drawn people are from where they are placed."""
    if args.plot and not Path(args.plot).resolve().parent.is_dir():
        raise OutputError(f"cannot write the picture {args.plot}: there is no such folder")
    args.static = True
    frames = draw(build_estimator(args), args.frames, args.seed)
    if not frames:
        raise SourceError(f"{args.network} finds no person in {args.frames} drawn pictures")
    if args.plot:
        try:
            written = cv2.imwrite(args.plot, plot(frames))
        except cv2.error:  # a name without an ending that it knows
            written = False
        if not written:
            raise OutputError(f"cannot write the picture {args.plot}")
    figures, keypoints = report(frames), keypoint_offsets(frames)
    if args.json:
        print(json.dumps({"lifting": figures, "keypoints": keypoints}))
    else:
        print(table(figures), table(keypoints), sep="\n\n")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns the exit code."""
    return run_command("benchmarks.lifting", __doc__, add_arguments, run, argv)


if __name__ == "__main__":
    sys.exit(main())
