"""Teach a gesture by a few seconds of a camera, and then say when someone makes it.

python examples/taught_gesture.py --teach synthetic:t_pose --watch synthetic:t_pose
"""

from __future__ import annotations

import argparse

import pose_ros

EXAMPLES = 5


def main() -> int:
    """Run the example; return the exit code."""
    parser = argparse.ArgumentParser(description="Teach a gesture and recognize it.")
    parser.add_argument("--teach", default="synthetic:t_pose", help="where it is shown")
    parser.add_argument("--watch", default="synthetic:t_pose", help="where it is looked for")
    args = parser.parse_args()

    estimator = pose_ros.create_estimator("blazepose-full")
    taught = pose_ros.TaughtGestures(joints=estimator.skeleton.name)
    camera = pose_ros.open_source(args.teach, fps=5, live=False)
    while taught.counts.get("mine", 0) < EXAMPLES and (frame := camera.read()) is not None:
        for pose in estimator.estimate(frame.image, frame.stamp, channels=frame.channels):
            taught.add("mine", pose.keypoints)  # pixels: any unit will do
    camera.close()

    estimator.reset()
    seen, images = 0, 0
    camera = pose_ros.open_source(args.watch, fps=5, live=False)
    while (frame := camera.read()) is not None:
        images += 1
        for pose in estimator.estimate(frame.image, frame.stamp, channels=frame.channels):
            name, confidence = taught.classify(pose.keypoints)
            if name is not None:
                seen += 1
                print(f"{frame.stamp:5.2f} s: {name} ({confidence:.2f})")
    camera.close()
    print(f"seen in {seen} of {images} images")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
