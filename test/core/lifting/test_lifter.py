"""Lifting on exact projections, where the truth is known and everything can be left out."""

import itertools

import numpy as np
import pytest

from pose_ros.core import skeletons
from pose_ros.core.camera import Camera
from pose_ros.core.depth import DepthImage
from pose_ros.core.geometry import angle_between
from pose_ros.core.lifting.body_model import (
    BONES,
    FOREARM,
    NETWORK_HEIGHT,
    UPPER_ARM,
    body_model,
)
from pose_ros.core.lifting.lifter import Lifter, level_floor
from pose_ros.core.types import Poses, PositionSource
from pose_ros.errors import ImageError, OptionError
from pose_ros.settings.lifting import LiftOptions

CAMERA = Camera.from_hfov(640, 480, 63.0)
BLAZEPOSE = skeletons.get("blazepose33")
SIZE = {bone.kind: bone.length for bone in BONES}
HANDS = ("wrist", "index", "pinky", "thumb")


def person(height=1.7, place=(0.0, 1.0, 3.0), arm=(0.4, -0.1, -0.9), facing=0.0):
    """Return (33, 3) joints in the optical frame: a person of average bones who points.

    ``place``: of the mid-hips. ``arm``: direction of the left arm; the right one hangs.
    ``facing``: degrees by which they are turned from the camera to their own right.
    """
    points = np.zeros((33, 3))

    def put(name, *xyz):
        points[BLAZEPOSE.index(name)] = xyz

    # relative to the mid-hips, facing the camera: x to the person's left, y down, z backward
    shoulder_y = -SIZE["trunk"]
    ear_y = shoulder_y - SIZE["neck"]
    for side, sign in (("left", 1.0), ("right", -1.0)):
        shoulder = np.array([sign * SIZE["shoulders"] / 2, shoulder_y, 0.0])
        hip = np.array([sign * SIZE["hips"] / 2, 0.0, 0.0])
        ear = np.array([sign * SIZE["ears"] / 2, ear_y, 0.0])
        away = np.array(arm if side == "left" else (0.0, 1.0, 0.0), float)
        away /= np.linalg.norm(away)
        elbow = shoulder + UPPER_ARM * away
        wrist = elbow + FOREARM * away
        knee = hip + (0, SIZE["thigh"], 0)
        ankle = knee + (0, SIZE["shank"], 0)
        for name, xyz in (
            *(("shoulder", shoulder), ("hip", hip), ("ear", ear), ("elbow", elbow)),
            *(("wrist", wrist), ("knee", knee), ("ankle", ankle)),
            *(("index", wrist + 0.05 * away), ("pinky", wrist + 0.05 * away)),
            *(("thumb", wrist + 0.03 * away), ("heel", ankle + (0, 0.03, 0.03))),
            ("foot_index", ankle + (0, 0.04, -0.1)),
            ("eye", (sign * 0.02, ear_y - 0.01, -0.05)),
            ("eye_inner", (sign * 0.015, ear_y - 0.01, -0.05)),
            ("eye_outer", (sign * 0.025, ear_y - 0.01, -0.045)),
        ):
            put(f"{side}_{name}", *xyz)
        put(f"mouth_{side}", sign * 0.015, ear_y + 0.03, -0.05)
    put("nose", 0.0, ear_y + 0.005, -0.07)
    turn = np.radians(facing)
    about_y = np.array(
        [[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]]
    )
    # the left of a person who faces the camera is at the image's right, towards +x
    return points @ about_y.T * height + np.array(place)


def poses_of(*bodies, scores=1.0, skeleton=BLAZEPOSE, world=True):
    """Return the output of a perfect network for bodies: pixels, and a shape of average size."""
    pixels, shapes = [], []
    for body in bodies:
        pixels.append(CAMERA.project(body))
        hips = body[23:25].mean(axis=0)
        height = np.linalg.norm(body[11] - body[12]) / SIZE["shoulders"]
        shape = (body - hips) / height * NETWORK_HEIGHT
        # the network sees along the ray to the hips
        z = hips / np.linalg.norm(hips)
        x = np.cross([0.0, 1.0, 0.0], z)
        x /= np.linalg.norm(x)
        shapes.append(shape @ np.array([x, np.cross(z, x), z]).T)
    count = len(skeleton)
    keypoints = np.array(pixels).reshape(len(bodies), -1, 2)[:, :count]
    return Poses(
        skeleton=skeleton,
        ids=np.arange(len(bodies)),
        scores=np.ones(len(bodies)),
        boxes=np.zeros((len(bodies), 4)),
        keypoints=keypoints,
        keypoint_scores=np.broadcast_to(np.float32(scores), keypoints.shape[:2]).copy(),
        world=np.array(shapes).reshape(len(bodies), -1, 3)[:, :count] if world else None,
    )


def depth_of(body, poses, *, skin=True):
    """Return a depth image with a patch at each joint, as far as the skin over it."""
    from pose_ros.core.lifting.body_model import under_skin

    meters = np.full((480, 640), np.nan, np.float32)
    order = np.argsort(-body[:, 2])  # the nearest last
    offset = under_skin(BLAZEPOSE) * 1.7 * skin
    for i in order:
        x, y = np.rint(poses.keypoints[0, i]).astype(int)
        meters[max(0, y - 8) : y + 9, max(0, x - 8) : x + 9] = body[i, 2] - offset[i]
    return meters


def checked(poses):
    """Assert what holds of every result, and return (N, K, 3) float64."""
    known = np.isfinite(poses.camera).all(axis=2)
    assert np.array_equal(known, np.isfinite(poses.camera).any(axis=2))
    assert np.array_equal(known, poses.camera_sources != PositionSource.NONE)
    assert np.array_equal(known, np.isfinite(poses.camera_sigmas))
    assert np.all(poses.camera_sigmas[known] > 0)
    assert np.all(poses.camera[..., 2][known] > 0)
    found = np.isfinite(poses.keypoints).all(axis=2) & (poses.keypoint_scores > 0)
    # a placed joint is on the ray of its pixel
    seen = CAMERA.project(poses.camera.astype(np.float64))
    np.testing.assert_allclose(seen[known], poses.keypoints[known], atol=0.05)
    assert not np.any(known & ~found)
    return poses.camera.astype(np.float64)


@pytest.mark.parametrize("height", [1.5, 1.75, 2.0])
@pytest.mark.parametrize("place", [(0.0, 0.2, 1.7), (0.9, 0.1, 3.0), (-1.5, 0.3, 5.0)])
@pytest.mark.parametrize("facing", [-50.0, 0.0, 30.0])
def test_body_of_known_height_is_at_its_true_place(height, place, facing):
    body = person(height, place, facing=facing)
    lifted = checked(Lifter(LiftOptions(height=height)).lift(poses_of(body), CAMERA))[0]
    assert lifted[23:25, 2].mean() == pytest.approx(place[2], rel=0.04)
    trunk = [7, 8, 11, 12, 23, 24, 25, 26, 27, 28]
    assert np.linalg.norm(lifted - body, axis=1)[trunk].max() < 0.06 * place[2]


DIRECTIONS = [d for d in itertools.product((-1, 0, 1), (-1, 0, 1), (-1, -0.5)) if d[0] >= 0]


@pytest.mark.parametrize("arm", DIRECTIONS)
def test_arm_that_points_forward_is_lifted_from_its_shortened_length(arm):
    body = person(arm=arm)
    poses = poses_of(body)
    # the network sees only half of the arm's depth, as it does
    world = np.array(poses.world)
    for joint in (13, 15, 17, 19, 21):
        world[0, joint, 2] = (world[0, joint, 2] + world[0, 11, 2]) / 2
    lifted = checked(Lifter(LiftOptions(height=1.7)).lift(poses.replace(world=world), CAMERA))[0]
    assert angle_between(lifted[15] - lifted[11], body[15] - body[11]) < 12.0
    # about as good as the network's own shape at least, mostly far better
    assert angle_between(lifted[15] - lifted[11], body[15] - body[11]) < 4.0 + angle_between(
        (world[0, 15] - world[0, 11]).astype(float), body[15] - body[11]
    )


@pytest.mark.parametrize("away", [-1, 1])
def test_arm_points_to_the_side_that_the_person_looks_at(away):
    arm = np.array([0.75, 0.0, 0.66 * away])
    facing = -75.0  # the chest faces the image's right edge
    turn = np.radians(-facing)
    chest = np.array([[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]])
    body = person(arm=chest @ arm, facing=facing)
    assert angle_between(body[15] - body[11], arm) < 1e-3
    ears = body[7:9].mean(axis=0)
    look = np.arctan2(arm[0], -arm[2]) + np.radians(facing)
    head = np.array([[np.cos(look), 0, -np.sin(look)], [0, 1, 0], [np.sin(look), 0, np.cos(look)]])
    body[:11] = (body[:11] - ears) @ head.T + ears
    poses = poses_of(body)
    world = np.array(poses.world)
    for joint in (13, 15, 17, 19, 21):  # the network says nothing of the arm's depth
        world[0, joint, 2] = world[0, 11, 2]
    lifted = checked(Lifter(LiftOptions(height=1.7)).lift(poses.replace(world=world), CAMERA))[0]
    found = lifted[15] - lifted[11]
    assert np.sign(found[2]) == away
    assert angle_between(found, arm) < 16.0


def test_arm_across_the_view_has_larger_sigma_than_one_towards_the_camera():
    sigmas = []
    for arm in ((1.0, 0.2, 0.0), (0.2, 0.1, -1.0)):
        poses = Lifter(LiftOptions(height=1.7)).lift(poses_of(person(arm=arm)), CAMERA)
        sigmas.append(poses.camera_sigmas[0, 15])
    assert sigmas[0] > 1.2 * sigmas[1]


def test_floor_gives_height_of_person():
    pitch, mount = 5.0, 1.2
    floor = level_floor(mount, pitch)
    for height in (1.5, 1.9):
        body = person(height, place=(0.2, 0.0, 3.5))
        # stand the person on the floor
        ankle = body[27]
        drop = (floor.camera_height + ankle @ floor.up - 0.045 * height) / floor.up[1]
        body[:, 1] -= drop
        poses = poses_of(body)
        blind = checked(Lifter().lift(poses, CAMERA))[0]
        reported = checked(Lifter().lift(poses, CAMERA, floor=floor))[0]
        assert reported[23:25, 2].mean() == pytest.approx(3.5, rel=0.03)
        assert abs(blind[23:25, 2].mean() - 3.5) > 2 * abs(reported[23:25, 2].mean() - 3.5)


def on_the_floor(body, floor, height):
    """Return the body moved along the image's vertical until its ankle is where an ankle is."""
    lower = floor.camera_height + body[27] @ floor.up - 0.045 * height
    return body - np.array([0.0, 1.0, 0.0]) * lower / floor.up[1]


def test_floor_of_a_rolled_camera_gives_the_true_places():
    straight, roll = level_floor(1.2, 5.0), np.radians(12.0)
    body = on_the_floor(person(1.9, place=(-0.9, 0.0, 3.5)), straight, 1.9)
    # clockwise, seen from behind: upright objects lean to the left in the image
    turn = np.array(
        [[np.cos(roll), np.sin(roll), 0.0], [-np.sin(roll), np.cos(roll), 0.0], [0.0, 0.0, 1.0]]
    )
    turned = body @ turn.T

    def error(degrees):
        floor = level_floor(1.2, 5.0, degrees)
        points = checked(Lifter().lift(poses_of(turned), CAMERA, floor=floor))[0]
        return abs(points[23:25, 2].mean() / turned[23:25, 2].mean() - 1.0)

    assert error(12.0) < 0.03
    assert min(error(0.0), error(-12.0)) > 0.05


@pytest.mark.parametrize("wrong", [0.95, 1.05])
def test_height_that_the_floor_contradicts_makes_sigmas_wider(wrong):
    floor = level_floor(1.2, 5.0)
    poses = poses_of(on_the_floor(person(1.7, place=(0.2, 0.0, 3.5)), floor, 1.7))

    def sigma(height, **known):
        return Lifter(LiftOptions(height=height)).lift(poses, CAMERA, **known).camera_sigmas[0, 23]

    assert sigma(1.7 * wrong, floor=floor) > 1.25 * sigma(1.7, floor=floor)
    # without a floor, nothing contradicts the height
    assert sigma(1.7 * wrong) == pytest.approx(sigma(1.7), rel=0.07)


def both_arms(second):
    """Return a person whose left arm points ahead, aside and down; ``second``: the right one."""
    body = person(arm=(0.5, 0.3, -0.7))
    along = np.array(second, float) / np.linalg.norm(second)
    for joint, far in (
        (14, UPPER_ARM),
        (16, UPPER_ARM + FOREARM),
        (18, 0.37),
        (20, 0.37),
        (22, 0.35),
    ):
        body[joint] = body[12] + 1.7 * far * along
    return body


def test_arm_beside_one_that_does_not_hang_has_larger_sigma():
    def sigma(second):
        lifted = Lifter(LiftOptions(height=1.7)).lift(poses_of(both_arms(second)), CAMERA)
        return float(lifted.camera_sigmas[0, 15])

    assert sigma((-1.0, -0.2, 0.0)) > 1.05 * sigma((0.0, 1.0, 0.0))


def test_level_floor_is_below_the_camera():
    floor = level_floor(1.0, 30.0)
    # the optical axis meets the floor at 1 / sin(30) meters
    assert floor.camera_height + np.array([0.0, 0.0, 2.0]) @ floor.up == pytest.approx(0.0)
    assert np.linalg.norm(level_floor(2.0, 10.0, 20.0).up) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((0.0, 0.0), "height"),
        ((np.nan, 0.0), "height"),
        ((150.0, 0.0), r"in \[0.01, 10\] meters"),
        ((1.0, 90.0), "pitch"),
        ((1, 0, -95), "roll"),
    ],
)
def test_level_floor_refuses_bad_values(arguments, text):
    with pytest.raises(OptionError, match=text):
        level_floor(*arguments)


@pytest.mark.parametrize("encoding", ["16UC1", "32FC1"])
def test_depth_places_joints_where_they_were_measured(encoding):
    body = person(height=1.9, place=(0.1, 0.1, 3.0))  # the lifter assumes 1.7 m
    poses = poses_of(body)
    meters = depth_of(body, poses)
    millimeters = np.nan_to_num(meters * 1000).astype(np.uint16)
    values = millimeters if encoding == "16UC1" else meters
    lifted = Lifter(LiftOptions(height=1.7)).lift(
        poses, CAMERA, 1.0, depth=DepthImage(values, encoding, 1.0)
    )
    points = checked(lifted)[0]
    assert np.mean(lifted.camera_sources[0] == PositionSource.DEPTH) > 0.8
    measured = lifted.camera_sources[0] == PositionSource.DEPTH
    assert np.median(np.linalg.norm(points - body, axis=1)[measured]) < 0.02
    assert points[23:25, 2].mean() == pytest.approx(3.0, abs=0.05)


def test_wrist_hidden_from_the_depth_camera_is_placed_by_the_model():
    body = person(arm=(1.0, 0.0, -0.3))
    poses = poses_of(body)
    meters = depth_of(body, poses)
    x, y = np.rint(poses.keypoints[0, 15]).astype(int)
    meters[y - 20 : y + 21, x - 20 : x + 21] = body[15, 2] - 0.9  # a box in front of it
    lifted = Lifter(LiftOptions(height=1.7)).lift(
        poses, CAMERA, depth=DepthImage(meters, "32FC1", 0.0)
    )
    points = checked(lifted)[0]
    assert lifted.camera_sources[0, 15] == PositionSource.MODEL
    assert lifted.camera_sources[0, 16] == PositionSource.DEPTH
    assert abs(points[15, 2] - body[15, 2]) < 0.25


def test_joint_without_measured_depth_is_placed_by_the_model():
    body = person()
    poses = poses_of(body)
    meters = depth_of(body, poses)
    x, y = np.rint(poses.keypoints[0, 15]).astype(int)
    meters[y - 25 : y + 26, x - 25 : x + 26] = np.nan
    lifted = Lifter(LiftOptions(height=1.7)).lift(
        poses, CAMERA, depth=DepthImage(meters, "32FC1", 0.0)
    )
    checked(lifted)
    assert lifted.camera_sources[0, 15] == PositionSource.MODEL


@pytest.mark.parametrize(
    ("skew", "used"), [(0.0, True), (0.04, True), (0.06, False), (-0.06, False)]
)
def test_depth_of_another_time_is_not_used(skew, used):
    body = person()
    poses = poses_of(body)
    depth = DepthImage(depth_of(body, poses), "32FC1", 10.0 + skew)
    lifted = Lifter(LiftOptions(max_depth_skew=0.05)).lift(poses, CAMERA, 10.0, depth=depth)
    assert bool(np.any(lifted.camera_sources == PositionSource.DEPTH)) is used


def test_without_a_metric_shape_only_depth_gives_meters():
    body = person()
    poses = poses_of(body, world=False)
    nothing = Lifter().lift(poses, CAMERA)
    assert nothing.camera is None
    meters = depth_of(body, poses)
    x, y = np.rint(poses.keypoints[0, 15]).astype(int)
    meters[y - 25 : y + 26, x - 25 : x + 26] = np.nan
    lifted = Lifter().lift(poses, CAMERA, depth=DepthImage(meters, "32FC1", 0.0))
    points = checked(lifted)[0]
    assert np.all(np.isnan(points[15]))
    assert lifted.camera_sources[0, 15] == PositionSource.NONE
    known = lifted.camera_sources[0] == PositionSource.DEPTH
    assert known.sum() > 20
    assert np.median(np.linalg.norm(points - body, axis=1)[known]) < 0.02


def test_no_people_have_no_meters():
    lifted = Lifter().lift(Poses.empty(BLAZEPOSE), CAMERA)
    assert {lifted.camera, lifted.camera_sources, lifted.camera_sigmas} == {None}


def test_people_of_different_heights_are_at_their_true_places():
    bodies = [person(1.6, (-0.8, 0.2, 3.0)), person(1.9, (0.8, 0.2, 4.0))]
    heights = {0: 1.6, 1: 1.9}
    lifted = checked(Lifter().lift(poses_of(*bodies), CAMERA, heights=heights))
    assert lifted[0, 23:25, 2].mean() == pytest.approx(3.0, rel=0.04)
    assert lifted[1, 23:25, 2].mean() == pytest.approx(4.0, rel=0.04)


def test_missing_keypoints_are_missing_and_the_others_are_placed():
    body = person()
    poses = poses_of(body)
    for gone in ([15], [13, 15], [25, 27], [7], [0], [25, 26, 27, 28], list(range(11))):
        keypoints, scores = np.array(poses.keypoints), np.array(poses.keypoint_scores)
        keypoints[0, gone], scores[0, gone] = np.nan, 0.0
        lifted = Lifter(LiftOptions(height=1.7)).lift(
            poses.replace(keypoints=keypoints, keypoint_scores=scores), CAMERA
        )
        points = checked(lifted)[0]
        assert np.all(np.isnan(points[gone])), gone
        rest = [i for i in (11, 12, 23, 24) if i not in gone]
        assert np.linalg.norm(points[rest] - body[rest], axis=1).max() < 0.2, gone


def test_person_without_a_trunk_has_no_meters_from_the_model():
    poses = poses_of(person())
    keypoints, scores = np.array(poses.keypoints), np.array(poses.keypoint_scores)
    keypoints[0, [11, 23]], scores[0, [11, 23]] = np.nan, 0.0
    lifted = Lifter().lift(poses.replace(keypoints=keypoints, keypoint_scores=scores), CAMERA)
    assert lifted.camera is None


def test_upper_body_alone_is_lifted():
    upper = BLAZEPOSE.subset("upper_body")
    body = person(1.8, (0.0, 0.3, 2.0))
    lifted = checked(Lifter(LiftOptions(height=1.8)).lift(poses_of(body, skeleton=upper), CAMERA))[
        0
    ]
    assert lifted.shape == (25, 3)
    assert lifted[23:25, 2].mean() == pytest.approx(2.0, rel=0.05)


def test_person_cut_by_the_image_has_larger_sigmas():
    body = person(1.7, (0.3, 0.6, 1.3))  # knees are below the image's edge
    whole = Lifter(LiftOptions(height=1.7)).lift(poses_of(body), CAMERA)
    scores = np.ones(33, np.float32)
    scores[25:] = 0.02
    half = Lifter(LiftOptions(height=1.7)).lift(poses_of(body, scores=scores), CAMERA)
    points = checked(half)[0]
    assert points[23:25, 2].mean() == pytest.approx(1.3, rel=0.05)
    assert np.all(half.camera_sigmas[0, 25:29] > 1.5 * whole.camera_sigmas[0, 25:29])


def test_point_has_all_coordinates_or_none():
    generator = np.random.default_rng(0)
    lifter = Lifter()
    for step in range(60):
        poses = poses_of(person(arm=generator.normal(size=3)))
        keypoints = poses.keypoints + generator.normal(0, 60, poses.keypoints.shape)
        scores = generator.uniform(0, 1, (1, 33))
        lost = generator.random((1, 33)) < 0.1
        world = poses.world + generator.normal(0, 0.1, poses.world.shape)
        if step % 10 == 0:
            keypoints[:] = keypoints[0, 0]  # all in one place
            world[:] = 0.0
        keypoints[lost], scores[lost] = np.nan, 0.0
        depth = None
        if step % 2:
            values = generator.uniform(0, 8, (480, 640)).astype(np.float32)
            values[generator.random(values.shape) < 0.5] = np.nan
            depth = DepthImage(values, "32FC1", step / 30)
        changed = poses.replace(keypoints=keypoints, keypoint_scores=scores, world=world)
        lifted = lifter.lift(changed, CAMERA, step / 30, depth=depth)
        assert lifted.camera is None or checked(lifted).shape == (1, 33, 3)


def test_distorted_camera_gives_the_same_joints():
    import cv2

    bent = Camera(640, 480, CAMERA.matrix, "plumb_bob", np.array([-0.25, 0.08, 0.001, 0, 0]))
    body = person(place=(0.8, 0.1, 3.0))
    poses = poses_of(body)
    zero = np.zeros(3)
    pixels, _ = cv2.projectPoints(body, zero, zero, bent.matrix, bent.distortion)
    seen = poses.replace(keypoints=pixels.reshape(1, 33, 2))
    straight = Lifter(LiftOptions(height=1.7)).lift(poses, CAMERA).camera
    np.testing.assert_allclose(
        Lifter(LiftOptions(height=1.7)).lift(seen, bent).camera, straight, atol=2e-3
    )


def long_armed(**options):
    """Return a person whose arms are longer than most people's by a tenth."""
    usual = person(**options)
    body = np.array(usual)
    for shoulder in (11, 12):
        for joint in range(shoulder + 2, 23, 2):
            body[joint] = usual[shoulder] + 1.1 * (usual[joint] - usual[shoulder])
    return body


def test_bones_are_learned_over_time():
    aside = poses_of(long_armed(arm=(1.0, 0.0, 0.0)))
    body = long_armed(arm=(1.0, 0.0, -1.0))

    def error(lifter, stamp):
        lifted = lifter.lift(poses_of(body), CAMERA, stamp)
        points = lifted.camera[0].astype(np.float64)
        return angle_between(points[15] - points[11], body[15] - body[11])

    options = LiftOptions(height=1.7, smoothing=False)
    unknown = error(Lifter(options), 0.0)
    known, hurried = Lifter(options), Lifter(options)
    for step in range(20):
        known.lift(aside, CAMERA, float(step))
        hurried.lift(aside, CAMERA, step * 1e-4)
    assert error(known, 20.0) < unknown - 2.0
    # the same image many times within a moment teaches little
    assert error(hurried, 0.01) > error(known, 20.1) + 1.0


def test_body_size_stays_constant_without_known_scale():
    generator = np.random.default_rng(3)
    lifter = Lifter(LiftOptions(smoothing=False))
    hips = []
    for step in range(120):
        poses = poses_of(person(1.7, arm=(1.0, 0.0, -0.5)))
        keypoints = poses.keypoints + generator.normal(0, 3.0, poses.keypoints.shape)
        lifted = lifter.lift(poses.replace(keypoints=keypoints), CAMERA, float(step))
        hips.append(lifted.camera[0, 23:25, 2].mean())
    assert np.mean(hips[-30:]) == pytest.approx(np.mean(hips[:30]), rel=0.01)
    assert np.mean(hips) == pytest.approx(3.0, rel=0.03)


def test_height_learned_from_the_floor_lasts_without_it():
    floor = level_floor(1.2, 5.0)
    body = person(1.9, place=(0.2, 0.0, 3.5))
    body[:, 1] -= (floor.camera_height + body[27] @ floor.up - 0.045 * 1.9) / floor.up[1]
    lifter = Lifter(LiftOptions(smoothing=False))
    for step in range(10):
        lifter.lift(poses_of(body), CAMERA, float(step), floor=floor)
    nearer = body + (0.0, 0.0, -1.5)
    reported = lifter.lift(poses_of(nearer), CAMERA, 10.0).camera[0, 23:25, 2].mean()
    blind = Lifter().lift(poses_of(nearer), CAMERA).camera[0, 23:25, 2].mean()
    assert reported == pytest.approx(2.0, rel=0.04)
    assert abs(blind - 2.0) > 0.15


def test_time_jump_back_resets_all_people():
    aside = poses_of(long_armed(arm=(1.0, 0.0, 0.0)))
    lifter = Lifter(LiftOptions(height=1.7))
    first = lifter.lift(aside, CAMERA, 5.0)
    later = [lifter.lift(aside, CAMERA, 5.0 + step) for step in range(1, 10)][-1]
    again = lifter.lift(aside, CAMERA, 3.0)
    np.testing.assert_array_equal(again.camera, first.camera)
    assert not np.array_equal(later.camera, first.camera)
    lifter.reset()
    np.testing.assert_array_equal(lifter.lift(aside, CAMERA, 4.0).camera, first.camera)


def test_joint_that_flickers_does_not_reset_the_filters_of_others():
    depths = np.full((480, 640), 3.0, np.float32)
    body, coco = person(), skeletons.get("coco17")
    rows = [BLAZEPOSE.index(name) for name in coco.keypoints]
    pixels = np.clip(CAMERA.project(body), 0, [639, 479])[rows]

    def spread(flickers):
        lifter, found = Lifter(), []
        noise = np.random.default_rng(3)
        for step in range(60):
            keypoints, scores = pixels[None].copy(), np.ones((1, 17))
            if flickers and step % 2:
                keypoints[0, 0], scores[0, 0] = np.nan, 0.0
            poses = Poses(coco, [0], [1.0], np.zeros((1, 4)), keypoints, scores)
            values = depths + noise.normal(0, 0.1, 1).astype(np.float32)
            stamp = step / 30
            lifted = lifter.lift(poses, CAMERA, stamp, depth=DepthImage(values, "32FC1", stamp))
            found.append(lifted.camera[0, coco.index("left_hip"), 2])
        return np.std(found[20:])

    assert spread(flickers=False) < 0.07
    assert spread(flickers=True) < 1.1 * spread(flickers=False)


def test_smoothing_follows_stamps():
    body = person()

    def spread(period, smoothing):
        lifter = Lifter(LiftOptions(height=1.7, smoothing=smoothing))
        depths = []
        noise = np.random.default_rng(2)
        for step in range(40):
            poses = poses_of(body)
            keypoints = poses.keypoints + noise.normal(0, 2.0, poses.keypoints.shape)
            lifted = lifter.lift(poses.replace(keypoints=keypoints), CAMERA, step * period)
            depths.append(lifted.camera[0, 15, 2])
        return np.std(depths[10:])

    assert spread(1 / 30, True) < 0.7 * spread(1 / 30, False)
    assert spread(1 / 30, True) < spread(3.0, True)


def test_a_picture_without_a_stamp_is_lifted_by_itself():
    lifter, body = Lifter(), person()
    small, large = poses_of(0.8 * body), poses_of(1.1 * body)
    lifter.lift(small, CAMERA, 5.0)
    followed = lifter.lift(small, CAMERA, 6.0)
    for poses in (large, small):  # the same id, and other people
        alone = Lifter().lift(poses, CAMERA).camera
        np.testing.assert_array_equal(lifter.lift(poses, CAMERA).camera, alone)
    with pytest.raises(ImageError, match=r"its stamp, 6.0 s, is that of the image before it"):
        lifter.lift(large, CAMERA, 6.0)
    undisturbed = Lifter()
    for stamp in (5.0, 6.0):
        assert np.any(undisturbed.lift(small, CAMERA, stamp).camera)
    np.testing.assert_array_equal(
        lifter.lift(small, CAMERA, 7.0).camera, undisturbed.lift(small, CAMERA, 7.0).camera
    )
    assert np.any(followed.camera != alone)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"height": 0.2}, "height"),
        ({"height": float("nan")}, "height"),
        ({"max_depth_skew": -0.1}, "max_depth_skew"),
        ({"max_depth_skew": float("nan")}, "max_depth_skew"),
    ],
)
def test_out_of_range_options_are_refused(options, text):
    with pytest.raises(OptionError, match=text):
        LiftOptions(**options)


def test_bad_heights_and_depth_of_another_size_are_refused():
    poses = poses_of(person())
    with pytest.raises(OptionError, match="height"):
        Lifter().lift(poses, CAMERA, heights={0: 9.0})
    with pytest.raises(ImageError, match="finite stamp"):
        Lifter().lift(poses, CAMERA, float("nan"))
    small = DepthImage(np.ones((240, 320), np.float32), "32FC1", 0.0)
    with pytest.raises(ImageError, match="640x480 pixels, got 320x240"):
        Lifter().lift(poses, CAMERA, depth=small)


def test_hand_skeleton_has_no_body_model():
    assert body_model(skeletons.get("blazehand21")) is None
    assert body_model(BLAZEPOSE) is not None


@pytest.mark.parametrize("x", [-2.2, 0.0, 2.2])
def test_arm_length_is_learned_equally_at_the_edge_of_a_wide_image(x):
    wide = Camera.from_hfov(1280, 720, 100.0)
    body = person(arm=(1.0, 0.0, 0.0), place=(0.0, 0.5, 3.0))
    across = np.array([3.0, 0.0, -x]) / np.hypot(3.0, x)  # to the line of sight
    # a person at the edge who holds both arms across the view
    body = body + (x, 0.0, 0.0)
    for shoulder, sign in ((11, 1.0), (12, -1.0)):
        body[shoulder + 2] = body[shoulder] + sign * 1.7 * UPPER_ARM * across
        body[shoulder + 4] = body[shoulder + 2] + sign * 1.7 * FOREARM * across
    lifter = Lifter(LiftOptions(height=1.7, smoothing=False))
    poses = poses_of(body).replace(keypoints=wide.project(body)[None])
    for step in range(20):
        lifted = lifter.lift(poses, wide, float(step))
    points = lifted.camera[0].astype(np.float64)
    assert np.linalg.norm(points[13] - points[11]) == pytest.approx(1.7 * UPPER_ARM, rel=0.08)


def test_arm_misplaced_in_one_image_is_placed_right_in_later_ones():
    poses = poses_of(person())
    keypoints = np.array(poses.keypoints)
    keypoints[0, 13:17] += 5000.0
    lifter = Lifter(LiftOptions(height=1.7, smoothing=False))
    before = checked(lifter.lift(poses, CAMERA, 0.0))
    lifter.lift(poses.replace(keypoints=keypoints), CAMERA, 1.0)
    after = checked(lifter.lift(poses, CAMERA, 2.0))
    np.testing.assert_allclose(after, before, atol=0.02)


def test_arms_are_placed_without_a_visible_face():
    body = person()
    poses = poses_of(body)
    keypoints, scores = np.array(poses.keypoints), np.array(poses.keypoint_scores)
    world = np.array(poses.world)
    keypoints[0, :11], scores[0, :11], world[0, :11] = np.nan, 0.0, np.nan
    faceless = poses.replace(keypoints=keypoints, keypoint_scores=scores, world=world)
    points = checked(Lifter(LiftOptions(height=1.7)).lift(faceless, CAMERA))[0]
    assert angle_between(points[15] - points[11], body[15] - body[11]) < 15.0
