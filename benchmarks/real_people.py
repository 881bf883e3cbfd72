"""How well real people are placed in meters: clips of calibrated cameras, with their joints known.

A folder holds one folder for each set: ``cameras.json`` (by camera ``width``, ``height``, ``K``,
``D``, and ``R``, ``t`` from the world to the camera, OpenCV's axes), a video named after each
camera, and ``truth.npz`` (``joints``: names; ``world``: (frames, J, 3) meters, NaN where unknown;
perhaps ``height_m`` of the person).

    python -m benchmarks.real_people FOLDER
    python -m benchmarks.real_people FOLDER --sides    # left and right, any network
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.command import run_command
from benchmarks.lifting import table
from pose_ros.cli.options import add_network_arguments, build_estimator
from pose_ros.core.anatomical_angles import (
    NAMES,
    SIDED,
    anatomical_angles,
    angles_of,
    finder,
)
from pose_ros.core.camera import Camera, Float64Array
from pose_ros.core.geometry import angle_between
from pose_ros.core.gestures.hold import JointReader
from pose_ros.core.gestures.pointing import arm_ray
from pose_ros.core.lifting.lifter import Lifter
from pose_ros.core.skeletons import SIDES
from pose_ros.core.types import Estimator, Frame, Poses
from pose_ros.errors import OptionError, SourceError
from pose_ros.settings.lifting import LiftOptions
from pose_ros.sources.opening import open_source

SURE = 0.08
"""Meters of the wrist from its shoulder on, stated, within which an arm counts as sure."""

_JOINTS = [
    f"{s}_{j}" for j in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle") for s in SIDES
]
_SIDED = {"arms": ("shoulder", "elbow", "wrist"), "legs": ("hip", "knee", "ankle")}
_CLEARLY = 0.6  # of the distances to the truth: left and right are swapped
_LEAST_APART = 30.0  # pixels in the mean between left and right that can be compared
_SAME_PERSON = 0.3  # of the truth's extent in the image: mean distance of the keypoints


@dataclass(frozen=True, eq=False)
class RealPicture:
    """One picture of a real person, and what a network finds in it.

    Attributes:
        clip: Name of the set.
        camera: That took it, with its lens distortion.
        truth: (K, 3) meters in the camera's optical frame, NaN where unknown.
        poses: The person alone.
        height: Meters, of the person; None when unknown.
    """

    clip: str
    camera: Camera
    truth: Float64Array
    poses: Poses
    height: float | None


@dataclass(frozen=True, eq=False)
class RealErrors:
    """Errors of the people of one set: A arms, J joints, H pairs of hips.

    Attributes:
        people: How many.
        arms: (A,) degrees between the true line from shoulder to wrist and the found one.
        raw: (A,) degrees, of the network's own shape without any lifting.
        sure: (A,) whether the arm is stated as sure.
        rays: (A,) error of a ray over its stated sigma.
        joints: (J,) error of a joint over its stated sigma.
        hips: (H,) of the depth of the mid-hips, signed, a share.
    """

    people: int
    arms: Float64Array
    raw: Float64Array
    sure: Float64Array
    rays: Float64Array
    joints: Float64Array
    hips: Float64Array

    def summary(self) -> dict[str, float]:
        """Return the figures of the report: degrees and percent, NaN where there is nothing."""
        sure = self.arms[self.sure > 0]
        return {
            "people": float(self.people),
            "arms": float(len(self.arms)),
            "arm median deg": _percentile(self.arms, 50),
            "arm 90th deg": _percentile(self.arms, 90),
            "raw median deg": _percentile(self.raw, 50),
            "raw 90th deg": _percentile(self.raw, 90),
            "ray in sigma %": _share(self.rays < 1.0),
            "joint in sigma %": _share(self.joints < 1.0),
            "sure %": _share(self.sure),
            "sure median deg": _percentile(sure, 50),
            "sure 90th deg": _percentile(sure, 90),
            "hips median %": _percentile(100.0 * np.abs(self.hips), 50),
        }


def side_figures(
    raw: Estimator, steady: Estimator, folder: str | Path
) -> dict[str, dict[str, float]]:
    """Return in how many images of each camera left and right of arms and legs are swapped.

    They are where both, exchanged, lie clearly closer to the truth, where those of the truth
    are far enough apart.

    Args:
        raw: Gives what the network says.
        steady: The same network with ``smoothing``.
        folder: With sets.

    Raises:
        SourceError: The folder holds no sets, or one that cannot be read.
    """
    rows: dict[str, dict[str, float]] = {}
    for path in _sets(folder):
        world, _, cameras = _read_set(path, raw.skeleton.keypoints)
        for name, (camera, turn, shift) in cameras.items():
            counts = {"images": 0.0}
            for estimator in (raw, steady):
                estimator.reset()
            for i, frame in _frames(_video(path, name), 1, len(world)):
                truth = world[i] @ turn.T + shift
                counts["images"] += 1
                for kind, estimator in (("raw", raw), ("undone", steady)):
                    poses = estimator.estimate(frame.image, frame.stamp, channels=frame.channels)
                    person = _person(poses, camera, truth)
                    for part, joints in _SIDED.items():
                        column = f"{part} {kind}"
                        is_swapped = person is not None and _is_swapped(
                            poses, person, joints, camera, truth
                        )
                        counts[column] = counts.get(column, 0.0) + is_swapped
            rows[f"{path.name} {name}"] = counts
    return rows


def _is_swapped(
    poses: Poses, person: int, joints: Sequence[str], camera: Camera, truth: Float64Array
) -> bool:
    """Return whether the sides of some joints are swapped."""
    names = poses.skeleton.keypoints
    pairs = [[names.index(f"{side}_{joint}") for side in SIDES] for joint in joints]
    found = camera.undistort(poses.keypoints[person, pairs].astype(np.float64))
    true = camera.pinhole.project(truth[pairs])
    known = np.isfinite(found).all(axis=(1, 2)) & np.isfinite(true).all(axis=(1, 2))
    if not known.any():
        return False
    kept, exchanged, apart = (
        np.linalg.norm(a - b, axis=-1)[known].sum()
        for a, b in ((found, true), (found, true[:, ::-1]), (true, true[:, ::-1]))
    )
    return bool(exchanged < _CLEARLY * kept and apart > 2 * _LEAST_APART * known.sum())


def look(estimator: Estimator, folder: str | Path, frames: int) -> list[RealPicture]:
    """Look for the person in at most ``frames`` pictures of each video, evenly spread.

    Pictures in which the network does not find them are left out.

    Raises:
        OptionError: The network finds another skeleton than ``blazepose33``.
        SourceError: The folder holds no sets, or one that cannot be read.
    """
    if estimator.skeleton.name != "blazepose33":
        raise OptionError(
            f"lifting is measured with a BlazePose, not with {estimator.network}, "
            f"which finds {estimator.skeleton.name}"
        )
    return [seen for path in _sets(folder) for seen in _look_at_set(estimator, path, frames)]


def _sets(folder: str | Path) -> list[Path]:
    sets = sorted(path.parent for path in Path(folder).glob("*/truth.npz"))
    if not sets:
        raise SourceError(f"{folder}: expected folders with truth.npz, cameras.json and videos")
    return sets


def _video(folder: Path, camera: str) -> Path:
    video = next(iter(sorted(folder.glob(f"{camera}.*"))), None)
    if video is None:
        raise SourceError(f"{folder}: no video of the camera {camera}")
    return video


def _look_at_set(estimator: Estimator, folder: Path, frames: int) -> Iterator[RealPicture]:
    world, height, cameras = _read_set(folder, estimator.skeleton.keypoints)
    every = math.ceil(len(world) / frames)
    for name, (camera, turn, shift) in cameras.items():
        for i, frame in _frames(_video(folder, name), every, len(world)):
            truth = world[i] @ turn.T + shift
            poses = estimator.estimate(frame.image, channels=frame.channels)
            person = _person(poses, camera, truth)
            if person is not None:
                yield RealPicture(folder.name, camera, truth, _alone(poses, person), height)


_Placed = tuple[Camera, Float64Array, Float64Array]


def _read_set(
    folder: Path, keypoints: Sequence[str]
) -> tuple[Float64Array, float | None, dict[str, _Placed]]:
    """Return (frames, K, 3) world meters, the person's height, and each camera with R and t."""
    try:
        with np.load(folder / "truth.npz") as data:
            names, known = data["joints"].tolist(), np.asarray(data["world"], np.float64)
            height = float(data["height_m"]) if "height_m" in data else None
        entries: Mapping[str, dict[str, object]] = json.loads(
            (folder / "cameras.json").read_text("utf-8")
        )
        cameras = {
            name: (
                Camera(
                    int(str(entry["width"])),
                    int(str(entry["height"])),
                    np.array(entry["K"], np.float64),
                    distortion=np.array(entry["D"], np.float64),
                ),
                np.array(entry["R"], np.float64),
                np.array(entry["t"], np.float64),
            )
            for name, entry in entries.items()
        }
        world = np.full((len(known), len(keypoints), 3), np.nan)
        world[:, [keypoints.index(name) for name in names]] = known
    except (OSError, KeyError, ValueError) as error:
        raise SourceError(f"{folder}: not a set of clips with truth: {error}") from error
    return world, height, cameras


def _frames(video: Path, every: int, count: int) -> Iterator[tuple[int, Frame]]:
    """Return every n-th frame of a video's first ``count``, with its number."""
    source = open_source(str(video), live=False)
    try:
        for i in range(count):
            frame = source.read()
            if frame is None:
                return
            if i % every == 0:
                yield i, frame
    finally:
        source.close()


def _person(poses: Poses, camera: Camera, truth: Float64Array) -> int | None:
    """Return which of the people is the one whose joints are known; None when none is."""
    known = np.isfinite(truth).all(axis=1)
    if not len(poses) or not known.any():
        return None
    true = camera.pinhole.project(truth[known])
    found = camera.undistort(poses.keypoints[:, known].astype(np.float64))
    far = np.nanmean(np.linalg.norm(found - true, axis=2), axis=1)
    extent = float(np.linalg.norm(np.nanmax(true, axis=0) - np.nanmin(true, axis=0)))
    best = int(np.argmin(far))
    return best if far[best] < _SAME_PERSON * extent else None


def _alone(poses: Poses, person: int) -> Poses:
    """Return one of the people."""
    values = {field.name: getattr(poses, field.name) for field in fields(poses)}
    rows = slice(person, person + 1)
    return poses.replace(
        **{name: value[rows] for name, value in values.items() if isinstance(value, np.ndarray)}
    )


def measure(people: Sequence[RealPicture]) -> RealErrors:
    """Return the errors of lifting, each picture by itself, with the height where it is known."""
    columns: dict[str, list[float]] = {
        name: [] for name in ("arms", "raw", "sure", "rays", "joints", "hips")
    }
    for seen in people:
        poses = Lifter(LiftOptions(height=seen.height)).lift(seen.poses, seen.camera)
        assert poses.camera is not None and poses.camera_sigmas is not None  # noqa: S101, PT018
        names = poses.skeleton.keypoints
        points, sigmas = poses.camera[0].astype(float), poses.camera_sigmas[0].astype(float)
        shape, truth = poses.world[0].astype(float), seen.truth  # type: ignore[index]
        read = JointReader().read(poses[0], 0.0, min_score=0.0, seconds=0.0)
        for side in SIDES:
            shoulder, wrist = names.index(f"{side}_shoulder"), names.index(f"{side}_wrist")
            true, ray = truth[wrist] - truth[shoulder], arm_ray(read, side, "shoulder_wrist")
            if ray is None or not ray.metric or not np.isfinite(true).all():
                continue
            error = float(angle_between(points[wrist] - points[shoulder], true))
            columns["arms"].append(error)
            columns["raw"].append(float(angle_between(shape[wrist] - shape[shoulder], true)))
            turning = np.sqrt(max(0.0, sigmas[wrist] ** 2 - sigmas[shoulder] ** 2))
            columns["sure"].append(float(turning < SURE))
            columns["rays"].append(np.radians(error) / ray.sigma)
        rows = [names.index(name) for name in _JOINTS]
        far = np.linalg.norm(points - truth, axis=1)[rows] / sigmas[rows]
        columns["joints"] += far[np.isfinite(far)].tolist()
        hips = [names.index(f"{side}_hip") for side in SIDES]
        share = points[hips, 2].mean() / truth[hips, 2].mean() - 1.0
        if np.isfinite(share):
            columns["hips"].append(float(share))
    arrays = {name: np.array(values, np.float64) for name, values in columns.items()}
    return RealErrors(people=len(people), **arrays)


def report(people: Sequence[RealPicture]) -> dict[str, dict[str, float]]:
    """Return the figures of each set, and their mean: a set counts once, however long it is."""
    clips = dict.fromkeys(seen.clip for seen in people)
    found = {
        clip: measure([seen for seen in people if seen.clip == clip]).summary() for clip in clips
    }
    rows = list(found.values())
    found["mean of the sets"] = {name: _mean([row[name] for row in rows]) for name in rows[0]}
    return found


def angle_figures(people: Sequence[RealPicture]) -> dict[str, dict[str, float]]:
    """Return how far joint angles by the ISB's definitions are from the truth, in degrees.

    They are those of the network's shape, of both sides; ``found`` joints alone count.
    """
    rows: dict[str, dict[str, float]] = {}
    for clip in dict.fromkeys(seen.clip for seen in people):
        pairs = []
        for seen in (seen for seen in people if seen.clip == clip):
            (pose,) = seen.poses
            degrees, _ = anatomical_angles(pose, seen.poses.found[0])
            true = angles_of(finder(seen.truth[None], pose.skeleton))[0]
            pairs.append((degrees - true + 180.0) % 360.0 - 180.0)
        errors = np.abs(np.array(pairs))
        for angle in SIDED:
            both = errors[:, [NAMES.index(f"{side}_{angle}") for side in SIDES]].ravel()
            both = both[np.isfinite(both)]
            if len(both):
                rows[f"{clip} {angle}"] = {
                    "angles": float(len(both)),
                    "median deg": _percentile(both, 50),
                    "90th deg": _percentile(both, 90),
                }
    return rows


def _percentile(values: Float64Array, share: float) -> float:
    return float(np.percentile(values, share)) if len(values) else float("nan")


def _share(values: NDArray[Any]) -> float:
    return 100.0 * float(np.mean(values)) if len(values) else float("nan")


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the program's arguments."""
    parser.add_argument("folder", metavar="FOLDER", help="that holds one folder for each set")
    parser.add_argument(
        "--frames", type=int, default=100, metavar="N", help="pictures a video (%(default)s)"
    )
    parser.add_argument(
        "--sides", action="store_true", help="count the images with left and right swapped"
    )
    parser.add_argument("--json", action="store_true", help="for a program")
    add_network_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Print how far real people are from where they are placed."""
    if args.frames < 1:
        raise OptionError(f"--frames must be at least 1, got {args.frames}")
    if args.sides:
        raw, steady = (
            build_estimator(argparse.Namespace(**{**vars(args), "smoothing": smoothing}))
            for smoothing in (False, True)
        )
        sides = side_figures(raw, steady, args.folder)
        print(json.dumps({"sides": sides}) if args.json else table(sides))
        return 0
    args.static = True
    seen = look(build_estimator(args), args.folder, args.frames)
    if not seen:
        raise SourceError(f"{args.network} finds no person in the clips of {args.folder}")
    figures = report(seen)
    if args.json:
        rows = {
            clip: {name: value if np.isfinite(value) else None for name, value in row.items()}
            for clip, row in figures.items()
        }
        print(json.dumps({"lifting": rows}))
    else:
        print(table(figures))
        print(f"\n{table(angle_figures(seen))}")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns the exit code."""
    return run_command("benchmarks.real_people", __doc__, add_arguments, run, argv)


if __name__ == "__main__":
    sys.exit(main())
