"""Where images come from: cameras, videos, pictures and the synthetic actor."""

from pose_ros.sources.opening import open_source

__all__ = ["open_source"]
