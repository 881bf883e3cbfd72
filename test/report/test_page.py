"""A page about results: whole, alone in its file, the same every time."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from html.parser import HTMLParser
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest

from pose_ros.core import skeletons
from pose_ros.core.gestures.recognizer import Gesture
from pose_ros.core.results import Result, RunInfo
from pose_ros.core.skeletons import Skeleton
from pose_ros.core.timeline import NANOSECONDS
from pose_ros.core.types import Poses, PositionSource
from pose_ros.errors import OptionError, OutputError, printable
from pose_ros.report import (
    PLOTS,
    CameraPlacement,
    ComparisonBuilder,
    RecordingFacts,
    ReportBuilder,
)
from pose_ros.settings.outputs import ReportOptions

BLAZE = skeletons.get("blazepose33")
FEW = ReportOptions(joints="elbow")
"""One joint: each takes its time to draw."""
INFO = RunInfo("walk.mcap", "blazepose-full", "cpu", versions={"pose_ros": "0.1.0"})
VOID = frozenset({"meta", "link", "img", "br", "input", "hr"})


def person(time: float, ids=(0,), *, meters: bool = True, score: float = 0.9) -> Poses:
    """People who walk to the left at 1 m/s and 3 m away, before a camera of 500 pixels' focal."""
    people, joints = len(ids), len(BLAZE)
    camera = np.zeros((people, joints, 3), np.float32)
    camera[..., 2] = 3.0
    camera[..., 0] = (time - 2.0) + np.arange(people)[:, None]
    spread = np.random.default_rng(5).normal(0.0, 0.3, (joints, 2))
    camera[..., :2] += spread
    pixels = 500.0 * camera[..., :2] / camera[..., 2:] + (320.0, 240.0)
    known = {}
    if meters:
        known = {
            "camera": camera,
            "camera_sources": np.full((people, joints), PositionSource.DEPTH),
            "camera_sigmas": np.full((people, joints), 0.03, np.float32),
        }
    return Poses(
        skeleton=BLAZE,
        ids=np.array(ids, np.int64),
        scores=np.full(people, 0.95, np.float32),
        boxes=np.concatenate([pixels.min(axis=1), pixels.max(axis=1)], axis=1),
        keypoints=pixels,
        keypoint_scores=np.full((people, joints), score, np.float32),
        **known,
    )


def result(index: int, poses: Poses, gestures=(), source: str = "walk") -> Result:
    stamp = 1_700_000_000 * NANOSECONDS + index * NANOSECONDS // 10
    return Result(index, stamp, 640, 480, poses, None, gestures, "camera", source)


def walk(builder: ReportBuilder, *, images: bool = True, count: int = 40) -> ReportBuilder:
    for i in range(count):
        gestures = []
        if 10 <= i <= 20:
            event = {10: "started", 20: "ended"}.get(i, "held")
            gestures.append(Gesture("point", "left", 0, event, 0.8, 0.6))
        image = np.full((480, 640, 3), 90, np.uint8) if images else None
        ids = (0, 1) if i > 25 else (0,)
        builder.add(result(i, person(i / 10, ids), tuple(gestures)), image, latency=0.05)
    return builder


class Page(HTMLParser):
    """Parse a page; raises where tags do not match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.words: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.feed(text)
        self.close()
        assert self.open == []
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attrs):
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"style", "script"} & set(self.open):
            self.words.append(data)


def check(text: str) -> Page:
    """Check the rules for every page: tags, ids, drawings, and no other files."""
    page = Page(text)
    assert len(set(page.ids)) == len(page.ids)
    for svg in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
        ElementTree.fromstring(svg)
    for tag, name, value in page.attributes:
        if name in ("src", "href", "xlink:href", "data", "poster", "srcset", "action"):
            assert value.startswith(("#", "data:")), f"<{tag} {name}={value}>"
        if name == "xlink:href" or (name == "href" and value.startswith("#")):
            assert value[1:] in page.ids
        assert not name.startswith("on"), f"<{tag} {name}>"
    for inside in re.findall(r"url\(([^)]*)\)", text):
        assert inside.startswith("#")
        assert inside[1:] in page.ids
    assert "@import" not in text
    assert not re.search(r"\b(nan|None|inf)\b", page.text)
    return page


def test_page_is_valid_and_needs_no_other_file() -> None:
    page = check(walk(ReportBuilder(INFO)).html())
    for words in ("walk.mcap", "blazepose-full", "left shoulder", "point", "id 1", "50 ms"):
        assert words in page.text
    images = [value for tag, name, value in page.attributes if (tag, name) == ("img", "src")]
    assert len(images) >= 3
    assert all(v for tag, name, v in page.attributes if (tag, name) == ("img", "alt"))


def test_same_results_give_the_same_bytes() -> None:
    assert walk(ReportBuilder(INFO, FEW)).html() == walk(ReportBuilder(INFO, FEW)).html()


def test_pictures_are_left_out_on_request() -> None:
    page = check(walk(ReportBuilder(INFO, ReportOptions(pictures=False, joints="elbow"))).html())
    assert not [tag for tag, _, _ in page.attributes if tag == "img"]


EVIL = "<script>alert('x')</script>\"&'\n\x1b[31m$\\frac$]]>--><b"
"""Markup, quotes, a new line, a terminal's color, TeX and ends of sections in one name."""


def evil_builder() -> ReportBuilder:
    """Return the builder of a recording in which all that has a name has that one."""
    names = (EVIL, *BLAZE.keypoints[1:])
    skeleton = Skeleton(EVIL, names, BLAZE.links, BLAZE.left_right)
    info = RunInfo(EVIL, EVIL, EVIL, EVIL, versions={EVIL: EVIL}, options={"topic": EVIL, EVIL: 1})
    builder = ReportBuilder(info, ReportOptions(EVIL, joints="elbow"))
    gestures = (
        Gesture(EVIL, "left", 0, "started", 0.8, 0.6),
        Gesture("stop", EVIL, 0, "started", 0.8, 0.6),
    )
    for i in range(5):
        poses = person(i / 10).replace(skeleton=skeleton, labels=(EVIL,), label_scores=[1.0])
        found = Result(i, i * NANOSECONDS // 10, 640, 480, poses, None, gestures, EVIL, EVIL)
        image = np.full((480, 640, 3), 90, np.uint8)
        placement = CameraPlacement(EVIL, np.eye(4))
        builder.add(found, image, latency=0.05, placement=placement)
    return builder


def test_text_of_a_recording_is_escaped() -> None:
    text = evil_builder().html(RecordingFacts(lost=(EVIL,), network=EVIL))
    page = check(text)
    assert "script" not in [tag for tag, _, _ in page.attributes]
    assert "<script" not in text
    assert "<b" not in text.replace("<body", "").replace("<b>", "")
    assert printable(EVIL) in page.text
    assert not [letter for letter in text if ord(letter) < 32 and letter not in "\n\t\r"]


def test_text_of_a_comparison_is_escaped() -> None:
    info = RunInfo(EVIL, EVIL, EVIL, options={EVIL: EVIL})
    comparison = ComparisonBuilder((info, info), (EVIL, EVIL), FEW)
    for i in range(3):
        gesture = Gesture(EVIL, "left", 0, "started", 0.8, 0.6)
        poses = person(i / 10)
        names = (EVIL, *BLAZE.keypoints[1:])
        poses = poses.replace(skeleton=Skeleton(EVIL, names, BLAZE.links, BLAZE.left_right))
        one = Result(i, i * NANOSECONDS // 10, 640, 480, poses, None, (gesture,), EVIL, EVIL)
        comparison.add(one, one, np.full((480, 640, 3), 90, np.uint8))
    text = comparison.html()
    check(text)
    assert "<script" not in text


def test_plots_are_written_as_pictures(tmp_path) -> None:
    """Return the drawings of the page, in its light colors, without names."""
    evil_builder().write_plots(tmp_path)
    files = {path.name: cv2.imread(str(path)) for path in tmp_path.iterdir()}
    assert set(files) == {
        "people.png", "gestures.png", "floor.png", "latency.png", "angles_id_0.png",
        "isb_id_0.png",
    }  # fmt: skip
    for name, image in files.items():
        assert image is not None, name
        assert min(image.shape[:2]) > 200
        assert (image[0, 0] == 255).all()
        colors = len(np.unique(image @ np.array([1, 256, 65536])))
        assert colors > 20, name
        assert any(fnmatch(name, f"{pattern}.png") for pattern in PLOTS)


def test_page_of_empty_results_says_so() -> None:
    assert "nothing was looked at" in check(ReportBuilder(INFO).html()).text


def test_images_without_people_give_a_page_that_says_so() -> None:
    builder = ReportBuilder(None)
    for i in range(3):
        builder.add(result(i, Poses.empty(BLAZE)), np.zeros((48, 64, 3), np.uint8))
    page = check(builder.html())
    assert "No person was found" in page.text
    assert "does not say" in page.text


def test_page_of_one_image_has_no_error() -> None:
    builder = ReportBuilder(INFO, FEW)
    builder.add(result(0, person(0.0)), np.zeros((480, 640, 3), np.uint8))
    check(builder.html())


def test_page_without_meters_has_no_floor_plan() -> None:
    builder = ReportBuilder(INFO, FEW)
    for i in range(20):
        builder.add(result(i, person(i / 10, meters=False)))
    page = check(builder.html())
    assert "floor" not in page.ids
    assert "angles" in page.ids


def test_page_shows_angles_of_the_isb_where_people_have_a_shape() -> None:
    """Per person, from keypoints of the network's shape; the image alone has none."""
    for meters in (True, False):
        builder = ReportBuilder(INFO, FEW)
        for i in range(20):
            builder.add(result(i, person(i / 10, meters=meters)))
        page = check(builder.html())
        assert ("By the definitions of the ISB" in page.text) is meters
        assert ("Hip flexion" in page.text) is meters
        motion = builder.statistics.motions[1, 0]
        assert np.isfinite(motion.anatomical.mean).any() == meters


def test_page_is_written_completely_or_not_at_all(tmp_path) -> None:
    builder = ReportBuilder(INFO)
    path = tmp_path / "new" / "report.html"
    builder.write(path)
    check(path.read_text(encoding="utf-8"))
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]
    with pytest.raises(OutputError, match="cannot write"):
        builder.write(path / "below" / "a" / "file.html")


def test_unknown_joints_are_refused() -> None:
    with pytest.raises(OptionError, match="'ankle'"):
        ReportOptions(joints="ankle")
