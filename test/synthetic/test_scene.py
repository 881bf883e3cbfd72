"""Scenes: paths on the floor, steps, body sizes, and refused scenes."""

import numpy as np
import pytest

from pose_ros.errors import OptionError
from pose_ros.synthetic.actor import SCRIPT, Step, hold
from pose_ros.synthetic.figure import SHIRT, SHOES, Look
from pose_ros.synthetic.scene import Actor, Path, Scene, Waypoint
from pose_ros.synthetic.scenes import SCENES, crossing

SQUARE = Path(
    (
        Waypoint(0, 3.0, 1.0), Waypoint(2, 3.0, -1.0), Waypoint(4, 5.0, -1.0),
        Waypoint(6, 5.0, 1.0), Waypoint(8, 3.0, 1.0),
    )
)  # fmt: skip
THERE_AND_BACK = Path(
    (Waypoint(0, 3, 1), Waypoint(2, 3, -1), Waypoint(3, 3, -1), Waypoint(5, 3, 1))
)


def test_a_path_passes_its_waypoints_at_its_speed() -> None:
    middle = SQUARE.place(1.0)
    assert (middle.x, middle.y) == pytest.approx((3.0, 0.0))
    assert middle.speed == pytest.approx(1.0)
    assert middle.walked == pytest.approx(1.0)
    assert (SQUARE.seconds, SQUARE.length) == (8.0, 8.0)
    corner = SQUARE.place(2.0)
    # corners are rounded a little
    assert np.hypot(corner.x - 3.0, corner.y + 1.0) < 0.15
    assert corner.speed > 0.5


def test_path_repeats_without_a_jump() -> None:
    places = [SQUARE.place(t) for t in np.arange(-8.0, 24.0, 0.05)]
    steps = np.hypot(np.diff([p.x for p in places]), np.diff([p.y for p in places]))
    assert steps.max() < 0.06
    walked = np.diff([p.walked for p in places])
    assert np.all(walked > 0)
    assert walked.max() < 0.06
    np.testing.assert_allclose(SQUARE.place(3.3)[:3], SQUARE.place(11.3)[:3])


@pytest.mark.parametrize(("seconds", "heading"), [(1, 270), (3, 0), (5, 90), (7, 180)])
def test_the_chest_points_along_the_way(seconds: float, heading: float) -> None:
    assert SQUARE.place(seconds).heading_degrees == pytest.approx(heading)


def test_actor_turns_towards_the_camera_first() -> None:
    headings = [THERE_AND_BACK.place(t).heading_degrees for t in np.arange(1.7, 3.4, 0.05)]
    assert headings[0] == pytest.approx(270)
    assert headings[-1] == pytest.approx(90)
    assert np.all(np.diff(headings) <= 0)
    assert THERE_AND_BACK.place(2.5).heading_degrees == pytest.approx(180)
    assert THERE_AND_BACK.place(2.5).speed == 0.0


def test_fixed_heading_is_kept_along_the_path() -> None:
    path = Path(SQUARE.waypoints, heading_degrees=180.0)
    assert {path.place(t).heading_degrees for t in range(8)} == {180.0}
    standing = Path.standing(3.0, 0.5, 90.0).place(7.0)
    assert standing == (3.0, 0.5, 90.0, 0.0, 0.0)


def test_body_has_the_heading_and_place_of_its_path() -> None:
    for heading, front in ((180, (-1, 0)), (90, (0, 1)), (0, (1, 0)), (270, (0, -1))):
        found = Actor(Path.standing(4.0, 0.3, heading)).joints(0.0)
        middle = (found["left_hip"] + found["right_hip"]) / 2
        np.testing.assert_allclose(middle[:2], (4.0, 0.3), atol=1e-9)
        nose = found["nose"] - (found["left_ear"] + found["right_ear"]) / 2
        np.testing.assert_allclose(nose[:2] / np.linalg.norm(nose[:2]), front, atol=1e-9)


def test_body_has_the_requested_height() -> None:
    for height in (1.2, 1.78, 2.0):
        cones = Actor(Path.standing(3.0), height=height).cones(0.0)
        top = max(max(c.a[2] + c.radius_a, c.b[2] + c.radius_b) for c in cones)
        bottom = min(min(c.a[2] - c.radius_a, c.b[2] - c.radius_b) for c in cones)
        assert top == pytest.approx(height, abs=0.03 * height)
        assert bottom == pytest.approx(0.0, abs=0.02)


def test_one_foot_stays_on_the_floor_while_the_body_moves_on() -> None:
    actor = Actor(SQUARE)
    track = [actor.joints(seconds) for seconds in np.arange(0.5, 1.7, 0.02)]
    ankles = np.array([[found[f"{side}_ankle"] for side in ("left", "right")] for found in track])
    slid = np.linalg.norm(np.diff(ankles, axis=0), axis=2).min(axis=1).sum()
    # no gait is perfect; the feet of a body that glides would go all the way
    assert slid < 0.5 * 1.2


def test_legs_step_and_arms_swing_only_on_the_way() -> None:
    walker = Actor(THERE_AND_BACK)
    stand = Actor(Path.standing(3.0, -1.0, 180.0)).joints(0.0)
    resting = walker.joints(2.5)
    for name, point in resting.items():
        np.testing.assert_allclose(point, stand[name], atol=1e-6, err_msg=name)
    spread = [
        abs(found["left_ankle"][1] - found["right_ankle"][1])
        for found in map(walker.joints, np.arange(0.5, 1.5, 0.05))
    ]
    assert max(spread) > 0.4
    waver = Actor(THERE_AND_BACK, hold("raise_hand"))
    assert waver.joints(1.0)["right_wrist"][2] > waver.joints(1.0)["head"][2]


def test_a_walk_repeats_without_a_jump() -> None:
    actor = Actor(SQUARE)
    for name, point in actor.joints(8.0 - 1e-6).items():
        np.testing.assert_allclose(point, actor.joints(8.0 + 1e-6)[name], atol=1e-4, err_msg=name)


def test_look_gives_the_color_of_each_part() -> None:
    look = Look(shirt=(1, 2, 3))
    assert look.color(SHIRT) == (1, 2, 3)
    assert look.color(SHOES) == SHOES.value


def test_paths_of_the_crossing_scene_cross() -> None:
    scene = crossing()
    assert scene.seconds == pytest.approx(8.0)
    near, far = scene.actors
    ahead = [(near.path.place(t), far.path.place(t)) for t in np.arange(0, 8, 0.1)]
    sides = [np.sign(round(a.y - b.y, 3)) for a, b in ahead]
    assert {1.0, -1.0} <= set(sides)
    assert all(2.9 < a.x < b.x < 4.1 for a, b in ahead)
    assert near.look != far.look
    alike = SCENES["crossing_alike"]().actors
    assert alike[0].look == alike[1].look
    assert len(SCENES["crossing_three"]().actors) == 3
    assert crossing(speed=1.8).seconds < scene.seconds


def test_scene_with_one_actor_lasts_as_long_as_its_script() -> None:
    scene = Scene.of_one(SCRIPT, 3.0)
    assert scene.seconds == pytest.approx(12.0)
    assert not scene.still
    assert Scene.of_one(hold("stand"), 3.0).still
    assert not Scene.of_one(hold("wave"), 3.0).still
    assert not crossing().still


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Path(()), "waypoints"),
        (lambda: Path((Waypoint(1, 3, 0),)), "first at 0"),
        (lambda: Path((Waypoint(0, 3, 0), Waypoint(0, 3, 0))), "rising"),
        (lambda: Path((Waypoint(0, 3, 0), Waypoint(1, 3, 1))), "end where they begin"),
        (lambda: Path((Waypoint(0, float("nan"), 0),)), "finite"),
        (lambda: Actor(Path.standing(3.0), height=3.0), "height"),
        (lambda: Actor(Path.standing(3.0), ()), "at least one step"),
        (lambda: Scene(()), "at least one actor"),
        (lambda: Scene((Actor(Path.standing(0.5)),)), "1 meter"),
        (lambda: Actor(Path.standing(3.0), (Step("dance"),)), "dance"),
    ],
)
def test_impossible_scene_is_refused(make, text: str) -> None:
    with pytest.raises(OptionError, match=text):
        make()
