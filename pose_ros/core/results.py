"""What was found in the images of a recording: what tables, reports and bags are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pose_ros.core.gestures import Gesture
from pose_ros.core.types import Poses

NANOSECONDS = 1_000_000_000


@dataclass(frozen=True, eq=False)
class Result:
    """What was found in one image.

    Attributes:
        index: Position of the image in its source, from 0; images that were skipped count.
        nanoseconds: The image's own stamp: Unix time, or media time from 0 of a video.
        width: Of the image, pixels.
        height: Of the image, pixels.
        poses: The people.
        hands: Their hands, where they were looked for.
        gestures: Those held in this image, and those that ended with it.
        frame_id: TF frame of the image; empty when unknown.
        source: What the user called the recording or picture.
    """

    index: int
    nanoseconds: int
    width: int
    height: int
    poses: Poses
    hands: Poses | None = None
    gestures: tuple[Gesture, ...] = ()
    frame_id: str = ""
    source: str = ""

    @property
    def stamp(self) -> float:
        """Stamp in seconds; as a float it holds Unix time to a quarter of a microsecond."""
        seconds, rest = divmod(self.nanoseconds, NANOSECONDS)
        return seconds + rest / NANOSECONDS


@dataclass(frozen=True)
class RunInfo:
    """What ran over a recording: all that its results follow from, and nothing else.

    It holds no time of day and no speed, so that the same run writes the same bytes.

    Attributes:
        source: What the user called the recording.
        network: What found the people.
        provider: What ran it: ``cpu``, ``cuda`` or ``tensorrt``.
        hand_network: What found their hands; empty where nobody looked for them.
        versions: Of pose_ros and of what its results depend on, by name.
        options: By name, such as ``threshold``; values that JSON takes.
    """

    source: str
    network: str
    provider: str
    hand_network: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
