"""Where drawn people are and where they point, in meters, through the real BlazePose.

The pictures are those of ``draw_pointing``: people of every height and build, 1.5 to 5 m from
cameras of five mounts, who point with one arm at targets all around them. Each is looked at
by itself. The constants of the lifting were chosen on other seeds (1001, 1002).
"""

import dataclasses

import numpy as np
import pytest

import pose_ros
from pose_ros.core.camera import Camera
from pose_ros.core.depth import DepthImage
from pose_ros.core.lift import Lifter, LiftOptions, level_floor
from pose_ros.core.types import CameraSource, Poses
from pose_ros.sources.draws import draw_pointing
from pose_ros.sources.raytrace import View
from pose_ros.sources.truth import Truth

SEED, COUNT = 2026, 216
MAIN = [*range(11, 17), *range(23, 29)]  # shoulders to wrists, hips to ankles


@dataclasses.dataclass(frozen=True)
class Drawn:
    """One picture's truth, what BlazePose finds in it, and its depth image."""

    truth: Truth
    poses: Poses
    camera: Camera
    view: View
    depth: DepthImage


@pytest.fixture(scope="module")
def frames() -> list[Drawn]:
    estimator = pose_ros.create_estimator("blazepose-full", static=True, threads=2)
    found = []
    for shot in draw_pointing(COUNT, seed=SEED):
        poses = estimator.estimate(shot.frame.image, channels=shot.frame.channels)
        if len(poses):
            millimeters = np.nan_to_num(shot.source.measured_depth(0.0) * 1000.0)
            depth = DepthImage(millimeters.astype(np.uint16), "16UC1", 0.0)
            found.append(Drawn(shot.truth, poses, shot.camera, shot.source.view, depth))
    assert len(found) >= 200
    return found


@dataclasses.dataclass
class Errors:
    """Errors of all frames, one row a frame."""

    hips: np.ndarray
    """Of the mid-hips' depth, a share."""
    pointing: np.ndarray
    """Degrees between the true line from shoulder to wrist and the found one."""
    toward: np.ndarray
    """Cosine between the true line and that from the camera: -1 points at the camera."""
    joints: np.ndarray
    """(N, 33) meters."""
    sigmas: np.ndarray
    sources: np.ndarray
    wrists: np.ndarray
    """Index of the pointing arm's wrist."""

    def __str__(self) -> str:
        hips, pointing = 100 * np.abs(self.hips), self.pointing
        return (
            f"{len(hips)} frames: mid-hips median {np.median(hips):.1f}%, 95th percentile "
            f"{np.percentile(hips, 95):.1f}%; pointing median {np.median(pointing):.1f}, 90th "
            f"percentile {np.percentile(pointing, 90):.1f} degrees; joints median "
            f"{100 * np.median(self.joints[:, MAIN]):.1f} cm; within one sigma "
            f"{100 * np.mean(self.joints[:, MAIN] < self.sigmas[:, MAIN]):.0f}%"
        )


def measure(
    frames: list[Drawn], *, known_height: bool, floor: bool = False, depth: bool = False
) -> Errors:
    rows = []
    for frame in frames:
        truth, view = frame.truth, frame.view
        lifter = Lifter(LiftOptions(height=truth.height if known_height else None))
        lifted = lifter.lift(
            frame.poses,
            frame.camera,
            floor=level_floor(view.height, view.pitch_degrees) if floor else None,
            depth=frame.depth if depth else None,
        )
        assert lifted.camera is not None
        points = lifted.camera[0].astype(np.float64)
        assert truth.arm is not None
        shoulder, wrist = (truth.skeleton.index(f"{truth.arm}_{j}") for j in ("shoulder", "wrist"))
        line = points[wrist] - points[shoulder]
        true_line = truth.pointing(truth.arm)
        hips, true_hips = points[23:25].mean(axis=0), truth.camera[23:25].mean(axis=0)
        cosine = line @ true_line / np.linalg.norm(line)
        rows.append(
            (
                hips[2] / true_hips[2] - 1.0,
                np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))),
                true_line @ true_hips / np.linalg.norm(true_hips),
                np.linalg.norm(points - truth.camera, axis=1),
                lifted.camera_sigmas[0],
                lifted.camera_sources[0],
                wrist,
            )
        )
    return Errors(*(np.array(column) for column in zip(*rows, strict=True)))


@pytest.fixture
def say(capsys):
    def print_it(*words: object) -> None:
        with capsys.disabled():
            print("\n", *words, sep="")

    return print_it


def within_one_sigma(errors: Errors, columns: np.ndarray | list[int]) -> float:
    return float(np.mean(errors.joints[:, columns] < errors.sigmas[:, columns]))


def test_with_the_height_known(frames, say):
    errors = measure(frames, known_height=True)
    say("height known, ", errors)
    hips = np.abs(errors.hips)
    assert np.median(hips) <= 0.04
    assert np.percentile(hips, 95) <= 0.08
    assert np.median(errors.pointing) <= 7.0
    # An arm that points to the camera's side of its shoulder: most of those meant for a robot.
    # Of the others the network often does not say to which side they lean: docs/lifting.md.
    nearer = errors.pointing[errors.toward < -0.2]
    assert len(nearer) >= 100
    assert np.percentile(nearer, 90) <= 16.0
    assert np.percentile(errors.pointing, 90) <= 30.0
    assert np.all(errors.sources == CameraSource.MODEL)


def test_stated_sigmas_hold(frames):
    for known in (True, False):
        errors = measure(frames, known_height=known)
        assert 0.6 <= within_one_sigma(errors, MAIN) <= 0.8
        rows = np.arange(len(errors.wrists))
        wrists = errors.joints[rows, errors.wrists] < errors.sigmas[rows, errors.wrists]
        assert 0.6 <= np.mean(wrists) <= 0.8


def test_an_arm_across_the_view_is_stated_as_unsure(frames):
    errors = measure(frames, known_height=True)
    rows = np.arange(len(errors.wrists))
    wrists, shoulders = errors.sigmas[rows, errors.wrists], errors.sigmas[rows, errors.wrists - 4]
    arm = np.sqrt(np.maximum(wrists**2 - shoulders**2, 0.0))
    across, nearer = np.abs(errors.toward) < 0.2, errors.toward < -0.7
    assert np.median(arm[across]) >= 1.3 * np.median(arm[nearer])


def test_with_the_height_unknown(frames, say):
    errors = measure(frames, known_height=False)
    say("height unknown, ", errors)
    assert np.median(np.abs(errors.hips)) <= 0.09  # they are 1.5 to 2.0 m tall
    assert np.median(errors.pointing) <= 7.0
    on_floor = measure(frames, known_height=False, floor=True)
    say("height unknown, floor known, ", on_floor)
    assert np.median(np.abs(on_floor.hips)) <= 0.04


def test_with_depth(frames, say):
    errors = measure(frames, known_height=False, depth=True)
    say("with depth, height unknown, ", errors)
    assert np.median(errors.joints[:, MAIN]) <= 0.04
    assert np.median(errors.pointing) <= 5.0
    assert np.percentile(errors.pointing, 90) <= 16.0
    assert 0.6 <= within_one_sigma(errors, MAIN) <= 0.8
    assert np.mean(errors.sources[:, MAIN] == CameraSource.DEPTH) >= 0.9
