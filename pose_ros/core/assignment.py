"""Which of some things belong to which of others, at most one to one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.intp]


def best_pairs(values: NDArray[Any], *, maximize: bool = False) -> tuple[Indices, Indices]:
    """Return the pairs of rows and columns with the least sum, by the Hungarian method.

    SciPy is loaded here, when there is more than one way to pair: that takes half a second, which
    a picture of one person and the command line need not wait for.

    Args:
        values: (N, M), finite.
        maximize: Look for the greatest sum instead.

    Returns:
        min(N, M) rows, rising, and the column of each.
    """
    rows, columns = values.shape
    if min(rows, columns) == 0:
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    if min(rows, columns) == 1:
        best = int(values.argmax() if maximize else values.argmin())
        return np.array([best // columns], np.intp), np.array([best % columns], np.intp)
    from scipy.optimize import linear_sum_assignment

    found: tuple[Indices, Indices] = linear_sum_assignment(values, maximize=maximize)
    return found
