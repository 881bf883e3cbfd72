"""A destroyed managed node leaves nothing behind."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import rclpy
from rclpy.context import Context
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions

from pose_ros.errors import OptionError
from pose_ros.ros.camera_node import CameraNode
from pose_ros.ros.gesture_node import GestureNode
from pose_ros.ros.pose_node import PoseNode


def participant_threads() -> int:
    """Count the threads with which Fast DDS listens to the network for this process."""
    names = [path.read_text(encoding="ascii") for path in Path("/proc/self/task").glob("*/comm")]
    return sum(name.startswith("dds.udp.") for name in names)


@pytest.fixture
def context() -> Iterator[Context]:
    """A separate context, without the garbage collector."""
    gc.collect()
    made = Context()
    rclpy.init(args=[], context=made, signal_handler_options=SignalHandlerOptions.NO)
    gc.disable()
    try:
        yield made
    finally:
        gc.enable()
        rclpy.shutdown(context=made)


def gone(before: int) -> bool:
    end = time.monotonic() + 60.0
    while participant_threads() > before and time.monotonic() < end:
        time.sleep(0.02)
    return participant_threads() == before


def pose(fake: Any, **options: Any) -> PoseNode:
    return PoseNode(make_estimator=lambda _parameters: fake, **options)


def gesture(_fake: Any, **options: Any) -> GestureNode:
    # with clients of services, which a robot's node holds
    commands = "wave: {do: event, name: hello, service: greet}"
    parameters = [Parameter("commands", value=commands)]
    return GestureNode(parameter_overrides=parameters, **options)


def camera(_fake: Any, **options: Any) -> CameraNode:
    parameters = [Parameter("source", value="synthetic:wave?width=64&height=48&fps=5")]
    return CameraNode(parameter_overrides=parameters, **options)


@pytest.mark.parametrize("state", ["unconfigured", "inactive", "active"])
@pytest.mark.parametrize("make", [pose, gesture, camera])
def test_destroyed_node_frees_its_participant_without_the_garbage_collector(
    make: Callable[..., Any], state: str, context: Context, fake: Any
) -> None:
    before = participant_threads()
    node = make(fake, context=context)
    if state == "inactive":
        node.trigger_configure()
    elif state == "active":
        node.autostart()
    assert node.state == state
    assert participant_threads() > before
    node.destroy_node()
    assert node.state == "finalized"
    assert gone(before)
    node.destroy_node()  # harmless


def test_node_with_a_refused_parameter_frees_its_participant(context: Context) -> None:
    before = participant_threads()
    refused = [Parameter("rate", value=-1.0)]
    with pytest.raises(OptionError, match="rate"):
        CameraNode(parameter_overrides=refused, context=context)
    assert gone(before)
