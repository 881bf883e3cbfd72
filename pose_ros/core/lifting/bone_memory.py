"""What is learned of a person over time: how tall the body is and how long its arms are."""

from __future__ import annotations

import numpy as np

from pose_ros.core.camera import Float64Array
from pose_ros.core.lifting.body_model import ARM_SPREAD
from pose_ros.core.lifting.trunk import Size

# Errors of one second are much the same from frame to frame: it counts as one observation.
_INDEPENDENT_SECONDS = 1.0
_LEAST_SPREAD = 0.01
_NEWS = 1.01  # an image that makes the height hardly surer says nothing of it

_FACTORS = np.exp(np.linspace(-0.15, 0.15, 21))
_LEANS = np.linspace(0.0, 0.995, 40)
_OUTLIERS = 0.2
_PLAUSIBLE = 1e-3  # of the best length's likelihood: below it the bone is no bone of this body
_ROUGHNESS = 0.04  # share of the length


class BoneMemory:
    """One person's size and arms, as they show in one image after the other."""

    def __init__(self, size: Size) -> None:
        """``size``: what is known beforehand."""
        self._size = size
        prior = -0.5 * (np.log(_FACTORS) / ARM_SPREAD) ** 2
        self._arms = np.tile(prior, (2, 1))  # upper arm, forearm
        self._stamp: float | None = None
        self._weight = 1.0

    @property
    def size(self) -> Size:
        """How tall, as far as is known."""
        return self._size

    def arms(self) -> tuple[Float64Array, float]:
        """Return factors (2,) on the lengths of upper arm and forearm, and one sigma of them."""
        p = np.exp(self._arms - self._arms.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        logs = np.log(_FACTORS)
        mean = p @ logs
        variance = (p * (logs - mean[:, None]) ** 2).sum(axis=1)
        return np.exp(mean), float(np.sqrt(variance.mean()))

    def advance(self, stamp: float) -> None:
        """Begin with the image of that stamp, in seconds."""
        if self._stamp is not None:
            self._weight = float(np.clip((stamp - self._stamp) / _INDEPENDENT_SECONDS, 0.0, 1.0))
        self._stamp = stamp

    def learn_size(self, size: Size) -> None:
        """Take over what an image says, given what was known before it."""
        before, after = self._size.spread**-2, size.spread**-2
        gained = self._weight * (after - before)
        if after < _NEWS * before or gained <= 0.0:
            return
        mean, seen = np.log(self._size.height), np.log(size.height)
        # the image's own share of the mean that came out
        own = (after * seen - before * mean) / (after - before)
        total = before + gained
        height = float(np.exp((before * mean + gained * own) / total))
        self._size = Size(height, max(_LEAST_SPREAD, float(total**-0.5)))

    def learn_arm(self, seen: Float64Array, lengths: Float64Array, error: float) -> None:
        """Learn from how long an arm's bones look across the view.

        Every lean of a bone is as likely; so a bone is hardly ever shorter than it looks.

        Args:
            seen: (2,) meters across the view of upper arm and forearm.
            lengths: (2,) meters that they have on average in a body of that height.
            error: Meters, one sigma of ``seen``.
        """
        for i in range(2):
            long = lengths[i] * _FACTORS[:, None]
            sigma = np.hypot(error, _ROUGHNESS * lengths[i])
            across = long * np.sqrt(1.0 - _LEANS**2)
            likely = np.exp(-0.5 * ((seen[i] - across) / sigma) ** 2).mean(axis=1)
            if likely.max() < _PLAUSIBLE:
                continue
            # only how it differs with the length matters: it may be an outlier too
            likely = (1.0 - _OUTLIERS) * likely / likely.max() + _OUTLIERS
            self._arms[i] += self._weight * np.log(likely)
