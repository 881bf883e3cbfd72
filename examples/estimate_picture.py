"""Find the people in a picture, print where their wrists are, and draw them into a copy.

python examples/estimate_picture.py photo.jpg --out found.jpg
"""

from __future__ import annotations

import argparse
import sys

import cv2

import pose_ros


def main() -> int:
    """Run the example; return the exit code."""
    parser = argparse.ArgumentParser(description="Find the people in a picture.")
    parser.add_argument("picture")
    parser.add_argument("--out", default="found.jpg", help="drawing (found.jpg)")
    args = parser.parse_args()

    image = cv2.imread(args.picture)
    if image is None:
        print(f"cannot read {args.picture}", file=sys.stderr)
        return 1
    estimator = pose_ros.create_estimator("blazepose-full", max_people=4)
    poses = estimator.estimate(image, channels="bgr")  # OpenCV's order of colors

    for pose in poses:
        for name in ("left_wrist", "right_wrist"):
            x, y = pose.keypoint(name)  # pixels; NaN where the network found none
            print(f"person {pose.id}: {name} at {x:.0f}, {y:.0f}")
    pose_ros.draw(image, poses, channels="bgr")
    cv2.imwrite(args.out, image)
    print(f"people: {len(poses)}; drawn in {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
