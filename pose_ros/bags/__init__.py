"""rosbag2 recordings: read, whole or damaged, surveyed and written; no ROS needed."""
