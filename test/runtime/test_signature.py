"""What a network takes and gives, against what a card says."""

import pytest

from pose_ros.errors import ModelError
from pose_ros.runtime.signature import Signature

HAS = Signature(
    {"input": (None, 3, 224, 224)}, {"cmap": (None, 18, 56, 56), "paf": (None, 42, 56, 56)}
)


@pytest.mark.parametrize(
    "wanted",
    [
        Signature({"input": (1, 3, 224, 224)}, {"cmap": (1, 18, 56, 56)}),
        Signature({"input": (1, 3, 224, 224)}, {"paf": (1, 42, 56, 56), "cmap": (1, 18, 56, 56)}),
        Signature({"input": (1, 3, None, 224)}, {}),
        HAS,
    ],
)
def test_network_with_the_signature_of_its_card_is_accepted(wanted):
    HAS.require(wanted, "net.onnx")


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (
            Signature({"image": (1, 3, 224, 224)}, {}),
            r"^net.onnx does not fit its card: expected the inputs image \[1, 3, 224, 224\], got",
        ),
        (Signature({}, {}), r"expected the inputs none, got input"),
        (Signature({"input": (1, 224, 224, 3)}, {}), r"expected .* \[1, 224, 224, 3\], got"),
        (Signature({"input": (1, 3, 224)}, {}), "got input"),
        (
            Signature(HAS.inputs, {"cmap": (1, 19, 56, 56)}),
            r"expected the outputs cmap \[1, 19, 56, 56\], got cmap \[\?, 18, 56, 56\], paf",
        ),
        (Signature(HAS.inputs, {"heat": (1, 18, 56, 56)}), "expected the outputs heat"),
    ],
)
def test_network_with_another_signature_is_refused(wanted, message):
    with pytest.raises(ModelError, match=message):
        HAS.require(wanted, "net.onnx")
