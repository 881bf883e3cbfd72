"""A program like jetson-inference's ``posenet.py`` runs, and finds what our estimator finds."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

import pose_ros
from pose_ros.compat.jetson import (
    Log,
    cudaFromNumpy,
    cudaToNumpy,
    loadImage,
    poseNet,
    saveImage,
    videoOutput,
    videoSource,
)
from pose_ros.compat.jetson_utils import JetsonImage
from pose_ros.errors import ImageError, ModelError, OptionError, OutputError, SourceError
from pose_ros.settings.estimation import MAX_PEOPLE
from pose_ros.sources.opening import open_source


@pytest.fixture(scope="module")
def net() -> poseNet:
    return poseNet("blazepose-full", threshold=0.5)


def test_program_reads_a_video_finds_people_and_writes_them(tmp_path, capsys) -> None:
    """The steps are those of the published sample: capture, process, print, render."""
    argv = ["posenet.py", "in.mp4", "--network=blazepose-full", "--threshold", "0.4", "--mine=1"]
    made = videoOutput(str(tmp_path / "in.mp4"))
    scene = open_source("synthetic:wave", fps=10, live=False)
    for _ in range(3):
        made.Render(np.ascontiguousarray(scene.read().image[..., ::-1]))
    made.Close()

    net = poseNet("resnet18-body", argv, 0.15)
    source = videoSource(str(tmp_path / "in.mp4"), argv=argv)
    output = videoOutput(str(tmp_path / "out.mp4"), argv=argv)
    count = 0
    while True:
        img = source.Capture()
        before = cudaToNumpy(img).copy()
        poses = net.Process(img, overlay="links,keypoints")
        assert (cudaToNumpy(img) != before).any(), "the overlay is on the image itself"
        for pose in poses:
            print(pose)
            print(pose.Keypoints)
            print("Links", pose.Links)
        output.Render(img)
        output.SetStatus(f"{net.GetNetworkName()} | Network {net.GetNetworkFPS():.0f} FPS")
        net.PrintProfilerTimes()
        count += 1
        if not source.IsStreaming() or not output.IsStreaming():
            break
    assert count == 3
    assert net.GetThreshold() == 0.4
    out = capsys.readouterr().out
    assert out.count("ObjectPose(ID=0, Left=") == 3
    assert out.count("blazepose-full on cpu: ") == 3
    del output  # as at the end of a program that does not close it
    written = open_source(str(tmp_path / "out.mp4"))
    assert written.length == 3
    with pytest.raises(SourceError, match=r"has ended; ask IsStreaming\(\)"):
        source.Capture()
    assert poseNet.Usage() + videoSource.Usage() + videoOutput.Usage() + Log.Usage()


def test_person_has_the_keypoints_that_were_found_and_the_links_between_them(net) -> None:
    frame = open_source("synthetic:stand", live=False).read()
    rgb = np.ascontiguousarray(frame.image[..., ::-1])
    (pose,) = net.Process(rgb.copy(), "none")
    estimator = pose_ros.create_estimator("blazepose-full", threshold=0.5, max_people=MAX_PEOPLE)
    (truth,) = estimator.estimate(rgb)
    assert isinstance(pose, net.ObjectPose)
    assert list(pose.ROI) == pytest.approx(truth.box.tolist())
    assert (pose.Left, pose.Bottom) == pytest.approx((truth.box[0], truth.box[3]))
    found = [one.ID for one in pose.Keypoints]
    assert found == np.flatnonzero(truth.keypoint_scores >= 0.5).tolist()
    wrist = pose.Keypoints[pose.FindKeypoint("left_wrist")]
    assert (wrist.x, wrist.y) == pytest.approx(tuple(truth.keypoint("left_wrist")))
    assert net.GetKeypointName(wrist.ID) == "left_wrist"
    assert net.FindKeypointID("LEFT_WRIST") == wrist.ID == 15
    assert net.GetNumKeypoints() == 33
    link = pose.Links[pose.FindLink("left_elbow", "left_wrist")]
    assert [pose.Keypoints[i].ID for i in link] == [13, 15]
    assert pose.FindLink(13, 15) == pose.FindLink("left_wrist", "left_elbow") >= 0
    assert pose.FindLink("nose", "left_wrist") == -1


def test_keypoint_that_was_not_found_has_index_minus_one(net, data) -> None:
    image = loadImage(str(data / "images" / "humans_0.jpg"))
    half = cudaFromNumpy(np.ascontiguousarray(cudaToNumpy(image)[:150]))
    found = {one.ID for pose in net.Process(half, "none") for one in pose.Keypoints}
    for pose in net.Process(half, "none"):
        missing = set(range(33)) - {one.ID for one in pose.Keypoints}
        assert missing, found
        assert {pose.FindKeypoint(number) for number in missing} == {-1}


def test_wrong_names_flags_and_parts_are_refused(net) -> None:
    with pytest.raises(OptionError, match="has no keypoint 'tail'"):
        net.FindKeypointID("tail")
    with pytest.raises(OptionError, match=r"keypoint IDs are in \[0, 32\], got 33"):
        net.GetKeypointName(33)
    with pytest.raises(OptionError, match="--topology has no meaning here: say it on a card"):
        poseNet(argv=["--topology=human_pose.json"])
    with pytest.raises(OptionError, match="poseNet: argument --threshold: invalid float"):
        poseNet(argv=["--threshold=high"])
    with pytest.raises(OptionError, match="overlay must be none or some of"):
        net.Process(np.zeros((9, 9, 3), np.uint8), overlay="bones")
    with pytest.raises(ImageError, match="expected an"):
        net.Process(np.zeros((9, 9, 4), np.uint8))
    with pytest.raises(ModelError, match="unknown network"):
        poseNet("resnet19-body")
    for target in ("display://0", "webrtc://@:8554/output", "rtp://10.0.0.1:1234"):
        with pytest.raises(OptionError, match="cannot write to .*: a file or a folder can be"):
            videoOutput(target)


def test_images_are_arrays_with_the_attributes_of_a_cuda_image(tmp_path) -> None:
    source = videoSource("synthetic:stand?fps=10")
    assert source.IsStreaming()
    source.Capture()
    image = source.Capture()
    assert isinstance(image, JetsonImage)
    assert (image.width, image.height, image.channels) == (640, 480, 3) == image.shape[1::-1] + (3,)
    assert (source.GetWidth(), source.GetHeight(), source.GetFrameRate()) == (640, 480, 10)
    assert image.timestamp > 0
    with pytest.raises(OptionError, match="format must be rgb8"):
        source.Capture(format="rgba32f")
    source.Close()
    assert not source.IsStreaming()
    saveImage(str(tmp_path / "one.png"), image)
    assert np.array_equal(loadImage(str(tmp_path / "one.png")), image)
    assert np.array_equal(cv2.imread(str(tmp_path / "one.png"))[..., ::-1], image)
    with pytest.raises(OutputError, match="cannot write .*one.xyz"):
        saveImage(str(tmp_path / "one.xyz"), image)
    assert np.shares_memory(cudaFromNumpy(cudaToNumpy(image)), image)


def test_pictures_are_numbered_and_no_output_writes_nothing(tmp_path) -> None:
    image = np.zeros((8, 8, 3), np.uint8)
    output = videoOutput(f"file://{tmp_path}/out_%i.png")
    output.Render(image)
    output.Render(image)
    nothing = videoOutput()
    nothing.Render(image)
    assert nothing.IsStreaming()
    output.Close()
    assert not output.IsStreaming()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out_0.png", "out_1.png"]
