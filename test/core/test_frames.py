"""Frames over time, against rotations worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from pose_ros.core import frames
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


def test_static_frame_has_the_same_transform_at_all_stamps(tree: FrameTree) -> None:
    assert at(tree.lookup("base", "camera", 3.0), 1.0, 0.0, 0.0) == [1.5, 0.0, 1.0]
    assert at(tree.lookup("camera", "base", 3.0), 1.5, 0.0, 1.0) == [1.0, 0.0, 0.0]
    assert np.array_equal(tree.lookup("camera", "camera", math.nan), np.eye(4))


def test_moving_frame_is_looked_up_at_the_stamp(tree: FrameTree) -> None:
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
def test_unknown_transform_is_an_error_with_its_reason(
    tree: FrameTree, target: str, source: str, stamp: float, words: str
) -> None:
    tree.add("arm", "hand", (0.0, 0.0, 0.0), NONE, None)
    with pytest.raises(TransformError, match=words):
        tree.lookup(target, source, stamp)


def test_late_transform_is_inserted_at_its_stamp(tree: FrameTree) -> None:
    tree.add("map", "base", (1.0, 5.0, 0.0), about_z(0), 10.5)
    tree.add("map", "base", (1.0, 7.0, 0.0), about_z(0), 10.5)
    assert at(tree.lookup("map", "base", 10.5), 0.0, 0.0, 0.0) == [1.0, 7.0, 0.0]


def test_old_transforms_are_dropped_and_a_clock_jump_back_restarts(tree: FrameTree) -> None:
    tree.add("map", "base", (9.0, 0.0, 0.0), NONE, 20.5)
    with pytest.raises(TransformError, match="oldest"):
        tree.lookup("map", "base", 10.2)
    assert at(tree.lookup("map", "base", 11.0), 0.0, 0.0, 0.0) == [2.0, 0.0, 0.0]
    tree.add("map", "base", (4.0, 0.0, 0.0), NONE, 1.0)
    assert at(tree.lookup("map", "base", 1.0), 0.0, 0.0, 0.0) == [4.0, 0.0, 0.0]


def test_short_clock_jump_back_restarts(tree: FrameTree) -> None:
    """Nothing of the round before is a place of now, nor is anything between the two."""
    tree.add("map", "base", (7.0, 0.0, 0.0), NONE, 9.0)
    assert at(tree.lookup("map", "base", 9.0), 0.0, 0.0, 0.0) == [7.0, 0.0, 0.0]
    with pytest.raises(TransformError, match="newest"):
        tree.lookup("map", "base", 9.5)
    assert at(tree.lookup("base", "camera", 9.5), 0.0, 0.0, 0.0) == [0.5, 0.0, 1.0]


@pytest.mark.parametrize(
    ("translation", "quaternion"),
    [
        ((math.nan, 0.0, 0.0), NONE),
        ((0.0, math.inf, 0.0), NONE),
        ((1e12, 0.0, 0.0), NONE),
        ((1e308, 1e308, 1e308), NONE),
        ((0.0, 0.0, 0.0), (0.0,) * 4),
        ((0.0,) * 3, (math.inf,) * 4),
        ((0.0,) * 3, (0.0, 0.0, 0.0, math.nan)),
        ((0.0,) * 3, (5e-324, 0.0, 0.0, 0.0)),  # its square is 0
        ((0.0,) * 3, (0.0, 0.0, 0.0, 1e200)),  # its square is infinite
        ((0.0,) * 3, (0.0, 0.0, 0.0, 0.1)),
    ],
)
@pytest.mark.filterwarnings("error")
def test_invalid_transform_is_refused_with_both_frame_names(
    tree: FrameTree, translation: tuple[float], quaternion: tuple[float]
) -> None:
    for stamp in (None, 11.5):
        with pytest.raises(TransformError, match="camera in base has no place"):
            tree.add("base", "camera", translation, quaternion, stamp)
    assert at(tree.lookup("base", "camera", 3.0), 0.0, 0.0, 0.0) == [0.5, 0.0, 1.0]


@pytest.mark.parametrize(
    ("parent", "child", "words"),
    [
        ("base", "", "a name is empty"),
        ("", "camera", "a name is empty"),
        ("/", "camera", "a name is empty"),
        ("camera", "camera", "a frame cannot hang on itself"),
        ("/camera", "camera", "a frame cannot hang on itself"),
        ("camera", "base", "would close a ring"),
        ("camera", "map", "would close a ring"),
        ("m" * 1000, "camera", "has 1000 letters"),
    ],
)
def test_frame_names_that_contradict_the_tree_are_refused(
    tree: FrameTree, parent: str, child: str, words: str
) -> None:
    for stamp in (None, 11.0):
        with pytest.raises(TransformError, match=words):
            tree.add(parent, child, (9.0, 9.0, 9.0), NONE, stamp)
    assert at(tree.lookup("map", "camera", 10.0), 0.0, 0.0, 0.0) == [0.5, 0.0, 1.0]


def test_leading_slash_is_ignored(tree: FrameTree) -> None:
    tree.add("/camera", "/lens", (0.0, 0.0, 0.1), NONE, None)
    assert at(tree.lookup("/base", "lens", 0.0), 0.0, 0.0, 0.0) == [0.5, 0.0, 1.1]


@pytest.mark.parametrize("stamp", [None, 11.0])
def test_second_publisher_cannot_change_the_parent_of_a_frame(
    tree: FrameTree, stamp: float | None
) -> None:
    """Neither the moving base nor, with a stamp, the static camera."""
    with pytest.raises(TransformError, match="base hangs on map; two nodes publish this frame"):
        tree.add("odom", "base", (9.0, 0.0, 0.0), NONE, stamp)
    with pytest.raises(TransformError, match="camera hangs on base"):
        tree.add("hand", "camera", (9.0, 0.0, 0.0), NONE, 11.0)
    assert at(tree.lookup("map", "camera", 10.0), 0.0, 0.0, 0.0) == [0.5, 0.0, 1.0]


def test_frame_gets_a_new_parent_once_the_old_one_is_silent(tree: FrameTree) -> None:
    tree.add("odom", "base", (9.0, 0.0, 0.0), NONE, 12.5)
    assert at(tree.lookup("odom", "base", 12.5), 0.0, 0.0, 0.0) == [9.0, 0.0, 0.0]
    with pytest.raises(TransformError, match="nothing on /tf"):
        tree.lookup("map", "base", 11.0)
    # a camera that was screwed on elsewhere, by a static publisher that was started again
    tree.add("mast", "camera", (0.0, 0.0, 2.0), NONE, None)
    assert at(tree.lookup("mast", "camera", 0.0), 0.0, 0.0, 0.0) == [0.0, 0.0, 2.0]


def test_endless_frames_use_bounded_memory_and_looked_up_ones_stay(
    tree: FrameTree,
) -> None:
    before = tree.lookup("map", "camera", 10.5)
    refused = 0
    for i in range(10_000):
        tree.add("map", f"made_up_{i}", (0.0, 0.0, 0.0), NONE, 10.0)
        try:
            tree.add("map", f"static_{i}", (0.0, 0.0, 0.0), NONE, None)
        except TransformError as error:
            assert "frames already" in str(error)  # noqa: PT017 - most of them are
            refused += 1
    assert refused > 5000
    assert len(tree) <= frames.MAX_FRAMES
    assert np.array_equal(tree.lookup("map", "camera", 10.5), before)
    tree.add("map", "made_up_10000", (1.0, 0.0, 0.0), NONE, 10.0)
    assert at(tree.lookup("map", "made_up_10000", 10.0), 0.0, 0.0, 0.0) == [1.0, 0.0, 0.0]


def test_endless_transforms_of_a_frame_use_bounded_memory(
    tree: FrameTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "MAX_PLACES", 2000)
    tree.lookup("map", "base", 10.5)
    for i in range(3000):
        tree.add("map", f"made_up_{i % 50}", (0.0, 0.0, 0.0), NONE, 10.0 + i * 1e-3)
        if i % 100 == 99:
            assert tree.places <= 2000
    assert tree.places > 1900  # as many as it may
    assert at(tree.lookup("map", "base", 11.0), 0.0, 0.0, 0.0) == [2.0, 0.0, 0.0]
