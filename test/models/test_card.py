"""Cards: those of the package are sound, and a wrong one is refused by file and field."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pose_ros.errors import ModelError
from pose_ros.models.card import PackageOrigin, UrlOrigin, list_cards, load_card
from pose_ros.models.fetch import original_path
from pose_ros.networks.registry import FAMILIES


def test_package_has_cards() -> None:
    cards = {card.name: card for card in list_cards()}
    assert set(cards["blazepose-full"].files) == {"detector", "landmarks"}
    assert load_card("blazepose-full") == cards["blazepose-full"]


def test_cards_that_share_a_file_agree_on_it() -> None:
    seen: dict[str, Any] = {}
    for card in list_cards():
        for file in card.files.values():
            assert seen.setdefault(file.file, file) == file, f"{card.name}: {file.file}"


def test_card_has_the_name_of_its_file() -> None:
    for card in list_cards():
        assert load_card(card.name) == card


@pytest.mark.parametrize("size", ["lite", "heavy"])
def test_cards_of_lite_and_heavy_have_a_package_and_addresses(size: str) -> None:
    full, card = load_card("blazepose-full"), load_card(f"blazepose-{size}")
    assert card.file("detector") == full.file("detector")
    landmarks = card.file("landmarks")
    assert landmarks.inputs == full.file("landmarks").inputs
    assert landmarks.outputs == full.file("landmarks").outputs
    assert landmarks.checksum.git_blob
    package, *addresses = landmarks.origins
    assert isinstance(package, PackageOrigin)
    assert package.file_name == f"package/pose_landmark_{size}.tflite"
    assert len(addresses) == 2
    for origin in addresses:
        assert isinstance(origin, UrlOrigin)
        assert origin.url.startswith("https://")
        assert origin.file_name == f"pose_landmark_{size}.tflite"


def test_lite_file_has_the_hash_on_its_card(data: Path) -> None:
    checksum = load_card("blazepose-lite").file("landmarks").checksum
    assert checksum.sha256
    assert checksum.git_blob
    assert checksum.fits(data / "blazepose" / "pose_landmark_lite.tflite")


def test_cards_describe_the_networks_of_jetson_inference() -> None:
    """Inputs: ``poseNet.cpp`` and ``onnx_export.py``; maps: a quarter of the input's size."""
    sizes = {
        "resnet18-body": (224, 18, 42),
        "resnet18-hand": (224, 21, 40),
        "densenet121-body": (256, 18, 42),
    }
    for name, (size, parts, fields) in sizes.items():
        card = load_card(name)
        file = card.file("network")
        cells = size // 4
        assert file.signature.inputs == {"input": (1, 3, size, size)}
        assert file.signature.outputs == {
            "cmap": (1, parts, cells, cells),
            "paf": (1, fields, cells, cells),
        }
        assert (card.family, card.threshold, card.license) == ("paf", 0.15, "MIT")
        contract = card.contract
        assert (len(contract.skeleton), 2 * len(contract.skeleton.links)) == (parts, fields)
        assert len(set(contract.skeleton.colors)) == parts
        # what PyTorch's normalization of colors in [0, 1] makes of black and of white
        image = contract.image()
        assert (image.width, image.height, image.fit) == (size, size, "stretch")
        for value in (0, 255):
            picture = np.full((4, 6, 3), value, np.uint8)
            tensor = image.tensor(picture, "rgb")
            for plane, mean, std in zip(
                tensor[0], (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), strict=True
            ):
                assert np.allclose(plane, (value / 255 - mean) / std, atol=1e-5)


@pytest.mark.parametrize("name", ["resnet18_body", "ResNet18-Body", "RESNET18_BODY"])
def test_name_is_matched_in_any_spelling(name: str) -> None:
    assert load_card(name) == load_card("resnet18-body")


def test_each_network_belongs_to_a_known_family() -> None:
    for card in list_cards():
        assert card.family in FAMILIES, card.name


@pytest.mark.parametrize(
    ("colors", "message"),
    [
        ("[[1, 2, 3]]", "colors: expected 33, one a keypoint, got 1"),
        ("[[1, 2]]", r"colors: expected a list of \[red, green, blue\]"),
        ("[[1, 2, 256]]", r"each 0 to 255, got \[\[1, 2, 256\]\]"),
        ("red", "got 'red'"),
    ],
)
def test_wrong_colors_are_refused(shop: Any, colors: str, message: str) -> None:
    path = shop.write_card(lambda text: f"{text}colors: {colors}\n")
    with pytest.raises(ModelError, match=message):
        load_card(path)


def test_card_of_the_user_is_loaded(shop: Any) -> None:
    card = load_card(shop.card_path)
    assert card.file("landmarks").outputs[0].shape == (1, 5, 4, 4)
    assert card.file("detector").inputs[0].range == (0.0, 1.0)
    origin = card.file("detector").origins[0]
    assert isinstance(origin, PackageOrigin)
    assert origin.place == shop.wheel.name
    with pytest.raises(ModelError, match="tiny has no file 'hands'; it has detector, landmarks"):
        card.file("hands")


def replaced(old: str, new: str) -> Callable[[str], str]:
    def edit(text: str) -> str:
        assert old in text
        return text.replace(old, new, 1)

    return edit


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (replaced("title: Tiny\n", ""), "title: expected a value"),
        (replaced("title: Tiny", "title: 5"), "title: expected text, got 5"),
        (replaced("title: Tiny", "tilte: Tiny"), "title: expected a value"),
        (replaced("title: Tiny", "title: Tiny\nmood: good"), "mood: expected no such field"),
        (replaced("name: tiny", "name: Tiny One"), "name: expected lower-case"),
        (replaced("blazepose33", "octopus8"), "skeleton: unknown skeleton 'octopus8'"),
        (replaced("file: tiny-detector", "file: ../evil"), "files.detector.file: expected lower"),
        (replaced("    sha256: ", "    sha256: x"), "files.detector.sha256: expected 64"),
        (replaced("    sha256: ", "    git_blob: "), "detector.git_blob: expected 40 lower-case"),
        (
            replaced("- wheel:", "- url: ftp://x/y\n        wheel:"),
            "url: expected an http or https",
        ),
        (replaced("- wheel:", "- url: http://x/y z\n        wheel:"), "url: expected an http"),
        (
            replaced("- wheel:", "- url: http://x/y\n        wheel:"),
            "wheel: expected no such field",
        ),
        (replaced("- wheel:", "- whale:"), r"origins\[0\].wheel: expected a value"),
        (replaced("tinynet==1.0", "tinynet"), r"origins\[0\].wheel.requirement: expected name=="),
        (replaced('python: "3.11"', "python: 3.11"), r"wheel.python: expected .*, got 3.11"),
        (
            replaced("        member:", "        path: x\n        member:"),
            "wheel: expected no such",
        ),
        (replaced("        member:", "        way: x\n        member:"), "way: expected no such"),
        (replaced("[1, 3, 4, 4]", "[2, 3, 4, 4]"), r"inputs\[0\].shape: expected whole numbers"),
        (replaced("[1, 3, 4, 4]", "[1, 3, true]"), r"inputs\[0\].shape: expected whole numbers"),
        (replaced("range: [0, 1]", "range: [1, 0]"), r"range: expected two finite numbers"),
        (replaced("range: [0, 1]", "range: [-.inf, 1]"), r"range: expected two finite numbers"),
        (
            replaced("range: [0, 1]", "mean: [.nan, 0, 0], std: [1, 1, 1]"),
            r"mean: expected three finite numbers",
        ),
        (replaced("range: [0, 1]", "rnage: [0, 1]"), r"inputs\[0\].rnage: expected no such"),
        (replaced("files:", "files: []\nx:"), "files: expected a mapping"),
        (lambda text: "- 1", "the card: expected a mapping"),
        (lambda text: "", "the card: expected a mapping, got None"),
        (lambda text: "a: [", "is not valid YAML"),
        (replaced("[1, 3, 4, 4]", "[1, 3, 9999999, 9999999]"), "shape: expected at most 268435456"),
        (replaced("[1, 3, 4, 4]", "[1, 3, 4, 99999]"), "at most 16384 pixels a side"),
        (replaced("[1, 3, 4, 4]", "[1, 3, 4, 1" + "0" * 400 + "]"), "more than 64 bits"),
        (replaced("range: [0, 1]", "range: !!int x"), "is not valid YAML"),
        (replaced("range: [0, 1]", "range: 2024-02-30"), "range: expected two finite numbers"),
        (replaced("range: [0, 1]", "range: [[[[[[[1]]]]]]]"), "more than 8 lists and mappings"),
        (replaced("range: [0, 1]", "range: " + "[" * 5000), "more than 8 lists and mappings"),
        (
            lambda text: "\n".join(
                ["a: &a [x, x, x, x, x, x, x, x, x]"]
                + [f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]" for a, b in pairwise("abcdefghi")]
            ),
            "more than 100000 values, aliases expanded",
        ),
    ],
)
def test_wrong_card_is_refused(shop: Any, edit: Callable[[str], str], message: str) -> None:
    path = shop.write_card(edit)
    with pytest.raises(ModelError, match=message) as caught:
        load_card(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


def test_file_with_mask_shares_the_original_of_the_one_without() -> None:
    plain, masked = load_card("blazepose-full"), load_card("blazepose-full").with_masks()
    assert masked.file("detector") == plain.file("detector")
    file, other = plain.file("landmarks"), masked.file("landmarks")
    assert [*file.signature.outputs, "mask"] == list(other.signature.outputs)
    assert other.file != file.file
    assert original_path(Path(), other) == original_path(Path(), file)


def test_network_without_masks_is_refused_in_one_line() -> None:
    with pytest.raises(ModelError, match="resnet18-body gives no masks of people; a network of"):
        load_card("resnet18-body").with_masks()


def test_mask_of_a_file_that_is_not_converted_is_refused(shop: Any) -> None:
    mask = "    mask: {name: mask, tensor: m, shape: [1, 1, 4, 4]}\n    format: onnx\n    sha256: "
    with pytest.raises(ModelError, match=r"files.detector.mask: expected a file that is converted"):
        load_card(shop.write_card(replaced("    sha256: ", mask)))


def test_two_outputs_with_one_name_are_refused(shop: Any) -> None:
    def twice(text: str) -> str:
        line = next(line for line in text.splitlines() if "name: maps" in line)
        return text.replace(line, f"{line}\n{line}", 1)

    with pytest.raises(ModelError, match=r"files.detector.outputs: expected distinct names"):
        load_card(shop.write_card(twice))


def test_unknown_name_lists_the_known() -> None:
    with pytest.raises(ModelError, match=r"unknown network 'nonesuch'; known: .*blazepose-full"):
        load_card("nonesuch")


def test_file_of_another_kind_is_refused_with_the_accepted_kinds(tmp_path: Path) -> None:
    (tmp_path / "net.tflite").write_bytes(b"")
    with pytest.raises(ModelError, match=r"net.tflite'.*your own is a .onnx file or a card"):
        load_card(tmp_path / "net.tflite")


def test_missing_card_gives_a_one_line_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"model card: cannot read .*none.yaml: No such file"):
        load_card(tmp_path / "none.yaml")


def test_only_a_regular_file_of_bounded_size_is_a_card(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.yaml")
    with pytest.raises(ModelError, match="is a FIFO, expected a regular file"):
        load_card(tmp_path / "fifo.yaml")
    with (tmp_path / "large.yaml").open("wb") as stream:
        stream.truncate(1 << 32)
    with pytest.raises(ModelError, match="is larger than 1 MiB"):
        load_card(tmp_path / "large.yaml")


def test_cards_are_listed_by_name() -> None:
    names = [card.name for card in list_cards()]
    assert names == sorted(names)
