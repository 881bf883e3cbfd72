"""Programs for those who work on pose_ros; none of them is installed."""
