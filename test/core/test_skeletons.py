"""Skeletons are consistent, and so are their subsets."""

import itertools
import json

import pytest

from pose_ros.core import skeletons
from pose_ros.core.skeletons import SKELETONS, Skeleton
from pose_ros.errors import OptionError


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=SKELETONS)
def test_left_right_pairs_differ_only_in_their_side(skeleton):
    for left, right in skeleton.left_right:
        names = skeleton.keypoints[left], skeleton.keypoints[right]
        assert names[0].replace("left", "right") == names[1]


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=SKELETONS)
def test_links_are_symmetric(skeleton):
    mirror = dict(skeleton.left_right) | {b: a for a, b in skeleton.left_right}
    links = {frozenset(link) for link in skeleton.links}
    assert {frozenset(mirror.get(i, i) for i in link) for link in links} == links


def test_the_upper_body_is_the_first_25_landmarks():
    upper = skeletons.get("blazepose33_upper_body")
    assert upper.keypoints == skeletons.get("blazepose33").keypoints[:25]
    assert upper.keypoints[-1] == "right_hip"


def test_only_skeletons_of_networks_that_guess_hidden_joints_have_a_minimum_score():
    guessed = {name for name, skeleton in SKELETONS.items() if skeleton.least_score > 0}
    assert guessed == {"blazepose33", "blazepose33_upper_body", "blazehand21"}


def test_an_upper_body_reaches_down_to_the_hips():
    for skeleton in (s for s in SKELETONS.values() if "upper_body" in s.subsets):
        left_out = set(skeleton.keypoints) - set(skeleton.subset("upper_body").keypoints)
        below = ("knee", "ankle", "heel", "foot", "toe")
        assert left_out == {name for name in skeleton.keypoints if any(b in name for b in below)}


def test_skeletons_of_bodies_and_of_hands_name_their_joints_alike():
    """Joints for pointing and fists are found by name in every skeleton."""
    bodies = [s for s in SKELETONS.values() if "nose" in s.keypoints]
    joints = ("shoulder", "elbow", "wrist", "hip")
    common = {f"{side}_{joint}" for side in ("left", "right") for joint in joints}
    assert len(bodies) > 5
    assert all(common <= set(body.keypoints) for body in bodies)
    hand, other = skeletons.get("blazehand21"), skeletons.get("trt_hand21")
    assert set(hand.keypoints) == set(other.keypoints)


def test_the_links_of_trt_pose_and_openpose_are_in_the_order_of_their_maps(data):
    for name, file in (("trt_body18", "human_pose.json"), ("trt_hand21", "hand_pose.json")):
        topology = json.loads((data / "paf_scenes" / file).read_text())
        skeleton = skeletons.get(name)
        assert skeleton.links == tuple((a - 1, b - 1) for a, b in topology["skeleton"])
    assert len(skeletons.get("openpose_coco18").links) == 19
    assert len(skeletons.get("openpose_body25").links) == 26


def test_each_finger_of_a_hand_is_a_chain_and_the_palm_a_ring():
    hand = skeletons.get("blazehand21")
    assert (len(hand), len(hand.links)) == (21, 21)
    for finger in ("thumb", "index", "middle", "ring", "pinky"):
        chain = [i for i, name in enumerate(hand.keypoints) if name.startswith(finger)]
        assert chain == list(range(chain[0], chain[0] + 4))
        assert set(itertools.pairwise(chain)) <= set(hand.links)
    ring = ("wrist", "thumb_cmc"), ("wrist", "index_mcp"), ("ring_mcp", "pinky_mcp")
    assert {(hand.index(a), hand.index(b)) for a, b in ring} <= set(hand.links)


@pytest.mark.parametrize(
    "fields",
    [
        {"keypoints": ("nose", "nose"), "links": ()},
        {"keypoints": ("nose",), "links": ((0, 1),)},
        {"keypoints": ("nose",), "links": (), "left_right": ((0, -1),)},
    ],
)
def test_a_skeleton_that_contradicts_itself_is_refused(fields):
    with pytest.raises(OptionError, match="skeleton odd"):
        Skeleton(name="odd", **fields)


def test_unknown_names_are_refused_with_what_is_known():
    with pytest.raises(OptionError, match="blazepose33"):
        skeletons.get("blazepose34")
    with pytest.raises(OptionError, match="upper_body"):
        skeletons.get("blazepose33").subset("legs")
