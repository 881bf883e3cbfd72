"""Runs MediaPipe on frames that another process names; started by ``mediapipe_peer``.

It runs in an environment of its own, with MediaPipe and its NumPy 1, so it
imports nothing of pose_ros. Requests and answers are lines of JSON:

    {"op": "load", "path": "frames.npy"}           frames (N, H, W, 3) uint8 RGB
    {"op": "open", "solution": "pose", ...}        pose, steps or hands, and its options
    {"op": "run", "first": 0, "last": 10}          -> {"wall": s, "cpu": s, "results": [...]}
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

import mediapipe
import numpy as np
from mediapipe.python.solution_base import SolutionBase


def main() -> None:
    """Answer requests until the input ends."""
    # MediaPipe and TensorFlow Lite write to the real stdout and stderr: keep the answers apart
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    frames: list[Any] = []
    solution: Any = None
    kind = ""
    for line in sys.stdin:
        request = json.loads(line)
        operation = request.pop("op")
        answer: dict[str, Any] = {}
        if operation == "load":
            frames = list(np.load(request["path"]))
        elif operation == "open":
            kind = request.pop("solution")
            if solution is not None:
                solution.close()
            solution = open_solution(kind, request)
        elif operation == "run":
            wanted = frames[request["first"] : request["last"]]
            wall, cpu = time.perf_counter(), time.process_time()
            found = [solution.process(frame) for frame in wanted]
            answer["wall"] = time.perf_counter() - wall
            answer["cpu"] = time.process_time() - cpu
            read = read_hands if kind == "hands" else read_pose
            answer["results"] = [
                read(result, frame)
                for result, frame in zip(found, wanted)  # noqa: B905
            ]
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def open_solution(kind: str, options: dict[str, Any]) -> Any:
    """Return ``mediapipe.solutions.pose.Pose`` or ``...hands.Hands``, or the pose graph bare.

    ``steps`` is what ``Pose`` runs, and it tells the regions too.
    """
    if kind == "steps":
        return SolutionBase(
            binary_graph_path="mediapipe/modules/pose_landmark/pose_landmark_cpu.binarypb",
            side_inputs={
                "model_complexity": options["model_complexity"],
                "smooth_landmarks": False,
                "enable_segmentation": False,
                "smooth_segmentation": False,
                "use_prev_landmarks": True,
            },
            outputs=[
                *("pose_landmarks", "pose_world_landmarks"),
                *("pose_rect_from_detection", "pose_rect_from_landmarks"),
            ],
        )
    classes = {"pose": mediapipe.solutions.pose.Pose, "hands": mediapipe.solutions.hands.Hands}
    return classes[kind](**options)


def read_pose(result: Any, frame: Any) -> Any:
    """Return one person's landmarks in pixels and meters, or None."""
    if result.pose_landmarks is None:
        return None
    height, width = frame.shape[:2]
    pose = {
        "landmarks": read_landmarks(result.pose_landmarks, frame),
        "world": [[p.x, p.y, p.z] for p in result.pose_world_landmarks.landmark],
    }
    for name, stream in (("found", "detection"), ("next", "landmarks")):
        rect = getattr(result, f"pose_rect_from_{stream}", None)
        if rect is not None:
            x, y, size = rect.x_center * width, rect.y_center * height, rect.width * width
            pose[name] = [x, y, size, rect.rotation]
    return pose


def read_hands(result: Any, frame: Any) -> list[Any]:
    """Return each hand's landmarks and handedness."""
    hands = zip(  # noqa: B905
        result.multi_hand_landmarks or [],
        result.multi_hand_world_landmarks or [],
        result.multi_handedness or [],
    )
    return [
        {
            "handedness": handedness.classification[0].label,
            "score": handedness.classification[0].score,
            "landmarks": read_landmarks(landmarks, frame),
            "world": [[p.x, p.y, p.z] for p in world.landmark],
        }
        for landmarks, world, handedness in hands
    ]


def read_landmarks(landmarks: Any, frame: Any) -> list[list[float]]:
    """Return x, y, z in pixels and the visibility of each landmark."""
    height, width = frame.shape[:2]
    return [[p.x * width, p.y * height, p.z * width, p.visibility] for p in landmarks.landmark]


if __name__ == "__main__":
    main()
