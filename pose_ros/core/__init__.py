"""The pure core: NumPy, OpenCV and SciPy only; no files, no clocks, no ROS."""
