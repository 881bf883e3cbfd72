"""The three nodes for two minutes: what they hold stays what it is; ``tools.soak`` runs longer."""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from pose_ros.msg import PoseArray
from tools.soak import Held, growth, soak

pytestmark = pytest.mark.slow

SECONDS = float(os.environ.get("POSE_ROS_SOAK_SECONDS", "120"))

MAX_GROWTH_BYTES = 6e6
"""Allocators settle for minutes; an image kept each second would be 27 MB in these two minutes."""


def test_nodes_hold_no_more_after_two_minutes(ros, tmp_path):
    poses = ros.collect(PoseArray, "pose/poses")
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(soak, SECONDS, tmp_path)
        ros.spin_until(running.done, SECONDS + 180)
    seen = running.result()
    logs = {path.stem: path.read_text(errors="replace")[-2000:] for path in tmp_path.glob("*.log")}
    assert not seen.ended, logs
    assert set(seen.nodes) == {"camera_node", "pose_node", "gesture_node"}
    for name, held in seen.nodes.items():
        print(
            f"{name}: {held.rss[-1] / 1e6:.1f} MB ({growth(held.rss) / 1e6:+.2f}), "
            f"{held.threads[-1]} threads, {held.files[-1]} files"
        )
        assert growth(held.rss) < MAX_GROWTH_BYTES, name
        assert growth(held.threads) <= 0, name
        assert growth(held.files) <= 0, name
    assert growth(seen.shared) <= 0
    # a soak without images and people would prove nothing
    assert len(poses) > SECONDS
    assert sum(len(message.poses) > 0 for message in poses) > len(poses) / 2


@pytest.mark.parametrize("per_second", [0, 200_000])
def test_growth_tells_a_leak_from_noise(per_second):
    noise = np.random.default_rng(0).integers(-100_000, 100_000, 120)
    held = Held(rss=[int(3e8 + n + per_second * i) for i, n in enumerate(noise)])
    assert (growth(held.rss) > MAX_GROWTH_BYTES) == bool(per_second)
