"""What ``Pose`` and ``Hands`` have in common: simulated stamps, closing, and wrong images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar, cast

import numpy as np

from pose_ros.core.types import Estimator, Poses, validate_image
from pose_ros.errors import ImageError, OptionError

FRAME_SECONDS = 0.033333
"""From image to image, whatever the true time is: MediaPipe's ``process`` takes no stamp either."""

CONFIDENCE = 0.5
"""MediaPipe's default of both least scores, whatever ours become."""

S = TypeVar("S", bound="Solution")


class Solution:
    """Runs an estimator on images that come without stamps."""

    def __init__(self, estimator: Estimator) -> None:
        self._estimator: Estimator | None = estimator
        self._count = 0

    def estimate(self, image: Any) -> Poses:
        """Return what is found in an image, the next one of a video unless ``static``.

        Args:
            image: (H, W, 3) uint8 RGB.

        Raises:
            ImageError: It is not; a ``ValueError``, as MediaPipe's is.
            OptionError: It was closed; likewise.
        """
        if self._estimator is None:
            raise OptionError(f"this {type(self).__name__} is closed: make another one")
        if not isinstance(image, np.ndarray) or image.ndim != 3 or image.shape[2] != 3:
            shape = getattr(image, "shape", type(image).__name__)
            raise ImageError(f"Input image must contain three channel rgb data: got {shape}")
        stamp = self._count * FRAME_SECONDS
        poses = self._estimator.estimate(validate_image(image), stamp)
        self._count += 1
        return poses

    def reset(self) -> None:
        """Begin a new video."""
        if self._estimator is not None:
            self._estimator.reset()

    def close(self) -> None:
        """Free the networks."""
        self._estimator = None

    def __enter__(self: S) -> S:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def network_of(networks: Sequence[str], complexity: object) -> str:
    """Return the network of a ``model_complexity``.

    Raises:
        OptionError: There is none.
    """
    if complexity not in range(len(networks)):
        known = " or ".join(map(str, range(len(networks))))
        raise OptionError(f"model_complexity must be {known}, got {complexity!r}")
    return networks[int(cast("int", complexity))]
