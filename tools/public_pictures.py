"""Says where the public pictures and clips of the accuracy tests come from, and which are there.

    python -m tools.public_pictures ../shared/data

The tests look for the folder that POSE_ROS_DATA names, else for ../shared/data beside the checkout.
Nothing is downloaded: look at the license of each source first, then put its files where they are
listed. Nothing of it belongs in this repository.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

DEFAULT_FOLDER = Path(__file__).resolve().parents[2] / "shared" / "data"


@dataclass(frozen=True)
class PictureSet:
    """Files of one source.

    Attributes:
        folder: Where tests look for them, within the folder of all data.
        what: They show.
        origin: Owner and name of a repository, and where in it; else who made them.
        patterns: Of files in the folder.
        count: Files that match, at least.
    """

    folder: str
    what: str
    origin: str
    patterns: tuple[str, ...]
    count: int

    def found(self, data: Path) -> int:
        """Return how many of the files are there."""
        return sum(len(list((data / self.folder).glob(pattern))) for pattern in self.patterns)


NOT_PUBLISHED = "made for these tests with it, and not published"

SETS = (
    PictureSet(
        "images",
        "photos with 0 to many people",
        "github.com/dusty-nv/jetson-inference data/images",
        ("humans_*.jpg", "peds_*.jpg"),
        7,
    ),
    PictureSet(
        "images",
        "photos of COCO",
        "github.com/CMU-Perceptual-Computing-Lab/openpose examples/media",
        ("COCO_val2014_*.jpg",),
        10,
    ),
    PictureSet(
        "video",
        "205 frames of a dancer, video.avi there and dance.avi here",
        "github.com/CMU-Perceptual-Computing-Lab/openpose examples/media/video.avi",
        ("dance.avi",),
        1,
    ),
    PictureSet(
        "coco_keypoints",
        "4 photos with 14 annotated people",
        "github.com/open-mmlab/mmpose tests/data/coco",
        ("*.jpg", "test_coco.json"),
        5,
    ),
    PictureSet(
        "hands",
        "8 hands with 21 annotated joints",
        "github.com/open-mmlab/mmpose tests/data/freihand",
        ("*.jpg", "test_freihand.json"),
        9,
    ),
    PictureSet(
        "blazepose",
        "the lite network of landmarks",
        "github.com/google-ai-edge/mediapipe, commit 710fb3de58dc",
        ("pose_landmark_lite.tflite",),
        1,
    ),
    PictureSet(
        "posenet",
        "PoseNet with MobileNetV1, its picture and what its makers' decoder finds",
        "github.com/google-coral/project-posenet",
        ("*",),
        3,
    ),
    PictureSet(
        "openpose",
        "a small OpenPose network",
        "tf-pose-estimation models/graph/mobilenet_v2_small/graph_opt.pb, converted by tf2onnx",
        ("mobilenet_v2_small.onnx",),
        1,
    ),
    PictureSet(
        "paf_scenes",
        "drawn scenes, and what trt_pose's own parser finds in them",
        f"trt_pose's generate_cmap and parser; {NOT_PUBLISHED}",
        ("*.npz", "*_pose.json"),
        4,
    ),
    PictureSet(
        "paf_scenes_more",
        "more of them",
        f"trt_pose's generate_cmap and parser; {NOT_PUBLISHED}",
        ("*.npz",),
        1,
    ),
    PictureSet(
        "references",
        "what MediaPipe 0.10.21 finds in these pictures",
        f"pypi.org/project/mediapipe; {NOT_PUBLISHED}",
        ("mediapipe_*",),
        5,
    ),
    PictureSet(
        "real3d/pose2sim",
        "a man who balances, 2 calibrated cameras",
        "github.com/perfanalytics/pose2sim Demo_SinglePerson",
        ("*",),
        3,
    ),
    PictureSet(
        "real3d/caliscope",
        "a man at a desk, 4 calibrated cameras",
        "github.com/mprib/caliscope tests/sessions/charuco_calibration",
        ("*",),
        3,
    ),
    PictureSet(
        "hand_gestures",
        "real hands that make gestures, digits and fingers",
        "github.com/google-ai-edge/mediapipe model_maker, ardamavi/Sign-Language-Digits-Dataset, "
        "SubhiH/HandsDataset",
        ("hagrid/*/*", "digits/*", "fingers/*", "fingers_labels.csv"),
        4,
    ),
    PictureSet(
        "taught_gestures",
        "landmarks of 2,225 real hands",
        "github.com/Kazuhito00/hand-gesture-recognition-using-mediapipe",
        ("hand_landmarks.csv",),
        1,
    ),
)


def report(data: Path) -> tuple[list[str], bool]:
    """Return a line for each set, and whether all of them are there."""
    lines, complete = [], True
    for each in SETS:
        found = each.found(data)
        complete &= found >= each.count
        state = "ok" if found >= each.count else f"{found} of {each.count} files" if found else "-"
        lines.append(f"{each.folder:<18} {state:<16} {each.what}; {each.origin}")
    return lines, complete


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what is there; return 0 where everything is, else 1."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    folder = Path(os.environ.get("POSE_ROS_DATA") or DEFAULT_FOLDER)
    parser.add_argument("folder", nargs="?", type=Path, default=folder, help=f"({folder})")
    data = parser.parse_args(arguments).folder
    lines, complete = report(data)
    print(f"{data}{'' if data.is_dir() else ' is not there'}", *lines, sep="\n")
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
