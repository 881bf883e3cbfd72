"""What measures pose_ros and is not installed: ``python -m benchmarks.NAME --help``."""
