"""Peaks of heatmaps, between the cells too."""

import numpy as np
import pytest

from pose_ros.networks import heatmap

HEIGHT, WIDTH = 64, 48


def gaussians(centers, sigma=2.0, height=1.0):
    """One map a center, x y in cells."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    squares = [(columns - x) ** 2 + (rows - y) ** 2 for x, y in centers]
    maps = height * np.exp(-np.array(squares) / (2 * sigma**2))
    return maps.astype(np.float32)[None]


@pytest.mark.parametrize(("refine", "worst"), [("none", 0.5), ("quarter", 0.25), ("dark", 0.02)])
def test_peaks_between_cells_are_found_to_a_fraction_of_a_cell(refine, worst):
    rng = np.random.default_rng(1)
    centers = rng.uniform((8, 8), (WIDTH - 9, HEIGHT - 9), (40, 2))
    cells, scores = heatmap.decode(gaussians(centers), refine)
    assert cells.shape == (1, 40, 2)
    error = np.abs(cells[0] - centers)
    assert error.max() <= worst + 1e-3
    if refine == "dark":  # and the others are not that good
        coarse = np.abs(heatmap.decode(gaussians(centers), "quarter")[0][0] - centers)
        assert error.mean() < 0.2 * coarse.mean()
    assert np.all((scores > 0.9) & (scores <= 1.0))


@pytest.mark.parametrize("refine", ["none", "quarter", "dark"])
@pytest.mark.parametrize("center", [(0, 0), (WIDTH - 1, 0), (0, HEIGHT - 1), (20, HEIGHT - 1)])
def test_peaks_at_the_edge_stay_in_their_cell(refine, center):
    cells, _ = heatmap.decode(gaussians([center]), refine)
    assert np.allclose(cells[0, 0], center)


@pytest.mark.parametrize("refine", ["none", "quarter", "dark"])
def test_map_without_a_peak_has_score_zero(refine):
    maps = np.stack([np.zeros((HEIGHT, WIDTH)), np.full((HEIGHT, WIDTH), -3.0)])
    cells, scores = heatmap.decode(maps.astype(np.float32)[None], refine)
    assert np.isfinite(cells).all()
    assert np.all(scores == 0)


def test_each_person_has_their_own_maps():
    one, two = gaussians([(10, 20), (30, 40)]), gaussians([(11, 21), (31, 41)], height=0.5)
    cells, scores = heatmap.decode(np.concatenate([one, two]))
    assert np.allclose(cells, [[(10, 20), (30, 40)], [(11, 21), (31, 41)]])
    assert np.allclose(scores, [[1, 1], [0.5, 0.5]])


def test_score_above_one_is_limited_to_one():
    _, scores = heatmap.decode(gaussians([(10, 20)], height=1.3))
    assert scores[0, 0] == 1.0
