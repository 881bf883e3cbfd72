"""People as foxglove_msgs has them: lines and names on the image, and a scene in meters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pose_ros.core.camera import Float64Array
from pose_ros.core.gestures.recognizer import Gesture
from pose_ros.core.skeletons import PEOPLE_COLORS
from pose_ros.core.types import Pose, Poses, person_of_hand
from pose_ros.messages.headers import HeaderMsg, Types
from pose_ros.messages.transforms import body_id

LINK_METERS, JOINT_METERS = 0.025, 0.05
"""Width of a link and diameter of a joint of a body in a scene."""
LIFETIME_SECONDS = 2
"""After which a viewer deletes people by itself, as when the node has died."""

_POINTS, _LINE_LIST, _SCENE_LINE_LIST, _MATCHING_ID = 1, 4, 2, 0
_TEXT_PIXELS = 14.0  # on the screen, of a name in the scene
_OVER_HEAD = 0.25  # meters from the nose, along the trunk
_HAND_SCALE = 0.3  # of links and joints of a hand in the scene
# fractions of the image's longer side, or of so many times a person's
_LINK, _JOINT, _TEXT, _SPAN = 0.003, 0.0045, 0.016, 3.0
_NO_TURN = {"x": 0.0, "y": 0.0, "z": 0.0, "w": 1.0}


def names_of(poses: Poses, prefix: str, gestures: Iterable[Gesture] = ()) -> dict[int, str]:
    """Return what stands at each person, by id: their name on /tf, and what they do.

    Args:
        poses: The people.
        prefix: Of the ids.
        gestures: Those of the image; what has ended is left out.
    """
    held = [gesture for gesture in gestures if gesture.event != "ended"]
    return {
        pose.id: ", ".join(
            (
                body_id(pose.id, prefix),
                *(f"{g.side} {g.name}".strip() for g in held if g.person == pose.id),
            )
        )
        for pose in poses
    }


def annotations_to_msg(
    types: Types,
    poses: Poses,
    header: HeaderMsg,
    labels: Mapping[int, str],
    *,
    min_score: float,
    width: int,
    height: int,
    hands: Poses | None = None,
) -> Any:
    """Return a foxglove_msgs/ImageAnnotations: of each person links, joints and a name.

    Args:
        types: Of messages.
        poses: The people.
        header: The image's own; viewers match annotations and image by its stamp.
        labels: What stands at each person, by id.
        min_score: Joints of people below this score, in [0, 1], are left out with their links.
        width: Of the image, pixels.
        height: Of the image, pixels.
        hands: Of these people; they have no names.
    """
    stamp, size = header.stamp, float(max(width, height))
    point2, black = _maker(types, "Point2"), _maker(types, "Color")(r=0.0, g=0.0, b=0.0, a=1.0)
    lines, names = [], []
    for pose, person, least, label in _bodies_and_hands(poses, hands, min_score, labels):
        color = _color(types, person)
        valid = _valid(pose, pose.keypoints, least)
        places = [point2(x=x, y=y) for x, y in pose.keypoints.astype(np.float64).tolist()]
        # finer on who is small, as in the overlay
        x0, y0, x1, y1 = map(float, pose.box)
        fitting = float(np.nanmin((size, _SPAN * max(x1 - x0, y1 - y0))))
        for kind, indices, scale in (
            (_LINE_LIST, _ends(pose, valid), _LINK),
            (_POINTS, np.flatnonzero(valid).tolist(), _JOINT),
        ):
            if indices:
                lines.append(
                    _maker(types, "PointsAnnotation")(
                        timestamp=stamp,
                        type=kind,
                        points=[places[i] for i in indices],
                        outline_color=color,
                        fill_color=color,
                        thickness=max(1.0, scale * fitting),
                    )
                )
        if label and np.isfinite((x0, y0)).all():
            font = max(12.0, _TEXT * size)
            names.append(
                _maker(types, "TextAnnotation")(
                    timestamp=stamp,
                    # its lower left; the text stays in the image
                    position=point2(x=max(0.0, x0), y=max(1.5 * font, y0)),
                    text=label,
                    font_size=font,
                    text_color=black,
                    background_color=color,
                )
            )
    return _maker(types, "ImageAnnotations")(timestamp=stamp, points=lines, texts=names)


class SceneUpdates:
    """Makes the foxglove_msgs/SceneUpdate of each image, and deletes who is gone.

    Args:
        types: Of messages.
    """

    def __init__(self, types: Types) -> None:
        self._types = types
        self._shown: dict[str, Any] = {}  # stamp by entity

    def update(
        self,
        poses: Poses,
        header: HeaderMsg,
        labels: Mapping[int, str],
        min_score: float,
        hands: Poses | None = None,
    ) -> Any:
        """Return the people of an image in meters of its frame.

        Args:
            poses: The people; who has no joint in meters is not in the scene.
            header: The image's own.
            labels: What stands over each person, by id.
            min_score: Joints of people below this score, in [0, 1], are left out.
            hands: Of these people; they have no names.
        """
        entities = [
            entity
            for pose, person, least, label in _bodies_and_hands(poses, hands, min_score, labels)
            if (entity := self._entity(pose, header, person, least, label)) is not None
        ]
        gone = set(self._shown) - {entity.id for entity in entities}
        self._shown = {entity.id: header.stamp for entity in entities}
        return self._update(gone, header.stamp, entities)

    def clear(self) -> Any | None:
        """Return what deletes all that is shown; None where nothing is."""
        shown, self._shown = self._shown, {}
        return self._update(set(shown), next(iter(shown.values())), []) if shown else None

    def _update(self, gone: set[str], stamp: Any, entities: list[Any]) -> Any:
        delete = _maker(self._types, "SceneEntityDeletion")
        deletions = [delete(timestamp=stamp, type=_MATCHING_ID, id=name) for name in sorted(gone)]
        return _maker(self._types, "SceneUpdate")(deletions=deletions, entities=entities)

    def _entity(
        self, pose: Pose, header: HeaderMsg, person: int, least: float, label: str
    ) -> Any | None:
        if pose.camera is None:
            return None
        valid = _valid(pose, pose.camera, least)
        joints, ends = np.flatnonzero(valid).tolist(), _ends(pose, valid)
        if not joints:
            return None
        types, color = self._types, _color(self._types, person)
        scale = _HAND_SCALE if pose.skeleton.is_hand else 1.0
        point, vector = types("geometry_msgs/msg/Point"), types("geometry_msgs/msg/Vector3")
        size = vector(**dict.fromkeys("xyz", JOINT_METERS * scale))
        places = [point(x=x, y=y, z=z) for x, y, z in pose.camera.astype(np.float64).tolist()]
        line = _maker(types, "LinePrimitive")(
            type=_SCENE_LINE_LIST,
            pose=_pose(types, point(x=0.0, y=0.0, z=0.0)),
            thickness=LINK_METERS * scale,
            scale_invariant=False,
            points=[places[i] for i in ends],
            color=color,
            indices=(),
        )
        sphere = _maker(types, "SpherePrimitive")
        over = dict(zip("xyz", _over_head(pose, joints[0]).tolist(), strict=True))
        text = _maker(types, "TextPrimitive")(
            pose=_pose(types, point(**over)),
            billboard=True,
            font_size=_TEXT_PIXELS,
            scale_invariant=True,
            color=color,
            text=label,
        )
        lasts = types("builtin_interfaces/msg/Duration")(sec=LIFETIME_SECONDS, nanosec=0)
        return _maker(types, "SceneEntity")(
            timestamp=header.stamp,
            frame_id=header.frame_id,
            id=f"{person}" if label else f"hand {pose.id}",
            lifetime=lasts,
            frame_locked=False,
            spheres=[sphere(pose=_pose(types, places[i]), size=size, color=color) for i in joints],
            lines=[line] if ends else [],
            texts=[text] if label else [],
        )


def _bodies_and_hands(
    poses: Poses, hands: Poses | None, min_score: float, labels: Mapping[int, str]
) -> Iterator[tuple[Pose, int, float, str]]:
    """Yield each body and hand with its person's id, the least score of its joints, its name."""
    for pose in poses:
        yield pose, pose.id, min_score, labels[pose.id]
    for hand in () if hands is None else hands:
        yield hand, person_of_hand(hand.id), hand.skeleton.least_score, ""


def _maker(types: Types, name: str) -> Any:
    return types(f"foxglove_msgs/msg/{name}")


def _valid(pose: Pose, points: NDArray[np.floating[Any]], min_score: float) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = np.isfinite(points).all(axis=1) & (pose.keypoint_scores >= min_score)
    return found


def _ends(pose: Pose, valid: NDArray[np.bool_]) -> list[int]:
    """Return the ends of the links whose joints are both there, two after two."""
    return [i for a, b in pose.skeleton.links if valid[a] and valid[b] for i in (a, b)]


def _color(types: Types, person: int) -> Any:
    red, green, blue = PEOPLE_COLORS[person % len(PEOPLE_COLORS)]
    return _maker(types, "Color")(r=red / 255, g=green / 255, b=blue / 255, a=1.0)


def _pose(types: Types, place: Any) -> Any:
    turn = types("geometry_msgs/msg/Quaternion")(**_NO_TURN)
    return types("geometry_msgs/msg/Pose")(position=place, orientation=turn)


def _over_head(pose: Pose, otherwise: int) -> Float64Array:
    """Return (3,) over the head where nose and trunk are known, else at a joint of that index."""
    points = np.asarray(pose.camera, np.float64)
    known = {name: points[i] for i, name in enumerate(pose.skeleton.keypoints)}
    nowhere = np.full(3, np.nan)
    trunk = [
        np.mean([known.get(f"{side}_{joint}", nowhere) for side in ("left", "right")], axis=0)
        for joint in ("hip", "shoulder")
    ]
    up = trunk[1] - trunk[0]
    length = float(np.linalg.norm(up))
    head: Float64Array = known.get("nose", nowhere)
    place: Float64Array = head + _OVER_HEAD * up / (length or np.nan)
    return place if np.isfinite(place).all() else points[otherwise]
