"""Cameras around a place."""

import pytest

from tools.seen_bodies import camera_ring


@pytest.fixture
def ring():
    return camera_ring
