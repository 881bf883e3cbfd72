"""The calls of other systems over the estimators here: a program changes one import.

Names, arguments and results are those of MediaPipe's ``solutions``, jetson-inference's ``poseNet``,
OpenPose's Python module and tfjs's ``posenet``, so they break the rules for names in this project.
"""
