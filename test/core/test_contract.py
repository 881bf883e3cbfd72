"""An image goes into a network as its card says, and points come back to where they were."""

import numpy as np
import pytest

from pose_ros.core import skeletons
from pose_ros.core.contract import Contract, ImageInput, Value
from pose_ros.errors import ModelError

SIZES = [(640, 480), (480, 640), (100, 37), (2000, 16), (1, 1), (224, 224)]


def spot(width, height, x, y, radius):
    """A white disk on black, RGB."""
    rows, columns = np.mgrid[:height, :width]
    inside = np.hypot(columns - x, rows - y) <= radius
    return np.repeat(np.where(inside, 255, 0).astype(np.uint8)[..., None], 3, axis=2)


@pytest.mark.parametrize("fit", ["letterbox", "stretch"])
@pytest.mark.parametrize(("width", "height"), [(640, 480), (480, 640), (1280, 720), (150, 150)])
def test_point_of_the_input_maps_to_its_place_in_the_image(width, height, fit):
    image = spot(width, height, 0.3 * width, 0.6 * height, 0.05 * width)
    network = ImageInput(256, 192, fit=fit)
    tensor = network.tensor(image, "rgb")
    assert tensor.shape == (1, 3, 192, 256)
    rows, columns = np.mgrid[:192, :256]
    weights = tensor[0, 0]
    center = np.array([(columns * weights).sum(), (rows * weights).sum()]) / weights.sum()
    place = network.place(width, height)
    found = place.to_image(np.float32(center))
    assert np.allclose(found, [0.3 * width, 0.6 * height], atol=0.3)


@pytest.mark.parametrize("fit", ["letterbox", "stretch"])
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_image_of_any_size_fits_into_the_input(width, height, fit):
    network = ImageInput(224, 160, fit=fit)
    place = network.place(width, height)
    assert place.left >= 0
    assert place.top >= 0
    assert place.left + place.width <= 224
    assert place.top + place.height <= 160
    assert network.tensor(np.zeros((height, width, 3), np.uint8), "rgb").shape == (1, 3, 160, 224)
    corners = np.float32([[place.left - 0.5, place.top - 0.5]])
    assert np.allclose(place.to_image(corners), -0.5, atol=1e-3)


def test_stretching_fills_the_input_and_letterboxing_leaves_the_mean():
    image = np.full((100, 200, 3), 255, np.uint8)
    stretched = ImageInput(64, 64, mean=(51, 51, 51), std=(102, 102, 102), fit="stretch")
    assert np.allclose(stretched.tensor(image, "rgb"), 2.0)
    boxed = ImageInput(64, 64, mean=(51, 51, 51), std=(102, 102, 102)).tensor(image, "rgb")
    assert np.allclose(boxed[0, :, 16:48], 2.0)
    assert np.all(boxed[0, :, :16] == 0)
    assert np.all(boxed[0, :, 48:] == 0)


@pytest.mark.parametrize(
    ("dtype", "gray"), [("float32", 114 / 255), ("uint8", 114), ("int32", 114)]
)
def test_border_of_a_letterbox_has_its_set_color(dtype, gray):
    tensor = ImageInput(64, 64, dtype=dtype, fill=114).tensor(
        np.full((100, 200, 3), 255, np.uint8), "rgb"
    )
    assert tensor.dtype == dtype
    assert np.allclose(tensor[0, :, 16:48], 1.0 if dtype == "float32" else 255)
    assert np.allclose(tensor[0, :, :16], gray)
    assert np.allclose(tensor[0, :, 48:], gray)


@pytest.mark.parametrize("given", ["rgb", "bgr"])
@pytest.mark.parametrize("wanted", ["rgb", "bgr"])
def test_channels_have_the_order_of_the_card(given, wanted):
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., given.index("r")] = 255
    network = ImageInput(8, 8, (0, 0, 0), (255, 255, 255), channels=wanted)
    assert network.tensor(red, given)[0, :, 4, 4].tolist() == [c == "r" for c in wanted]


def test_mean_and_deviation_apply_to_each_channel():
    network = ImageInput(4, 4, (10, 20, 30), (2, 4, 5), channels="bgr", layout="nhwc")
    tensor = network.tensor(np.full((4, 4, 3), 50, np.uint8), "rgb")
    assert tensor.shape == (1, 4, 4, 3)
    assert np.allclose(tensor[0, 2, 2], [20, 7.5, 4])


def test_quantized_network_gets_unscaled_pixels():
    network = ImageInput(8, 8, (128, 128, 128), (128, 128, 128), dtype="uint8")
    tensor = network.tensor(np.full((4, 8, 3), 200, np.uint8), "rgb")
    assert tensor.dtype == np.uint8
    assert tensor[0, 0, :, 0].tolist() == [128, 128, 200, 200, 200, 200, 128, 128]


def test_a_card_without_an_image_input_is_refused():
    skeleton = skeletons.get("coco17")
    with pytest.raises(ModelError, match="odd: expected a file 'network', got body"):
        Contract("odd", skeleton, inputs={"body": ()}).image()
    value = Value("x", "x", (1, 3, 8, 8))
    with pytest.raises(
        ModelError, match="odd: expected one image as the input of 'network', got x"
    ):
        Contract("odd", skeleton, inputs={"network": (value,)}).image()
