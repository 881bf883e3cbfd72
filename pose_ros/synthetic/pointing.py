"""Drawn people who point: what lifting and gestures are measured against.

Each picture is of a person of some height, build and clothes, somewhere before a camera
of some height and lens, who points with one arm at a target on the floor or
anywhere else around them. ::

    for picture in draw_pointing(200, seed=1):
        poses = estimator.estimate(picture.frame.image, channels=picture.frame.channels)
        error = poses.camera[0, 15] - picture.truth.joint("left_wrist")
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pose_ros.core.camera import Camera
from pose_ros.core.skeletons import SIDES, Side
from pose_ros.core.types import Frame
from pose_ros.errors import OptionError
from pose_ros.synthetic.actor import Point, Step
from pose_ros.synthetic.figure import UPRIGHT, ArmAngles, Build, Color, Look, Posture
from pose_ros.synthetic.scene import Actor, Path, Scene
from pose_ros.synthetic.source import SyntheticSource, Truth

ROOM_DEPTH = 7.0
SEEN = ("nose", "left_hip", "right_hip")
"""What has to be in the image of each picture, beside the pointing arm."""

# Height in meters, pitch in degrees (positive: down) and horizontal field of view of cameras
# as robots have them: of a vacuum cleaner, on a base, a chest, a mast.
MOUNTS = (
    (0.35, -14.0, 80.0),
    (0.60, -8.0, 69.0),
    (1.10, 2.0, 63.0),
    (1.30, 6.0, 69.0),
    (1.60, 12.0, 80.0),
)

# Degrees from straight ahead of the chest: outward and across it.
_OUTWARD, _ACROSS = 100.0, 35.0
_TARGET_METERS = (1.0, 3.0)
_SHARE_ON_FLOOR = 0.7
_CLOTHES: tuple[Color, ...] = (
    (44, 88, 158), (168, 44, 40), (62, 122, 70), (206, 202, 190), (70, 66, 72), (196, 150, 60),
)  # fmt: skip
_TROUSERS: tuple[Color, ...] = ((92, 96, 118), (60, 58, 62), (150, 132, 104), (70, 88, 130))
_HAIR: tuple[Color, ...] = ((58, 42, 32), (34, 28, 26), (96, 66, 40), (150, 120, 80))
_SKIN: tuple[Color, ...] = ((214, 166, 140), (186, 134, 104), (134, 92, 70), (232, 190, 168))


@dataclass(frozen=True, eq=False)
class DrawnPicture:
    """One picture and what is true of it.

    Attributes:
        frame: The picture, BGR.
        truth: Of the one actor in it: joints, height, and what they point at.
        source: The camera, its view over ``base_link`` and its depth images.
    """

    frame: Frame
    truth: Truth
    source: SyntheticSource

    @property
    def camera(self) -> Camera:
        """The intrinsics."""
        return self.source.camera


def draw_pointing(
    count: int,
    seed: int = 0,
    *,
    width: int = 640,
    height: int = 480,
    distances: tuple[float, float] = (1.5, 5.0),
    facing_degrees: float = 75.0,
    slack: float = 0.0,
) -> Iterator[DrawnPicture]:
    """Draw people who point, left and right arm in turn.

    Heights are uniform in 1.5 to 2.0 m, limbs vary by 3% (one sigma) of what a
    body of that height has. 70% of the targets lie on the floor, 1 to 3 m from the
    feet; the others are such that the arm points up to 40 degrees up.

    Args:
        count: How many.
        seed: The same seed draws the same.
        width: Pixels.
        height: Pixels.
        distances: Meters along the floor from the camera; uniform.
        facing_degrees: How far the chest turns away from the camera at most, to either side.
        slack: How far from bolt upright they stand, 0 to 2: with 1, hips and shoulders turn
            against each other, trunks lean and bow, legs step and knees bend as people's do,
            and the other arm hangs as it likes.

    Yields:
        Pictures in which head, hips and the pointing arm are in the image.

    Raises:
        OptionError: An argument is out of its range.
    """
    if not 1.0 <= distances[0] <= distances[1] <= ROOM_DEPTH - 1.0:
        raise OptionError(f"distances must rise within [1, {ROOM_DEPTH - 1:g}], got {distances}")
    if count < 0 or seed < 0:
        raise OptionError(f"count and seed must be 0 or more, got {count}, {seed}")
    if not 0.0 <= facing_degrees <= 180.0:
        raise OptionError(f"facing_degrees must be in [0, 180], got {facing_degrees:g}")
    if not 0.0 <= slack <= 2.0:
        raise OptionError(f"slack must be in [0, 2], got {slack:g}")
    generator = np.random.default_rng(seed)
    for number in range(count):
        arm: Side = SIDES[number % 2]
        while True:
            mount = MOUNTS[generator.integers(len(MOUNTS))]
            hfov = math.radians(mount[2])
            actor = _draw_actor(generator, arm, distances, facing_degrees, hfov, slack=slack)
            source = SyntheticSource(
                scene=Scene((actor,), ROOM_DEPTH),
                width=width,
                height=height,
                fps=1.0,
                camera_height=mount[0],
                camera_pitch_degrees=mount[1],
                hfov_degrees=mount[2],
                seed=seed,
                live=False,
                name=f"pointing {number}",
            )
            truth = source.truth(0.0)
            arm_joints = (f"{arm}_shoulder", f"{arm}_elbow", f"{arm}_wrist")
            seen = [truth.skeleton.index(joint) for joint in (*SEEN, *arm_joints)]
            if truth.visible[seen].all():
                break
        frame = source.read()
        assert frame is not None  # noqa: S101 - a still scene has one frame at least
        yield DrawnPicture(frame, truth, source)


def _draw_actor(
    generator: np.random.Generator,
    arm: Side,
    distances: tuple[float, float],
    facing_degrees: float,
    hfov: float,
    *,
    slack: float,
) -> Actor:
    """Return a person who stands in the camera's view and points."""

    def one(colors: tuple[Color, ...]) -> Color:
        return colors[generator.integers(len(colors))]

    build = Build(
        width=generator.uniform(0.9, 1.12),
        girth=generator.uniform(0.82, 1.22),
        arms=_near_one(generator),
        legs=_near_one(generator),
    )
    tall = generator.uniform(1.5, 2.0)
    x = generator.uniform(*distances)
    y = x * math.tan(hfov / 2) * generator.uniform(-0.6, 0.6)
    # toward the camera, where it is on the floor
    heading = math.degrees(math.atan2(-y, -x)) + generator.uniform(-facing_degrees, facing_degrees)
    sign = 1.0 if arm == "left" else -1.0
    azimuth = math.radians(heading + sign * generator.uniform(-_ACROSS, _OUTWARD))
    reach = generator.uniform(*_TARGET_METERS)
    target_height = 0.0
    if generator.random() > _SHARE_ON_FLOOR:
        reach = 3.0
        rise = math.tan(math.radians(generator.uniform(-25.0, 40.0)))
        target_height = 0.8 * tall + reach * rise
    target: Point = (x + reach * math.cos(azimuth), y + reach * math.sin(azimuth), target_height)
    (wardrobe,) = generator.spawn(1)
    bend = float(generator.uniform(0.0, 25.0))
    return Actor(
        Path.standing(x, y, heading % 360.0),
        (Step("point_at", 1.0, arm, target, bend),),
        height=tall,
        build=build,
        look=Look(
            one(_CLOTHES),
            one(_TROUSERS),
            one(_HAIR),
            one(_SKIN),
            long_sleeves=bool(wardrobe.random() < 0.5),
            shorts=bool(wardrobe.random() < 0.25),
        ),
        stance=_draw_stance(wardrobe, slack) if slack > 0.0 else UPRIGHT,
    )


def _draw_stance(generator: np.random.Generator, slack: float) -> Posture:
    """Return how a person stands, in degrees from upright in proportion to ``slack``."""

    def about(middle: float, deviation: float) -> float:
        return slack * float(middle + deviation * np.clip(generator.standard_normal(), -2, 2))

    def hanging() -> ArmAngles:
        rest = ArmAngles()
        return ArmAngles(
            rest.upper_elevation + abs(about(0.0, 7.0)),
            rest.upper_azimuth + about(0.0, 30.0),
            rest.fore_elevation + abs(about(0.0, 18.0)),
            rest.fore_azimuth + about(0.0, 30.0),
            about(0.0, 20.0),
        )

    return Posture(
        left=hanging(),
        right=hanging(),
        left_thigh=2.0 + about(0.0, 7.0),
        right_thigh=2.0 + about(0.0, 7.0),
        left_knee=4.0 + abs(about(0.0, 8.0)),
        right_knee=4.0 + abs(about(0.0, 8.0)),
        lean=about(0.0, 3.0),
        bow=about(3.0, 4.0),
        twist=about(0.0, 9.0),
    )


def _near_one(generator: np.random.Generator) -> float:
    return float(np.clip(1.0 + 0.03 * generator.standard_normal(), 0.9, 1.1))
