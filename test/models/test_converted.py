"""A network whose original the user converts to ONNX."""

import shutil

import pytest

from pose_ros.errors import ModelError
from pose_ros.models.card import load_card
from pose_ros.models.store import get, status

CARD = load_card("openpose-mobilenet")


def test_missing_network_names_the_steps_to_get_it(tmp_path):
    message = r"converted by hand.*graph_opt.pb \(git blob .*tf2onnx.*models get .* --from FILE"
    with pytest.raises(ModelError, match=message):
        get(CARD, tmp_path)


def test_converted_network_is_accepted_by_its_contract(data, tmp_path):
    source = data / "openpose" / "mobilenet_v2_small.onnx"
    if not source.is_file():
        pytest.skip(f"no test data: {source} is missing")
    mine = tmp_path / "mine.onnx"
    shutil.copy(source, mine)
    with mine.open("ab") as file:
        file.write(b"\x32\x05words")  # the format's field of documentation
    for path in (source, mine):
        folder = tmp_path / path.stem
        get(CARD, folder, sources=[path])
        assert [file.state for file in status(CARD, folder)] == ["ok"]


def test_file_of_another_network_is_refused(tmp_path):
    other = tmp_path / "other.onnx"
    other.write_bytes(b"no network")
    with pytest.raises(ModelError, match=r"other.onnx holds none of the files of openpose"):
        get(CARD, tmp_path, sources=[other])
