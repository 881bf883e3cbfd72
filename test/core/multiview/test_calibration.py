"""Where cameras stand, from the joints of a drawn person who walks, and from boards."""

import itertools
import math

import numpy as np
import pytest

from pose_ros.core import skeletons
from pose_ros.core.camera import Camera
from pose_ros.core.multiview.boards import (
    BoardTrack,
    CalibrationBoard,
    calibrate_from_board,
    camera_from_board,
)
from pose_ros.core.multiview.calibration import (
    PersonTrack,
    PlaceSigmas,
    calibrate_from_person,
    turned_by,
)
from pose_ros.core.multiview.clock_offset import (
    calibrate_from_people,
    calibrate_with_clocks,
    clock_offsets,
)
from pose_ros.core.multiview.extrinsics import CameraView, Extrinsics
from pose_ros.core.multiview.pairing import is_sure
from pose_ros.errors import OptionError
from pose_ros.synthetic.actor import blend, stride
from pose_ros.synthetic.figure import AVERAGE_HEIGHT, ArmAngles, joints

SKELETON = skeletons.get("blazepose33")
CAMERA = Camera.from_hfov(1280, 720, hfov_degrees=70.0)
ROOM = {
    "a": (-3.0, -2.0, 2.2),
    "b": (-3.0, 2.0, 1.5),
    "c": (3.2, -1.0, 2.0),
    "d": (0.3, 3.5, 1.2),
}  # where cameras stand; each looks at the middle of the room


def looking(name, at=(0.0, 0.0, 1.0), camera=CAMERA):
    center, at = np.array(ROOM[name]), np.array(at)
    forward = (at - center) / np.linalg.norm(at - center)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    turn = np.stack([right, np.cross(forward, right), forward])
    return CameraView(name, camera, Extrinsics(turn, -turn @ center))


def walk(stamps):
    """Return (T, 33, 3) meters of a person who walks an eight, in the room."""
    found = []
    for t in stamps:
        phase = 2.0 * math.pi * t / 12.0
        place = np.array([1.1 * math.sin(phase), 0.8 * math.sin(2.0 * phase), 0.0])
        heading = math.atan2(1.6 * math.cos(2.0 * phase), 1.1 * math.cos(phase))
        raised = stride(2.0 * math.pi * t)._replace(left=UP, right=UP)  # once, as people do
        posture = blend(stride(2.0 * math.pi * t), raised, math.exp(-(((t - 4.6) / 0.5) ** 2)))
        body = joints(posture)
        points = np.stack([body[name] for name in SKELETON.keypoints])
        cos, sin = math.cos(heading), math.sin(heading)
        turn = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
        found.append(points @ turn.T + place)
    return np.array(found)


def second_walk(stamps):
    """Return the same of a smaller person, who begins elsewhere and walks more slowly."""
    return 0.93 * walk(0.81 * np.asarray(stamps) - 2.0) + [0.2, -0.3, 0.0]


def seen(view, stamps, pixels=2.0, seed=0, late=0.0, swapped=0.0, motion=walk):
    """Return a track with noise; a share of its images has left and right exchanged."""
    generator = np.random.default_rng(seed)
    keypoints = view.project(motion(stamps))
    keypoints += generator.normal(0.0, pixels, keypoints.shape)
    mirror = np.arange(len(SKELETON))
    for left, right in SKELETON.left_right:
        mirror[left], mirror[right] = right, left
    first = int(0.4 * len(stamps))
    rows = slice(first, first + int(swapped * len(stamps)))
    keypoints[rows] = keypoints[rows][:, mirror]
    return PersonTrack(view.name, view.camera, np.asarray(stamps) + late, keypoints)


def errors(found, true):
    """Return the largest error of a rotation, in degrees, and of a baseline, as a share."""
    turns, shares = [], []
    for i, j in itertools.combinations(range(len(true)), 2):
        a, b = (true[k].extrinsics for k in (i, j))
        c, d = (found.views[k].extrinsics for k in (i, j))
        turned = turned_by(b.rotation @ a.rotation.T, d.rotation @ c.rotation.T)
        turns.append(math.degrees(turned))
        far = np.linalg.norm(c.center - d.center) / np.linalg.norm(a.center - b.center)
        shares.append(abs(far - 1.0))
    return max(turns), max(shares)


UP = ArmAngles(upper_elevation=150.0, fore_elevation=170.0)
STAMPS = np.arange(0.0, 12.0, 0.1)


@pytest.mark.parametrize("names", ["ab", "ac", "abcd"])  # abc: with the height, below
def test_cameras_are_calibrated_with_a_person_who_walks(names):
    views = [looking(name) for name in names]
    tracks = [seen(view, STAMPS, seed=i) for i, view in enumerate(views)]
    baseline = (0, 1, float(np.linalg.norm(np.subtract(ROOM[names[0]], ROOM[names[1]]))))
    found = calibrate_from_person(tracks, SKELETON, baseline=baseline)
    turn, share = errors(found, views)
    assert turn < 0.5
    assert share < 0.01
    for fit in found.fits:
        assert 0.5 < fit.median_pixels < 4.0
        assert fit.frames >= 20


def test_height_gives_the_scale_and_feet_give_floor_and_gravity():
    views = [looking(name) for name in "abc"]
    tracks = [seen(view, STAMPS, seed=i) for i, view in enumerate(views)]
    found = calibrate_from_person(tracks, SKELETON, height=AVERAGE_HEIGHT)
    _, share = errors(found, views)
    assert share < 0.04  # the drawn person's bones are not quite those of the body model
    assert found.floor == 0.0
    up = views[0].extrinsics.rotation @ [0.0, 0.0, 1.0]
    off = math.acos(up @ found.views[0].extrinsics.rotation @ found.up)
    assert math.degrees(off) < 1.0
    assert off < 2.0 * found.up_sigma < math.radians(6.0)
    height = found.views[0].extrinsics.center[2] - ROOM["a"][2]
    assert abs(height) < 3.0 * found.floor_sigma < 0.6
    for view in found.views:
        assert view.extrinsics.center[2] == pytest.approx(ROOM[view.name][2], rel=0.05)
    assert not any("not known" in note for note in found.notes)


def test_left_and_right_swapped_in_a_third_of_one_view_keep_the_calibration_right():
    views = [looking(name) for name in "ac"]
    tracks = [seen(views[0], STAMPS), seen(views[1], STAMPS, seed=1, swapped=0.35)]
    found = calibrate_from_person(
        tracks, SKELETON, baseline=(0, 1, math.dist(*map(ROOM.get, "ac")))
    )
    turn, share = errors(found, views)
    assert turn < 0.7
    assert share < 0.01


def test_clock_offset_is_found_by_motion():
    views = [looking(name) for name in "ab"]
    tracks = [seen(views[0], STAMPS), seen(views[1], np.arange(0.03, 12.0, 0.08), 2.0, 1, 1.73)]
    near = [clock.seconds for clock in clock_offsets(*tracks)]
    assert min(abs(seconds + 1.73) for seconds in near) < 0.06
    found = calibrate_with_clocks(tracks, SKELETON, height=1.75)
    assert found.offsets[0] == 0.0
    assert found.offsets[1] == pytest.approx(-1.73, abs=0.01)
    assert abs(found.offsets[1] + 1.73) < 3.0 * found.fits[1].clock_sigma < 0.1
    assert errors(found, views)[0] < 0.7


def test_equal_clocks_get_no_offset():
    views = [looking(name) for name in "ab"]
    tracks = [seen(view, STAMPS, seed=i) for i, view in enumerate(views)]
    found = calibrate_with_clocks(tracks, SKELETON, height=1.78)
    assert np.abs(found.offsets).max() < 0.01


def test_clock_offset_of_late_images_is_found_together_with_the_extrinsics():
    views = [looking(name) for name in "abc"]
    tracks = [seen(view, STAMPS, seed=i) for i, view in enumerate(views)]
    late = seen(views[1], STAMPS, seed=1, late=0.12)
    options = {"baseline": (0, 2, math.dist(*map(ROOM.get, "ac")))}
    found = calibrate_from_person(
        [tracks[0], late, tracks[2]], SKELETON, **options, solve_clocks=True
    )
    assert found.offsets == pytest.approx([0.0, -0.12, 0.0], abs=0.01)
    assert errors(found, views)[0] < 0.5
    # clocks that are given are not touched
    given = calibrate_from_person(tracks, SKELETON, **options, offsets=[0.0, 0.0, 0.0])
    np.testing.assert_array_equal(given.offsets, np.zeros(3))
    assert math.isnan(given.fits[1].clock_sigma)


def test_person_who_stands_still_is_not_enough_and_a_note_says_so():
    views = [looking(name) for name in "ab"]
    still = np.repeat(walk([0.0]), len(STAMPS), axis=0)
    generator = np.random.default_rng(0)
    tracks = [
        PersonTrack(
            v.name, CAMERA, STAMPS, v.project(still) + generator.normal(0.0, 2.0, (120, 33, 2))
        )
        for v in views
    ]
    found = calibrate_from_person(tracks, SKELETON, height=1.78)
    assert any("walk about" in note for note in found.notes)


def test_cameras_that_see_the_person_at_different_times_are_refused_by_name():
    views = [looking(name) for name in "abc"]
    tracks = [seen(view, STAMPS) for view in views]
    hidden = tracks[2].keypoints.copy()
    hidden[4:] = np.nan
    tracks[2] = PersonTrack("c", CAMERA, STAMPS, hidden)
    with pytest.raises(OptionError, match="c sees the person together with another camera in"):
        calibrate_from_person(tracks, SKELETON)
    with pytest.raises(OptionError, match="two or more cameras"):
        calibrate_from_person(tracks[:1], SKELETON)
    with pytest.raises(OptionError, match="height must be in"):
        calibrate_from_person(tracks[:2], SKELETON, height=17.5)


def test_meters_of_an_unknown_person_are_a_guess_and_a_note_says_so():
    tracks = [seen(looking(name), STAMPS, seed=i) for i, name in enumerate("ab")]
    found = calibrate_from_person(tracks, SKELETON)
    assert any("no height and no baseline" in note for note in found.notes)


def part_of(track, first, last):
    """Return a track that shows its person in some of its images only."""
    keypoints = np.full_like(track.keypoints, np.nan)
    keypoints[first:last] = track.keypoints[first:last]
    return PersonTrack(track.name, track.camera, track.stamps, keypoints)


def two_people(views, late=(0.0, 0.0, 0.0)):
    """Return the tracks of two people in each camera, in another order in every second one."""
    cameras = []
    for i, view in enumerate(views):
        tracks = [
            seen(view, STAMPS - late[i], seed=2 * i, late=late[i]),
            seen(view, STAMPS - late[i], seed=2 * i + 1, late=late[i], motion=second_walk),
        ]
        cameras.append(tracks[:: -1 if i % 2 else 1])
    return cameras


def test_cameras_of_several_kinds_are_calibrated_with_two_people_at_once():
    views = [
        looking("a"),
        looking("b", camera=Camera.from_hfov(800, 600, hfov_degrees=85.0)),
        looking("c", camera=Camera.from_hfov(640, 360, hfov_degrees=60.0)),
    ]
    cameras = two_people(views, late=(0.0, 0.05, 0.1))
    # one leaves midway, and the ids of the other change
    first, other = cameras[0]
    cameras[0] = [part_of(first, 0, 70), other, part_of(first, 70, 120)]
    cameras[1][0] = part_of(cameras[1][0], 0, 60)
    found = calibrate_from_people(cameras, SKELETON, height=0.965 * AVERAGE_HEIGHT, max_offset=1.0)
    turn, share = errors(found, views)
    assert turn < 0.7
    assert share < 0.04  # as of one person: the drawn bones are not quite those of the body model
    assert found.offsets == pytest.approx([0.0, -0.05, -0.1], abs=0.015)


def test_two_people_are_paired_in_cameras_that_face_each_other_and_begin_apart():
    views = [looking(name) for name in "ac"]
    cameras = two_people(views)
    cameras[1] = [
        PersonTrack(t.name, t.camera, t.stamps[15:] - 1.5, t.keypoints[15:]) for t in cameras[1]
    ]
    baseline = (0, 1, math.dist(ROOM["a"], ROOM["c"]))
    found = calibrate_from_people(cameras, SKELETON, baseline=baseline)
    assert found.offsets == pytest.approx([0.0, 1.5], abs=0.015)
    assert errors(found, views)[0] < 0.7
    assert any("may be off by twice what is stated" in note for note in found.notes)


def test_few_people_widen_their_sigmas():
    sigmas = PlaceSigmas([math.nan, 0.01], [math.nan, 0.02], [math.nan, math.nan])
    # 84.1% of Student's t with one and with four degrees of freedom
    assert sigmas.of_few(2).turns[1] == pytest.approx(0.01837, rel=1e-3)
    assert sigmas.of_few(5).shares[1] == pytest.approx(0.02283, rel=1e-3)


def test_people_who_are_in_one_view_only_are_refused_by_the_camera():
    a, b = (looking(name) for name in "ab")
    cameras = [[seen(a, STAMPS)], [seen(b, STAMPS, motion=second_walk)]]
    with pytest.raises(OptionError, match="the people of b cannot be found in a"):
        calibrate_from_people(cameras, SKELETON, offsets=[0.0, 0.0])
    with pytest.raises(OptionError, match="b sees no person in 8 images"):
        calibrate_from_people([cameras[0], [part_of(cameras[1][0], 0, 4)]], SKELETON)


def test_cameras_that_share_one_person_for_a_short_time_only_are_refused():
    a, b = (looking(name) for name in "ab")
    cameras = [[seen(a, STAMPS[:20], pixels=0.5)], [seen(b, STAMPS[:20], pixels=0.5, seed=1)]]
    with pytest.raises(OptionError, match="a shares one person only with other cameras"):
        calibrate_from_people(cameras, SKELETON, offsets=[0.0, 0.0])


def test_the_only_person_of_two_cameras_is_one_who_fits_well_and_walks_about():
    views = [looking(name) for name in "ab"]
    a, b = views

    def sure(*tracks):
        return is_sure(tracks, SKELETON, [0.0, 0.0], views, 1)

    assert sure(seen(a, STAMPS), seen(b, STAMPS, seed=1))
    assert not sure(seen(a, STAMPS), seen(b, STAMPS, motion=second_walk))
    assert not sure(seen(a, STAMPS, pixels=15.0), seen(b, STAMPS, pixels=15.0, seed=1))

    def standing(stamps):
        return np.repeat(walk(stamps[:1]), len(stamps), axis=0)

    assert not sure(seen(a, STAMPS, motion=standing), seen(b, STAMPS, seed=1, motion=standing))


def board_tracks(board, views, count=24, seed=0):
    """Return what cameras see of a board that is turned about, with noise."""
    generator = np.random.default_rng(seed)
    seen: dict[str, list[np.ndarray]] = {view.name: [] for view in views}
    for _ in range(count):
        # it faces the middle between the cameras, up to 30 degrees off
        middle = np.mean([view.extrinsics.center for view in views], axis=0)
        normal = middle - [0.0, 0.0, 1.0]
        normal = normal / np.linalg.norm(normal) + generator.uniform(-0.4, 0.4, 3)
        normal /= np.linalg.norm(normal)
        right = np.cross([0.0, 0.0, 1.0], normal)
        right /= np.linalg.norm(right)
        axes = np.stack([right, -np.cross(normal, right), -normal], axis=1)
        place = np.array([0.0, 0.0, 1.0]) + generator.uniform(-0.5, 0.5, 3)
        points = board.corners @ axes.T + place
        for view in views:
            pixels = view.project(points) + generator.normal(0.0, 0.2, (len(points), 2))
            seen[view.name].append(pixels)
    stamps = np.arange(count, dtype=float)
    return [
        BoardTrack(v.name, (1280, 720), v.camera, stamps, np.array(seen[v.name])) for v in views
    ]


@pytest.mark.parametrize("text", ["charuco:5x7:0.08:0.06", "checkerboard:8x6:0.06"])
def test_cameras_are_calibrated_with_a_board(text):
    board = CalibrationBoard.parse(text)
    views = [looking(name) for name in "ab"]
    tracks = board_tracks(board, views)
    if board.marker is None:  # the end that its corners are counted from is not known
        corners = tracks[1].corners.copy()
        corners[::3] = corners[::3, ::-1]
        tracks[1] = BoardTrack("b", (1280, 720), CAMERA, tracks[1].stamps, corners)
    found = calibrate_from_board(tracks, board)
    turn, share = errors(found, views)
    assert turn < 0.2
    assert share < 0.005
    assert found.fits[1].rotation_sigma < math.radians(0.3)


def test_intrinsics_are_calibrated_with_a_board():
    board = CalibrationBoard.parse("charuco:6x8:0.1:0.07")
    (track,) = board_tracks(board, [looking("a", at=(0.0, 0.0, 1.0))], count=30)
    unknown = BoardTrack("a", track.size, None, track.stamps, track.corners)
    found = camera_from_board(unknown, board)
    assert found.matrix[0, 0] == pytest.approx(CAMERA.matrix[0, 0], rel=0.03)
    few = BoardTrack("a", track.size, None, track.stamps[:3], track.corners[:3])
    with pytest.raises(OptionError, match="a sees the board in 3 images"):
        camera_from_board(few, board)


def test_cameras_that_never_see_the_board_together_are_refused():
    board = CalibrationBoard.parse("checkerboard:8x6:0.06")
    first, second = board_tracks(board, [looking(name) for name in "ab"])
    apart = BoardTrack("b", second.size, CAMERA, second.stamps + 100.0, second.corners)
    with pytest.raises(OptionError, match="only 0 instants have the board in two views"):
        calibrate_from_board([first, apart], board)


@pytest.mark.parametrize("text", ["charuco:5x7:0.08:0.06", "checkerboard:8x6:0.06"])
def test_drawn_board_is_found_at_its_true_place(text):
    board = CalibrationBoard.parse(text)
    image = board.draw(1000.0)
    found = board.find(image)
    assert np.isfinite(found).all()
    apart = np.linalg.norm(found[1] - found[0])
    assert apart == pytest.approx(1000.0 * board.square, rel=0.02)
    assert board.find(np.full((480, 640, 3), 255, np.uint8)) is None


@pytest.mark.parametrize(
    "text",
    ["", "charuco", "charuco:5x7:0.04", "checkerboard:8x6", "checkerboard:8:0.02", "disc:8x6:0.02",
     "charuco:5x7:0.04:0.05", "checkerboard:8x6:-1", "charuco:5x7:0.04:0.03:DICT_NONE"],
)  # fmt: skip
def test_invalid_board_is_refused_in_one_line(text):
    with pytest.raises(OptionError) as error:
        CalibrationBoard.parse(text)
    assert "\n" not in str(error.value)
