"""Options of what is drawn of people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pose_ros.errors import OptionError, did_you_mean
from pose_ros.settings.option import check, documented, option

PARTS = ("box", "links", "keypoints")
NONE = "none"

# what jetson-inference understands as well
_OTHER_WORDS = {
    "boxes": ("box",),
    "link": ("links",),
    "keypoint": ("keypoints",),
    "default": ("links", "keypoints"),
}


def parse_parts(text: str) -> tuple[str, ...]:
    """Read an overlay option such as ``box,links,keypoints`` or ``none``.

    jetson-inference's ``boxes``, ``default`` and ``|`` for a comma will do, too.

    Raises:
        OptionError: A part is unknown.
    """
    words = [w.strip() for w in text.lower().replace("|", ",").split(",") if w.strip()]
    if words == [NONE]:
        return ()
    parts = [part for word in words for part in _OTHER_WORDS.get(word, (word,))]
    if not parts or any(part not in PARTS for part in parts):
        odd = next((part for part in parts if part not in PARTS), "")
        raise OptionError(
            f"overlay must be {NONE} or some of {','.join(PARTS)}, got {text!r}"
            + did_you_mean(odd, PARTS)
        )
    return tuple(dict.fromkeys(parts))


def _scale(what: str) -> Any:
    return option(
        None,
        help=f"{what}, for large and small people alike.",
        minimum=0.0001,
        maximum=1.0,
        unit="of the image's longer side",
        unset=0.0,
        meaning_of_unset="one that fits each person",
        parameter="",
        metavar="F",
    )


@documented
@dataclass(frozen=True)
class OverlayOptions:
    """What is drawn of people on an image."""

    overlay: str = option(
        ",".join(PARTS),
        help="What to draw of people: box, links, keypoints with commas between them, or none.",
        parse=parse_parts,
        live=True,
        metavar="PARTS",
    )
    keypoint_scale: float | None = _scale("Radius of a keypoint")
    link_scale: float | None = _scale("Width of a link")

    def __post_init__(self) -> None:
        check(self)
