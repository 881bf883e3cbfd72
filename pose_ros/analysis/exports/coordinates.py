"""MOT: the joint angles of one person as the coordinates of an OpenSim model, degrees."""

from __future__ import annotations

from typing import IO

import numpy as np

from pose_ros.analysis.exports.motion import EvenMotion, point
from pose_ros.core.anatomical_angles import (
    ARM,
    Find,
    angles_of,
    bend,
    limb_axes,
    trunk_frames,
    turns_zxy,
)
from pose_ros.core.anatomical_angles import NAMES as ANGLES
from pose_ros.core.camera import Float64Array
from pose_ros.core.joint_angles import continued
from pose_ros.core.skeletons import SIDES
from pose_ros.core.timeline import NANOSECONDS

_ENOUGH = 0.9  # share of frames in which a coordinate is known, below which the run says so
_PLACE = ("pelvis_tx", "pelvis_ty", "pelvis_tz")
COORDINATES = (
    *("pelvis_tilt", "pelvis_list", "pelvis_rotation", *_PLACE),
    *(
        f"{name}_{side[0]}"
        for side in SIDES
        for name in (
            *("hip_flexion", "hip_adduction", "hip_rotation", "knee_angle", "ankle_angle"),
            *("arm_flex", "arm_add", "arm_rot", "elbow_flex"),
        )
    ),
    *("lumbar_bending", "lumbar_rotation"),
)
"""Of the full body model of Rajagopal et al. 2016: degrees, and meters of the pelvis."""


def coordinates_of(keypoints: Float64Array) -> Float64Array:
    """Return the ``COORDINATES`` of keypoints (n, len(KEYPOINTS), 3) in meters, Y up."""

    def find(name: str) -> Float64Array:
        return point(keypoints, (name,))

    pelvis, thorax = trunk_frames(find)
    angles = dict(zip(ANGLES, angles_of(find).T, strict=True))
    found = [*turns_zxy(pelvis[..., 1], pelvis[..., 0])]
    found += [*((find("left_hip") + find("right_hip")) / 2.0).T]
    for side in SIDES:
        names = ("hip_flexion", "hip_adduction", "hip_rotation", "knee_flexion")
        found += [angles[f"{side}_{name}"] for name in (*names, "ankle_dorsiflexion")]
        found += [*_arm(find, side, thorax), bend(find, side, ARM)]
    found += [angles["trunk_bending"], angles["trunk_rotation"]]
    return np.stack(found, axis=1)


def _arm(find: Find, side: str, thorax: Float64Array) -> tuple[Float64Array, ...]:
    y, x = limb_axes(find, side, ARM, thorax)
    return turns_zxy(y, x)


def write_mot(track: EvenMotion, file: IO[bytes]) -> str:
    """Write a person's joint angles as MOT; returns a line about it.

    OpenSim stops reading at the first NaN: what is missing lies on a straight line between what
    is known, or is as the nearest that is. A coordinate that is never known is left out.
    """
    values = np.concatenate([coordinates_of(keypoints) for _, keypoints in track.resampled()])
    turns = [name not in _PLACE for name in COORDINATES]
    values[:, turns], _ = continued(values[:, turns], np.zeros(0))
    known = np.isfinite(values)
    names = [
        name for name, is_known in zip(COORDINATES, known.any(axis=0), strict=True) if is_known
    ]
    if not names:
        return ""
    frames = np.arange(len(values))
    columns = [
        np.interp(frames, frames[known[:, i]], values[known[:, i], i])
        for i in np.flatnonzero(known.any(axis=0))
    ]
    head = (
        f"Coordinates\nversion=1\nnRows={len(frames)}\nnColumns={1 + len(names)}\n"
        "inDegrees=yes\nendheader\n" + "\t".join(("time", *names)) + "\n"
    )
    file.write(head.encode("ascii"))
    for i, row in enumerate((np.stack(columns, axis=1).round(5) + 0.0).tolist()):
        cells = "\t".join(f"{value:.5f}" for value in row)
        file.write(f"{i * track.period / NANOSECONDS:.6f}\t{cells}\n".encode("ascii"))
    sparse = {
        name: float(share)
        for name, share in zip(COORDINATES, known.mean(axis=0), strict=True)
        if 0.0 < share < _ENOUGH
    }
    note = track.note()
    if sparse:
        shares = ", ".join(f"{name} {100 * share:.0f}%" for name, share in sparse.items())
        note += f"; known in few frames, in between on straight lines: {shares}"
    return note
