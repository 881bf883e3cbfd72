"""Measuring pose_ros against its peers, each in an environment of its own."""
