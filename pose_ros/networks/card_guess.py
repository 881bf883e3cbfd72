"""The model card of a network that has none, guessed from its inputs and outputs.

Shapes do not tell everything. For the scale of the colors a guess takes what most makers of such
networks do, and says so. What makers do differently stays open, and only the user can answer it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pose_ros.core import skeletons
from pose_ros.core.contract import Shape
from pose_ros.core.skeletons import SKELETONS
from pose_ros.networks.paf import topology
from pose_ros.networks.yolo_pose import form_of

_TYPES = ("float32", "uint8", "int32")

_SUBSETS = {f"{s.name}_{name}" for s in SKELETONS.values() for name in s.subsets}
_WHOLE = [s for s in SKELETONS.values() if s.name not in _SUBSETS]
"""All skeletons but those that are parts of others."""

_PIXELS = {"range": [0, 255]}

LEAST_POINTS, MOST_POINTS = 5, 300
MOST_ROWS = 2000
"""Rows that are left after suppression; before it there are more."""
STRIDES = (1, 2, 4, 8)
"""Pixels of the input a cell of a heatmap, in networks that see one person."""
SPLIT_RATIOS = (1, 2, 3, 4)

_IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
_IMAGENETS = "colors are normalized with ImageNet's mean and deviation"
_FREE = "the size of its input, which is free: {} x {} is a guess"


@dataclass(frozen=True)
class NetworkInput:
    """The one input of a network, as an image.

    Attributes:
        tensor: Its name in the file.
        layout: ``nchw`` or ``nhwc``.
        height, width: Pixels; None where they are free.
        type: ``float32``, ``uint8`` or ``int32``.
    """

    tensor: str
    layout: str
    height: int | None
    width: int | None
    type: str

    def fields(self, size: tuple[int, int], scaling: dict[str, Any]) -> dict[str, Any]:
        """Return the input on a card; ``size`` is the height and width where they are free."""
        height, width = self.height or size[0], self.width or size[1]
        nchw = self.layout == "nchw"
        made: dict[str, Any] = {
            "name": "image",
            "tensor": self.tensor,
            "shape": [1, 3, height, width] if nchw else [1, height, width, 3],
        }
        if not nchw:
            made["layout"] = "nhwc"
        if self.type != "float32":
            made["type"] = self.type
        # whole numbers are unscaled pixels in every network
        return made | (scaling if self.type == "float32" else _PIXELS)


@dataclass(frozen=True)
class CardGuess:
    """One thing that a network could be, and the card that says it.

    Attributes:
        family: Which code would decode it.
        finds: In words.
        points: Keypoints.
        skeletons: Those of as many keypoints.
        image: Fields of the input on a card.
        outputs: Fields of the outputs on a card.
        threshold: Least score of a person.
        decoder: Settings on a card.
        assumed: What shapes do not tell and such networks mostly have.
        open: What shapes do not tell and such networks have in one way or another.
    """

    family: str
    finds: str
    points: int
    skeletons: tuple[str, ...]
    image: dict[str, Any]
    outputs: list[dict[str, Any]]
    threshold: float
    decoder: dict[str, Any] = field(default_factory=dict)
    assumed: tuple[str, ...] = ()
    open: tuple[str, ...] = ()

    def card(self, name: str, path: str) -> dict[str, Any]:
        """Return a model card, as it stands in YAML.

        Args:
            name: Of the network: lower-case letters, digits and -.
            path: Of its file.
        """
        names = [f"point_{i}" for i in range(self.points)]
        own = {"name": f"{name}-points", "keypoints": names, "links": [], "left_right": []}
        made: dict[str, Any] = {
            "name": name,
            "family": self.family,
            "skeleton": self.skeletons[0] if self.skeletons else own,
            "threshold": self.threshold,
            "files": {"network": {"file": path, "inputs": [self.image], "outputs": self.outputs}},
        }
        return made | ({"decoder": self.decoder} if self.decoder else {})

    @property
    def questions(self) -> tuple[str, ...]:
        """What the user has to answer before this can run."""
        if not self.skeletons:
            return (*self.open, f"what its {self.points} keypoints are")
        if len(self.skeletons) > 1:
            return (*self.open, f"which skeleton it has: {' or '.join(self.skeletons)}")
        return self.open


def guess_cards(
    inputs: Mapping[str, Shape], outputs: Mapping[str, Shape], types: Mapping[str, str]
) -> list[CardGuess]:
    """Return what a network could be.

    Args:
        inputs: Shapes by name, of the file.
        outputs: The same of what it gives, in its order.
        types: Of the inputs, such as ``float32``.
    """
    if len(inputs) != 1 or not outputs:
        return []
    ((name, shape),) = inputs.items()
    picture = _picture(name, shape, types.get(name, ""))
    if picture is None:
        return []
    ways = (_heatmaps, _simcc, _numbers, _rows, _fields, _posenet)
    return [guess for way in ways for guess in way(picture, outputs)]


def _picture(name: str, shape: Shape, type_: str) -> NetworkInput | None:
    if len(shape) != 4 or shape[0] not in (None, 1) or type_ not in _TYPES:
        return None
    if shape[1] == 3:
        return NetworkInput(name, "nchw", shape[2], shape[3], type_)
    if shape[3] == 3:
        return NetworkInput(name, "nhwc", shape[1], shape[2], type_)
    return None


def _heatmaps(picture: NetworkInput, outputs: Mapping[str, Shape]) -> Iterator[CardGuess]:
    """One map a keypoint, of one person."""
    shapes = list(outputs.values())
    if len(shapes) != 1 or len(shapes[0]) != 4:
        return
    _, points, *cells = shapes[0]
    known = (points, picture.height, picture.width, *cells)
    if points is None or not _is_count(points) or None in known:
        return
    if not any([s * n for n in cells if n] == [picture.height, picture.width] for s in STRIDES):
        return
    yield CardGuess(
        "heatmap",
        f"one person at a time, {points} heatmaps of {cells[1]} x {cells[0]}",
        points,
        _with_points(points),
        picture.fields((256, 192), _IMAGENET),
        _named(outputs, ["heatmaps"]),
        threshold=0.3,
        assumed=(_IMAGENETS,) if picture.type == "float32" else (),
    )


def _simcc(picture: NetworkInput, outputs: Mapping[str, Shape]) -> Iterator[CardGuess]:
    """A row of classes for x and one for y."""
    names, shapes = list(outputs), list(outputs.values())
    if len(shapes) != 2 or any(len(shape) != 3 for shape in shapes):
        return
    points = shapes[0][1]
    if points is None or not _is_count(points) or shapes[1][1] != points:
        return
    for ratio in SPLIT_RATIOS:
        wanted = [ratio * (picture.width or 0), ratio * (picture.height or 0)]
        for order in ((0, 1), (1, 0)):
            if [shapes[i][2] for i in order] != wanted:
                continue
            unclear = picture.width == picture.height and not names[0].endswith(("x", "y"))
            if picture.width == picture.height and names[order[0]].endswith("y"):
                continue  # of a square only the names tell
            yield CardGuess(
                "simcc",
                f"one person at a time, {points} keypoints as {wanted[0]} and {wanted[1]} classes",
                points,
                _with_points(points),
                picture.fields((256, 192), _IMAGENET),
                _named({names[i]: shapes[i] for i in order}, ["x", "y"]),
                threshold=0.3,
                decoder={"split_ratio": ratio},
                assumed=(_IMAGENETS,) if picture.type == "float32" else (),
                open=("which output is x and which is y",) if unclear else (),
            )
            return


def _numbers(picture: NetworkInput, outputs: Mapping[str, Shape]) -> Iterator[CardGuess]:
    """Keypoints as numbers."""
    shapes = list(outputs.values())
    if len(shapes) != 1 or len(shapes[0]) not in (3, 4) or shapes[0][-1] not in (2, 3):
        return
    *people, points, values = shapes[0]
    if points is None or not _is_count(points) or any(n not in (None, 1) for n in people):
        return
    scores = "with scores" if values == 3 else "without scores"
    finds = f"{points} keypoints as numbers {scores}"
    given = _named(outputs, ["keypoints"])
    if len(people) == 2 and values == 3 and picture.layout == "nhwc":
        yield CardGuess(
            "keypoints",
            f"one person in the whole image, {finds}",
            points,
            _with_points(points),
            picture.fields((192, 192), _PIXELS),
            given,
            threshold=0.3,
            decoder={"order": "yx"},
            assumed=("keypoints are y, x, score from 0 to 1, and pixels 0 to 255, as MoveNet's",),
        )
        return
    unsaid = (
        "whether x or y comes first (decoder: order)",
        "whether they are normalized or pixels (decoder: units)",
        "whether it sees the whole image (family keypoints) or one person (keypoints-top-down)",
    )
    for family, where in (
        ("keypoints", "one person in the whole image"),
        ("keypoints-top-down", "one person at a time"),
    ):
        yield CardGuess(
            family,
            f"{where}, {finds}",
            points,
            _with_points(points),
            picture.fields((256, 192), _IMAGENET),
            given,
            threshold=0.3,
            decoder={"order": "xy", "units": "normalized"},
            assumed=(_IMAGENETS,) if picture.type == "float32" else (),
            open=unsaid,
        )


def _rows(picture: NetworkInput, outputs: Mapping[str, Shape]) -> Iterator[CardGuess]:
    """Rows of a box, a score and keypoints."""
    shapes = list(outputs.values())
    for points in _row_points(shapes):
        form = form_of(shapes, points)
        if form is None:
            continue
        free = picture.height is None or picture.width is None
        size = (640, 640)
        filled = [tuple(n or MOST_ROWS for n in shape[1:]) for shape in shapes]
        if form == "raw" and free and None in shapes[0]:
            # 3 scales of 8, 16 and 32 pixels
            rows = sum((size[0] // s) * (size[1] // s) for s in (8, 16, 32))
            filled = [tuple(n or rows for n in shapes[0][1:])]
        names = ["boxes", "keypoints"] if form == "pair" else ["rows"]
        whole = {name: (1, *rest) for name, rest in zip(outputs, filled, strict=True)}
        decoder, assumed = {}, ["colors are 0 to 1 and the rest of a letterbox is gray, 114"]
        if picture.layout == "nhwc" and form != "pair":
            decoder = {"units": "normalized"}
            assumed.append("1 is the size of the input, as in what ultralytics exports to TFLite")
        yield CardGuess(
            "yolo-pose",
            f"all people, rows of {points} keypoints",
            points,
            _with_points(points),
            picture.fields(size, {"range": [0, 1]}) | {"fill": 114},
            _named(whole, names),
            threshold=0.25,
            decoder=decoder,
            assumed=tuple(assumed),
            open=(_FREE.format(*size),) if free else (),
        )


def _row_points(shapes: Sequence[Shape]) -> Iterator[int]:
    """Yield how many keypoints rows could have: a skeleton's number first, then any."""
    known = sorted({len(s) for s in _WHOLE})
    found = [n for n in known if form_of(shapes, n)]
    if found:
        yield from found
    elif len(shapes) == 2 and len(shapes[1]) == 4:
        points = shapes[1][2]
        if points is not None and _is_count(points):
            yield points
    elif len(shapes) == 1 and len(shapes[0]) == 3:
        # without a skeleton's number, no more than one class and scores for all points
        sizes = [n for n in shapes[0][1:] if n is not None]
        values = min(sizes, default=0) - 5
        if values % 3 == 0 and _is_count(values // 3) and max(sizes) > MOST_ROWS / 2:
            yield values // 3


def _fields(picture: NetworkInput, outputs: Mapping[str, Shape]) -> Iterator[CardGuess]:
    """Maps of the parts and fields of the links, of all people."""
    if len(outputs) not in (1, 2) or any(len(shape) != 4 for shape in outputs.values()):
        return
    for skeleton in _WHOLE:
        laid = topology(skeleton)
        parts, channels = (laid.parts, laid.parts + 1), laid.channels
        kinds = {"cmap": parts, "paf": (channels,)}
        if len(outputs) == 1:
            kinds = {"maps": tuple(n + channels for n in parts)}
        for layout, axis in (("nchw", 1), ("nhwc", 3)):
            found = _by_channels(outputs, kinds, axis)
            if found is None or not skeleton.links:
                continue
            ours = skeleton.images_are_stretched and len(outputs) == 2
            free = picture.height is None or picture.width is None
            image = picture.fields((368, 432), _IMAGENET)
            across = (2, 3) if picture.layout == "nchw" else (1, 2)
            height, width = (image["shape"][n] // 8 for n in across)
            cells = (1, None, height, width) if axis == 1 else (1, height, width, None)
            unsaid = ["how colors are scaled, and in which order they come"] if not ours else []
            yield CardGuess(
                "paf",
                f"all people, maps of {laid.parts} parts and fields of {len(laid.links)} links",
                laid.parts,
                (skeleton.name,),
                image | ({"fit": "stretch"} if ours else {}),
                _named({tensor: _filled(shape, cells) for tensor, shape in found}, list(kinds)),
                threshold=0.15,
                decoder={"layout": layout} if layout != "nchw" else {},
                assumed=(_IMAGENETS, "images are stretched, as trt_pose does") if ours else (),
                open=(*unsaid, *((_FREE.format(432, 368),) if free else ())),
            )


def _posenet(picture: NetworkInput, outputs: Mapping[str, Shape]) -> Iterator[CardGuess]:
    """PoseNet's maps, of all people."""
    points = len(skeletons.get("coco17"))
    links = points - 1
    several = {"forward": (2 * links,), "backward": (2 * links,)}
    both = {"displacements": (4 * links,)}
    for more in (several, both) if len(outputs) != 4 else (several,):
        kinds = {"heatmaps": (points,), "offsets": (2 * points,)} | more
        for axis in (1, 3):
            found = _by_channels(outputs, kinds, axis)
            if found is None or any(None in shape[1:] for _, shape in found):
                continue
            unsaid = ("which of the displacements is forward",) if more is several else ()
            yield CardGuess(
                "posenet",
                f"all people, heatmaps and offsets of {points} keypoints",
                points,
                ("coco17",),
                picture.fields((353, 481), {"range": [-1, 1]}),
                _named(dict(found), list(kinds)),
                threshold=0.5,
                open=(*unsaid, "how colors are scaled"),
            )


def _with_points(points: int) -> tuple[str, ...]:
    """Return the names of the skeletons of bodies with so many keypoints."""
    return tuple(s.name for s in _WHOLE if len(s) == points and not s.is_hand)


def _named(outputs: Mapping[str, Shape], names: Sequence[str]) -> list[dict[str, Any]]:
    """Return outputs on a card, by the names that a family calls them."""
    return [
        {"name": name, "tensor": tensor, "shape": [1, *shape[1:]]}
        for name, (tensor, shape) in zip(names, outputs.items(), strict=True)
    ]


def _by_channels(
    outputs: Mapping[str, Shape], kinds: Mapping[str, tuple[int, ...]], axis: int
) -> list[tuple[str, Shape]] | None:
    """Return each kind's output, known by its channels; None when they are not these."""
    if len(outputs) != len(kinds) or any(len(shape) != 4 for shape in outputs.values()):
        return None
    left = dict(outputs)
    found = []
    for counts in kinds.values():
        tensor = next((name for name, shape in left.items() if shape[axis] in counts), None)
        if tensor is None:
            return None
        found.append((tensor, left.pop(tensor)))
    return found


def _filled(shape: Shape, cells: Shape) -> Shape:
    """Return a shape with what is free in it taken from another."""
    return tuple(n or m for n, m in zip(shape, cells, strict=True))


def _is_count(points: int) -> bool:
    return LEAST_POINTS <= points <= MOST_POINTS
