"""Drawn people who point: truth, framing and repeatability."""

import numpy as np
import pytest

from pose_ros.core.geometry import angle_between
from pose_ros.errors import OptionError
from pose_ros.synthetic.pointing import SEEN, draw_pointing

DRAWN = list(draw_pointing(24, seed=5, width=160, height=120))


def test_people_differ_and_arms_alternate() -> None:
    truths = [drawn.truth for drawn in DRAWN]
    assert [truth.arm for truth in truths] == ["left", "right"] * 12
    assert {truth.gesture for truth in truths} == {"point_at"}
    assert all(truth.held for truth in truths)
    heights = [truth.height for truth in truths]
    assert 1.5 <= min(heights) < 1.65
    assert 1.85 < max(heights) <= 2.0
    feet = [truth.world[[27, 28]].mean(axis=0) for truth in truths]
    away = [np.hypot(*foot[:2]) for foot in feet]
    assert 1.4 < min(away) < 2.3
    assert 4.0 < max(away) < 5.6
    assert len({drawn.frame.image.tobytes() for drawn in DRAWN}) == len(DRAWN)


@pytest.mark.parametrize("number", range(12))
def test_the_line_through_the_arm_meets_the_target(number: int) -> None:
    truth = DRAWN[number].truth
    arm = truth.arm
    assert arm is not None
    index = truth.skeleton.index
    shoulder, wrist = truth.world[[index(f"{arm}_shoulder"), index(f"{arm}_wrist")]]
    line, to_target = wrist - shoulder, truth.target - shoulder
    assert angle_between(line, to_target) < 1e-3
    rotation = DRAWN[number].source.view.rotation
    np.testing.assert_allclose(
        rotation.T @ truth.pointing(arm), line / np.linalg.norm(line), atol=1e-9
    )


def test_targets_are_on_the_floor_one_to_three_meters_from_the_feet_or_elsewhere() -> None:
    on_floor = [drawn.truth for drawn in DRAWN if drawn.truth.target[2] == 0.0]
    assert 8 < len(on_floor) < 24
    for truth in on_floor:
        feet = truth.world[[27, 28], :2].mean(axis=0)
        assert 0.85 < np.linalg.norm(truth.target[:2] - feet) < 3.15


def test_arms_point_every_way() -> None:
    directions = np.array([s.truth.pointing(s.truth.arm) for s in DRAWN if s.truth.arm])
    # to both sides of the image, up and down, to the camera and away from it
    assert np.all(directions.min(axis=0) < (-0.6, -0.05, -0.6))
    assert np.all(directions.max(axis=0) > (0.6, 0.3, 0.3))


def test_measured_joints_are_in_the_image() -> None:
    for drawn in DRAWN:
        arm = [f"{drawn.truth.arm}_{joint}" for joint in ("shoulder", "elbow", "wrist")]
        rows = [drawn.truth.skeleton.index(name) for name in (*SEEN, *arm)]
        assert drawn.truth.visible[rows].all()
        np.testing.assert_allclose(drawn.camera.project(drawn.truth.camera), drawn.truth.pixels)


def test_the_same_seed_draws_the_same() -> None:
    for first, again in zip(DRAWN, draw_pointing(3, seed=5, width=160, height=120), strict=False):
        np.testing.assert_array_equal(first.frame.image, again.frame.image)
        np.testing.assert_array_equal(first.truth.camera, again.truth.camera)
    other = next(draw_pointing(1, seed=6, width=160, height=120))
    assert np.any(other.truth.camera != DRAWN[0].truth.camera)


def test_slack_changes_the_posture_but_not_the_pointing() -> None:
    slack = list(draw_pointing(6, seed=5, width=160, height=120, slack=1.0))
    for loose, upright in zip(slack, DRAWN, strict=False):
        a, b = loose.truth, upright.truth
        assert (a.height, a.arm) == (b.height, b.arm)
        np.testing.assert_array_equal(a.target, b.target)
        assert np.linalg.norm(a.world - b.world, axis=1).max() > 0.03
        index = a.skeleton.index
        for bone in (("left_hip", "left_knee"), ("right_elbow", "right_wrist")):
            i, j = map(index, bone)
            assert np.linalg.norm(a.world[i] - a.world[j]) == pytest.approx(
                np.linalg.norm(b.world[i] - b.world[j])
            )
        shoulder, wrist = a.world[[index(f"{a.arm}_shoulder"), index(f"{a.arm}_wrist")]]
        line, to_target = wrist - shoulder, a.target - shoulder
        assert angle_between(line, to_target) < 1e-3


def test_impossible_options_are_refused() -> None:
    with pytest.raises(OptionError, match=r"within \[1, 6\]"):
        next(draw_pointing(1, distances=(2.0, 8.0)))
    with pytest.raises(OptionError, match=r"slack must be in \[0, 2\]"):
        next(draw_pointing(1, slack=float("nan")))
    with pytest.raises(OptionError, match="got 1, -1"):
        next(draw_pointing(1, seed=-1))
    with pytest.raises(OptionError, match="facing_degrees"):
        next(draw_pointing(1, facing_degrees=float("nan")))
