"""Where real people's arms point and where they are, in meters, through the real BlazePose.

Two men in two sets of clips; docs/measurements/real_people.md has the figures of all frames.
"""

import pytest

import pose_ros
from pose_ros.bench import lifting, real_people


@pytest.fixture(scope="module")
def figures(data):
    estimator = pose_ros.create_estimator("blazepose-full", static=True, threads=2)
    return real_people.report(real_people.look(estimator, data / "real3d", 25))


def test_arms_of_real_people_point_where_they_do(figures, capsys):
    with capsys.disabled():
        print(f"\n{lifting.table(figures)}")
    *sets, mean = figures.values()
    assert mean["arm median deg"] <= 14.0
    assert mean["arm 90th deg"] <= 33.0
    # never worse than the network's own shape without any lifting
    for row in sets:
        assert row["arm median deg"] <= row["raw median deg"]
        assert row["arm 90th deg"] <= row["raw 90th deg"]


def test_sigmas_of_real_people_hold(figures):
    *sets, _mean = figures.values()
    for row in sets:
        assert 55.0 <= row["ray in sigma %"] <= 80.0
        assert 55.0 <= row["joint in sigma %"] <= 82.0


def test_arms_of_real_people_that_are_stated_as_sure_are_better_than_others(figures):
    *sets, mean = figures.values()
    assert mean["sure %"] >= 15.0
    for row in sets:
        assert row["sure median deg"] <= row["arm median deg"] + 1.0


def test_hips_of_a_real_person_of_known_height_are_in_place(figures):
    assert figures["pose2sim"]["hips median %"] <= 3.0
