"""What the layers expect of each other: tests hand in a fake through these."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

from pose_ros.core.skeletons import Skeleton
from pose_ros.core.types import Channels, FloatArray, Frame, ImageLike, Poses
from pose_ros.settings.estimation import EstimatorOptions

Say: TypeAlias = Callable[[str, str], None]
"""Takes a kind of trouble and its text; each kind is said once."""


class Session(Protocol):
    """A loaded network: arrays in, arrays out."""

    @property
    def provider(self) -> str:
        """What really runs it: ``cpu``, ``cuda`` or ``tensorrt``."""

    def run(self, *inputs: FloatArray) -> list[FloatArray]:
        """Run the network; inputs and outputs stand in the order of the model's card."""


class Estimator(Protocol):
    """Images in, people out. It has state (tracks, filters): one estimator a stream."""

    options: EstimatorOptions
    """May be set between two frames."""

    @property
    def network(self) -> str:
        """Name of the network, such as ``blazepose-full``."""

    @property
    def provider(self) -> str:
        """What really runs the network: ``cpu``, ``cuda`` or ``tensorrt``."""

    @property
    def skeleton(self) -> Skeleton:
        """The skeleton of the next result, under the present options."""

    def estimate(
        self, image: ImageLike, stamp: float | None = None, *, channels: Channels = "rgb"
    ) -> Poses:
        """Find the people in one image.

        Args:
            image: (H, W, 3) uint8.
            stamp: Time of the image in seconds, rising within a stream. Without a stamp the image
                is a picture by itself: no person is followed into it, its keypoints are not
                filtered, its ids begin at 0, and the stream goes on after it. After a gap
                people are found again (``timeline.FOLLOW_SECONDS``); a jump back or another
                size of the image forgets everybody, and no id is used again.
            channels: Order of the image's color channels.

        Raises:
            ImageError: The image has another shape or type, its stamp is that of the image
                before it, or the stamp is not finite.
        """

    def reset(self) -> None:
        """Begin a new stream: no tracks, no filters, ids from 0 on."""


class HandEstimator(Protocol):
    """Images and the people in them in, their hands out; it has state, as an ``Estimator``."""

    options: EstimatorOptions
    """May be set between two frames."""

    @property
    def network(self) -> str:
        """Name of the network, such as ``blazehand-full``."""

    @property
    def provider(self) -> str:
        """What really runs the network: ``cpu``, ``cuda`` or ``tensorrt``."""

    @property
    def skeleton(self) -> Skeleton:
        """The keypoints of a hand."""

    def estimate(
        self,
        image: ImageLike,
        bodies: Poses,
        stamp: float | None = None,
        *,
        channels: Channels = "rgb",
    ) -> Poses:
        """Find the hands of the people in one image.

        Args:
            image: (H, W, 3) uint8.
            bodies: The people in it, ids and all.
            stamp: As for ``Estimator.estimate``.
            channels: Order of the image's color channels.

        Returns:
            Hands with ids of ``pose_ros.core.types.hand_id``, labeled with their side.

        Raises:
            ImageError: As for ``Estimator.estimate``.
            OptionError: The bodies have no wrists or knuckles.
        """

    def reset(self) -> None:
        """Begin a new stream: no tracks, no filters."""


class Source(Protocol):
    """Frames in order of time: a camera, a video, pictures, a bag, the synthetic actor."""

    @property
    def name(self) -> str:
        """What the user called it."""

    @property
    def live(self) -> bool:
        """Whether frames come as they are captured, and their stamps are Unix times of now.

        Otherwise stamps are media time from 0, but those of a bag are its images' own.
        """

    @property
    def fps(self) -> float:
        """Nominal frames a second; NaN when unknown."""

    @property
    def length(self) -> int | None:
        """Number of frames; None when unknown or endless."""

    def read(self) -> Frame | None:
        """Return the next frame, or None at the end.

        Raises:
            SourceError: The source broke and will not come back by itself.
        """

    def close(self) -> None:
        """Release the device or file; reading on is an error."""
