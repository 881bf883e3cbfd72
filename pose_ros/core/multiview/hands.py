"""Hands of fused people: each once, from all cameras that see it.

A hand belongs to the person whose body its camera found it with, and to the side whose fused wrist
is the nearer one in that image: a camera that has swapped left and right of a body has its hands
swapped too. Joints that two or more cameras see are where their rays meet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pose_ros.core.camera import Float64Array
from pose_ros.core.multiview.association import NO_PERSON
from pose_ros.core.multiview.clocks import CameraSamples
from pose_ros.core.multiview.extrinsics import CameraView
from pose_ros.core.multiview.fusion import FusedPeople
from pose_ros.core.multiview.triangulation import triangulate
from pose_ros.core.skeletons import SIDES, Skeleton
from pose_ros.core.types import Poses, PositionSource, hand_id, person_of_hand
from pose_ros.errors import OptionError

_JOINT_METERS = 0.006  # one sigma of a hand's joint along one axis; rays of a man at a desk miss so


@dataclass(frozen=True, eq=False)
class _HandView:
    """A hand as one camera sees it: index of the camera, its hands, and the row among them."""

    view: int
    hands: Poses
    row: int

    @property
    def score(self) -> float:
        """In [0, 1]."""
        return float(self.hands.scores[self.row])


class HandFusion:
    """Gives the hands of fused people the people's ids, and meters where rays meet."""

    def __init__(self, views: Sequence[CameraView]) -> None:
        """``views``: those of the ``Fusion`` whose people have the hands."""
        self._views = {view.name: view for view in views}
        self._samples = {view.name: CameraSamples() for view in views}
        self._skeleton: Skeleton | None = None

    def reset(self) -> None:
        """Begin a new stream."""
        for samples in self._samples.values():
            samples.reset()

    def update(
        self,
        people: FusedPeople,
        hands_by_view: Mapping[str, tuple[float, Poses]],
        max_skew: float,
    ) -> Poses | None:
        """Return the hands of the people of an instant.

        Args:
            people: What ``Fusion.update`` returned.
            hands_by_view: By name of the camera, the stamp of its newest image and the hands in it,
                with ids of ``hand_id``. A camera without a new image may be missing.
            max_skew: Seconds, of ``FusionOptions``.

        Returns:
            Hands with ids of ``hand_id`` of the fused people. ``keypoints`` are in the image of the
            reference: its own, and elsewhere where joints that several cameras see would be in it.
            ``camera`` is in its frame, of these joints; ``world`` is the shape that the camera with
            the surest hand sees, in its axes. None where no camera ever had hands.

        Raises:
            OptionError: A camera is unknown, or skeletons differ.
        """
        for name, (stamp, hands) in hands_by_view.items():
            if name not in self._samples:
                raise OptionError(f"there is no camera {name!r}; known: {', '.join(self._samples)}")
            if self._skeleton not in (None, hands.skeleton):
                raise OptionError(
                    f"expected hands of {self._skeleton.name}, got {hands.skeleton.name} of {name}"
                )
            self._skeleton = hands.skeleton
            self._samples[name].add(stamp, hands)
        if self._skeleton is None:
            return None
        found = [samples.at(people.stamp, max_skew) for samples in self._samples.values()]
        groups = self._grouped(people, found)
        return self._fused(people, groups, self._skeleton)

    def _grouped(
        self, people: FusedPeople, found: Sequence[Poses | None]
    ) -> dict[tuple[int, int], list[_HandView]]:
        """Return the hands as cameras see them, by the row of the person and the side."""
        wrists = self._wrists(people)
        groups: dict[tuple[int, int], list[_HandView]] = {}
        for v, (view, hands) in enumerate(zip(self._views.values(), found, strict=True)):
            if hands is None or not len(hands):
                continue
            owners = people.camera_ids[:, v].tolist()
            pixels = view.project(wrists)  # (N, 2, 2)
            for g, own in enumerate(owners):
                rows = [
                    row
                    for row, id_ in enumerate(hands.ids.tolist())
                    if own != NO_PERSON and person_of_hand(id_) == own
                ]
                for row, side in zip(rows, _sides(hands, rows, pixels[g]), strict=True):
                    groups.setdefault((g, side), []).append(_HandView(v, hands, row))
        return groups

    @staticmethod
    def _wrists(people: FusedPeople) -> Float64Array:
        """Return (N, 2, 3) meters of both wrists, NaN unknown."""
        names = people.poses.skeleton.keypoints
        found = np.full((len(people.poses), len(SIDES), 3), np.nan)
        for side, name in enumerate(SIDES):
            if f"{name}_wrist" in names:
                found[:, side] = people.points[:, names.index(f"{name}_wrist")]
        return found

    def _fused(
        self,
        people: FusedPeople,
        groups: Mapping[tuple[int, int], list[_HandView]],
        skeleton: Skeleton,
    ) -> Poses:
        """Return the hands of all groups as the reference camera has them."""
        if not groups:
            return Poses.empty(skeleton)
        views, count = list(self._views.values()), len(skeleton)
        shape = (len(views), len(groups), count)
        pixels, scores = np.full((*shape, 2), np.nan), np.zeros(shape)
        for h, members in enumerate(groups.values()):
            for seen in members:
                pixels[seen.view, h] = seen.hands.keypoints[seen.row]
                scores[seen.view, h] = seen.hands.keypoint_scores[seen.row]
        sigmas = self._pixel_sigmas(people, list(groups))
        met = triangulate(views, pixels, scores, sigmas[..., None])
        reference = self._views[people.reference]
        own = pixels[views.index(reference)]
        projected = reference.project(met.points)
        known = np.isfinite(met.points).all(axis=2)
        best = [max(members, key=lambda seen: seen.score) for members in groups.values()]
        keypoints = np.where(np.isfinite(own), own, projected)
        low = np.where(np.isfinite(keypoints), keypoints, np.inf).min(axis=1)
        high = np.where(np.isfinite(keypoints), keypoints, -np.inf).max(axis=1)
        boxes = np.concatenate([low, high], axis=1)
        turn = reference.extrinsics.rotation
        world = np.full((len(groups), count, 3), np.nan)
        for h, seen in enumerate(best):
            if seen.hands.world is not None:
                world[h] = (
                    seen.hands.world[seen.row] @ views[seen.view].extrinsics.rotation @ turn.T
                )
        return Poses(
            skeleton=skeleton,
            ids=np.array([hand_id(int(people.poses.ids[g]), side) for g, side in groups], np.int64),
            scores=np.array([seen.score for seen in best], np.float32),
            boxes=np.where(np.isfinite(boxes), boxes, np.nan),
            keypoints=keypoints,
            keypoint_scores=np.max(scores, axis=0),
            world=world,
            camera=reference.extrinsics.to_camera(met.points).astype(np.float32),
            camera_sources=np.where(known, PositionSource.MULTIVIEW, PositionSource.NONE),
            camera_sigmas=np.where(known, met.sigmas, np.nan),
            labels=tuple(SIDES[side] for _, side in groups),
            label_scores=np.array([_label_score(seen) for seen in best], np.float32),
        )

    def _pixel_sigmas(self, people: FusedPeople, keys: Sequence[tuple[int, int]]) -> Float64Array:
        """Return (V, H) one sigma of a joint in pixels, by how far away the wrist is; NaN unknown.

        Of a wrist that is not known, by how far away the person is.
        """
        wrists, places = self._wrists(people), []
        for g, side in keys:
            points = people.points[g][np.isfinite(people.points[g]).all(axis=1)]
            middle = np.median(points, axis=0) if len(points) else np.full(3, np.nan)
            wrist = wrists[g, side]
            places.append(wrist if np.isfinite(wrist).all() else middle)
        found = []
        for view in self._views.values():
            depth = view.extrinsics.to_camera(np.array(places))[:, 2]
            found.append(view.focal * _JOINT_METERS / np.where(depth > 0, depth, np.nan))
        return np.array(found)


def _label_score(seen: _HandView) -> float:
    scores = seen.hands.label_scores
    return float("nan") if scores is None else float(scores[seen.row])


def _sides(hands: Poses, rows: Sequence[int], wrists: NDArray[np.float64]) -> list[int]:
    """Return on which side each hand of a person is; their camera's own word in doubt.

    Args:
        hands: Of one camera.
        rows: Of this person's.
        wrists: (2, 2) pixels where the left and the right wrist are.
    """
    own = [int(hands.ids[row]) % 2 for row in rows]
    if not np.isfinite(wrists).all() or "wrist" not in hands.skeleton.keypoints:
        return own
    joint = hands.skeleton.index("wrist")
    away = [np.linalg.norm(wrists - hands.keypoints[row, joint], axis=1) for row in rows]
    near = [
        int(np.argmin(far)) if np.isfinite(far).all() else o
        for far, o in zip(away, own, strict=True)
    ]
    return near if len(set(near)) == len(near) else own
