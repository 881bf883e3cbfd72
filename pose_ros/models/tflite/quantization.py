"""How the whole numbers of quantized TFLite files stand for real ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Quantization:
    """Of a tensor: real = scale (stored - zero point).

    Attributes:
        dtype: Type of what is stored.
        scale: (1,) for the whole tensor or (C,) for each index of one axis.
        zero_point: The same; it fits into the type.
        axis: The axis that has a scale for each index.
    """

    dtype: np.dtype[Any]
    scale: NDArray[np.float32]
    zero_point: NDArray[np.int64]
    axis: int

    def real(self, stored: NDArray[Any]) -> NDArray[np.float32]:
        """Return the real numbers that stored ones stand for."""
        shape = [1] * stored.ndim
        if self.scale.size > 1:
            shape[self.axis] = self.scale.size
        scale, zero = self.scale.reshape(shape), self.zero_point.reshape(shape)
        # int32 biases have more digits than a float32
        return ((stored.astype(np.float64) - zero) * scale).astype(np.float32)

    @property
    def limits(self) -> tuple[float, float]:
        """The least and the greatest real number that can be stored."""
        kind = np.iinfo(self.dtype)
        low = (kind.min - self.zero_point) * self.scale
        high = (kind.max - self.zero_point) * self.scale
        return float(low.min()), float(high.max())

    def signed(self, stored: NDArray[Any]) -> tuple[Quantization, NDArray[Any]]:
        """Return what stands for the same real numbers in int8, for what is stored in uint8."""
        if self.dtype != np.uint8:
            return self, stored
        moved = (stored.astype(np.int16) - 128).astype(np.int8)
        return replace(self, dtype=moved.dtype, zero_point=self.zero_point - 128), moved


def read_quantization(parameters: Any, dtype: str) -> Quantization | None:
    """Read the schema's ``QuantizationParameters``; None where a tensor has no scale."""
    if parameters is None or not parameters.ScaleLength():
        return None
    scale = np.asarray(parameters.ScaleAsNumpy(), np.float32)
    zero_point = np.zeros(scale.shape, np.int64)
    if parameters.ZeroPointLength():
        zero_point[:] = parameters.ZeroPointAsNumpy()
    return Quantization(np.dtype(dtype), scale, zero_point, int(parameters.QuantizedDimension()))
