"""The decoder on maps that are drawn, so the place of each person is known."""

import dataclasses

import numpy as np
import pytest

from pose_ros.core import skeletons
from pose_ros.core.contract import Contract, ImageInput, Value
from pose_ros.core.types import Session
from pose_ros.errors import ModelError
from pose_ros.networks.posenet import EDGES, SKELETON, decode, decode_single, decoder
from pose_ros.networks.registry import FAMILIES
from pose_ros.settings.estimation import EstimatorOptions

REACH = 32.0  # pixels around a part in which offsets and displacements lead from it
PERSON = np.array(
    [(0, -80), (5, -86), (-5, -86), (12, -82), (-12, -82), (24, -58), (-24, -58)]
    + [(34, -22), (-34, -22), (38, 12), (-38, 12), (14, 10), (-14, 10)]
    + [(16, 52), (-16, 52), (17, 94), (-17, 94)],
    np.float64,
)
"""A person upright around the waist, 180 pixels high."""


def person(x, y, scale=1.0):
    return PERSON * scale + (x, y)


def draw(people, width, height, stride, odds=4.0):
    """Draw the maps of people; each cell describes the nearest part.

    Args:
        people: (17, 2) pixels of the input each; parts beyond it leave no heat.
        width, height: Of the input.
        stride: Pixels from cell to cell.
        odds: Log odds on a part, for all people or for each.
    """
    rows, columns = -(-height // stride), -(-width // stride)
    ys, xs = np.mgrid[:rows, :columns] * float(stride)
    heatmaps = np.full((17, rows, columns), -6.0)
    offsets = np.zeros((34, rows, columns))
    forward, backward = np.zeros((2, 32, rows, columns))
    if people:
        parts = np.array(people)
        ways = parts[:, :, None, None] - np.stack([xs, ys], axis=2)  # (N, 17, h, w, 2)
        distances = np.hypot(ways[..., 0], ways[..., 1])
        near = distances.min(axis=0) < max(REACH, 1.5 * stride)
        inside = ((parts >= 0) & (parts < (width, height))).all(axis=2)
        heat = np.broadcast_to(odds, len(people))[:, None] * np.where(inside, 1, np.nan)
        heat = np.nanmax(
            np.nan_to_num(heat[:, :, None, None] - (distances / stride) ** 2, nan=-6), axis=0
        )
        heatmaps = np.where(near, np.maximum(heat, -6), heatmaps)
        whose = distances.argmin(axis=0)
        for part in range(17):
            way = np.take_along_axis(ways[:, part], whose[part][None, ..., None], axis=0)[0]
            offsets[[17 + part, part]] = np.where(near[part], way.transpose(2, 0, 1), 0)
        for e, (parent, child) in enumerate(EDGES):
            for field, a, b in ((forward, parent, child), (backward, child, parent)):
                way = (parts[:, b] - parts[:, a])[whose[a]]
                field[[16 + e, e]] = np.where(near[a], way.transpose(2, 0, 1), 0)
    return [maps.astype(np.float32) for maps in (heatmaps, offsets, forward, backward)]


def find(maps, stride, **options):
    heatmaps, offsets, forward, backward = maps
    return decode(heatmaps, offsets, forward, backward, stride, **options)


def assert_found(found, people, atol=0.01):
    """Check that exactly these people were found, in any order."""
    assert len(found.scores) == len(people)
    for points in people:
        distance = np.abs(found.keypoints - points).max(axis=(1, 2))
        assert distance.min() < atol


@pytest.mark.parametrize(
    ("stride", "width", "height"),
    [(8, 257, 321), (16, 481, 353), (16, 480, 352), (32, 641, 481), (32, 513, 257)],
)
def test_several_people_are_exact_at_every_stride_and_size(stride, width, height):
    people = [person(width * 0.2, height * 0.5, 0.8), person(width * 0.75, height * 0.45, 0.9)]
    found = find(draw(people, width, height, stride), stride)
    assert_found(found, people)
    assert found.keypoint_scores.shape == (2, 17)
    assert found.keypoint_scores.min() > 0.8
    np.testing.assert_allclose(found.scores, found.keypoint_scores.mean(axis=1), atol=1e-6)
    assert found.scores[0] >= found.scores[1]


def test_twelve_people_are_all_found():
    people = [person(70 + 115 * (i % 4), 80 + 125 * (i // 4), 0.6) for i in range(12)]
    assert_found(find(draw(people, 513, 417, 16), 16), people)


@pytest.mark.parametrize("root", range(17))
def test_each_part_is_reached_from_any_other_by_displacements(root):
    heatmaps, *rest = draw([person(240, 180)], 481, 353, 16)
    heatmaps[np.arange(17) != root] = -1.0  # a person is found by this part alone
    found = find([heatmaps, *rest], 16, threshold=0.1)
    assert_found(found, [person(240, 180)])
    assert found.keypoint_scores[0].argmax() == root


def test_person_cut_by_the_border_has_exact_visible_and_unsure_hidden_parts():
    points = person(240, 320)  # the hips are the last that is in the image
    found = find(draw([points], 481, 353, 16), 16)
    seen = points[:, 1] < 353
    assert seen.sum() == 13
    np.testing.assert_allclose(found.keypoints[0][seen], points[seen], atol=0.01)
    assert found.keypoint_scores[0][seen].min() > 0.8
    # guesses, but not beyond the last row of cells and hardly believed
    assert found.keypoints[0][:, 1].max() <= 352
    assert found.keypoint_scores[0][15:].max() < 0.1
    assert 0.6 < found.scores[0] < 0.8


def test_two_people_of_which_one_hides_the_other_are_both_found():
    front, back = person(240, 180), person(275, 172, 0.95)
    maps = draw([front, back], 481, 353, 16)
    found = find(maps, 16)
    assert len(found.scores) == 2
    by_left = found.keypoints[np.argsort(found.keypoints[:, 0, 0])]
    # of the one behind, the parts that lie nearer to the other's are taken for those
    apart = np.hypot(*(front - back).T) > 1.5 * REACH
    np.testing.assert_allclose(by_left[0], front, atol=8)
    assert np.abs(by_left[1] - back)[apart].size == 0 or np.abs(by_left[1] - back)[apart].max() < 8


def test_part_shared_by_two_people_belongs_to_the_one_with_the_better_score():
    first, second = person(160, 180), person(320, 180)
    wrist, other = SKELETON.index("left_wrist"), SKELETON.index("right_wrist")
    second[other] = second[wrist] = first[wrist] = (235, 190)  # they shake hands, as it were
    maps = draw([first, second], 481, 353, 16, odds=[5, 3])
    found = find(maps, 16, way_back=None)
    assert_found(found, [first, second])
    better, worse = found.scores
    assert better == pytest.approx(found.keypoint_scores[0].mean(), abs=1e-6)
    shared = found.keypoint_scores[1][wrist]
    assert worse == pytest.approx(found.keypoint_scores[1].mean() - shared / 17, abs=1e-6)
    # and from that hand the way back leads to the arm of the better one
    assert np.isnan(find(maps, 16).keypoints[1]).any(axis=1).nonzero()[0].tolist() == [wrist]


def test_person_found_twice_is_returned_once():
    points = person(240, 180)
    heatmaps, *rest = draw([points], 481, 353, 16)
    elbow = SKELETON.index("left_elbow")
    x, y = 26, 6  # an elbow far off, from which the way leads to the same body
    heatmaps[elbow, y, x] = 3.0
    for field in rest[1:]:
        for e, (parent, child) in enumerate(EDGES):
            source = parent if field is rest[1] else child
            target = child if field is rest[1] else parent
            if source == elbow:
                dx, dy = points[target] - (16 * x, 16 * y)
                field[e, y, x], field[16 + e, y, x] = dy, dx
    assert len(find([heatmaps, *rest], 16, threshold=0.0).scores) == 2
    twice = find([heatmaps, *rest], 16, threshold=0.05)
    assert twice.scores[1] == pytest.approx(twice.keypoint_scores[1][elbow] / 17, abs=1e-6)
    assert_found(find([heatmaps, *rest], 16), [points])


def test_displacement_that_leads_to_another_person_is_rejected():
    left, right = person(150, 180), person(330, 180)
    heatmaps, offsets, forward, backward = draw([left, right], 481, 353, 16, odds=[4, 3])
    knee, hip, ankle = (SKELETON.index(f"left_{name}") for name in ("knee", "hip", "ankle"))
    edge = EDGES.index((hip, knee))
    # from one person's hip to the other's knee; the way back leads to the other's hip
    near = np.hypot(*(left[hip] - np.mgrid[:23, :31][::-1].transpose(1, 2, 0) * 16).T).T < 40
    dx, dy = right[knee] - left[hip]
    forward[edge][near], forward[16 + edge][near] = dy, dx
    wrong = np.zeros(17, bool)
    wrong[[knee, ankle]] = True
    maps = heatmaps, offsets, forward, backward
    trusting = find(maps, 16, way_back=None)
    np.testing.assert_allclose(trusting.keypoints[1][wrong], right[wrong], atol=0.01)
    found = find(maps, 16)
    assert len(found.scores) == 2
    by_left = found.keypoints[np.argsort(found.keypoints[:, 0, 0])]
    np.testing.assert_allclose(by_left[0][~wrong], left[~wrong], atol=0.01)
    assert np.isnan(by_left[0][wrong]).all()
    np.testing.assert_allclose(by_left[1], right, atol=0.01)
    assert (np.sort(found.keypoint_scores[:, knee]) > 0.5).tolist() == [False, True]


@pytest.mark.parametrize(("radius", "count"), [(20.0, 1), (5.0, 2)])
def test_parts_within_the_radius_belong_to_one_person(radius, count):
    people = [person(240, 180), person(252, 180)]
    maps = draw(people, 481, 353, 4)
    found = find(maps, 4, nms_radius=radius, threshold=0.3)
    assert len(found.scores) == count


def test_pose_and_keypoint_thresholds_apply():
    maps = draw([person(120, 180), person(360, 180)], 481, 353, 16, odds=[4, -0.5])
    assert len(find(maps, 16, threshold=0.1).scores) == 1  # no part of the other is likely
    assert len(find(maps, 16, threshold=0.1, root_threshold=0.2).scores) == 2
    assert len(find(maps, 16, threshold=0.5, root_threshold=0.2).scores) == 1


def test_empty_maps_give_no_people():
    found = find(draw([], 481, 353, 16), 16)
    assert found.keypoints.shape == (0, 17, 2)
    assert found.keypoint_scores.shape == (0, 17)
    assert found.scores.shape == (0,)


def test_maps_of_a_single_cell_are_decoded():
    maps = [np.full((c, 1, 1), v, np.float32) for c, v in ((17, 3), (34, 0), (32, 9), (32, 9))]
    found = find(maps, 32)
    np.testing.assert_array_equal(found.keypoints, np.zeros((1, 17, 2)))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("which", range(4))
def test_values_that_are_not_finite_leave_other_people_intact(which, value):
    people = [person(120, 180), person(360, 180)]
    maps = draw(people, 481, 353, 16)
    maps[which][:, :, : maps[which].shape[2] // 2] = value  # where the first one is
    found = find(maps, 16)
    assert np.isfinite(found.scores).all()
    assert np.isfinite(found.keypoint_scores).all()
    assert np.nanmin(np.abs(found.keypoints - people[1]).max(axis=(1, 2))) < 0.01


def test_flat_maps_are_decoded_without_error():
    flat = [np.zeros((c, 46, 81), np.float32) for c in (17, 34, 32, 32)]
    assert len(find(flat, 16, threshold=0.4).scores) > 10
    assert len(find(flat, 16, threshold=0.6).scores) == 0


def test_single_person_is_decoded_without_displacements():
    points = person(240, 180)
    heatmaps, offsets, *_ = maps = draw([points], 481, 353, 16)
    single = decode_single(heatmaps, offsets, 16)
    assert_found(single, [points])
    np.testing.assert_allclose(single.keypoints, find(maps, 16).keypoints, atol=0.01)
    heatmaps, offsets, *_ = draw([], 481, 353, 16)
    nobody = decode_single(heatmaps, offsets, 16)
    assert nobody.scores.shape == (1,)
    assert nobody.scores[0] < 0.01


def test_memory_layout_of_maps_does_not_change_the_result():
    maps = draw([person(240, 180)], 481, 353, 16)
    other = [np.ascontiguousarray(m.transpose(1, 2, 0)).transpose(2, 0, 1) for m in maps]
    np.testing.assert_array_equal(find(other, 16).keypoints, find(maps, 16).keypoints)


@pytest.mark.parametrize(
    ("which", "shape", "message"),
    [
        (0, (18, 23, 31), r"heatmaps of shape \(17, h, w\), got \(18, 23, 31\)"),
        (0, (17, 0, 31), r"heatmaps of shape \(17, h, w\), got \(17, 0, 31\)"),
        (1, (34, 31, 23), r"\(17, 23, 31\) need offsets of shape \(34, 23, 31\), got \(34, 31, 23"),
        (2, (17, 23, 31), r"need forward displacements of shape \(32, 23, 31\), got \(17, 23"),
        (3, (32, 23, 30), r"need backward displacements of shape \(32, 23, 31\), got \(32, 23, 30"),
    ],
)
def test_shapes_that_do_not_fit_give_one_error(which, shape, message):
    maps = draw([person(240, 180)], 481, 353, 16)
    maps[which] = np.zeros(shape, np.float32)
    with pytest.raises(ModelError, match=message):
        find(maps, 16)


class Oracle:
    """A network that gives the maps of the people that a test sets."""

    provider = "cpu"

    def __init__(self, outputs):
        self.outputs = outputs

    def run(self, *inputs):
        assert inputs[0].shape == (1, 3, 353, 481)
        return self.outputs


def values(**shapes):
    return tuple(Value(name, name, (1, *shape)) for name, shape in shapes.items())


IMAGE = Value("image", "image", (1, 3, 353, 481), image=ImageInput(481, 353))
SEPARATE = values(
    heatmaps=(17, 23, 31), offsets=(34, 23, 31), forward=(32, 23, 31), backward=(32, 23, 31)
)
JOINED = values(displacements=(64, 23, 31), offsets=(34, 23, 31), heatmaps=(17, 23, 31))
LAST = values(heatmaps=(23, 31, 17), offsets=(23, 31, 34), displacements=(23, 31, 64))
CONTRACT = Contract(
    "oracle", SKELETON, 0.3, inputs={"network": (IMAGE,)}, outputs={"network": SEPARATE}
)


def as_outputs(maps, outputs):
    """Return drawn maps as a network gives them that has these outputs."""
    heatmaps, offsets, forward, backward = maps
    by_name = {
        "heatmaps": heatmaps,
        "offsets": offsets,
        "forward": forward,
        "backward": backward,
        "displacements": np.concatenate([forward, backward]),
    }
    arrays = [by_name[value.name][None] for value in outputs]
    return [
        array if array.shape == value.shape else array.transpose(0, 2, 3, 1)
        for array, value in zip(arrays, outputs, strict=True)
    ]


@pytest.mark.parametrize("outputs", [SEPARATE, JOINED, LAST])
@pytest.mark.parametrize("scores", ["log_odds", "probabilities"])
def test_estimator_returns_the_people_of_the_maps(outputs, scores):
    points = person(150, 150), person(340, 150)
    heatmaps, *rest = draw(points, 481, 353, 16)
    if scores == "probabilities":
        heatmaps = 1 / (1 + np.exp(-heatmaps))
    contract = dataclasses.replace(
        CONTRACT, outputs={"network": outputs}, settings={"scores": scores}
    )
    sessions: dict[str, Session] = {"network": Oracle(as_outputs([heatmaps, *rest], outputs))}
    estimator = FAMILIES["posenet"].make(contract, sessions, EstimatorOptions(max_people=5))
    poses = estimator.estimate(np.zeros((2 * 353, 2 * 481, 3), np.uint8))
    assert (poses.skeleton.name, len(poses)) == ("coco17", 2)
    for truth in points:
        distance = np.abs(poses.keypoints - ((truth + 0.5) * 2 - 0.5)).max(axis=(1, 2))
        assert distance.min() < 0.05


def test_parts_below_the_threshold_are_missing():
    contract = CONTRACT
    maps = draw([person(240, 320)], 481, 353, 16)
    people = decoder(contract)(as_outputs(maps, SEPARATE), 0.3)
    unseen = np.isnan(people.keypoints[0]).any(axis=1)
    assert unseen.tolist() == [False] * 13 + [True] * 4
    assert (people.keypoint_scores[0] == 0).tolist() == unseen.tolist()


def test_network_without_displacements_gives_one_person():
    outputs = SEPARATE[:2]
    contract = dataclasses.replace(CONTRACT, outputs={"network": outputs})
    people = decoder(contract)
    assert_found(people(draw_outputs([person(240, 180)], outputs), 0.3), [person(240, 180)])
    assert len(people(draw_outputs([], outputs), 0.3).scores) == 0


def draw_outputs(people, outputs):
    return as_outputs(draw(people, 481, 353, 16), outputs)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"outputs": {"network": SEPARATE[:1]}},
            "expected the outputs heatmaps, offsets and, for ",
        ),
        ({"outputs": {"network": SEPARATE[:3]}}, "got heatmaps, offsets, forward"),
        ({"outputs": {}}, "got none"),
        ({"skeleton": skeletons.get("trt_body18")}, "finds coco17, not trt_body18"),
        (
            {"outputs": {"network": (*SEPARATE[:3], *values(backward=(34, 23, 31)))}},
            r"backward of shape \(1, 32, h, w\) or \(1, h, w, 32\), got \(1, 34, 23, 31\)",
        ),
        (
            {"outputs": {"network": (*SEPARATE[:3], *values(backward=(32, 23, 30)))}},
            r"need backward displacements of shape \(32, 23, 31\), got \(32, 23, 30\)",
        ),
        (
            {"outputs": {"network": values(heatmaps=(17, 23, 32), offsets=(34, 23, 32))}},
            "maps of 32 x 23 cells for an image of 481 x 353 pixels have none of the strides 8, 16",
        ),
        ({"settings": {"stride": 10}}, r"decoder: expected a stride of \(8, 16, 32\), got 10"),
        ({"settings": {"stride": "16"}}, "decoder.stride: expected a whole number, got '16'"),
        ({"settings": {"scores": "logits"}}, "decoder.scores: expected log_odds or probabilities"),
        ({"settings": {"nms_radius": 0}}, "decoder: expected an nms_radius above 0 pixels, got 0"),
        ({"settings": {"radius": 9}}, "decoder.radius: no such setting; known: stride, scores,"),
    ],
)
def test_wrong_card_gives_one_error(changes, message):
    with pytest.raises(ModelError, match=f"oracle: .*{message}|{message}"):
        decoder(dataclasses.replace(CONTRACT, **changes))
