"""Overlays draw the requested parts at their places, and no others."""

from dataclasses import replace

import numpy as np
import pytest

from pose_ros.core import skeletons
from pose_ros.core.types import Poses
from pose_ros.errors import OptionError
from pose_ros.settings.outputs import PARTS, parse_parts
from pose_ros.viz import overlay

SKELETON = skeletons.get("blazepose33")
SHOULDER, ELBOW = (SKELETON.index(f"left_{name}") for name in ("shoulder", "elbow"))


def person(points=None, scores=None, box=(40, 30, 120, 170)):
    if points is None:
        points = np.full((33, 2), np.nan)
        points[SKELETON.index("left_shoulder")] = (100, 50)
        points[SKELETON.index("left_elbow")] = (100, 90)
    scores = np.isfinite(points).all(axis=1) if scores is None else scores
    return Poses(SKELETON, [3], [0.9], [box], [points], [scores])


def drawn(parts, poses=None, channels="rgb"):
    image = np.zeros((200, 160, 3), np.uint8)
    overlay.draw(image, person() if poses is None else poses, parts, channels=channels)
    return image


def test_link_is_drawn_between_its_ends_in_the_color_of_its_side():
    image = drawn(["links"])
    red, _, blue = (int(v) for v in image[70, 100])
    assert red > 200
    assert blue < 60
    assert image[70, 110].sum() == 0


def test_colors_of_a_skeleton_override_those_of_the_sides():
    colors = [(0, 0, 0)] * len(SKELETON)
    colors[SHOULDER], colors[ELBOW] = (10, 200, 30), (40, 50, 250)
    own = replace(SKELETON, colors=tuple(colors))
    poses = person().replace(skeleton=own)
    image = drawn(["links"], poses)
    assert np.allclose(image[70, 100], colors[ELBOW], atol=25)  # the later of both ends
    image = drawn(["keypoints"], poses)
    assert np.allclose(image[50, 100], colors[SHOULDER], atol=2)
    assert own == SKELETON
    upper = own.subset("upper_body")
    assert upper.colors == own.colors[:25]


@pytest.mark.parametrize(("scale", "width"), [(0.01, 2), (0.05, 10), (0.1, 20)])
def test_sizes_are_fractions_of_the_longer_side_when_asked_for(scale, width):
    image = np.zeros((200, 160, 3), np.uint8)
    overlay.draw(image, person(), ["links"], link_scale=scale)
    assert np.count_nonzero(image[70, :, 0] > 127) == pytest.approx(width, abs=1)
    image = np.zeros((200, 160, 3), np.uint8)
    overlay.draw(image, person(), ["keypoints"], keypoint_scale=scale)
    diameter = np.count_nonzero(image[50, :, 0] > 127)
    assert diameter == pytest.approx(2 * width, abs=1)


def test_channel_order_only_swaps_the_colors():
    assert np.array_equal(drawn(PARTS, channels="bgr"), drawn(PARTS)[..., ::-1])


@pytest.mark.parametrize(
    ("parts", "where"), [(["keypoints"], (50, 100)), (["box"], (100, 40)), (["links"], (60, 100))]
)
def test_each_part_is_drawn_alone(parts, where):
    assert drawn(parts)[where].any()
    assert not drawn(set(PARTS) - set(parts))[where].any() or parts == ["keypoints"]


def test_image_without_people_or_parts_is_unchanged():
    assert not drawn(PARTS, Poses.empty(SKELETON)).any()
    assert not drawn(()).any()


def test_unsure_keypoints_and_their_links_are_left_out():
    poses = person(scores=np.full(33, 0.3) * np.isfinite(person().keypoints[0, :, 0]))
    assert not drawn(["links", "keypoints"], poses).any()


def test_keypoints_of_networks_that_leave_out_missing_ones_are_all_drawn():
    skeleton = skeletons.get("trt_body18")
    points = np.full((18, 2), np.nan)
    points[[5, 7]] = (100, 50), (100, 90)
    scores = np.where(np.isfinite(points).all(axis=1), 0.16, 0)
    poses = Poses(skeleton, [3], [0.16], [(90, 40, 110, 100)], [points], [scores])
    assert drawn(["links"], poses)[70, 100].any()
    image = np.zeros((200, 160, 3), np.uint8)
    overlay.draw(image, poses, ["links"], min_score=0.2)
    assert not image.any()


@pytest.mark.parametrize("far", [1e9, -1e9])
def test_points_far_outside_the_image_are_ignored(far):
    points = np.full((33, 2), far)
    image = drawn(PARTS, person(points, np.ones(33), box=(far, far, far, far)))
    assert image.shape == (200, 160, 3)


def hand(label, wrist=(60, 60)):
    """A hand with only its wrist and the root of its thumb, 20 pixels apart."""
    points = np.full((21, 2), np.nan)
    points[:2] = wrist, np.add(wrist, (0, 20))
    box = (*np.subtract(wrist, 20), *np.add(wrist, 20))
    scores = np.isfinite(points).all(axis=1)
    skeleton = skeletons.get("blazehand21")
    return Poses(skeleton, [6], [0.9], [box], [points], [scores], labels=(label,))


@pytest.mark.parametrize("label", ["left", "right"])
def test_hands_are_drawn_in_the_color_of_their_side_and_without_a_box(label):
    image = np.zeros((200, 160, 3), np.uint8)
    overlay.draw(image, Poses.empty(SKELETON), hands=hand(label))
    red, _, blue = (int(v) for v in image[70, 60])
    assert (red > 200, blue > 200) == (label == "left", label == "right")
    assert not image[40].any()
    assert drawn(["box"], hand(label))[40].any(), "a hand without a body has its box"


def drawn_width(size, span):
    """Return the drawn width in pixels of one keypoint in the middle of a square image."""
    points = np.full((33, 2), np.nan)
    points[0] = size / 2, size / 2
    box = (0, 0, span, span)
    image = np.zeros((size, size, 3), np.uint8)
    poses = person(points, box=box)
    overlay.draw(image, poses, ["keypoints"])
    return int(image.any(axis=(0, 2)).sum())


def test_small_people_have_thin_lines_and_width_is_limited_by_the_image():
    widths = [drawn_width(1200, span) for span in (30, 100, 200, 400, 1200)]
    assert widths[0] <= 5
    assert widths == sorted(widths)
    assert widths[0] < widths[1] < widths[2] < widths[3] == widths[4]
    assert drawn_width(1200, np.nan) == widths[4]


def test_a_missing_box_is_not_drawn():
    assert not drawn(["box"], person(box=[np.nan] * 4)).any()


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("box,links,keypoints", ("box", "links", "keypoints")),
        (" links , box", ("links", "box")),
        ("none", ()),
        ("boxes|link,KEYPOINT", PARTS),
        ("default", ("links", "keypoints")),
        ("links,default", ("links", "keypoints")),
    ],
)
def test_names_of_overlay_parts_are_parsed(text, parts):
    assert parse_parts(text) == parts


@pytest.mark.parametrize("text", ["", "bones", "none,box", ","])
def test_unknown_overlay_option_is_refused(text):
    with pytest.raises(OptionError, match="box,links,keypoints"):
        parse_parts(text)


def test_an_image_that_cannot_be_drawn_on_is_refused():
    image = np.zeros((200, 160, 3), np.uint8)
    with pytest.raises(OptionError, match="contiguous"):
        overlay.draw(image[:, ::-1], person())
