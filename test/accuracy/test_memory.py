"""Memory of an estimate: no copy of the frame, and no growth."""

import os
import tracemalloc
from pathlib import Path

import pytest

import pose_ros
from pose_ros.sources.opening import open_source

FRAMES = int(os.environ.get("POSE_ROS_FRAMES", "300"))


@pytest.fixture(scope="module")
def frames():
    source = open_source("synthetic:wave", width=1280, height=720, fps=10, live=False)
    found = [source.read() for _ in range(10)]
    source.close()
    return [frame.image for frame in found if frame is not None]


def resident_bytes():
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return 4096 * pages


def test_estimating_copies_no_frame(frames):
    estimator = pose_ros.create_estimator()
    for i in range(3):
        estimator.estimate(frames[i], i / 10, channels="bgr")
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for i, frame in enumerate(frames):
            assert len(estimator.estimate(frame, 1 + i / 10, channels="bgr")) == 1
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    print(f"peak of {peak / 1e6:.2f} MB over frames of {frames[0].nbytes / 1e6:.2f} MB")
    # the region's crop of 256 x 256 x 3 and the network's outputs
    assert peak < frames[0].nbytes / 2


def test_memory_does_not_grow_over_many_frames(frames):
    people, hands = pose_ros.create_estimator(max_people=3), pose_ros.create_body_hands()

    def run(first, last):
        for i in range(first, last):
            image = frames[i % len(frames)]
            poses = people.estimate(image, i / 10, channels="bgr")
            hands.estimate(image, poses, i / 10, channels="bgr")

    run(0, 50)
    before = resident_bytes()
    run(50, 50 + FRAMES)
    after = resident_bytes()
    print(f"{before / 1e6:.1f} MB, {after / 1e6:.1f} MB after {FRAMES} further frames")
    assert after - before < 8e6
