"""The estimator of networks that find everybody in one look at the whole image."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from pose_ros.core.contract import Contract
from pose_ros.core.protocols import Session
from pose_ros.core.skeletons import Skeleton
from pose_ros.core.timeline import Stream
from pose_ros.core.types import Channels, FloatArray, Image, ImageLike, Poses, validate_image
from pose_ros.networks.following import DecodedPeople, Follower, skeleton_of
from pose_ros.settings.estimation import EstimatorOptions

Decode: TypeAlias = Callable[[Sequence[FloatArray], float], DecodedPeople]
"""From the outputs of a network for one image, in the card's order, and the least score
to people whose keypoints are in pixels of the network's input."""

ROLE = "network"
"""The role of its one file in the card."""


class OneShot:
    """An ``Estimator`` (see ``pose_ros.core.protocols``): one run of a network an image.

    Attributes:
        input: How the network wants its image.
        own_threshold: Least score of a person where the options set none.
        whole_skeleton: The network's, whatever part of it the options ask for.
    """

    def __init__(
        self,
        contract: Contract,
        sessions: Mapping[str, Session],
        options: EstimatorOptions,
        decode: Decode,
    ) -> None:
        """Take over a loaded network.

        Args:
            contract: How the network wants its image, its skeleton and threshold.
            sessions: ``network``.
            options: May be replaced between two frames.
            decode: What makes people of the network's outputs.

        Raises:
            ModelError: The card does not say how the image goes in.
        """
        self.network = contract.network
        self.options = options
        self.input = contract.image(ROLE)
        self.own_threshold = contract.threshold
        self._session = sessions[ROLE]
        self._decode = decode
        self.whole_skeleton = contract.skeleton
        self._stream = Stream(lambda: Follower(contract.skeleton))

    @property
    def provider(self) -> str:
        """What really runs the network."""
        return self._session.provider

    @property
    def skeleton(self) -> Skeleton:
        """The network's keypoints, or the upper body's with ``upper_body_only``."""
        return skeleton_of(self.whole_skeleton, self.options)

    def reset(self) -> None:
        """Begin a new stream: no tracks, no filters, ids from 0 on."""
        self._stream.reset()

    def estimate(
        self, image: ImageLike, stamp: float | None = None, *, channels: Channels = "rgb"
    ) -> Poses:
        """Find the people in one image; see ``Estimator.estimate``."""
        image = validate_image(image, channels)
        follower, stamp = self._stream.take(image.shape[:2], stamp, static=self.options.static)
        found = self.find(image, channels, self.options.threshold_or(self.own_threshold))
        return follower.follow(image, found, stamp, self.options)

    def find(self, image: Image, channels: Channels, threshold: float) -> DecodedPeople:
        """Return everybody in one image, by itself: no ids, no smoothing, no limit.

        Args:
            image: (H, W, 3) uint8.
            channels: Order of its color channels.
            threshold: Least score, in [0, 1].
        """
        outputs = self._session.run(self.input.tensor(image, channels))
        found = self._decode(outputs, threshold)
        place = self.input.place(image.shape[1], image.shape[0])
        return found._replace(keypoints=place.to_image(found.keypoints))
