"""From peaks and the scores of their links to objects: which parts are one body or one hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pose_ros.core.assignment import best_pairs
from pose_ros.core.types import FloatArray
from pose_ros.networks.paf_maps import Indices, Peaks


@dataclass(frozen=True, eq=False)
class Edges:
    """The E pairs of peaks that belong together, in the order of the links.

    Attributes:
        ends: (E, 2) indices of peaks.
        score: (E,) the mean of the field along the way from one to the other.
    """

    ends: Indices
    score: FloatArray


def assign(
    peaks: Peaks, links: Sequence[tuple[int, int]], scores: FloatArray, threshold: float
) -> Edges:
    """Choose, link by link, the pairs with the greatest sum of scores; no peak is in two.

    As many pairs as there can be are formed before those without enough score are dropped, as
    trt_pose does it: a bad pair may so cost a good one, but rarely does.

    Args:
        peaks: All of the image.
        links: Their two parts.
        scores: Link by link, for each peak of the first part those of the second.
        threshold: Score that a pair has to exceed.
    """
    counts = peaks.counts.tolist()
    rows, columns, begins, chosen = [], [], [0], []
    for link, (a, b) in enumerate(links):
        begin = begins[-1]
        begins.append(begin + counts[a] * counts[b])
        if begins[-1] > begin:
            table = scores[begin : begins[-1]].reshape(counts[a], counts[b])
            row, column = best_pairs(table, maximize=True)
            rows.append(row)
            columns.append(column)
            chosen.append((link, len(row)))
    if not chosen:
        return Edges(np.zeros((0, 2), np.intp), np.zeros(0, np.float32))
    link_of = np.repeat(*np.array(chosen, np.intp).T)
    parts = np.array(links, np.intp).take(link_of, axis=0)
    row, column = np.concatenate(rows), np.concatenate(columns)
    width = peaks.counts.take(parts[:, 1])
    score = scores.take(np.array(begins, np.intp).take(link_of) + row * width + column)
    ends = peaks.first.take(parts)
    ends[:, 0] += row
    ends[:, 1] += column
    enough = score > threshold
    return Edges(ends[enough], score[enough])


def join_all(peaks: Peaks, edges: Edges) -> list[list[int]]:
    """Make one object of all peaks that edges lead to, as trt_pose does it.

    Returns:
        The peaks of each object in the order in which they are reached, breadth first. Where
        two of them are the same part, the object has the later one.
    """
    neighbors: list[list[int]] = [[] for _ in range(len(peaks))]
    for a, b in edges.ends.tolist():
        neighbors[a].append(b)
        neighbors[b].append(a)
    seen = [False] * len(peaks)
    objects = []
    for start in range(len(peaks)):
        if not seen[start]:
            seen[start] = True
            reached = [start]
            for peak in reached:
                for other in neighbors[peak]:
                    if not seen[other]:
                        seen[other] = True
                        reached.append(other)
            objects.append(reached)
    return objects


def join_strongest(peaks: Peaks, edges: Edges) -> list[list[int]]:
    """Join peaks along the edges, the strongest first, unless an object had a part twice then.

    So two people that one wrong edge connects stay two, where ``join_all`` makes one of them
    and loses half of the parts.

    Returns:
        The peaks of each object, no part twice; the object with the most score first.
    """
    members = [[peak] for peak in range(len(peaks))]
    parts = [1 << part for part in peaks.part.tolist()]
    object_of = list(range(len(peaks)))
    order = np.argsort(-edges.score, kind="stable")
    for peak, other in edges.ends[order].tolist():
        a, b = object_of[peak], object_of[other]
        if a != b and not parts[a] & parts[b]:
            for moved in members[b]:
                object_of[moved] = a
            members[a] += members[b]
            parts[a] |= parts[b]
            members[b] = []
    score = peaks.score.tolist()
    objects = [found for found in members if found]
    return sorted(objects, key=lambda found: sum([score[peak] for peak in found]), reverse=True)
