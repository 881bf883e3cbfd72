"""The pose node in this process, with an estimator that a test controls."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.srv import SetParameters
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage, Image

from pose_ros.errors import ModelError
from pose_ros.messages.headers import stamp_from_msg
from pose_ros.messages.images import image_from_msg
from pose_ros.messages.poses import poses_from_msg
from pose_ros.msg import PoseArray, Skeleton
from pose_ros.ros.messages import header_to_msg, image_to_msg
from pose_ros.ros.pose_node import PoseNode

SUCCESS = TransitionCallbackReturn.SUCCESS
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
PICTURE = np.full((48, 64, 3), 90, np.uint8)

Make = Callable[..., PoseNode]


def image(stamp: float = 100.0, frame_id: str = "camera") -> Image:
    """Return an image, another for each stamp as those of a camera are."""
    picture = PICTURE.copy()
    picture[0, 0] = np.frombuffer(np.float32(stamp).tobytes(), np.uint8)[:3]
    return image_to_msg(picture, "bgr", header_to_msg(stamp, frame_id))


def pixels(stamp: float) -> Any:
    """Return the picture of the image with a stamp."""
    return image_from_msg(image(stamp))[0]


def stream(publish: Callable[..., None], start: float = 100.0) -> Callable[[], None]:
    """Return what publishes the next image of a camera."""
    numbers = itertools.count()
    return lambda: publish(image(start + 0.01 * next(numbers)))


@pytest.fixture
def make(ros: Any, fake: Any, fake_hands: Any) -> Make:
    """Make the node under test, with parameters by name."""

    def made(*, make_estimator: Any = lambda _parameters: fake, **parameters: Any) -> PoseNode:
        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        node: PoseNode = ros.add(
            PoseNode(
                make_estimator=make_estimator,
                make_hands=lambda _parameters: fake_hands,
                parameter_overrides=overrides,
            )
        )
        return node

    return made


def send(ros: Any, node: PoseNode, kind: type = Image, topic: str = "image") -> Callable[..., None]:
    """Return what publishes to the node, once both have found each other."""
    publisher = ros.node.create_publisher(kind, topic, 10)
    assert ros.spin_until(publisher.get_subscription_count)
    assert ros.spin_until(lambda: node.count_publishers(topic))
    return publisher.publish  # type: ignore[no-any-return]


def test_every_transition_works_twice(ros: Any, make: Make, fake: Any) -> None:
    node = make()
    poses = ros.collect(PoseArray, "pose/poses")
    stamps = iter(range(100, 10_000))
    for _ in range(2):
        assert node.state == "unconfigured"
        assert node.trigger_configure() == SUCCESS
        assert node.state == "inactive"
        for _ in range(2):
            assert node.trigger_activate() == SUCCESS
            assert node.state == "active"
            publish = send(ros, node)
            poses.clear()
            assert ros.spin_until(lambda p=publish: p(image(next(stamps))) or poses)
            assert node.trigger_deactivate() == SUCCESS
        assert node.trigger_cleanup() == SUCCESS
    assert node.trigger_shutdown() == SUCCESS
    assert node.state == "finalized"


def test_inactive_node_publishes_nothing(ros: Any, make: Make, fake: Any) -> None:
    node = make()
    assert node.autostart()
    publish = send(ros, node)
    assert node.trigger_deactivate() == SUCCESS
    poses = ros.collect(PoseArray, "pose/poses")
    publish(image())
    ros.spin_for(0.3)
    assert (poses, fake.stamps) == ([], [])


def test_impossible_transition_is_refused_and_changes_nothing(ros: Any, make: Make) -> None:
    node = make()
    client = ros.node.create_client(ChangeState, "pose/change_state")
    assert ros.spin_until(client.service_is_ready)
    request = ChangeState.Request()
    request.transition.id = 3  # activate
    answer = client.call_async(request)
    assert ros.spin_until(answer.done)
    assert not answer.result().success
    assert node.state == "unconfigured"
    assert node.autostart()


def fail(error: Exception) -> Callable[[Any], Any]:
    def make_estimator(_parameters: Any) -> Any:
        raise error

    return make_estimator


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (ModelError("no file there; put it here"), TransitionCallbackReturn.FAILURE),
        (ValueError("a defect"), TransitionCallbackReturn.ERROR),
    ],
)
def test_model_that_fails_to_load_leaves_the_node_unconfigured_with_the_reason(
    ros: Any, make: Make, capfd: Any, error: Exception, result: Any
) -> None:
    health = ros.collect(DiagnosticArray, "/diagnostics")
    node = make(make_estimator=fail(error))
    assert node.trigger_configure() == result
    assert node.state == "unconfigured"
    assert str(error) in capfd.readouterr().err
    assert ros.spin_until(lambda: health)
    status = health[-1].status[0]
    assert status.level == b"\x02"
    assert str(error) in status.message
    # and it can be tried again
    assert node.trigger_configure() == result


def test_bad_model_folder_or_network_is_named_in_the_log(ros: Any, capfd: Any) -> None:
    node = ros.add(PoseNode(parameter_overrides=[Parameter("network", value="no-such-net")]))
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert node.state == "unconfigured"
    assert "no-such-net" in capfd.readouterr().err


def test_poses_carry_the_header_of_their_image(ros: Any, make: Make, fake: Any) -> None:
    node = make()
    assert node.autostart()
    poses = ros.collect(PoseArray, "pose/poses")
    publish = send(ros, node)
    sent = image(100.123456789)
    assert ros.spin_until(lambda: publish(sent) or poses)
    assert poses[0].header == sent.header
    assert (poses[0].width, poses[0].height, poses[0].network) == (64, 48, "fake")
    assert poses_from_msg(poses[0]).ids.tolist() == [7]
    assert fake.stamps[0] == pytest.approx(stamp_from_msg(sent.header.stamp), abs=1e-6)
    np.testing.assert_array_equal(fake.images[0], pixels(100.123456789))


def bad_images() -> list[Image]:
    short, step, encoding, empty, stampless = (image() for _ in range(5))
    del short.data[-1:]
    step.step = 1
    encoding.encoding = "h264"
    empty.width = empty.height = 0
    stampless.header.stamp.sec = 0
    return [short, step, encoding, empty, stampless]


def test_node_drops_bad_images_and_survives(ros: Any, make: Make, fake: Any, capfd: Any) -> None:
    node = make()
    assert node.autostart()
    poses = ros.collect(PoseArray, "pose/poses")
    publish = send(ros, node)
    for number, bad in enumerate(bad_images() * 2, start=1):
        publish(bad)
        refused = lambda n=number: node.health.refused_total >= n  # noqa: E731
        assert ros.spin_until(refused)
    assert fake.stamps == []
    show = stream(publish)
    assert ros.spin_until(lambda: show() or poses)
    reported = [line for line in capfd.readouterr().err.splitlines() if "refused" in line]
    reasons = ("9215 bytes", "step is 1", "'h264'", "no pixels", "no stamp")
    assert len(reported) == len(reasons), "each kind once"
    assert all(reason in line for reason, line in zip(reasons, reported, strict=True)), reported


def test_node_survives_an_estimator_that_fails(ros: Any, make: Make, fake: Any) -> None:
    node = make()
    assert node.autostart()
    health = ros.collect(DiagnosticArray, "/diagnostics")
    poses = ros.collect(PoseArray, "pose/poses")
    publish = send(ros, node)

    def explode() -> None:
        fake.act = lambda: None
        raise RuntimeError("out of memory")

    fake.act = explode
    publish(image())
    assert ros.spin_until(lambda: any(m.status[0].level == b"\x02" for m in health))
    assert any("out of memory" in m.status[0].message for m in health)
    assert ros.spin_until(lambda: publish(image(101)) or poses)


def test_missing_frame_id_is_warned_about_once_and_passed_on(
    ros: Any, make: Make, capfd: Any
) -> None:
    node = make()
    assert node.autostart()
    poses = ros.collect(PoseArray, "pose/poses")
    publish = send(ros, node)
    for count in (1, 2, 3):
        stamp = 100.0 + count
        assert ros.spin_until(lambda s=stamp, n=count: publish(image(s, "")) or len(poses) >= n)
    assert poses[0].header.frame_id == ""
    assert capfd.readouterr().err.count("no frame_id") == 1


def results(ros: Any, node: PoseNode, publish: Any, stamps: list[float]) -> None:
    """Show images one by one, each until something has come of it."""
    health = node.health
    for stamp in stamps:
        before = health.done_total + health.refused_total
        publish(image(stamp))
        after = lambda n=before: health.done_total + health.refused_total > n  # noqa: E731
        assert ros.spin_until(after)


def test_recording_played_again_is_logged_once_each_time(
    ros: Any, make: Make, fake: Any, capfd: Any
) -> None:
    node = make()
    assert node.autostart()
    publish = send(ros, node)
    stamps = [100.0, 100.1, 101.0, 102.0]
    results(ros, node, publish, stamps * 3)
    assert fake.stamps == stamps * 3
    reported = [
        line for line in capfd.readouterr().err.splitlines() if "went back by 2.00 s" in line
    ]
    assert len(reported) == 2
    assert node.health.refused_total == 0


def test_health_is_published_whether_or_not_the_replay_clock_moves(
    ros: Any, make: Make, fake: Any
) -> None:
    health = ros.collect(DiagnosticArray, "/diagnostics")
    node = make(use_sim_time=True)
    assert node.autostart()
    publish = send(ros, node)
    reported = lambda words: lambda: any(words in m.status[0].message for m in health)  # noqa: E731
    assert ros.spin_until(reported("nothing has come on /clock yet"))
    clock = ros.node.create_publisher(Clock, "/clock", 10)
    assert ros.spin_until(clock.get_subscription_count)
    shown = Clock()
    shown.clock.sec = 100
    assert ros.spin_until(lambda: clock.publish(shown) or node.now() == 100.0)
    results(ros, node, publish, [100.0])
    health.clear()
    assert ros.spin_until(reported(": /clock stands still"))
    assert health[-1].status[0].level == b"\x01"
    assert health[-1].header.stamp.sec == 100


def test_late_images_are_dropped_and_do_not_reset_tracking(
    ros: Any, make: Make, fake: Any, capfd: Any
) -> None:
    node = make()
    assert node.autostart()
    publish = send(ros, node)
    results(ros, node, publish, [100.0, 100.2, 100.1, 100.3, 100.25, 100.4])
    assert fake.stamps == [100.0, 100.2, 100.3, 100.4]
    assert node.health.refused_total == 2
    said = capfd.readouterr().err
    assert "went back" not in said
    assert said.count("image refused: it is older than one that came before it") == 1


def test_the_order_of_still_images_does_not_matter(
    ros: Any, make: Make, fake: Any, capfd: Any
) -> None:
    node = make(static_image_mode=True)
    assert node.autostart()
    publish = send(ros, node)
    results(ros, node, publish, [100.0, 100.2, 100.1, 50.0])
    assert fake.stamps == [100.0, 100.2, 100.1, 50.0]
    assert "went back" not in capfd.readouterr().err


def test_the_newest_image_wins_and_drops_are_counted(ros: Any, make: Make, fake: Any) -> None:
    go_on = threading.Semaphore(0)
    fake.act = lambda: go_on.acquire(timeout=60) and None
    node = make()
    assert node.autostart()
    poses = ros.collect(PoseArray, "pose/poses")
    publish = send(ros, node)
    for number in range(1, 6):
        publish(image(100.0 + number))
        arrived = lambda n=number: node.health.arrived_total >= n  # noqa: E731
        assert ros.spin_until(arrived)
        assert ros.spin_until(lambda: fake.stamps)
    for _ in range(2):
        go_on.release()
    assert ros.spin_until(lambda: len(poses) >= 2)
    assert fake.stamps == [101.0, 105.0]
    assert node.health.dropped_total == 3
    assert dict(node.report().values)["images dropped"] == "3"


def test_live_parameters_apply_to_the_next_frame(ros: Any, make: Make, fake: Any) -> None:
    node = make()
    assert node.autostart()
    poses = ros.collect(PoseArray, "pose/poses")
    publish = send(ros, node)
    assert ros.spin_until(lambda: publish(image()) or poses)
    (result,) = node.set_parameters([Parameter("threshold", value=0.8)])
    assert result.successful
    (result,) = node.set_parameters([Parameter("smoothing", value=False)])
    assert result.successful
    applied = lambda: (fake.options.threshold, fake.options.smoothing) == (0.8, False)  # noqa: E731
    assert ros.spin_until(lambda: publish(image(101)) or applied())


def test_live_parameter_applies_with_the_rclpy_of_humble(
    ros: Any, make: Make, fake: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the callbacks that are younger, through the service that ros2 param calls."""
    for name in ("add_post_set_parameters_callback", "add_pre_set_parameters_callback"):
        monkeypatch.delattr(f"rclpy.node.Node.{name}", raising=False)
    node = make()
    assert node.autostart()
    asked = SetParameters.Request(parameters=[Parameter("threshold", value=0.8).to_parameter_msg()])
    client = node.create_client(SetParameters, f"{node.get_name()}/set_parameters")
    assert ros.spin_until(client.service_is_ready)
    answer = client.call_async(asked)
    assert ros.spin_until(answer.done)
    assert [result.successful for result in answer.result().results] == [True]
    assert node.parameters.estimator.threshold == 0.8


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("network", "other", "deactivate and clean up first"),
        ("max_people", 2, "deactivate and clean up first"),
        ("threads", 4, "deactivate and clean up first"),
        ("hands", True, "deactivate and clean up first"),
        ("autostart", True, "read-only"),
        ("threshold", 2.0, "threshold"),
        ("overlay", "faces", "box,links,keypoints"),
    ],
)
def test_other_changes_are_refused_with_a_reason(
    make: Make, name: str, value: Any, words: str
) -> None:
    node = make()
    assert node.trigger_configure() == SUCCESS
    before = node.parameters
    (result,) = node.set_parameters([Parameter(name, value=value)])
    assert not result.successful
    assert name in result.reason
    assert words in result.reason
    assert node.parameters == before


def test_a_parameter_set_while_unconfigured_counts_when_configured(ros: Any, make: Make) -> None:
    asked: list[Any] = []

    def make_estimator(parameters: Any) -> Any:
        asked.append(parameters)
        raise ModelError("enough")

    node = make(make_estimator=make_estimator)
    (result,) = node.set_parameters([Parameter("threads", value=5)])
    assert result.successful
    node.trigger_configure()
    assert asked[0].engine.threads == 5


def test_skeleton_is_latched_and_published_again_when_it_changes(ros: Any, make: Make) -> None:
    node = make()
    assert node.autostart()
    found = ros.collect(Skeleton, "pose/skeleton", LATCHED)  # a late subscriber
    assert ros.spin_until(lambda: found)
    assert found[0].name == "blazepose33"
    node.set_parameters([Parameter("upper_body_only", value=True)])
    poses = ros.collect(PoseArray, "pose/poses")
    publish = send(ros, node)
    assert ros.spin_until(lambda: publish(image()) or len(found) > 1)
    assert found[1].name == "blazepose33_upper_body"
    assert len(found[1].keypoints) == 25
    assert ros.spin_until(lambda: poses)
    assert poses[-1].skeleton == "blazepose33_upper_body"


def test_the_overlay_is_drawn_on_a_copy(ros: Any, make: Make, fake: Any) -> None:
    node = make()
    assert node.autostart()
    overlays = ros.collect(Image, "pose/overlay")
    publish = stream(send(ros, node))
    assert ros.spin_until(lambda: node.count_subscribers("pose/overlay"))
    assert ros.spin_until(lambda: publish() or overlays)
    picture, channels = image_from_msg(overlays[0])
    assert (picture.shape, channels) == (PICTURE.shape, "bgr")
    stamp = stamp_from_msg(overlays[0].header.stamp)
    assert overlays[0].header == image(stamp).header
    assert np.any(picture != pixels(stamp))
    seen = zip(fake.images, fake.stamps, strict=True)
    assert all(np.array_equal(image, pixels(stamp)) for image, stamp in seen)
    node.set_parameters([Parameter("overlay", value="none")])
    # those of images that were on their way may still be drawn on
    plain = lambda: np.array_equal(  # noqa: E731
        image_from_msg(overlays[-1])[0], pixels(stamp_from_msg(overlays[-1].header.stamp))
    )
    assert ros.spin_until(lambda: publish() or plain())
    node.set_parameters([Parameter("publish_overlay", value=False)])
    settled = fake.stamps[-1]
    done = node.health.done_total
    assert ros.spin_until(lambda: publish() or node.health.done_total > done + 5)
    last = stamp_from_msg(overlays[-1].header.stamp)
    assert sum(settled < stamp <= last for stamp in fake.stamps) <= 2, "what was on its way"


def test_hands_follow_their_people_under_the_same_header(
    ros: Any, make: Make, fake_hands: Any
) -> None:
    node = make(hands=True)
    assert node.autostart()
    skeletons = ros.collect(Skeleton, "pose/hands/skeleton", LATCHED)
    poses = ros.collect(PoseArray, "pose/poses")
    hands = ros.collect(PoseArray, "pose/hands")
    overlays = ros.collect(Image, "pose/overlay")
    publish = send(ros, node)
    show = stream(publish)
    assert ros.spin_until(lambda: show() or (skeletons and poses and hands and overlays))
    assert [s.name for s in skeletons] == ["blazehand21"]
    assert hands[0].header == poses[0].header == image(stamp_from_msg(hands[0].header.stamp)).header
    assert (hands[0].network, hands[0].skeleton) == ("fake-hands", "blazehand21")
    assert (hands[0].width, hands[0].height) == (64, 48)
    (hand,) = hands[0].poses
    (person,) = poses[0].poses
    assert (hand.id, hand.label) == (2 * person.id, "left")
    assert hand.label_score == pytest.approx(0.7)
    picture, _ = image_from_msg(overlays[0])
    assert np.any(picture[20, 40] != PICTURE[20, 40]), "where the hand is, and no person"
    node.set_parameters([Parameter("smoothing", value=False)])
    before = len(fake_hands.stamps)
    later = stream(publish, 200.0)
    assert ros.spin_until(lambda: later() or len(fake_hands.stamps) > before + 1)
    assert not fake_hands.options.smoothing
    assert fake_hands.stamps[-1] >= 200.0


def test_hands_are_not_searched_unless_enabled(ros: Any, make: Make, fake_hands: Any) -> None:
    node = make()
    assert node.autostart()
    poses = ros.collect(PoseArray, "pose/poses")
    publish = send(ros, node)
    assert ros.spin_until(lambda: publish(image()) or poses)
    assert fake_hands.stamps == []
    assert not node.count_publishers("pose/hands")


def test_hands_of_a_network_without_bodies_are_refused(
    make: Make, fake: Any, fake_hands: Any, capfd: Any
) -> None:
    node = make(hands=True, make_estimator=lambda _parameters: fake_hands)
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert "blazehand21 has no left_wrist" in capfd.readouterr().err
    assert not node.count_publishers("pose/hands")


def test_networks_find_people_and_hands(ros: Any, data: Any) -> None:
    """A woman with a suitcase; both hands are visible."""

    node = ros.add(PoseNode(parameter_overrides=[Parameter("hands", value=True)]))
    assert node.autostart()
    poses = ros.collect(PoseArray, "pose/poses")
    hands = ros.collect(PoseArray, "pose/hands")
    publish = send(ros, node)
    picture = cv2.imread(str(data / "images" / "peds_3.jpg"))
    msg = image_to_msg(picture, "bgr", header_to_msg(100.0, "camera"))
    assert ros.spin_until(lambda: publish(msg) or (poses and hands))
    (person,) = poses_from_msg(poses[0])
    found = poses_from_msg(hands[0])
    assert (hands[0].header, hands[0].network) == (poses[0].header, "blazehand-full")
    assert [(h.id, h.label) for h in found] == [
        (2 * person.id, "left"),
        (2 * person.id + 1, "right"),
    ]
    for hand in found:
        away = hand.keypoint("wrist") - person.keypoint(f"{hand.label}_wrist")
        assert np.hypot(*away) < 20


@pytest.mark.parametrize(
    ("network", "skeleton"),
    [("posenet-mobilenet", "coco17"), ("blazepose-full", "blazepose33")],
)
def test_network_finds_all_people_alone_or_with_a_cached_finder(
    ros: Any, data: Any, finder_models: Any, network: str, skeleton: str
) -> None:
    overrides = {"network": network, "models_dir": str(finder_models), "max_people": 10}
    node = PoseNode(parameter_overrides=[Parameter(k, value=v) for k, v in overrides.items()])
    assert ros.add(node).autostart()
    poses = ros.collect(PoseArray, "pose/poses")
    publish = send(ros, node)
    picture = cv2.imread(str(data / "images" / "humans_4.jpg"))
    message = image_to_msg(picture, "bgr", header_to_msg(100.0, "camera"))
    assert ros.spin_until(lambda: publish(message) or poses)
    found = poses_from_msg(poses[0])
    assert (poses[0].network, found.skeleton.name, len(found)) == (network, skeleton, 5)
    assert (found.world is None) == (skeleton == "coco17")


def test_poses_of_compressed_images_have_their_stamps(ros: Any, make: Make, fake: Any) -> None:

    node = make(image_transport="compressed")
    assert node.autostart()
    poses = ros.collect(PoseArray, "pose/poses")
    publish = send(ros, node, CompressedImage, "image/compressed")
    msg = CompressedImage(format="png", header=header_to_msg(100.0, "camera"))
    msg.data.frombytes(cv2.imencode(".png", PICTURE)[1].tobytes())
    assert ros.spin_until(lambda: publish(msg) or poses)
    np.testing.assert_array_equal(fake.images[0], PICTURE)


def test_harmful_compressed_data_is_refused_and_node_survives(
    ros: Any, make: Make, fake: Any, capfd: Any
) -> None:
    node = make(image_transport="compressed", max_megapixels=0.1)
    assert node.autostart()
    poses = ros.collect(PoseArray, "pose/poses")
    publish = send(ros, node, CompressedImage, "image/compressed")
    jpeg = cv2.imencode(".jpg", PICTURE)[1].tobytes()
    huge = cv2.imencode(".png", np.zeros((400, 400), np.uint8))[1].tobytes()
    jpeg_2000 = bytearray(cv2.imencode(".jp2", np.tile(PICTURE, (4, 4, 1)))[1].tobytes())
    jpeg_2000[200:260] = bytes(60)
    for number, data in enumerate((jpeg[:-40], huge, bytes(jpeg_2000), b"x"), start=1):
        publish(CompressedImage(header=header_to_msg(90.0 + number, "camera"), data=data))
        refused = lambda n=number: node.health.refused_total >= n  # noqa: E731
        assert ros.spin_until(refused)
    assert fake.stamps == []
    assert "cut short" in capfd.readouterr().err
    good = CompressedImage(header=header_to_msg(100.0, "camera"), data=jpeg)
    assert ros.spin_until(lambda: publish(good) or poses)


def test_compressed_images_follow_a_remapped_topic(ros: Any, fake: Any) -> None:
    node = ros.add(
        PoseNode(
            make_estimator=lambda _parameters: fake,
            parameter_overrides=[Parameter("image_transport", value="compressed")],
            cli_args=["--ros-args", "-r", "image:=/front/image_raw"],
        )
    )
    assert node.autostart()
    assert node.get_subscriptions_info_by_topic("/front/image_raw/compressed")


def test_node_with_a_source_captures_by_itself(ros: Any, make: Make, fake: Any) -> None:
    node = make(source="synthetic:stand?width=64&height=48&fps=20", frame_id="eye")
    poses = ros.collect(PoseArray, "pose/poses")
    assert node.autostart()
    assert ros.spin_until(lambda: len(poses) >= 3)
    assert node.get_subscriptions_info_by_topic("/image") == []
    assert {msg.header.frame_id for msg in poses} == {"eye"}
    stamps = [stamp_from_msg(msg.header.stamp) for msg in poses]
    assert stamps == sorted(set(stamps))
    assert node.trigger_deactivate() == SUCCESS
    assert node.trigger_activate() == SUCCESS


def test_missing_source_leaves_the_node_inactive(make: Make, capfd: Any) -> None:
    node = make(source="/no/such/clip.mp4")
    assert node.trigger_configure() == SUCCESS
    assert node.trigger_activate() == TransitionCallbackReturn.FAILURE
    assert node.state == "inactive"
    assert "/no/such/clip.mp4" in capfd.readouterr().err


def test_diagnostics_name_the_network_and_the_provider(ros: Any, make: Make) -> None:
    health = ros.collect(DiagnosticArray, "/diagnostics")
    node = make()
    assert node.autostart()
    publish = stream(send(ros, node))

    def working() -> list[Any]:
        publish()
        ros.spin_for(0.03)  # more images than that are a flood, which is a warning
        statuses = [msg.status[0] for msg in health]
        return [s for s in statuses if s.level == b"\x00" and "0.0 results" not in s.message]

    assert ros.spin_until(working)
    (status, *_) = working()
    values = {item.key: item.value for item in status.values}
    assert status.name == "pose: pose"
    assert status.hardware_id == "/image"
    assert (values["state"], values["network"], values["provider"]) == ("active", "fake", "cpu")
    assert float(values["results per second"]) > 0
