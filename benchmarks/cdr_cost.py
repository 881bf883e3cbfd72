"""How long a bag of results takes with messages.cdr, and with rosbags' own serializer.

python -m benchmarks.cdr_cost
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import tempfile
import time
from pathlib import Path
from unittest import mock

from pose_ros.analysis import bag_writer
from pose_ros.analysis.bag_writer import BagWriter
from pose_ros.bags.message_types import types, typestore
from pose_ros.core.results import Result
from pose_ros.core.types import Poses
from pose_ros.messages.headers import header_of
from pose_ros.messages.poses import poses_to_msg
from pose_ros.messages.transforms import PersonFrames, transform_to_msg
from tools.drawn_results import INFO, drawn_results

IMAGES = 60
ROUNDS = 7


def poses_by_rosbags(
    poses: Poses, nanoseconds: int, frame_id: str, network: str, *, width: int, height: int
) -> bytes:
    """Serialize people as rosbags does, field by field."""
    header = header_of(types, nanoseconds, frame_id)
    message = poses_to_msg(types, poses, header, network, width=width, height=height)
    return bytes(typestore().serialize_cdr(message, "pose_ros/msg/PoseArray"))


def frames_by_rosbags(frames: PersonFrames, nanoseconds: int) -> bytes:
    """Serialize frames as rosbags does, field by field."""
    made = [
        transform_to_msg(types, header_of(types, nanoseconds, parent), child, place, turn)
        for parent, child, place, turn in zip(*frames, strict=True)
    ]
    message = types("tf2_msgs/msg/TFMessage")(transforms=made)
    return bytes(typestore().serialize_cdr(message, "tf2_msgs/msg/TFMessage"))


def write(results: list[Result], folder: Path) -> tuple[float, bytes]:
    """Write a bag; return CPU seconds and the bag's bytes."""
    path = folder / "bag"
    began = time.process_time()
    with BagWriter(path, "mcap", INFO) as writer:
        for result in results:
            writer.write(result, result.nanoseconds)
    seconds = time.process_time() - began
    return seconds, next(path.glob("*.mcap")).read_bytes()


def compare(scene: str) -> None:
    """Print CPU milliseconds an image of both, in turns, and their ratio."""
    results = list(drawn_results(scene, IMAGES))
    times: dict[str, list[float]] = {"messages.cdr": [], "rosbags": []}
    for _ in range(ROUNDS):
        data = []
        for name, seconds in times.items():
            with (
                tempfile.TemporaryDirectory() as folder,
                mock.patch.multiple(
                    bag_writer, poses_to_cdr=poses_by_rosbags, frames_to_cdr=frames_by_rosbags
                )
                if name == "rosbags"
                else contextlib.nullcontext(),
            ):
                spent, made = write(results, Path(folder))
                seconds.append(1e3 * spent / IMAGES)
                data.append(made)
        if data[0] != data[1]:
            raise SystemExit("the two bags differ")
    own, other = (statistics.median(seconds) for seconds in times.values())
    print(f"{scene}, {len(results[0].poses)} people: {own:.2f} and {other:.2f} ms an image")
    print(f"ratio {other / own:.2f}; the bags are the same bytes")


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    for name in ("gestures", "crossing", "five"):
        compare(name)
