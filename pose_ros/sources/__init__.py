"""Where images come from: cameras, videos, pictures and the synthetic actor."""

from pose_ros.sources.opening import expand_inputs, open_source

__all__ = ["expand_inputs", "open_source"]
