"""ROS for the tests: a domain of this process' own, on this machine only."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pose_ros.core import skeletons
from pose_ros.core.skeletons import Skeleton
from pose_ros.core.types import Image, Poses, hand_id
from pose_ros.ros.middleware import claim_domain
from pose_ros.settings.estimation import EstimatorOptions
from pose_ros.synthetic.source import Truth

if find_spec("rclpy") is None or find_spec("pose_ros.msg") is None:
    # the rest of the suite runs on a machine without ROS
    collect_ignore_glob = ["test_*.py"]

FOLDER = Path(__file__).parent
WAIT_SECONDS = 120.0
"""Longest wait for an expected event: a bound for slow machines, not a measurement."""
_LEAST_TURNS = 3


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run a test over ROS once more where it fails, as ROS 2's own CI does; none of safety."""
    if not config.pluginmanager.hasplugin("rerunfailures"):
        return  # as in a colcon workspace
    for item in items:
        if item.path.is_relative_to(FOLDER) and not item.get_closest_marker("safety"):
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.fixture(scope="session", autouse=True)
def _own_domain() -> None:
    os.environ["ROS_DOMAIN_ID"] = str(claim_domain())
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"


@dataclass
class FakeEstimator:
    """An Estimator that finds one person at a place that the test sets, or what ``find`` gives."""

    options: EstimatorOptions = field(default_factory=EstimatorOptions)
    network: str = "fake"
    provider: str = "cpu"
    stamps: list[float] = field(default_factory=list)
    images: list[Image] = field(default_factory=list)
    resets: int = 0
    act: Callable[[], None] = lambda: None
    find: Callable[[float], Poses] | None = None

    @property
    def skeleton(self) -> Skeleton:
        full = skeletons.get("blazepose33")
        return full.subset("upper_body") if self.options.upper_body_only else full

    def estimate(self, image: Image, stamp: float | None = None, *, channels: str = "rgb") -> Poses:
        self.stamps.append(stamp)
        self.images.append(image)
        self.act()
        if self.find:
            return self.find(stamp)
        points = len(self.skeleton)
        return Poses(
            skeleton=self.skeleton,
            ids=np.array([7]),
            scores=np.array([0.9], np.float32),
            boxes=np.array([[1, 2, 3, 4]], np.float32),
            keypoints=np.full((1, points, 2), 5, np.float32),
            keypoint_scores=np.full((1, points), 0.5, np.float32),
        )

    def reset(self) -> None:
        self.resets += 1


def _true_poses(
    truths: Sequence[Truth], ids: Sequence[int] | None = None, *, meters: bool = True
) -> Poses:
    """Return the poses of an estimator without errors for synthetic actors."""
    shape = (len(truths), len(truths[0].skeleton) if truths else 33)
    return Poses(
        skeleton=truths[0].skeleton if truths else skeletons.get("blazepose33"),
        ids=np.array([truth.id for truth in truths] if ids is None else ids, np.int64),
        scores=np.ones(len(truths)),
        boxes=np.array([(*t.pixels.min(axis=0), *t.pixels.max(axis=0)) for t in truths]).reshape(
            -1, 4
        ),
        keypoints=np.array([truth.pixels for truth in truths]).reshape(*shape, 2),
        keypoint_scores=np.ones(shape),
        camera=np.array([t.camera for t in truths]).reshape(*shape, 3) if meters else None,
    )


@pytest.fixture
def true_poses() -> Callable[..., Poses]:
    return _true_poses


@pytest.fixture
def fake() -> FakeEstimator:
    return FakeEstimator()


@pytest.fixture(scope="session")
def make_fake() -> type[FakeEstimator]:
    return FakeEstimator


@dataclass
class FakeHands:
    """A HandEstimator that finds the left hand of each person."""

    options: EstimatorOptions = field(default_factory=EstimatorOptions)
    network: str = "fake-hands"
    provider: str = "cpu"
    stamps: list[float] = field(default_factory=list)
    resets: int = 0
    skeleton: Skeleton = field(default_factory=lambda: skeletons.get("blazehand21"))

    def estimate(
        self, image: Image, bodies: Poses, stamp: float | None = None, *, channels: str = "rgb"
    ) -> Poses:
        self.stamps.append(stamp)
        people = len(bodies)
        return Poses(
            skeleton=self.skeleton,
            ids=np.array([hand_id(person, 0) for person in bodies.ids]),
            scores=np.full(people, 0.8, np.float32),
            boxes=np.tile(np.float32([30, 10, 50, 30]), (people, 1)),
            keypoints=np.full((people, 21, 2), (40, 20), np.float32),
            keypoint_scores=np.full((people, 21), 0.8, np.float32),
            labels=("left",) * people,
            label_scores=np.full(people, 0.7, np.float32),
        )

    def reset(self) -> None:
        self.resets += 1


@pytest.fixture
def fake_hands() -> FakeHands:
    return FakeHands()


class Ros:
    """An executor and the nodes of one test."""

    def __init__(self) -> None:
        import rclpy
        from rclpy.executors import SingleThreadedExecutor

        self.executor = SingleThreadedExecutor()
        self.node = self.add(rclpy.create_node("test"))
        self._managed: list[Any] = []
        self._subscriptions: list[Any] = []

    def add(self, node: Any) -> Any:
        self.executor.add_node(node)
        if hasattr(node, "close"):
            self._managed.append(node)
        return node

    def close_node(self, node: Any) -> None:
        """Close a node before the others."""
        self.executor.remove_node(node)
        self._managed.remove(node)
        node.close()

    def spin_until(self, condition: Callable[[], Any], seconds: float = WAIT_SECONDS) -> bool:
        """Spin until the condition holds, or the bound is reached."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                return False
            self.executor.spin_once(timeout_sec=0.02)
        return True

    def spin_for(self, seconds: float) -> None:
        """Spin for a time, and for some turns even where this machine stops for so long."""
        end, turns = time.monotonic() + seconds, 0
        while turns < _LEAST_TURNS or time.monotonic() < end:
            self.executor.spin_once(timeout_sec=min(0.02, seconds))
            turns += 1

    def collect(self, kind: Any, topic: str, qos: Any = 10) -> list[Any]:
        """Subscribe; the messages gather in the list."""
        found: list[Any] = []
        self._subscriptions.append(self.node.create_subscription(kind, topic, found.append, qos))
        return found

    def spin_until_matched(self) -> bool:
        """Spin until each subscription of ``collect`` is connected to a publisher."""
        return self.spin_until(lambda: all(s.get_publisher_count() for s in self._subscriptions))

    def close(self) -> None:
        for node in self._managed:
            node.close()
        self.node.destroy_node()
        self.executor.shutdown()


class Log:
    """What has been printed to stderr; looking takes nothing away."""

    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self._capture, self._text = capture, ""

    @property
    def text(self) -> str:
        self._text += self._capture.readouterr().err
        return self._text

    def __contains__(self, words: str) -> bool:
        return words in self.text

    def count(self, words: str) -> int:
        return self.text.count(words)


@pytest.fixture
def log(capfd: pytest.CaptureFixture[str]) -> Log:
    return Log(capfd)


@pytest.fixture
def ros() -> Iterator[Ros]:
    import rclpy
    from rclpy.signals import SignalHandlerOptions

    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    made = Ros()
    try:
        yield made
    finally:
        made.close()
        rclpy.shutdown()
