"""A ROS 2 node that uses the poses: it publishes how far away the nearest person is.

    python examples/nearest_person.py

It takes ``pose/poses`` of the pose node and gives ``nearest_person``, a Float32 in meters; NaN
while no person with known meters is in sight. Ctrl-C ends it.
"""

from __future__ import annotations

import math

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from std_msgs.msg import Float32

from pose_ros.msg import HumanPose, Keypoint, PoseArray


def distance(person: HumanPose) -> float:
    """Return the meters from the camera to the nearest joint of a person, NaN: unknown."""
    joints = [k.position for k in person.keypoints if k.position_source != Keypoint.SOURCE_NONE]
    return min((math.hypot(at.x, at.y, at.z) for at in joints), default=math.nan)


class NearestPerson(Node):
    """Publishes the distance of the nearest person of each image."""

    def __init__(self) -> None:
        super().__init__("nearest_person")
        self.publisher = self.create_publisher(Float32, "nearest_person", 10)
        self.create_subscription(PoseArray, "pose/poses", self.on_poses, 10)

    def on_poses(self, msg: PoseArray) -> None:
        """Take the people of one image: an empty message when there is no person in it."""
        known = [meters for meters in map(distance, msg.poses) if not math.isnan(meters)]
        self.publisher.publish(Float32(data=min(known, default=math.nan)))


def main() -> None:
    """Run the node."""
    rclpy.init()
    try:
        rclpy.spin(NearestPerson())
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()
