"""ROS messages to core types and back; rclpy's and rosbags' are the same to it."""
