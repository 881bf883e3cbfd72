"""Follow the people before a camera: who they are, how far away, and what they do.

    python examples/follow_camera.py 0 --hfov 60 --height 1.75    # a camera
    python examples/follow_camera.py synthetic:commanding         # a drawn person

Ctrl-C ends it.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np

import pose_ros


def main() -> int:
    """Run the example; return the exit code."""
    parser = argparse.ArgumentParser(description="Follow the people before a camera.")
    parser.add_argument("source", help="0, /dev/video0, a video, a stream or synthetic")
    parser.add_argument("--hfov", type=float, default=63.0, help="field of view in degrees (63)")
    parser.add_argument("--height", type=float, default=1.75, help="of the people in meters (1.75)")
    parser.add_argument("--frames", type=int, help="images after which it ends")
    args = parser.parse_args()

    try:
        follow(args.source, args.hfov, args.height, args.frames)
    except KeyboardInterrupt:
        return 0
    except pose_ros.PoseRosError as error:  # its text is one line that says what to do
        print(error, file=sys.stderr)
        return 1
    return 0


def follow(source: str, hfov: float, height: float, frames: int | None) -> None:
    """Print each gesture as it starts and ends, and once a second how far away people are."""
    camera = pose_ros.open_source(source)
    # One of each for a stream of images: they remember what they saw.
    estimator = pose_ros.create_estimator(max_people=2)
    lifter = pose_ros.Lifter(pose_ros.LiftOptions(height=height))
    recognizer = pose_ros.GestureRecognizer()
    due = 0.0
    while (frame := camera.read()) is not None and frame.index != frames:
        lens = pose_ros.Camera.from_hfov(frame.width, frame.height, hfov_degrees=hfov)
        found = estimator.estimate(frame.image, frame.stamp, channels=frame.channels)
        poses = lifter.lift(found, lens, frame.stamp)
        for gesture in recognizer.update(poses, frame.stamp):
            if gesture.event != "held":
                print(f"person {gesture.person}: {gesture.name} {gesture.side} {gesture.event}")
        if frame.stamp < due:
            continue
        due = frame.stamp + 1.0
        for pose in poses:
            meters = np.linalg.norm(pose.camera_of("left_hip"))  # NaN where they are unknown
            print(f"person {pose.id}: {meters:.1f} m away", flush=True)


if __name__ == "__main__":
    sys.exit(main())
