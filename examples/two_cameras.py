"""Two cameras, one skeleton: joints in meters where the viewing rays of both cameras meet.

    python examples/two_cameras.py

Two drawn cameras see one person; the true place of each joint is known, so that the error can be
printed. ``pose-ros estimate a.mp4 b.mp4 --fuse --calibration room.yaml`` does the same with videos.
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray

import pose_ros
from pose_ros.core.multiview.extrinsics import CameraView, Extrinsics
from pose_ros.core.multiview.fusion import Fusion
from pose_ros.synthetic.source import open_synthetic

PLACES = {"left": "camera_y=0.7&yaw=-12", "right": "camera_y=-0.7&yaw=12"}  # meters, degrees


def main() -> None:
    """Fuse some images, and print how far the joints are from the truth."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--frames", type=int, default=30, help="images of each camera")
    frames = parser.parse_args().frames
    sources = {
        name: open_synthetic(f"synthetic:point_left?{place}&fps=10", live=False, loop=True)
        for name, place in PLACES.items()
    }
    views = [
        CameraView(name, source.camera, Extrinsics.from_pose(source.view.transform))
        for name, source in sources.items()
    ]
    # an estimator and a lifter have state: one for each camera
    estimators = {name: pose_ros.create_estimator() for name in sources}
    lifters = {name: pose_ros.Lifter() for name in sources}
    fusion = Fusion(views)
    errors: list[NDArray[np.float64]] = []
    for _ in range(frames):
        found, stamp = {}, 0.0
        for name, source in sources.items():
            frame = source.read()
            if frame is None:
                return
            poses = estimators[name].estimate(frame.image, frame.stamp, channels=frame.channels)
            poses = lifters[name].lift(poses, source.camera, frame.stamp)
            stamp = frame.stamp
            found[name] = (stamp, poses)
        people = fusion.update(stamp, found)
        true = sources["left"].truth(stamp).world
        errors.extend(np.linalg.norm(points - true, axis=1) for points in people.points)
        if len(people.points):
            wrist = people.points[0][people.poses.skeleton.index("left_wrist")]
            x, y, z = wrist
            print(f"{stamp:.1f} s: left wrist at x {x:.2f}, y {y:.2f}, z {z:.2f} m")
    print(f"error of a joint: {100 * np.nanmedian(errors):.1f} cm (median)")


if __name__ == "__main__":
    main()
