"""The pipeline gives the results of the live nodes, as far as messages can show."""

import dataclasses

import numpy as np
import pytest

from pose_ros.bags.images import BagImages
from pose_ros.bags.message_types import types, typestore
from pose_ros.bags.reader import open_bag
from pose_ros.build import create_body_hands, create_estimator
from pose_ros.core import skeletons
from pose_ros.core.gestures.recognizer import GestureRecognizer
from pose_ros.core.lifting.lifter import Lifter, floor_below
from pose_ros.core.smoothing import BodyVelocities
from pose_ros.core.types import Poses
from pose_ros.errors import ImageError
from pose_ros.messages.headers import header_of
from pose_ros.messages.poses import poses_from_msg, poses_to_msg
from pose_ros.pipeline import Pipeline, PipelineOptions
from pose_ros.settings.gestures import GestureOptions
from pose_ros.settings.lifting import LiftOptions, MountOptions

ARRAY = "pose_ros/msg/PoseArray"


def over_a_topic(poses):
    """Return poses as a subscriber gets them."""
    message = poses_to_msg(types, poses, header_of(types, 1, "c"), "n", width=4, height=3)
    data = typestore().serialize_cdr(message, ARRAY)
    return poses_from_msg(typestore().deserialize_cdr(data, ARRAY))


def assert_same(a, b):
    for field in dataclasses.fields(a):
        one, other = getattr(a, field.name), getattr(b, field.name)
        if isinstance(one, np.ndarray):
            assert one.dtype == other.dtype, field.name
            np.testing.assert_array_equal(one, other, strict=True, err_msg=field.name)
        else:
            assert one == other, field.name


def people(count, **fields):
    skeleton, rng = skeletons.get("coco17"), np.random.default_rng(1)
    return Poses(
        skeleton=skeleton,
        ids=np.arange(count),
        scores=rng.random(count),
        boxes=rng.random((count, 4)),
        keypoints=rng.random((count, 17, 2)) * 100,
        keypoint_scores=rng.random((count, 17)),
        **fields,
    )


def camera(count, missing):
    points = np.random.default_rng(2).random((count, 17, 3))
    points[:, missing] = np.nan
    known = np.isfinite(points).all(axis=2)
    sigmas = np.where(known, 0.1, np.nan)
    return {"camera": points, "camera_sources": known.astype(np.uint8), "camera_sigmas": sigmas}


@pytest.mark.parametrize(
    "poses",
    [
        people(0, world=np.zeros((0, 17, 3)), **camera(0, slice(0))),
        people(2),
        people(2, depths=np.full((2, 17), np.nan), world=np.full((2, 17, 3), np.nan)),
        people(2, depths=np.zeros((2, 17)), **camera(2, slice(3, 5))),
        people(1, **camera(1, slice(None))),
        people(2, camera=np.ones((2, 17, 3))),
        people(1, camera=np.ones((1, 17, 3)), camera_sources=np.full((1, 17), 2)),
        people(2, labels=("left", ""), label_scores=np.array([0.5, 0.25])),
        people(2, labels=("", "")),
    ],
)
def test_poses_equal_those_over_a_topic(poses):
    assert_same(poses, over_a_topic(poses))


def test_pipeline_equals_the_nodes_to_the_last_bit(scene_bag):
    gestures = GestureOptions(hold_time=0.1)
    mount, lift = MountOptions(1.2, 5.0), LiftOptions(height=1.8)
    pipeline = Pipeline(
        create_estimator(), create_body_hands(), PipelineOptions(lift, mount, gestures)
    )
    # ros/pose_node.py and ros/gesture_node.py, step by step
    estimator, hands, lifter = create_estimator(), create_body_hands(), Lifter(lift)
    recognizer, velocities = GestureRecognizer(gestures), BodyVelocities()
    names = set()
    with open_bag(scene_bag) as bag:
        for shot in BagImages(bag, depth="/camera/depth/image_raw"):
            assert shot.camera is not None
            assert shot.depth is not None
            assert shot.up is not None
            result = pipeline.run(shot)
            image, stamp, channels = shot.frame.image, shot.frame.stamp, shot.frame.channels
            poses = estimator.estimate(image, stamp, channels=channels)
            poses = lifter.lift(
                poses, shot.camera, stamp, floor=floor_below(mount), depth=shot.depth
            )
            poses = velocities.add(poses, stamp)
            found = hands.estimate(image, poses, stamp, channels=channels)
            poses, found = over_a_topic(poses), over_a_topic(found)
            expected = recognizer.update(poses, stamp, hands=found, up=shot.up)
            assert_same(result.poses, poses)
            assert_same(result.hands, found)
            assert [dataclasses.replace(g, ray=None) for g in result.gestures] == [
                dataclasses.replace(g, ray=None) for g in expected
            ]
            for gesture, other in zip(result.gestures, expected, strict=True):
                if gesture.ray:
                    assert_same(gesture.ray, other.ray)
            names |= {gesture.name for gesture in expected}
            assert (result.nanoseconds, result.frame_id) == (shot.nanoseconds, shot.frame_id)
            assert result.stamp == stamp
    assert names, "nothing was compared"


def test_a_new_stream_begins_with_nothing_remembered(scene_bag):
    pipeline = Pipeline(create_estimator())
    with open_bag(scene_bag) as bag:
        shots = list(BagImages(bag, end=0.4))
    first = [pipeline.run(shot) for shot in shots]
    pipeline.reset()
    for before, again in zip(first, [pipeline.run(shot) for shot in shots], strict=True):
        assert_same(before.poses, again.poses)


def test_late_image_is_refused_and_does_not_reset_the_stream(scene_bag):
    with open_bag(scene_bag) as bag:
        shots = list(BagImages(bag))[:4]
    pipeline = Pipeline(create_estimator())
    expected = [pipeline.run(shot) for shot in (shots[0], shots[2], shots[3])]
    pipeline.reset()
    first = [pipeline.run(shot) for shot in (shots[0], shots[2])]
    with pytest.raises(ImageError, match="older than one that came before it"):
        pipeline.run(shots[1])
    for found, known in zip([*first, pipeline.run(shots[3])], expected, strict=True):
        assert_same(found.poses, known.poses)
    other = dataclasses.replace(shots[1], frame_id="another_camera")
    with pytest.raises(ImageError, match="two cameras need a topic and a pose node each"):
        pipeline.run(other)
    single = Pipeline(create_estimator(static=True))
    assert len([single.run(shot) for shot in (shots[0], shots[2], shots[1])]) == 3
