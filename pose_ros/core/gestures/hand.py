"""Gestures of one hand, from the angles of its joints: how the hand is turned does not matter.

Each function says whether a hand makes its gesture. ``slack`` is 0 for a gesture that is to
begin and 1 for one that goes on, which may look a little less like itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pose_ros.core.camera import Float64Array
from pose_ros.core.gestures.body import Palm, elevation
from pose_ros.core.skeletons import Side

FINGERS = ("index", "middle", "ring", "pinky")

# what is between these is neither straight nor curled
_STRAIGHT, _CURLED = 38.0, 72.0
# lengths of the palm: what looks shorter points to the camera, or away, at no sure angle
_SHORT = 0.15

_NEEDED = (
    *("wrist", "thumb_mcp", "thumb_ip", "thumb_tip"),
    *(f"{finger}_{joint}" for finger in FINGERS for joint in ("mcp", "pip", "tip")),
)


@dataclass(frozen=True)
class HandView:
    """The angles of a hand in one image, in degrees.

    Attributes:
        bends: Of each finger: between its first bone and the way from there to the tip.
        reaches: From the knuckle of each finger to its tip, in lengths of the palm: one that
            points to the camera looks short.
        knuckles: Of each finger: between the palm and the first bone.
        thumb_bend: Of the thumb's last joint.
        thumb_aside: Between the thumb and the way from the little finger's knuckle to the
            index finger's: small for a thumb that sticks out, 90 and more for a folded one.
        thumb_rise: Of the thumb: 0 points down, 180 up.
        spread: Between index and middle finger.
        palm: (3,) unit vector out of a right hand's palm, into a left one's; of pixels z alone
            is known.
        pinch: From the thumb's tip to the index finger's, in lengths of the palm.
        score: In [0, 1], the least of all joints that were asked for.
    """

    bends: Mapping[str, float]
    reaches: Mapping[str, float]
    knuckles: Mapping[str, float]
    thumb_bend: float
    thumb_aside: float
    thumb_rise: float
    spread: float
    palm: Float64Array
    pinch: float
    score: float

    def straight(self, *fingers: str, slack: float) -> bool:
        """Whether all of these fingers are stretched."""
        return all(
            self.bends[finger] <= _STRAIGHT + 10.0 * slack
            and self.reaches[finger] >= (0.48 if finger == "pinky" else 0.62) - 0.07 * slack
            for finger in fingers
        )

    def curled(self, *fingers: str, slack: float) -> bool:
        """Whether all of these fingers are curled up."""
        return all(self.bends[finger] >= _CURLED - 10.0 * slack for finger in fingers)

    def closed(self, *fingers: str, slack: float) -> bool:
        """Whether all of these fingers lie in the palm, as in a fist.

        Seen from the side a network bends their joints too little, and their knuckles then tell
        it. Fingers that round an O are bent less and end farther from their knuckles.
        """
        return all(
            self.bends[finger] >= 95.0 - 10.0 * slack
            or (
                self.bends[finger] >= 50.0 - 10.0 * slack
                and self.bends[finger] + self.knuckles[finger] >= 125.0 - 10.0 * slack
                and self.reaches[finger] <= 0.55 + 0.05 * slack
            )
            for finger in fingers
        )

    def folded(self, *fingers: str, slack: float) -> bool:
        """Whether all of these fingers are out of the way, by their knuckles or their joints.

        Beside a stretched finger that is enough; all around a handle look like that too.
        """
        return all(
            self.curled(finger, slack=slack)
            or (
                self.bends[finger] >= 55.0 - 10.0 * slack
                and self.bends[finger] + self.knuckles[finger] >= 100.0 - 10.0 * slack
            )
            for finger in fingers
        )


def view_hand(
    points: Mapping[str, Float64Array], scores: Mapping[str, float], up: Float64Array
) -> HandView | None:
    """Return the angles of a hand.

    Args:
        points: Joints that were found, by the names of ``blazehand21`` or ``trt_hand21``:
            (3,) in the axes of the camera. In an image without meters: pixels, and z = 0.
        scores: Of the joints, in [0, 1].
        up: (3,) unit vector against gravity, in the same axes.

    Returns:
        None where a joint is missing.
    """
    if not all(name in points for name in _NEEDED):
        return None

    def way(start: str, end: str) -> Float64Array:
        return points[end] - points[start]

    palm = float(np.linalg.norm(way("wrist", "middle_mcp")))
    thumb = way("thumb_mcp", "thumb_tip")
    length = float(np.linalg.norm(thumb))
    if palm <= 0.0 or length <= 0.0:
        return None
    index, middle = way("index_mcp", "index_tip"), way("middle_mcp", "middle_tip")
    out = np.cross(way("wrist", "index_mcp"), way("wrist", "pinky_mcp"))
    return HandView(
        bends={
            f: _angle(way(f"{f}_mcp", f"{f}_pip"), way(f"{f}_pip", f"{f}_tip"), _SHORT * palm)
            for f in FINGERS
        },
        reaches={f: float(np.linalg.norm(way(f"{f}_mcp", f"{f}_tip"))) / palm for f in FINGERS},
        knuckles={
            f: _angle(way("wrist", f"{f}_mcp"), way(f"{f}_mcp", f"{f}_pip")) for f in FINGERS
        },
        thumb_bend=_angle(way("thumb_mcp", "thumb_ip"), way("thumb_ip", "thumb_tip")),
        thumb_aside=_angle(thumb, way("pinky_mcp", "index_mcp")),
        thumb_rise=elevation(np.array([0.0, 0.0, float(thumb @ up) / length])),
        spread=_angle(index, middle),
        palm=out / max(float(np.linalg.norm(out)), 1e-12),
        pinch=float(np.linalg.norm(way("thumb_tip", "index_tip"))) / palm,
        score=min(scores[name] for name in _NEEDED),
    )


def view_palm(hand: HandView, side: Side) -> Palm:
    """Return what a hand says of its arm's gesture."""
    out = float(hand.palm[2]) if side == "right" else -float(hand.palm[2])
    turned = math.degrees(math.acos(min(1.0, max(-1.0, -out))))
    return Palm(sum(hand.straight(finger, slack=0.0) for finger in FINGERS), turned)


def opens_palm(hand: HandView, slack: float) -> bool:
    """Whether all five fingers are stretched."""
    flat = all(angle <= 50.0 + 10.0 * slack for angle in hand.knuckles.values())
    thumb = hand.thumb_bend <= 45.0 + 10.0 * slack and hand.thumb_aside <= 80.0 + 8.0 * slack
    # five fingers that agree may each be less straight
    return flat and thumb and hand.straight(*FINGERS, slack=max(slack, 0.5))


def makes_fist(hand: HandView, slack: float) -> bool:
    """Whether all fingers are curled up and the thumb does not stick out."""
    folded = hand.thumb_aside >= 65.0 - 8.0 * slack
    # fingers around a handle are curled too, less so in all
    closed = all(hand.knuckles[f] + hand.bends[f] >= 130.0 - 10.0 * slack for f in FINGERS)
    return folded and closed and hand.curled(*FINGERS, slack=slack)


def points_finger(hand: HandView, slack: float) -> bool:
    """Whether the index finger alone is stretched; the thumb may be."""
    return hand.straight("index", slack=slack) and hand.folded(*FINGERS[1:], slack=slack)


def puts_thumb_up(hand: HandView, slack: float) -> bool:
    """Whether the thumb sticks out of a fist, and up: people lean it by up to 55 degrees."""
    return _sticks_thumb_out(hand, slack) and hand.thumb_rise >= 122.0 - 10.0 * slack


def puts_thumb_down(hand: HandView, slack: float) -> bool:
    """Whether the thumb sticks out of a fist, and down."""
    return _sticks_thumb_out(hand, slack) and hand.thumb_rise <= 58.0 + 10.0 * slack


def shows_victory(hand: HandView, slack: float) -> bool:
    """Whether index and middle finger alone are stretched, and apart; a thumb makes it three."""
    apart = hand.spread >= 8.0 - 3.0 * slack and hand.thumb_aside >= 70.0 - 8.0 * slack
    two = hand.straight("index", "middle", slack=slack)
    return apart and two and hand.folded("ring", "pinky", slack=slack)


def shows_ok(hand: HandView, slack: float) -> bool:
    """Whether thumb and index finger make a ring, and the others are stretched.

    A thumb that holds the index finger down on the palm makes no ring: it shows three.
    """
    ring = hand.pinch <= 0.4 + 0.1 * slack and hand.bends["index"] >= 45.0 - 10.0 * slack
    open_ = hand.spread <= 68.0 + 8.0 * slack
    return ring and open_ and hand.straight(*FINGERS[1:], slack=slack)


def _sticks_thumb_out(hand: HandView, slack: float) -> bool:
    out = hand.thumb_aside <= 55.0 + 8.0 * slack and hand.thumb_bend <= 45.0 + 10.0 * slack
    return out and hand.closed(*FINGERS, slack=slack)


def _angle(a: Float64Array, b: Float64Array, least: float = 0.0) -> float:
    """Return the degrees between two vectors; NaN where one is too short for a direction."""
    lengths = float(np.linalg.norm(a)), float(np.linalg.norm(b))
    if min(lengths) <= least:
        return math.nan
    return math.degrees(math.acos(min(1.0, max(-1.0, float(a @ b) / (lengths[0] * lengths[1])))))
