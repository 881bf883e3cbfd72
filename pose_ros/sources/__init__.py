"""Where images come from: cameras, videos, pictures, recordings and drawn scenes.

The two public names load on first use: ``names`` alone needs no OpenCV.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pose_ros.sources.opening import expand_inputs, open_source

__all__ = ["expand_inputs", "open_source"]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name in __all__:
            return getattr(importlib.import_module("pose_ros.sources.opening"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
