"""Frames over time, against rotations worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from pose_ros.core.frames import FrameTree
from pose_ros.errors import TransformError

NONE = (0.0, 0.0, 0.0, 1.0)


def about_z(degrees: float) -> list[float]:
    return list(Rotation.from_euler("z", degrees, degrees=True).as_quat().tolist())


@pytest.fixture
def tree() -> FrameTree:
    """A robot that drives ahead and turns to the left, with a camera in front."""
    made = FrameTree()
    made.add("base", "camera", (0.5, 0.0, 1.0), NONE, None)
    made.add("map", "base", (0.0, 0.0, 0.0), about_z(0), 10.0)
    made.add("map", "base", (2.0, 0.0, 0.0), about_z(90), 11.0)
    return made


def at(transform: np.ndarray, *point: float) -> list[float]:
    return list((transform @ [*point, 1.0])[:3].round(6).tolist())


def test_a_frame_that_stands(tree: FrameTree) -> None:
    assert at(tree.lookup("base", "camera", 3.0), 1.0, 0.0, 0.0) == [1.5, 0.0, 1.0]
    assert at(tree.lookup("camera", "base", 3.0), 1.5, 0.0, 1.0) == [1.0, 0.0, 0.0]
    assert np.array_equal(tree.lookup("camera", "camera", math.nan), np.eye(4))


def test_a_frame_that_moves_is_where_it_was_at_the_stamp(tree: FrameTree) -> None:
    assert at(tree.lookup("map", "camera", 10.0), 0.0, 0.0, 0.0) == [0.5, 0.0, 1.0]
    assert at(tree.lookup("map", "camera", 11.0), 1.0, 0.0, 0.0) == [2.0, 1.5, 1.0]
    half = math.sqrt(0.5)
    assert at(tree.lookup("map", "base", 10.5), 1.0, 0.0, 0.0) == [
        round(1.0 + half, 6),
        round(half, 6),
        0.0,
    ]
    assert np.allclose(
        tree.lookup("map", "base", 10.5) @ tree.lookup("base", "map", 10.5), np.eye(4)
    )


@pytest.mark.parametrize(
    ("target", "source", "stamp", "words"),
    [
        ("map", "camera", 11.2, "the newest place of base in map is 0.20 s older than the image"),
        ("map", "camera", 9.5, "the oldest place of base in map is 0.50 s newer than the image"),
        ("map", "camera", math.nan, "place of base in map"),
        ("map", "lidar", 10.0, "nothing on /tf says where lidar is"),
        ("odom", "base", 10.0, "nothing on /tf says where odom is"),
        ("map", "hand", 10.0, "nothing on /tf connects hand with map"),
    ],
)
def test_what_is_not_known_is_said(
    tree: FrameTree, target: str, source: str, stamp: float, words: str
) -> None:
    tree.add("arm", "hand", (0.0, 0.0, 0.0), NONE, None)
    with pytest.raises(TransformError, match=words):
        tree.lookup(target, source, stamp)


def test_what_comes_late_is_put_in_its_place(tree: FrameTree) -> None:
    tree.add("map", "base", (1.0, 5.0, 0.0), about_z(0), 10.5)
    tree.add("map", "base", (1.0, 7.0, 0.0), about_z(0), 10.5)
    assert at(tree.lookup("map", "base", 10.5), 0.0, 0.0, 0.0) == [1.0, 7.0, 0.0]


def test_what_is_old_is_forgotten_and_a_clock_that_went_back_begins_anew(tree: FrameTree) -> None:
    tree.add("map", "base", (9.0, 0.0, 0.0), NONE, 20.5)
    with pytest.raises(TransformError, match="oldest"):
        tree.lookup("map", "base", 10.2)
    assert at(tree.lookup("map", "base", 11.0), 0.0, 0.0, 0.0) == [2.0, 0.0, 0.0]
    tree.add("map", "base", (4.0, 0.0, 0.0), NONE, 1.0)
    assert at(tree.lookup("map", "base", 1.0), 0.0, 0.0, 0.0) == [4.0, 0.0, 0.0]


def test_a_short_way_back_begins_anew_too(tree: FrameTree) -> None:
    """Nothing of the round before is a place of now, nor is anything between the two."""
    tree.add("map", "base", (7.0, 0.0, 0.0), NONE, 9.0)
    assert at(tree.lookup("map", "base", 9.0), 0.0, 0.0, 0.0) == [7.0, 0.0, 0.0]
    with pytest.raises(TransformError, match="newest"):
        tree.lookup("map", "base", 9.5)
    assert at(tree.lookup("base", "camera", 9.5), 0.0, 0.0, 0.0) == [0.5, 0.0, 1.0]


@pytest.mark.parametrize(
    ("translation", "quaternion"),
    [((math.nan, 0.0, 0.0), NONE), ((0.0, 0.0, 0.0), (0.0,) * 4), ((0.0,) * 3, (math.inf,) * 4)],
)
def test_no_place(tree: FrameTree, translation: tuple[float], quaternion: tuple[float]) -> None:
    with pytest.raises(TransformError, match="has no place"):
        tree.add("base", "camera", translation, quaternion, None)
    assert at(tree.lookup("base", "camera", 3.0), 0.0, 0.0, 0.0) == [0.5, 0.0, 1.0]


def test_a_ring_is_no_trap() -> None:
    tree = FrameTree()
    tree.add("a", "b", (0.0, 0.0, 0.0), NONE, None)
    tree.add("b", "a", (0.0, 0.0, 0.0), NONE, None)
    with pytest.raises(TransformError, match="says where c is"):
        tree.lookup("c", "a", 0.0)
