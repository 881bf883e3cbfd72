"""The synthetic camera: actors in a room, whose true joints are known at every instant."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Any
from urllib.parse import parse_qsl

import numpy as np
from numpy.typing import NDArray

from pose_ros.core import skeletons
from pose_ros.core.camera import Camera, Float64Array
from pose_ros.core.skeletons import Side, Skeleton
from pose_ros.core.types import FloatArray, Frame, Image
from pose_ros.errors import OptionError, SourceError, did_you_mean
from pose_ros.synthetic.actor import GESTURES, SCRIPT, TRANSITION_SECONDS, TWO_ARMED, Step, hold
from pose_ros.synthetic.depth_camera import DepthSensor
from pose_ros.synthetic.figure import Cone
from pose_ros.synthetic.raytrace import View, covers
from pose_ros.synthetic.renderer import Renderer
from pose_ros.synthetic.scene import Actor, Scene, blocked
from pose_ros.synthetic.scenes import SCENES, make_scene

_SKIN = 0.02  # meters


@dataclass(frozen=True, eq=False)
class Truth:
    """One actor's true joints at one instant, and what they do. Arrays are read-only.

    Attributes:
        name: The actor's.
        id: Their place in the scene, from 0.
        skeleton: Names of the K joints; ``blazepose33``.
        world: (K, 3) meters in ``base_link``: origin on the floor, x along the floor to where
            the camera looks, y to the left, z up.
        camera: (K, 3) meters in the camera's optical frame.
        pixels: (K, 2) x right and y down; they may lie beyond the image, and are NaN
            behind the camera.
        visible: (K,) whether a joint lies in the image and behind no person and nothing else.
        self_hidden: (K,) whether the actor's own body is in front of a joint.
        height: Meters from the floor to the top of the head.
        gesture: What they do, such as ``point_at``; ``walk`` if they do nothing but go.
        arm: The one they do it with; None for both or neither.
        held: Whether the transition to the gesture is over.
        target: (3,) meters, in the world: what they point at, NaN unless they do.
    """

    name: str
    id: int
    skeleton: Skeleton
    world: Float64Array
    camera: Float64Array
    pixels: Float64Array
    visible: NDArray[np.bool_]
    self_hidden: NDArray[np.bool_]
    height: float
    gesture: str
    arm: Side | None
    held: bool
    target: Float64Array

    def __post_init__(self) -> None:
        for value in vars(self).values():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False

    def pixel(self, keypoint: str) -> Float64Array:
        """Return x, y in pixels of a joint by name.

        Raises:
            OptionError: There is no joint of that name.
        """
        found: Float64Array = self.pixels[self.skeleton.index(keypoint)]
        return found

    def joint(self, keypoint: str) -> Float64Array:
        """Return x, y, z in meters, in the optical frame, of a joint by name.

        Raises:
            OptionError: There is no joint of that name.
        """
        found: Float64Array = self.camera[self.skeleton.index(keypoint)]
        return found

    def pointing(self, arm: Side) -> Float64Array:
        """Return the (3,) unit vector from a shoulder to its wrist, in the optical frame."""
        line = self.joint(f"{arm}_wrist") - self.joint(f"{arm}_shoulder")
        unit: Float64Array = line / np.linalg.norm(line)
        return unit


def truths(scene: Scene, view: View, seconds: float) -> tuple[Truth, ...]:
    """Return what is true of each actor of a scene at a time since it began."""
    skeleton = skeletons.get("blazepose33")
    bodies = [[view.place(cone) for cone in actor.cones(seconds)] for actor in scene.actors]
    found = []
    for i, actor in enumerate(scene.actors):
        joints = actor.joints(seconds)
        world = np.array([joints[name] for name in skeleton.keypoints])
        optical = view.optical(world)
        pixels = view.camera.project(optical)
        size = (view.camera.width - 0.5, view.camera.height - 0.5)
        visible = np.all((pixels >= -0.5) & (pixels < size), axis=1)
        others = [cone for j, body in enumerate(bodies) if j != i for cone in body]
        if others:
            visible &= ~covers(optical, others).any(axis=1)
        visible &= ~blocked(world, view.eye, scene.furniture)
        found.append(
            Truth(
                name=actor.name,
                id=i,
                skeleton=skeleton,
                world=world,
                camera=optical,
                pixels=pixels,
                visible=visible,
                self_hidden=_behind_own_body(optical, bodies[i]),
                height=actor.height,
                **_deed(actor, seconds),
            )
        )
    return tuple(found)


def _deed(actor: Actor, seconds: float) -> dict[str, Any]:
    """Return those fields of a truth that say what an actor does."""
    step, elapsed = actor.step(seconds)
    gesture = step.gesture
    if gesture == "stand" and actor.path.place(seconds).speed > 0.0:
        gesture = "walk"
    target = (np.nan,) * 3 if step.target is None else step.target
    return {
        "gesture": gesture,
        "arm": None if gesture in TWO_ARMED else step.arm,
        "held": len(actor.script) == 1 or elapsed >= TRANSITION_SECONDS,
        "target": np.array(target, np.float64),
    }


def _behind_own_body(joints: Float64Array, body: list[Cone]) -> NDArray[np.bool_]:
    """Return which (K, 3) joints have a part of the body in front that they do not lie in.

    What surrounds a joint does not hide it from a reader who asks where an arm is.
    """
    a = np.array([cone.a for cone in body])
    axis = np.array([cone.b for cone in body]) - a
    length2 = np.maximum(np.sum(axis**2, axis=1), 1e-12)
    radius = np.array([(cone.radius_a, cone.radius_b) for cone in body])
    offset = joints[:, None] - a
    share = np.clip(np.sum(offset * axis, axis=2) / length2, 0.0, 1.0)
    away = np.linalg.norm(offset - share[..., None] * axis, axis=2)
    within = away <= radius[:, 0] + share * (radius[:, 1] - radius[:, 0]) + _SKIN
    found: NDArray[np.bool_] = np.any(covers(joints, body) & ~within, axis=1)
    return found


DEFAULT_WIDTH, DEFAULT_HEIGHT, DEFAULT_FPS = 640, 480, 30.0
DEFAULT_DISTANCE = 3.0
FEW_CORES, FPS_ON_FEW_CORES = 4, 15

# Horizontal field of view of a 4:3 image that shows the actor from the feet to the raised hands.
_HFOV_DEGREES = 63.0


class SyntheticSource:
    """A ``Source``: an endless camera, or a recording of one run of the scene.

    Everything depends on the stamp alone: a frame shows the scene at its stamp
    (less ``begin``) modulo the scene's length, so that the truth of a frame is available in
    another process, from a source with the same arguments, by its stamp. Stamps are
    multiples of 1 / fps.

    A live frame is drawn before it is due, so that its age when it comes out of ``read`` is
    that of a real camera's: drawing it after its stamp would count as latency.

    Attributes:
        camera: The intrinsics.
        view: Where the camera stands over ``base_link``.
        seconds: Length of the scene; it repeats for ever.
    """

    def __init__(
        self,
        gesture: str | None = None,
        *,
        arm: Side = "right",
        script: Sequence[Step] | None = None,
        scene: Scene | None = None,
        width: int = DEFAULT_WIDTH,
        height: int = DEFAULT_HEIGHT,
        fps: float = DEFAULT_FPS,
        camera: Camera | None = None,
        hfov_degrees: float | None = None,
        camera_height: float = 1.1,
        camera_pitch_degrees: float = 2.0,
        camera_x: float = 0.0,
        camera_y: float = 0.0,
        camera_yaw_degrees: float = 0.0,
        distance: float | None = None,
        seed: int = 0,
        live: bool = True,
        loop: bool = False,
        begin: float = 0.0,
        name: str = "synthetic",
    ) -> None:
        """Set the scene; nothing is rendered before the first ``read``.

        Without a ``scene`` there is one actor, who stands before the camera and faces it.

        Args:
            gesture: One to hold, of ``actor.GESTURES``; None plays the script.
            arm: The arm of a held gesture that takes one.
            script: Steps to play in place of the default script.
            scene: Actors, in place of gesture, script and distance.
            width: Pixels.
            height: Pixels.
            fps: Frames a second, above 0.
            camera: Undistorted intrinsics in place of width, height and
                ``hfov_degrees``.
            hfov_degrees: Horizontal field of view; None: 63 at 4:3, and in a wider image
                what shows as much from top to bottom.
            camera_height: Meters above the floor.
            camera_pitch_degrees: Positive: the camera looks down.
            camera_x: Meters of the camera ahead of ``base_link``.
            camera_y: Meters of the camera to the left of ``base_link``.
            camera_yaw_degrees: Positive: the camera is turned to the left.
            distance: Meters along the floor to the lone actor, 1 or more; None: 3.
            seed: Of the camera's noise, 0 or more.
            live: Frames come in real time and are stamped with Unix time; a
                reader that is late misses frames. Otherwise they come as fast
                as they are read, with media time from 0.
            loop: Repeat a recording for ever; a live one never ends.
            begin: Unix time at which a live scene is at its start; no frame comes before it.
            name: What the user called it.

        Raises:
            OptionError: An argument is unknown or out of its range.
        """
        if not (math.isfinite(fps) and 0 < fps <= 1000):
            raise OptionError(f"fps must be above 0 and at most 1000, got {fps}")
        if distance is not None and not (math.isfinite(distance) and distance >= 1.0):
            raise OptionError(f"distance must be 1 meter or more, got {distance}")
        if seed < 0:
            raise OptionError(f"seed must be 0 or more, got {seed}")
        _check_begin(begin, live=live)
        if hfov_degrees is None:
            hfov_degrees = _whole_body_hfov(width, height)
        self.camera = camera or Camera.from_hfov(width, height, hfov_degrees)
        if self.camera.distorted or self.camera.matrix[0, 1] != 0.0:
            raise OptionError("the synthetic camera needs intrinsics without distortion and skew")
        if script is not None and gesture is not None:
            raise OptionError("give a gesture or a script, not both")
        if scene is None:
            steps = tuple(script or (SCRIPT if gesture is None else hold(gesture, arm)))
            scene = Scene.of_one(steps, DEFAULT_DISTANCE if distance is None else distance)
        elif not (gesture is None and script is None and distance is None):
            raise OptionError("a scene has its own gestures, scripts and distances; give it alone")
        self._scene = scene
        self.fps = float(fps)
        place = (camera_height, camera_pitch_degrees, camera_x, camera_y, camera_yaw_degrees)
        self.view = View(self.camera, *place)
        self._seed, self.live, self.name = seed, live, name
        self._period = max(1, round(scene.seconds * self.fps))
        self.seconds = self._period / self.fps
        self.length = None if live or loop else self._period
        self._renderer: Renderer | None = None
        self._begin = round(begin * self.fps)
        self._first: int | None = None
        self._next = 0
        self._drawing_seconds = 0.0  # what a frame has taken of late
        self._closed = Event()

    def read(self) -> Frame | None:
        """Return the next frame: when it is due if live, at once otherwise.

        Returns:
            None at the end of a recording, or when another thread closes the source.

        Raises:
            SourceError: The source had been closed before.
        """
        if self._closed.is_set():
            raise SourceError(f"{self.name} is closed")
        self._rendering()  # the room takes longer than a frame
        if self.live:
            self._next = max(self._next, self._soonest())
        if self._first is None:
            self._first = self._next
        if self.length is not None and self._next >= self.length:
            return None
        number = self._next
        self._next += 1
        due = number / self.fps
        image = self._draw(number)
        if self.live and self._closed.wait(max(0.0, due - time.time())):
            return None
        return Frame(image, due, number - self._first, self.name, "bgr")

    def _soonest(self) -> int:
        """Return the number of the first frame that can be drawn before it is due."""
        if self._first is None:
            # no reader waits for a frame a minute: the first one is the present's
            return max(self._begin, math.floor(time.time() * self.fps))
        return math.ceil((time.time() + self._drawing_seconds) * self.fps)

    def _draw(self, number: int) -> Image:
        began = time.monotonic()
        number_in_scene = (number - self._begin) % self._period
        # a still scene has few distinct frames: one rendering, and the noise patterns
        key = 0 if self._scene.still else number_in_scene
        image = self._rendering().frame(number_in_scene / self.fps, key, number)
        self._drawing_seconds = (self._drawing_seconds + time.monotonic() - began) / 2
        return image

    def depth(self, stamp: float) -> FloatArray:
        """Return the true depth image at a time, aligned with the frame of that stamp.

        Returns:
            (height, width) meters along the optical axis; each pixel sees something.
        """
        return self._rendering().depth(self._seconds(stamp))

    def measured_depth(self, stamp: float, sensor: DepthSensor | None = None) -> FloatArray:
        """Return what a depth camera would give at a time, aligned with the frame.

        Args:
            stamp: As for ``truth``; the seed and it decide the noise.
            sensor: How it errs; a common stereo camera by default.

        Returns:
            (height, width) meters along the optical axis, NaN where nothing was measured.
        """
        number = round(stamp * self.fps)
        generator = np.random.default_rng((self._seed, abs(number)))
        return (sensor or DepthSensor()).measure(self.depth(stamp), self.camera, generator)

    def truth(self, stamp: float) -> Truth:
        """Return the true joints of the scene's first actor at a time.

        Args:
            stamp: A frame's, or any other, in seconds; Unix time of a live source, media
                time otherwise.
        """
        return self.truths(stamp)[0]

    def truths(self, stamp: float) -> tuple[Truth, ...]:
        """Return the true joints of all actors at a time, as ``truth`` does of the first."""
        return truths(self._scene, self.view, self._seconds(stamp))

    def close(self) -> None:
        """End a ``read`` that waits in another thread; safe from any thread, and twice."""
        self._closed.set()

    def _rendering(self) -> Renderer:
        self._renderer = self._renderer or Renderer(self._scene, self.view, self._seed)
        return self._renderer

    def _seconds(self, stamp: float) -> float:
        """Return the time in the scene."""
        # by the number of the frame, so that rounded stamps give the very same truth
        number = stamp * self.fps - self._begin
        if abs(number - round(number)) < 1e-3:
            number = round(number)
        return (number % self._period) / self.fps


def _check_begin(begin: float, *, live: bool) -> None:
    if not (math.isfinite(begin) and begin >= 0):
        raise OptionError(f"begin must be a Unix time in seconds, got {begin}")
    if begin and not live:
        raise OptionError("begin is for a live scene; a recording begins at its first frame")


def _whole_body_hfov(width: int, height: int) -> float:
    widening = max(1.0, width / max(1, height) / (4 / 3))
    half = math.tan(math.radians(_HFOV_DEGREES / 2)) * widening
    return 2 * math.degrees(math.atan(half))


def _truth_value(text: str) -> bool:
    if text not in ("0", "1", "false", "true"):
        raise ValueError
    return text in ("1", "true")


def _beginning(text: str) -> float:
    return time.time() if text == "now" else float(text)


_SYNTHETIC_OPTIONS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "arm": ("arm", str),
    "width": ("width", int),
    "height": ("height", int),
    "fps": ("fps", float),
    "hfov": ("hfov_degrees", float),
    "camera_height": ("camera_height", float),
    "camera_x": ("camera_x", float),
    "camera_y": ("camera_y", float),
    "pitch": ("camera_pitch_degrees", float),
    "yaw": ("camera_yaw_degrees", float),
    "distance": ("distance", float),
    "seed": ("seed", int),
    "live": ("live", _truth_value),
    "begin": ("begin", _beginning),
}


def open_synthetic(
    spec: str,
    *,
    fps: float | None = None,
    width: int | None = None,
    height: int | None = None,
    loop: bool = False,
    live: bool = True,
) -> SyntheticSource:
    """Return the synthetic camera that ``synthetic[:NAME][?OPTION=VALUE&...]`` names.

    The name is that of a gesture to hold or of a scene, such as ``crossing`` or
    ``pointing``. Options: arm, width, height, fps, hfov (degrees), camera_height, camera_x and
    camera_y (meters above, ahead and to the left of ``base_link``), pitch and yaw (degrees down and
    to the left), distance (meters), seed, live
    (0 or 1), begin (Unix seconds, or now). What the text says goes before the arguments.

    Raises:
        OptionError: A name or an option is unknown or out of its range.
    """
    head, _, query = spec.partition("?")
    _, _, word = head.partition(":")
    options: dict[str, Any] = {
        "fps": DEFAULT_FPS if fps is None else fps,
        "width": DEFAULT_WIDTH if width is None else width,
        "height": DEFAULT_HEIGHT if height is None else height,
        "loop": loop,
        "live": live,
    }
    for key, text in parse_qsl(query, keep_blank_values=True):
        if key not in _SYNTHETIC_OPTIONS:
            known = ", ".join(_SYNTHETIC_OPTIONS)
            meant = did_you_mean(key, _SYNTHETIC_OPTIONS)
            raise OptionError(f"{spec}: unknown option {key!r}{meant}; known: {known}")
        name, read = _SYNTHETIC_OPTIONS[key]
        try:
            options[name] = read(text)
        except ValueError:
            raise OptionError(f"{spec}: {key} has no such value: {text!r}") from None
    if word in SCENES:
        if "arm" in options:
            raise OptionError(f"{spec}: a scene has its own arms; leave that option out")
        distance = options.pop("distance", None)
        scene = make_scene(word, seed=options.get("seed"), distance=distance)
        return SyntheticSource(scene=scene, name=spec, **options)
    if word and word not in GESTURES:
        names = [*GESTURES, *SCENES]
        raise OptionError(
            f"{spec}: unknown gesture or scene {word!r}{did_you_mean(word, names)}; "
            f"known: {', '.join(names)}"
        )
    return SyntheticSource(word or None, name=spec, **options)


def affordable_fps() -> float:
    """Return the frames a second of a drawn scene that this machine draws beside a network.

    Drawing a frame costs some 20 ms of a core.
    """
    return DEFAULT_FPS if len(os.sched_getaffinity(0)) > FEW_CORES else FPS_ON_FEW_CORES


def scene_spec(text: str) -> str:
    """Return what opens a scene that is named ``NAME[?OPTION=VALUE&...]``, once it is checked.

    Raises:
        OptionError: There is no such scene or option, or a value is out of its range.
    """
    name = text.partition("?")[0]
    if name not in SCENES:
        raise OptionError(
            f"unknown scene {name!r}{did_you_mean(name, SCENES)}; known: {', '.join(SCENES)}"
        )
    spec = f"synthetic:{text}"
    open_synthetic(spec).close()
    return spec
