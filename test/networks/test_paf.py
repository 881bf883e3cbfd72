"""Part affinity fields: from maps that are drawn back to the people."""

import numpy as np
import pytest

from pose_ros.core import skeletons
from pose_ros.core.contract import Contract, ImageInput, Value
from pose_ros.errors import ModelError, OptionError
from pose_ros.networks.paf import Topology, decode, find_peaks, score_links, topology
from pose_ros.networks.registry import FAMILIES
from pose_ros.settings.estimation import EstimatorOptions

SIZE = np.array([64, 48], np.float32)
CHAIN = Topology(3, ((0, 1), (1, 2)), ((1, 0), (3, 2)))


def draw(topology, people, height=48, width=64, background=False):
    """Draw people (N, C, 2), x and y in cells from the maps' edge, NaN where not visible.

    A part is a bell of one cell, a link a bar of unit vectors two cells wide.
    """
    y, x = np.mgrid[:height, :width] + 0.5
    cmap = np.zeros((topology.parts + background, height, width), np.float32)
    paf = np.zeros((topology.channels, height, width), np.float32)
    for person in people:
        for part, (px, py) in enumerate(person):
            if np.isfinite(px):
                bell = np.exp(-((x - px) ** 2 + (y - py) ** 2) / 2)
                cmap[part] = np.maximum(cmap[part], bell)
        for (a, b), (channel_x, channel_y) in zip(topology.links, topology.fields, strict=True):
            way = person[b] - person[a]
            length = np.hypot(*way)
            if not length > 0:
                continue
            unit = way / length
            along = (x - person[a][0]) * unit[0] + (y - person[a][1]) * unit[1]
            across = (x - person[a][0]) * unit[1] - (y - person[a][1]) * unit[0]
            bar = (np.abs(across) <= 1) & (along >= -1) & (along <= length + 1)
            paf[channel_x][bar] = unit[0]
            paf[channel_y][bar] = unit[1]
    if background:
        cmap[-1] = 1 - cmap[:-1].max(axis=0)
    return cmap, paf


def scatter(parts, count, seed, height=48, width=64):
    """Return people (count, parts, 2) side by side, their parts at random places apart."""
    rng = np.random.default_rng(seed)
    people = np.empty((count, parts, 2), np.float32)
    for i in range(count):
        left, right = width * i / count + 3, width * (i + 1) / count - 3
        grid = np.stack(np.meshgrid(np.arange(left, right, 4), np.arange(3, height - 3, 4)), -1)
        places = grid.reshape(-1, 2)
        people[i] = places[rng.permutation(len(places))[:parts]] + rng.uniform(-0.5, 0.5, 2)
    return people


def people_of(objects):
    """In the order of their leftmost parts, in cells."""
    return objects[np.argsort(np.nanmin(objects[:, :, 0], axis=1))] * SIZE


@pytest.mark.parametrize(
    "name", ["trt_body18", "trt_hand21", "openpose_coco18", "openpose_body25", "coco17"]
)
@pytest.mark.parametrize("careful", [False, True])
def test_people_of_each_topology_are_decoded(name, careful):
    skeleton = skeletons.get(name)
    layout = topology(skeleton)
    people = scatter(len(skeleton), 2, seed=3)
    hidden = "left_wrist" if "left_wrist" in skeleton.keypoints else "thumb_tip"
    people[1, skeleton.index(hidden)] = np.nan
    cmap, fields = draw(layout, people, background=name.startswith("openpose"))
    found = decode(cmap, fields, skeleton, careful=careful, min_parts=3).xy
    assert found.shape == people.shape
    found = people_of(found)
    assert np.array_equal(np.isnan(found), np.isnan(people))
    # a bell of one cell is cut by its window of five
    assert np.nanmax(np.abs(found - people)) < 0.35


@pytest.mark.parametrize(
    ("skeleton", "a", "b", "x", "y"),
    [
        # published orders: OpenPose's lists of channels, and trt_pose's rows before columns
        ("openpose_coco18", "right_hip", "right_knee", 2, 3),
        ("openpose_coco18", "neck", "nose", 28, 29),
        ("openpose_coco18", "left_shoulder", "left_ear", 26, 27),
        ("openpose_body25", "neck", "mid_hip", 0, 1),
        ("openpose_body25", "right_shoulder", "right_elbow", 16, 17),
        ("openpose_body25", "right_ankle", "right_heel", 50, 51),
        ("trt_body18", "left_ankle", "left_knee", 1, 0),
        ("trt_body18", "neck", "right_hip", 41, 40),
        ("trt_hand21", "wrist", "thumb_cmc", 1, 0),
        ("trt_hand21", "pinky_pip", "pinky_mcp", 39, 38),
    ],
)
def test_link_has_its_published_channels(skeleton, a, b, x, y):
    found = skeletons.get(skeleton)
    layout = topology(found)
    link = layout.links.index((found.index(a), found.index(b)))
    assert layout.fields[link] == (x, y)
    assert sorted(c for field in layout.fields for c in field) == list(range(layout.channels))


def test_empty_maps_give_no_people():
    for careful in (False, True):
        found = decode(np.zeros((3, 20, 30)), np.zeros((4, 20, 30)), CHAIN, careful=careful)
        assert found.xy.shape == (0, 3, 2)
        assert found.scores.shape == (0, 3)


def test_peak_on_the_edge_and_flat_peak_are_found():
    cmap = np.zeros((1, 10, 12), np.float32)
    cmap[0, 0, 11] = 0.5
    cmap[0, 5, 4:6] = 0.8  # two equal cells: both are peaks, since no cell is greater
    peaks = find_peaks(cmap, 0.1, 5, 100)
    assert peaks.x.tolist() == [11.5, 5.0, 5.0]
    assert peaks.y.tolist() == [0.5, 5.5, 5.5]
    assert peaks.score.tolist() == pytest.approx([0.5, 0.8, 0.8])
    assert find_peaks(cmap, 0.1, 5, 100, careful=True).x.tolist() == [11.5, 5.0]


def test_number_of_peaks_of_a_part_is_limited():
    cmap = np.zeros((2, 10, 40), np.float32)
    cmap[:, 5, 2::6] = np.linspace(0.3, 0.9, 7)
    peaks = find_peaks(cmap, 0.1, 5, 4)
    assert peaks.counts.tolist() == [4, 4]
    assert peaks.x.tolist() == [2.5, 8.5, 14.5, 20.5] * 2


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_ignored(value):
    people = scatter(3, 2, seed=1)
    cmap, fields = draw(CHAIN, people)
    fields[:, 0, :] = value
    cmap[2, :, 0] = -np.inf if np.isinf(value) else value
    found = people_of(decode(cmap, fields, CHAIN, min_parts=2).xy)
    assert np.nanmax(np.abs(found - people)) < 0.35
    decode(np.full_like(cmap, value), np.full_like(fields, value), CHAIN)


def test_careful_decoding_keeps_a_peak_in_its_window_in_a_negative_map():
    cmap = np.full((1, 12, 12), -0.04, np.float32)
    cmap[0, 6, 6] = 0.9
    cmap[0, 6, 5] = 0.05
    peaks = find_peaks(cmap, 0.1, 5, 100, careful=True)
    assert 4.5 <= peaks.x[0] <= 8.5
    assert 4.5 <= peaks.y[0] <= 8.5
    # trt_pose divides the moment, -0.09, by the mass, 0.03
    plain = find_peaks(cmap, 0.1, 5, 100)
    assert plain.x[0] == pytest.approx(6.5 - 3.0, rel=1e-3)
    assert plain.y[0] == pytest.approx(6.5)
    nothing = np.full((1, 12, 12), -0.04, np.float32)
    nothing[0, 6, 6] = 24 * 0.04  # the values around the peak cancel out
    assert np.isfinite(find_peaks(nothing, 0.1, 5, 100).x).all()


def test_part_outside_the_map_has_no_field():
    cmap = np.full((2, 12, 12), -0.04, np.float32)
    cmap[0, 6, 6], cmap[0, 6, 5] = 0.88, 0.05  # its center of mass is at x = -2.5
    cmap[1] = 0.0
    cmap[1, 6, 9] = 0.9
    pair = Topology(2, ((0, 1),), ((0, 1),))
    fields = np.ones((2, 12, 12), np.float32)
    (found,) = decode(cmap, fields, pair, 0.1).xy
    assert found[:, 0] * 12 == pytest.approx([-2.5, 9.5], rel=1e-3)
    # two of the seven places along the way are outside, at -2.5 and -0.5 -> 0: one of them counts
    (peaks,) = (find_peaks(cmap, 0.1, 5, 100),)
    assert score_links(fields, peaks, pair, 7) == pytest.approx([6 / 7], rel=1e-3)


def test_careful_decoding_keeps_two_people_with_one_wrong_link_apart():
    """Of one the third part is hidden, of the other the second; a field runs between the two."""
    ring = Topology(4, ((0, 1), (1, 2), (2, 3), (0, 3)), ((0, 1), (2, 3), (4, 5), (6, 7)))
    people = np.array([[(x, y) for y in (8.5, 18.5, 28.5, 38.5)] for x in (8.5, 45.5)], np.float32)
    nowhere = (np.nan, np.nan)
    wrong = np.array([nowhere, people[0, 1], people[1, 2], nowhere])
    people[0, 2] = people[1, 1] = nowhere
    cmap, fields = draw(ring, people)
    fields += 0.7 * draw(ring, [wrong])[1]
    (merged,) = decode(cmap, fields, ring).xy
    assert np.isfinite(merged).all()
    apart = people_of(decode(cmap, fields, ring, careful=True).xy)
    assert np.array_equal(np.isnan(apart), np.isnan(people))
    assert np.nanmax(np.abs(apart - people)) < 0.35


def test_careful_decoding_needs_the_field_along_most_of_a_link():
    pair = Topology(2, ((0, 1),), ((0, 1),))
    cmap = np.zeros((2, 20, 40), np.float32)
    cmap[0, 10, 5] = cmap[1, 10, 35] = 0.9
    fields = np.zeros((2, 20, 40), np.float32)
    fields[0, 10, 5:18] = 0.9  # the others may lie in between
    assert len(decode(cmap, fields, pair)) == 1
    assert len(decode(cmap, fields, pair, careful=True)) == 2
    fields[0, 10, 5:33] = 0.9
    assert len(decode(cmap, fields, pair, careful=True)) == 1


def test_careful_decoding_gives_a_person_each_part_once():
    """A neck that two heads are linked to: the weaker head is of another person."""
    layout = Topology(3, ((0, 1), (2, 1)), ((0, 1), (2, 3)))
    cmap = np.zeros((3, 20, 40), np.float32)
    fields = np.zeros((4, 20, 40), np.float32)
    for part, x, score in ((0, 5, 0.9), (1, 15, 0.9), (2, 25, 0.9), (0, 35, 0.5)):
        cmap[part, 10, x] = score
    fields[0, 10, 5:16] = 0.9
    fields[2, 10, 15:26] = -0.8
    strongest = decode(cmap, fields, layout, careful=True)
    assert np.isfinite(strongest.xy[..., 0]).sum(axis=1).tolist() == [3, 1]
    assert strongest.scores[1].tolist() == [0.5, 0, 0]


def test_people_with_few_or_faint_parts_can_be_left_out():
    people = scatter(3, 3, seed=5)
    people[0, 1:] = np.nan
    cmap, fields = draw(CHAIN, people)
    cmap[:, :, 43:] *= 0.3  # the one to the right is faint
    assert len(decode(cmap, fields, CHAIN)) == 3
    assert len(decode(cmap, fields, CHAIN, min_parts=2)) == 2
    assert len(decode(cmap, fields, CHAIN, min_parts=2, min_score=0.5)) == 1
    assert len(decode(cmap, fields, CHAIN, max_objects=1)) == 1


@pytest.mark.parametrize(
    ("cmap", "fields", "options", "message"),
    [
        ((3, 20, 30), (4, 20, 31), {}, r"one size, got \(3, 20, 30\) and \(4, 20, 31\)"),
        ((2, 20, 30), (4, 20, 30), {}, "expected 3 maps and 4 channels of fields, got 2 and 4"),
        ((3, 20, 30), (3, 20, 30), {}, "expected 3 maps and 4 channels of fields, got 3 and 3"),
        ((3, 20, 30), (4, 20, 30), {"window": 4}, "odd window"),
        ((3, 2, 30), (4, 2, 30), {}, "odd window"),
        ((3, 20, 30), (4, 20, 30), {"samples": 1}, "samples of 2 or more, got 1"),
    ],
)
def test_maps_or_options_that_do_not_fit_are_refused(cmap, fields, options, message):
    with pytest.raises(OptionError, match=message):
        decode(np.zeros(cmap), np.zeros(fields), CHAIN, **options)


def test_wrong_topology_is_refused():
    with pytest.raises(OptionError, match="a field for each of 1 links, got 0"):
        Topology(2, ((0, 1),), ())
    with pytest.raises(OptionError, match="links between 2 parts"):
        Topology(2, ((0, 2),), ((0, 1),))
    with pytest.raises(OptionError, match="channels from 0 on"):
        Topology(2, ((0, 1),), ((-1, 0),))
    assert topology(skeletons.get("coco17")).channels == 38


class Oracle:
    """A network that gives the same maps for every image."""

    provider = "cpu"

    def __init__(self, *outputs):
        self.outputs = [output[None] for output in outputs]

    def run(self, *inputs):
        assert [array.shape for array in inputs] == [(1, 3, 384, 512)]
        return self.outputs


def contract(skeleton, outputs, **settings):
    image = Value("image", "image", (1, 3, 384, 512), image=ImageInput(512, 384))
    values = tuple(Value(name, name, shape) for name, shape in outputs.items())
    return Contract(
        "oracle", skeletons.get(skeleton), 0.1, {"network": (image,)}, {"network": values}, settings
    )


def estimate(card, *outputs, **options):
    settings = EstimatorOptions(max_people=5, static=True, **options)
    estimator = FAMILIES["paf"].make(card, {"network": Oracle(*outputs)}, settings)
    return estimator.estimate(np.zeros((384, 512, 3), np.uint8))


@pytest.mark.parametrize(
    ("name", "layout", "background"),
    [
        ("trt_body18", "nchw", False),
        ("trt_hand21", "nchw", False),
        ("openpose_coco18", "nhwc", True),
        ("openpose_body25", "nchw", True),
    ],
)
def test_estimator_returns_poses_in_image_pixels(name, layout, background):
    skeleton = skeletons.get(name)
    people = scatter(len(skeleton), 2, seed=7)
    people[0, skeleton.index("nose" if "nose" in skeleton.keypoints else "thumb_tip")] = np.nan
    cmap, fields = draw(topology(skeleton), people, background=background)
    if layout == "nhwc":
        maps = np.concatenate([cmap, fields]).transpose(1, 2, 0)
        card = contract(name, {"maps": (1, *maps.shape)}, layout="nhwc", min_parts=6)
        poses = estimate(card, maps)
    else:
        # the order of the outputs is the card's
        outputs = {"paf": (1, *fields.shape), "cmap": (1, *cmap.shape)}
        poses = estimate(contract(name, outputs, min_parts=6), fields, cmap)
    assert poses.skeleton == skeleton
    found = poses.keypoints[np.argsort(poses.boxes[:, 0])]
    # a cell is 8 pixels, and the middle of the first pixel is at 0
    expected = people * 8 - 0.5
    assert np.array_equal(np.isnan(found), np.isnan(expected))
    assert np.nanmax(np.abs(found - expected)) < 8 * 0.35
    assert (poses.scores > 0.6).all()


def test_threshold_applies_to_the_maps():
    cmap, fields = draw(topology(skeletons.get("trt_body18")), scatter(18, 2, seed=2))
    cmap[:, :, :32] *= 0.4
    card = contract("trt_body18", {"cmap": (1, *cmap.shape), "paf": (1, *fields.shape)})
    assert len(estimate(card, cmap, fields)) == 2
    assert len(estimate(card, cmap, fields, threshold=0.5)) == 1


@pytest.mark.parametrize(
    ("outputs", "settings", "message"),
    [
        (
            {"cmap": 18, "fields": 42},
            {},
            "expected outputs cmap and paf, or maps, got cmap, fields",
        ),
        ({"cmap": 21, "paf": 42}, {}, r"trt_body18 needs 18 or 19 channels .* cmap, .*\[1, 21, "),
        ({"cmap": 18, "paf": 40}, {}, r"trt_body18 needs 42 channels .* paf, .*\[1, 40, "),
        ({"maps": 57}, {}, r"trt_body18 needs 60 or 61 channels .* maps, .*\[1, 57, "),
        ({"cmap": 18, "paf": 42}, {"layout": "nhwc"}, r"\[1, 18, 48, 64\] \(nhwc\)"),
        ({"cmap": 18, "paf": 42}, {"layout": "chw"}, "expected nchw or nhwc, got 'chw'"),
        (
            {"cmap": 18, "paf": 42},
            {"min_parts": "4"},
            "min_parts: expected a whole number, got '4'",
        ),
        ({"cmap": 18, "paf": 42}, {"link_threshold": "x"}, "link_threshold: expected a number"),
        ({"cmap": 18, "paf": 42}, {"window": 4}, "decoder: window must be odd, 1 or more, got 4"),
        ({"cmap": 18, "paf": 42}, {"samples": 1}, "samples must be 2 or more"),
        (
            {"cmap": 18, "paf": 42},
            {"min_part": 4},
            "decoder.min_part: no such setting; known: layout",
        ),
    ],
)
def test_card_that_does_not_fit_is_refused(outputs, settings, message):
    shapes = {name: (1, channels, 48, 64) for name, channels in outputs.items()}
    card = contract("trt_body18", shapes, **settings)
    with pytest.raises(ModelError, match=message):
        estimate(card)


def test_network_output_unlike_its_card_is_refused():
    card = contract("trt_body18", {"cmap": (1, 18, 48, 64), "paf": (1, 42, 48, 64)})
    with pytest.raises(ModelError, match="oracle: expected maps .* of one size"):
        estimate(card, np.zeros((18, 48, 64)), np.zeros((42, 48, 32)))
