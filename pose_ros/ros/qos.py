"""How messages are delivered, by topic: the QoS of the publishers and of the subscriptions.

Images of other drivers are subscribed to as their publishers offer them: see ``camera_topics``.
"""

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

RESULT_QOS = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
"""People, gestures, markers, the overlay, commands."""

LATCHED_QOS = QoSProfile(
    depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
)
"""What a node that comes later has to know, too: skeletons, the state, where the camera is."""

IMAGE_QOS = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
"""Images and depth that we publish. Offered reliable, an image reaches subscribers of either kind,
and what is lost on the way to a reliable one is sent again. Five images of 1280x720 fit well into
the shared memory."""

NEWEST_QOS = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
"""Poses as the gesture node takes them: those of the newest image only."""

ANY_NEWEST_QOS = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
"""The newest message of whatever publisher there is."""

TF_QOS = QoSProfile(depth=100, reliability=ReliabilityPolicy.RELIABLE)
TF_STATIC_QOS = QoSProfile(
    depth=100,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)

SWITCH_QOS = (
    QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT),
    QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE),
    LATCHED_QOS,
)
"""Lock and stop, which are subscribed to three times. Together they hear whatever publisher there
is: one that publishes best effort, what a reliable one had to send twice, and what a latched one
said before the node came up."""
