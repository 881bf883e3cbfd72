"""Postures of a drawn body by its true joints, and motions that are not a fall."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest

from pose_ros.core.gestures.postures import POSTURE_NAMES
from pose_ros.core.gestures.recognizer import GestureRecognizer
from pose_ros.core.skeletons import get
from pose_ros.core.types import Poses
from pose_ros.settings.gestures import GestureOptions
from pose_ros.synthetic.actor import stride
from pose_ros.synthetic.figure import Posture, joints

SKELETON = get("blazepose33")
FPS = 10
STAND = Posture()
SIT = Posture(left_thigh=86.0, right_thigh=84.0, left_knee=86.0, right_knee=86.0)
SQUAT = Posture(left_thigh=118.0, right_thigh=118.0, left_knee=140.0, right_knee=140.0, bow=35.0)
LOW_SEAT = Posture(left_thigh=102.0, right_thigh=104.0, left_knee=60.0, right_knee=62.0)
BENCH = Posture(left_thigh=62.0, right_thigh=60.0, left_knee=62.0, right_knee=60.0, bow=15.0)
LUNGE = Posture(left_thigh=70.0, right_thigh=-10.0, left_knee=80.0, right_knee=80.0)
PICK_UP = Posture(bow=95.0, left_thigh=20.0, right_thigh=20.0, left_knee=40.0, right_knee=40.0)


def seen(posture: Posture, *, lie: float = 0.0, turn: float = 0.0, x: float = 3.0, y: float = 0.0):
    """Return a person as a camera 1 m above the floor sees them, which looks level.

    Args:
        posture: Theirs.
        lie: Degrees by which the body is tipped over backward about the feet.
        turn: Degrees by which the body is turned to its left from facing the camera.
        x: Meters ahead of the camera.
        y: Meters to its left.
    """
    found = joints(posture)
    body = np.array([found[name] for name in SKELETON.keypoints])
    angle = -math.radians(lie)
    c, s = math.cos(angle), math.sin(angle)
    body = body @ np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]).T
    body[:, 2] += 0.15 * math.sin(math.radians(lie))
    heading = math.radians(180.0 + turn)
    c, s = math.cos(heading), math.sin(heading)
    world = body @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]).T + (x, y, 0.0)
    camera = np.column_stack([-world[:, 1], 1.0 - world[:, 2], world[:, 0]]).astype(np.float32)
    pixels = 500.0 * camera[:, :2] / camera[:, 2:] + (320, 240)
    return Poses(
        skeleton=SKELETON,
        ids=np.array([1]),
        scores=np.ones(1, np.float32),
        boxes=np.array([[*pixels.min(axis=0), *pixels.max(axis=0)]], np.float32),
        keypoints=pixels[None].astype(np.float32),
        keypoint_scores=np.ones((1, 33), np.float32),
        camera=camera[None],
    )


def watch(frames: Iterator[Poses]) -> list[set[str]]:
    """Return the postures that are held in each image."""
    recognizer = GestureRecognizer(GestureOptions(postures=True))
    held = []
    for number, poses in enumerate(frames):
        found = recognizer.update(poses, number / FPS)
        held.append({g.name for g in found if g.name in POSTURE_NAMES and g.event != "ended"})
    return held


def still(posture: Posture, seconds: float = 2.0, **options: float) -> Iterator[Poses]:
    return (seen(posture, **options) for _ in range(round(seconds * FPS)))


@pytest.mark.parametrize("turn", [0.0, 45.0, 90.0, 180.0])
@pytest.mark.parametrize(
    ("posture", "lie", "expected"),
    [
        (STAND, 0.0, {"standing"}),
        (SIT, 0.0, {"sitting"}),
        (LOW_SEAT, 0.0, {"sitting"}),
        (BENCH, 0.0, {"sitting"}),
        (SQUAT, 0.0, set()),
        (LUNGE, 0.0, set()),
        (PICK_UP, 0.0, set()),
        (STAND, 88.0, {"lying"}),
    ],
    ids=["stand", "sit", "low seat", "bench", "squat", "lunge", "pick up", "lie"],
)
def test_posture_of_the_body_from_each_side(
    posture: Posture, lie: float, expected: set[str], turn: float
) -> None:
    last = watch(still(posture, lie=lie, turn=turn))[-1]
    assert last - {"facing", "looking"} == expected


@pytest.mark.parametrize(
    ("turn", "faces"), [(0.0, True), (20.0, True), (60.0, False), (180.0, False)]
)
def test_person_turned_by_at_most_20_degrees_faces_the_camera(turn: float, faces: bool) -> None:
    last = watch(still(STAND, turn=turn))[-1]
    assert ({"facing", "looking"} <= last) == faces
    assert faces or not {"facing", "looking"} & last


def test_head_turned_away_does_not_look() -> None:
    assert watch(still(Posture(head_turn=70.0)))[-1] == {"standing", "facing"}


@pytest.mark.parametrize(("x", "y"), [(0.0, 0.7), (-0.7, 0.0)])
def test_person_who_moves_in_any_direction_is_walking(x: float, y: float) -> None:
    frames = (
        seen(stride(6.0 * i / FPS), x=4.0 + x * i / FPS, y=-1.0 + y * i / FPS) for i in range(20)
    )
    assert "walking" in watch(frames)[-1]
    on_the_spot = (seen(stride(6.0 * i / FPS), x=4.0) for i in range(20))
    assert "walking" not in watch(on_the_spot)[-1]


def falling(seconds: float) -> Iterator[Poses]:
    for i in range(round(seconds * FPS) + 1):
        yield seen(STAND, lie=88.0 * i / (seconds * FPS), turn=40.0)


def test_person_who_lies_after_standing_has_fallen() -> None:
    frames = [*still(STAND, turn=40.0), *falling(0.8), *still(STAND, lie=88.0, turn=40.0)]
    held = watch(iter(frames))
    assert held[-1] == {"lying", "fallen"}
    assert not any("fallen" in names for names in held[:25])


def test_person_who_lies_down_slowly_or_lay_before_has_not_fallen() -> None:
    assert watch(still(STAND, lie=88.0))[-1] == {"lying"}
    slowly = [*still(STAND), *still(SIT, 4.0), *still(STAND, lie=88.0)]
    assert watch(iter(slowly))[-1] == {"lying"}


def blend(a: Posture, b: Posture, share: float) -> Posture:
    """Return the posture on the way from one to another; the arms hang."""
    numbers = {
        name: (1 - share) * getattr(a, name) + share * getattr(b, name)
        for name in ("left_thigh", "right_thigh", "left_knee", "right_knee", "bow")
    }
    return STAND._replace(**numbers)


def test_ten_minutes_of_walking_sitting_and_picking_up_give_no_fall() -> None:
    rng = np.random.default_rng(5)

    def frames() -> Iterator[Poses]:
        turn, x, y, posture = 0.0, 4.0, 0.0, STAND
        while True:
            target = (STAND, SIT, PICK_UP, SQUAT)[rng.integers(4)]
            for i in range(1, 7):  # 0.6 s
                yield seen(blend(posture, target, i / 6), turn=turn, x=x, y=y)
            for _ in range(rng.integers(5, 40)):
                yield seen(target, turn=turn, x=x, y=y)
            posture = STAND
            for i in range(6):
                yield seen(blend(target, STAND, (i + 1) / 6), turn=turn, x=x, y=y)
            turn = float(rng.uniform(-180, 180))
            way = rng.uniform((2.5, -1.5), (6.0, 1.5)) - (x, y)
            steps = max(1, round(float(np.hypot(*way)) / 0.09))
            for i in range(steps):
                x, y = x + way[0] / steps, y + way[1] / steps
                yield seen(stride(0.6 * i), turn=turn, x=x, y=y)

    made = frames()
    held = watch(next(made) for _ in range(600 * FPS))
    assert not any("fallen" in names for names in held)
    assert not any("lying" in names for names in held)
    assert {"standing", "sitting", "walking"} <= set().union(*held)
