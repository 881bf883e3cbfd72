"""The synthetic camera: pictures, truth and stamps agree."""

import json
import subprocess
import sys
import threading
import time
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pose_ros.core.camera import Camera
from pose_ros.core.types import Frame, Image
from pose_ros.errors import OptionError, SourceError
from pose_ros.sources.opening import open_source
from pose_ros.synthetic.actor import Step, hold
from pose_ros.synthetic.figure import Look
from pose_ros.synthetic.renderer import Renderer
from pose_ros.synthetic.scene import Actor, Path, Scene
from pose_ros.synthetic.scenes import crossing
from pose_ros.synthetic.source import SyntheticSource, Truth, open_synthetic


def frames(source: SyntheticSource, count: int) -> list[Frame]:
    found = [source.read() for _ in range(count)]
    assert all(frame is not None for frame in found)
    return [frame for frame in found if frame is not None]


def color_at(image: Image, point: np.ndarray) -> np.ndarray:
    """Return the mean BGR of 3x3 pixels."""
    x, y = np.rint(point).astype(int)
    return np.asarray(image[y - 1 : y + 2, x - 1 : x + 2].reshape(-1, 3).mean(axis=0))


def is_skin(bgr: np.ndarray) -> bool:
    b, g, r = bgr
    return bool(r > 85 and r > 1.15 * g > b)


def is_shirt(bgr: np.ndarray) -> bool:
    return bool(bgr[0] > 1.5 * bgr[1] > bgr[2])


@pytest.mark.parametrize(
    "camera",
    [
        {},
        {"camera_height": 1.7, "camera_pitch_degrees": 15.0, "distance": 2.6},
        {"hfov_degrees": 80.0, "width": 800, "height": 500, "distance": 2.2},
        {"camera": Camera(640, 480, np.array([[450.0, 0, 300], [0, 470, 250], [0, 0, 1]]))},
    ],
)
@pytest.mark.parametrize("gesture", ["stand", "raise_hands", "wave", "walk"])
def test_the_picture_shows_the_truth(gesture: str, camera: dict[str, Any]) -> None:
    source = SyntheticSource(gesture, live=False, fps=2, **camera)
    for frame in frames(source, 3):
        truth = source.truth(frame.stamp)
        for side in ("left", "right"):
            elbow, wrist = truth.pixel(f"{side}_elbow"), truth.pixel(f"{side}_wrist")
            # in a walk the trunk may hide an elbow that swings back, never the wrist
            assert is_skin(color_at(frame.image, elbow + 0.7 * (wrist - elbow))), side
            assert is_shirt(color_at(frame.image, truth.pixel(f"{side}_shoulder")))
        assert is_skin(color_at(frame.image, truth.pixel("nose")))


def test_the_picture_shows_the_clothes() -> None:
    actor = Actor(Path.standing(2.5), hold("raise_hands"))
    dressed = replace(actor, look=Look(long_sleeves=True, shorts=True))
    for person, sleeve in ((actor, is_skin), (dressed, is_shirt)):
        source = SyntheticSource(scene=Scene((person,)), live=False)
        (frame,), truth = frames(source, 1), source.truth(0.0)
        elbow, wrist = truth.pixel("left_elbow"), truth.pixel("left_wrist")
        assert sleeve(color_at(frame.image, (elbow + wrist) / 2))
        knee, ankle = truth.pixel("left_knee"), truth.pixel("left_ankle")
        shank = color_at(frame.image, (knee + ankle) / 2)
        assert is_skin(shank) == person.look.shorts
        assert not is_skin(color_at(frame.image, knee + 0.3 * (truth.pixel("left_hip") - knee)))


def test_left_wrist_is_on_the_left_side_of_the_actor() -> None:
    source = SyntheticSource("raise_hand", arm="left", live=False)
    truth = source.truth(0.0)
    # the actor faces the camera: their left is at the right of the image, and on the world's right
    assert truth.pixel("left_wrist")[0] > truth.pixel("right_wrist")[0]
    assert truth.pixel("left_wrist")[1] < truth.pixel("right_wrist")[1]
    index = truth.skeleton.index
    assert truth.world[index("left_shoulder"), 1] < truth.world[index("right_shoulder"), 1]
    # the nose is nearer to the camera than the ears
    assert truth.camera[index("nose"), 2] < truth.camera[index("left_ear"), 2]


@pytest.mark.parametrize(("width", "height"), [(640, 480), (1280, 720), (1920, 1080), (480, 480)])
def test_the_whole_actor_is_in_the_image(width: int, height: int) -> None:
    source = SyntheticSource(width=width, height=height)
    for stamp in np.arange(0.0, 12.0, 0.1):
        pixels = source.truth(float(stamp)).pixels / (width, height)
        assert np.all((pixels > 0.02) & (pixels < 0.98))


def test_truth_is_consistent() -> None:
    source = SyntheticSource(live=False, camera_height=1.4, camera_pitch_degrees=7)
    truth = source.truth(4.2)
    np.testing.assert_allclose(truth.pixels, source.camera.project(truth.camera))
    between = np.linalg.norm(truth.world[:, None] - truth.world[None], axis=-1)
    np.testing.assert_allclose(
        between, np.linalg.norm(truth.camera[:, None] - truth.camera[None], axis=-1)
    )
    assert np.all(truth.world[:, 2] > 0)
    assert 2.0 < truth.world[:, 0].min() < truth.world[:, 0].max() < 3.5
    with pytest.raises(OptionError, match="no keypoint"):
        truth.pixel("tail")


def test_each_actor_of_a_scene_has_a_truth() -> None:
    source = open_source("synthetic:crossing?live=0&fps=10&width=320&height=240")
    assert isinstance(source, SyntheticSource)
    assert source.length == 80
    near, far = source.truths(0.0)
    assert (near.name, far.name) == ("near", "far")
    np.testing.assert_array_equal(source.truth(0.0).pixels, near.pixels)
    assert near.visible.all()
    assert far.visible.all()
    # they change sides, and the near one hides the other on the way
    assert near.pixels[:, 0].max() < far.pixels[:, 0].min()
    near_later, far_later = source.truths(3.5)
    assert far_later.pixels[:, 0].max() < near_later.pixels[:, 0].min()
    near_middle, far_middle = source.truths(2.0)
    assert near_middle.visible.all()
    assert 0.2 < (~far_middle.visible).mean() < 0.8
    np.testing.assert_allclose(source.truths(10.0)[1].pixels, far_middle.pixels)


@pytest.mark.parametrize("scene", ["crossing", "crossing_three"])
def test_the_picture_shows_who_is_in_front(scene: str) -> None:
    """Where a joint of the trunk is to be seen, there is the color of its owner's clothes."""
    source = open_source(f"synthetic:{scene}?live=0&fps=4")
    assert isinstance(source, SyntheticSource)
    channel = {"near": 0, "far": 2, "behind": 1}  # the shirts are blue, red and green
    seen = dict.fromkeys(channel, 0)
    for frame in frames(source, 32):
        for truth in source.truths(frame.stamp):
            shoulder = truth.skeleton.index("left_shoulder")
            hidden = not truth.visible[shoulder]
            # a shoulder lies within the shirt, from the front at least
            if hidden or abs(np.diff(truth.pixels[[11, 12], 0])[0]) < 15:
                continue
            color = color_at(frame.image, truth.pixels[shoulder])
            assert np.argmax(color) == channel[truth.name], (frame.stamp, truth.name)
            seen[truth.name] += 1
    assert seen["near"] > 2
    assert seen["far"] > 2


def test_truth_marks_joints_outside_of_the_image() -> None:
    source = SyntheticSource("stand", live=False, distance=1.2)
    truth = source.truth(0.0)
    inside = np.all((truth.pixels > 0) & (truth.pixels < (639, 479)), axis=1)
    np.testing.assert_array_equal(truth.visible, inside)
    assert 0.2 < inside.mean() < 0.9


def test_truth_is_a_function_of_the_stamp_in_another_process() -> None:
    spec = "synthetic:walk?width=320&height=240"
    source = open_source(spec)
    assert isinstance(source, SyntheticSource)
    frame = source.read()
    source.close()
    assert frame is not None
    # as a header carries it: whole nanoseconds
    nanoseconds = round(frame.stamp * 1e9)
    code = (
        "import json, sys; from pose_ros.sources.opening import open_source; "
        f"t = open_source({spec!r}).truth({nanoseconds} * 1e-9); "
        "json.dump(t.pixels.tolist(), sys.stdout)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, text=True
    )
    np.testing.assert_array_equal(json.loads(result.stdout), source.truth(frame.stamp).pixels)


def test_truth_moves_between_frames_and_with_the_script() -> None:
    source = SyntheticSource(live=False)
    still = SyntheticSource("stand", live=False)

    def wrist(truth: Truth) -> np.ndarray:
        return truth.pixel("left_wrist")

    assert np.linalg.norm(wrist(source.truth(1.9)) - wrist(source.truth(0.2))) > 40
    assert np.linalg.norm(wrist(source.truth(0.80)) - wrist(source.truth(0.81))) > 0.5
    np.testing.assert_array_equal(still.truth(0.1).pixels, still.truth(1.3).pixels)
    np.testing.assert_allclose(source.truth(5.0).pixels, source.truth(5.0 + 12.0).pixels)


def test_same_seed_gives_the_same_pictures() -> None:
    first, again, other = (
        frames(SyntheticSource("wave", live=False, fps=5, seed=seed), 6) for seed in (3, 3, 4)
    )
    for a, b, c in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(a.image, b.image)
        assert np.any(a.image != c.image)
        # the noise is all that a seed changes
        assert np.abs(a.image.astype(int) - c.image).mean() < 6


def test_replay_gives_the_same_pictures() -> None:
    source = SyntheticSource("walk", live=False, loop=True, fps=8)
    found = frames(source, 32)
    # 16 postures and 4 noise patterns come round together
    np.testing.assert_array_equal(found[1].image, found[17].image)
    assert found[1].image is not found[17].image
    found[17].image[:] = 0
    np.testing.assert_array_equal(found[1].image, frames(source, 2)[1].image)


def test_noise_changes_from_frame_to_frame() -> None:
    a, b = frames(SyntheticSource("stand", live=False), 2)
    difference = a.image.astype(int) - b.image
    assert 1 < difference.std() < 8


def test_recording_has_one_run_of_the_script() -> None:
    script = (Step("stand", 0.5), Step("wave", 0.5))
    source = SyntheticSource(script=script, live=False, fps=10, width=160, height=120)
    assert (source.live, source.fps, source.length) == (False, 10.0, 10)
    found = frames(source, 10)
    assert source.read() is None
    assert [frame.index for frame in found] == list(range(10))
    np.testing.assert_allclose([frame.stamp for frame in found], np.arange(10) / 10)
    assert {(f.width, f.height, f.channels) for f in found} == {(160, 120, "bgr")}


def test_loop_goes_on_with_rising_stamps() -> None:
    source = SyntheticSource("wave", live=False, loop=True, fps=5, width=160, height=120)
    assert source.length is None
    stamps = [frame.stamp for frame in frames(source, 25)]
    np.testing.assert_allclose(stamps, np.arange(25) / 5)


def test_live_frames_have_the_current_time_as_stamp() -> None:
    source = SyntheticSource("stand", fps=50, width=160, height=120)
    assert source.live
    assert source.length is None
    frames(source, 1)  # renders the room
    before = time.time()
    found = frames(source, 5)
    after = time.time()
    stamps = np.array([frame.stamp for frame in found])
    # Unix time, if the clock ticks coarsely or steps a little
    assert before - 0.5 <= stamps[0] <= stamps[-1] <= after + 0.5
    np.testing.assert_allclose(stamps * 50, np.rint(stamps * 50), atol=1e-3)
    steps = np.rint(np.diff(stamps) * 50)
    assert np.all(steps >= 1)
    np.testing.assert_array_equal(np.diff([frame.index for frame in found]), steps)


def test_late_reader_of_a_live_source_gets_the_current_frame() -> None:
    source = SyntheticSource("stand", fps=100, width=160, height=120)
    first = frames(source, 1)[0]
    time.sleep(0.2)
    second = frames(source, 1)[0]
    assert second.stamp - first.stamp > 0.15
    assert second.index > 10


class DrawnClock:
    """A clock that only drawing and waiting move, for sources that are made after it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self._drawing = 0.0
        fake = SimpleNamespace(time=lambda: self.now, monotonic=lambda: self.now)
        monkeypatch.setattr("pose_ros.synthetic.source.time", fake)
        event = SimpleNamespace(wait=self._pass, is_set=lambda: False)
        monkeypatch.setattr("pose_ros.synthetic.source.Event", lambda: event)
        monkeypatch.setattr("pose_ros.synthetic.renderer.Renderer.frame", self._draw)

    def read(self, source: SyntheticSource, drawing: float) -> Frame:
        """Read a frame that takes this long to draw."""
        self._drawing = drawing
        frame = source.read()
        assert frame is not None
        return frame

    def _pass(self, seconds: float) -> bool:
        self.now += seconds
        return False

    def _draw(self, *_: Any) -> Image:
        self.now += self._drawing
        return np.zeros((48, 64, 3), np.uint8)


def test_live_frame_is_drawn_before_it_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = DrawnClock(monkeypatch)
    source = SyntheticSource("walk", fps=10, width=64, height=48)
    clock.read(source, 0.04)  # the time to draw is not known yet
    ages = []
    for _ in range(10):
        frame = clock.read(source, 0.04)
        ages.append(clock.now - frame.stamp)
    np.testing.assert_allclose(ages, 0.0, atol=1e-6)


def test_live_frames_that_take_longer_than_their_spacing_are_fewer_and_fresh(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = DrawnClock(monkeypatch)
    source = SyntheticSource("walk", fps=30, width=64, height=48)
    found = [(clock.read(source, 0.05), clock.now) for _ in range(20)]
    # the estimate of the time of drawing has to settle
    assert all(now - frame.stamp < 0.01 for frame, now in found[8:])
    assert np.all(np.diff([frame.index for frame, _ in found[8:]]) == 2)


def test_live_scene_begins_at_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = "synthetic:directing?fps=10&width=64&height=48"
    clock = DrawnClock(monkeypatch)
    source = open_synthetic(f"{spec}&begin=1002.5")
    assert clock.read(source, 0.01).stamp == pytest.approx(1002.5)
    recording = open_synthetic(spec, live=False)
    for seconds in (0.0, 2.0, 7.3):
        np.testing.assert_array_equal(
            source.truth(1002.5 + seconds).pixels, recording.truth(seconds).pixels
        )


def test_close_ends_a_read_in_another_thread() -> None:
    source = SyntheticSource("stand", fps=0.01, width=160, height=120)
    frames(source, 1)
    found: list[Frame | None] = []
    reader = threading.Thread(target=lambda: found.append(source.read()))
    reader.start()
    source.close()
    reader.join(5.0)
    assert not reader.is_alive()
    assert found == [None]
    with pytest.raises(SourceError, match="closed"):
        source.read()


def test_kept_frames_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pose_ros.synthetic.renderer._CACHE_BYTES", 1_500_000)
    made: list[Renderer] = []

    def make(*arguments: Any) -> Renderer:
        made.append(Renderer(*arguments))
        return made[-1]

    monkeypatch.setattr("pose_ros.synthetic.source.Renderer", make)
    source = SyntheticSource("walk", live=False, loop=True, fps=5)
    found = frames(source, 29)
    (renderer,) = made
    assert 0 < renderer.kept_bytes <= 1_500_000
    np.testing.assert_array_equal(found[0].image, found[20].image)
    np.testing.assert_array_equal(found[8].image, found[28].image)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"gesture": "fly"}, "unknown gesture 'fly'"),
        ({"gesture": "wave", "arm": "middle"}, "left or right"),
        ({"fps": 0}, "fps"),
        ({"fps": float("nan")}, "fps"),
        ({"distance": 0.5}, "distance"),
        ({"seed": -1}, "seed"),
        ({"begin": float("nan")}, "begin must be a Unix time"),
        ({"begin": 5.0, "live": False}, "begin is for a live scene"),
        ({"camera_height": 0.0}, "camera height"),
        ({"camera_pitch_degrees": 90}, "pitch"),
        ({"hfov_degrees": 180}, "hfov"),
        ({"width": 0}, "0x480"),
        ({"gesture": "wave", "script": (Step("stand"),)}, "not both"),
        ({"scene": crossing(), "gesture": "wave"}, "give it alone"),
        ({"scene": crossing(), "distance": 3.0}, "give it alone"),
        (
            {"camera": Camera(640, 480, np.diag([500.0, 500, 1]), "plumb_bob", np.ones(5))},
            "without distortion",
        ),
    ],
)
def test_impossible_source_is_refused(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(OptionError, match=text):
        SyntheticSource(**arguments)


@pytest.mark.parametrize(
    "camera",
    [
        {"camera_pitch_degrees": -80.0},
        {"distance": 1.0, "camera_height": 2.5},
        {"distance": 30.0},
        {"width": 32, "height": 24},
        {"camera_pitch_degrees": 80.0, "camera_height": 9.0},
    ],
)
def test_unusual_camera_views_are_drawn(camera: dict[str, Any]) -> None:
    source = SyntheticSource("walk", live=False, fps=2, **camera)
    for frame in frames(source, 4):
        assert frame.image.shape == (camera.get("height", 480), camera.get("width", 640), 3)
        assert 40 < frame.image.mean() < 240
