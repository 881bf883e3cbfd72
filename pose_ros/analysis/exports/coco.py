"""COCO keypoints: a data set of what was found, and the list that COCO's evaluation takes.

Conventions, as pycocotools reads them: x, y are pixels from 0 on, whole at the centers of
pixels, as those of pose_ros; a keypoint that is missing is 0, 0 with v = 0; links count
keypoints from 1; no annotation has the id 0, which its evaluation takes for no match.
"""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pose_ros.analysis.exports.tables import Group, groups
from pose_ros.core import skeletons
from pose_ros.core.camera import Float64Array
from pose_ros.core.results import Result, RunInfo
from pose_ros.core.skeletons import Skeleton
from pose_ros.errors import OutputError
from pose_ros.files import recording_name
from pose_ros.settings.outputs import ExportOptions
from pose_ros.sources.pictures import PICTURE_SUFFIXES

SURE = 0.5
"""Least score of a keypoint that counts as visible, v = 2; below it v = 1."""

_DIGITS = 2  # of pixels
_NUMBER = re.compile(r"(\d+)\.[A-Za-z]+$")


class CocoDataset:
    """Writes images, annotations and categories: what CVAT, FiftyOne and others open."""

    def __init__(self, paths: Sequence[Path], info: RunInfo, options: ExportOptions) -> None:
        """``paths`` is one; the file holds ``info``."""
        (path,) = paths
        self._coco17 = options.coco17
        self._ids = _ImageIds(options)
        self._categories: dict[tuple[str, Skeleton], dict[str, Any]] = {}
        self._count = 0
        with ExitStack() as stack:
            self._file = stack.enter_context(
                path.open("w", encoding="utf-8", errors="backslashreplace")
            )
            # a file of JSON grows in one place: the images wait aside
            self._images = stack.enter_context(
                tempfile.TemporaryFile(
                    "w+", encoding="utf-8", errors="backslashreplace", dir=path.parent
                )
            )
            about = {
                "description": "found by pose_ros",
                "version": info.versions.get("pose_ros", ""),
                "pose_ros": dataclasses.asdict(info),
            }
            self._file.write(
                f'{{"info": {_json(about, sort_keys=True)},\n"licenses": [],\n"annotations": ['
            )
            self._stack = stack.pop_all()

    def write(self, result: Result) -> None:
        """Write an image's annotations, and keep what is said of the image itself."""
        number = self._ids.of(result)
        image = {
            "id": number,
            "file_name": _file_name(result),
            "width": result.width,
            "height": result.height,
            "source": result.source,
            "index": result.index,
            "nanoseconds": result.nanoseconds,
        }
        self._images.write(("\n" if self._images.tell() == 0 else ",\n") + _json(image))
        for group in groups(result):
            kind = "person" if group.poses is result.poses else "hand"
            category = self._category(kind, group.poses.skeleton)
            for annotation in _annotations(group, self._coco17 and kind == "person"):
                self._count += 1
                whole = {"id": self._count, "image_id": number, "category_id": category["id"]}
                line = _json({**whole, **annotation, "iscrowd": 0})
                self._file.write(("\n" if self._count == 1 else ",\n") + line)

    def finish(self) -> tuple[str, ...]:
        """Write images and categories."""
        self._file.write('\n],\n"images": [')
        self._images.seek(0)
        shutil.copyfileobj(self._images, self._file)
        lines = ",\n".join(_json(category) for category in self._categories.values())
        self._file.write(f'\n],\n"categories": [\n{lines}\n]}}\n')
        self._stack.close()
        return ()

    def abandon(self) -> None:
        """Close the files."""
        self._stack.close()

    def _category(self, kind: str, own: Skeleton) -> dict[str, Any]:
        """Return what is said of a kind of body; the first of a kind bears its name."""
        skeleton = skeletons.get("coco17") if self._coco17 and kind == "person" else own
        if (kind, skeleton) not in self._categories:
            taken = any(known == kind for known, _ in self._categories)
            self._categories[kind, skeleton] = {
                "id": len(self._categories) + 1,
                "name": f"{kind}_{skeleton.name}" if taken else kind,
                "supercategory": "person",
                "keypoints": [*skeleton.keypoints],
                "skeleton": [[a + 1, b + 1] for a, b in skeleton.links],
            }
        return self._categories[kind, skeleton]


class CocoResults:
    """Writes the list of results that pycocotools' ``loadRes`` takes: people, 17 keypoints."""

    def __init__(self, paths: Sequence[Path], info: RunInfo, options: ExportOptions) -> None:
        """``paths`` is one; the list has no room for ``info``."""
        del info
        self._ids = _ImageIds(options)
        self._file = paths[0].open("w", encoding="utf-8", errors="backslashreplace")
        self._file.write("[")
        self._separator = "\n"

    def write(self, result: Result) -> None:
        """Write the people of an image."""
        number = self._ids.of(result)
        for group in groups(result):
            if group.poses is result.poses:
                for found in _annotations(group, coco17=True):
                    kept = {key: found[key] for key in ("keypoints", "score", "bbox")}
                    line = _json({"image_id": number, "category_id": 1, **kept})
                    self._file.write(self._separator + line)
                    self._separator = ",\n"

    def finish(self) -> tuple[str, ...]:
        """Write the end of the list."""
        self._file.write("\n]\n")
        self._file.close()
        return ()

    def abandon(self) -> None:
        """Close the file."""
        self._file.close()


class _ImageIds:
    """Gives images their ids, each its own within a file."""

    def __init__(self, options: ExportOptions) -> None:
        self._by_name = options.coco_ids == "name"
        self._last = -1
        self._offset = 0

    def of(self, result: Result) -> int:
        """Return the id of the next image: its index while that rises, on from there after."""
        if self._by_name:
            match = _NUMBER.search(result.source)
            if match is None:
                raise OutputError(
                    f"{result.source!r} has no number at its end, as 000000000785.jpg has, "
                    "to be its id in COCO's files: let images be called by their index"
                )
            return int(match[1])
        number = result.index + self._offset
        if number <= self._last:  # another recording or picture has begun
            self._offset += self._last + 1 - number
            number = self._last + 1
        self._last = number
        return number


def _file_name(result: Result) -> str:
    """Return what a picture is called, or what ``--out DIR/%s_%06i.jpg`` calls a frame."""
    if Path(result.source).suffix.lower() in PICTURE_SUFFIXES:
        return result.source
    return f"{recording_name(result.source)}_{result.index:06d}.jpg"


def _annotations(group: Group, coco17: bool) -> list[dict[str, Any]]:
    """Return what COCO says of each person or hand; nothing of one without any keypoint."""
    poses = group.poses
    xy: Float64Array = poses.keypoints.astype(np.float64)
    scores: Float64Array = poses.keypoint_scores.astype(np.float64)
    if coco17:
        order, lacking = _coco17_order(poses.skeleton)
        xy, scores = xy[:, order], scores[:, order]
        xy[:, lacking], scores[:, lacking] = np.nan, 0.0
    found: NDArray[np.bool_] = np.all(np.isfinite(xy), axis=2)
    visibility = found * np.where(scores >= SURE, 2, 1)
    xy[~found] = 0.0
    xy = xy.round(_DIGITS)
    boxes = poses.boxes.astype(np.float64)
    boxes[:, 2:] -= boxes[:, :2]
    annotations = []
    for i in np.flatnonzero(found.any(axis=1)).tolist():
        triples = zip(xy[i].tolist(), visibility[i].tolist(), strict=True)
        box = boxes[i]
        if not np.isfinite(box).all():
            low, high = xy[i][found[i]].min(axis=0), xy[i][found[i]].max(axis=0)
            box = np.concatenate([low, high - low])
        box = np.round(box, _DIGITS).tolist()
        side = {"side": group.sides[i]} if group.sides[i] else {}
        annotations.append(
            {
                "keypoints": [number for (x, y), v in triples for number in (x, y, v)],
                "num_keypoints": int(found[i].sum()),
                "keypoint_scores": np.round(scores[i], 4).tolist(),
                "bbox": box,
                "area": round(box[2] * box[3], _DIGITS),
                "score": round(float(poses.scores[i]), 4),
                "track_id": group.people[i],
                **side,
            }
        )
    return annotations


@lru_cache(maxsize=16)
def _coco17_order(skeleton: Skeleton) -> tuple[list[int], list[bool]]:
    """Return where COCO's keypoints stand in a skeleton, and which of them it lacks."""
    known = {name: i for i, name in enumerate(skeleton.keypoints)}
    names = skeletons.get("coco17").keypoints
    lacking = [name not in known for name in names]
    if all(lacking):
        raise OutputError(f"{skeleton.name} has none of COCO's 17 keypoints")
    return [known.get(name, 0) for name in names], lacking


def _json(value: Any, *, sort_keys: bool = False) -> str:
    """Return a value as JSON; a NaN in it would be a defect of ours."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=sort_keys)
