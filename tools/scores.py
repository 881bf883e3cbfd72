"""Scores of whole images and clips, for the tests of accuracy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pose_ros.core.tracking import best_pairs

Array = NDArray[np.float64]


def matched_oks(similarity: Array) -> Array:
    """Return the similarity of each annotated person with the found one that is matched to them.

    A found person is matched once, and the sum is the greatest possible.

    Args:
        similarity: (N, M) the OKS of each found person with each annotated one.

    Returns:
        (M,) in [0, 1]; 0 for a person without a match.
    """
    rows, columns = best_pairs(similarity, maximize=True)
    matched = np.zeros(similarity.shape[1])
    matched[columns] = similarity[rows, columns]
    return matched


def id_switches(frames: Sequence[Mapping[str, int]]) -> int:
    """Count how often a person's id became another one.

    Args:
        frames: For each frame, the id of each true person, by name; a person who was
            not found in a frame is absent from it.

    Returns:
        The number of changes from one frame in which a person was found to the
        next; 0 when each person keeps one id throughout.
    """
    known: dict[str, int] = {}
    switches = 0
    for frame in frames:
        for person, found in frame.items():
            switches += known.get(person, found) != found
            known[person] = found
    return switches
