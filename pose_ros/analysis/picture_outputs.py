"""Pictures of a run: their names are checked before the first image is looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from pose_ros.analysis.whole import Whole, check_apart
from pose_ros.errors import OutputError
from pose_ros.files import user_path
from pose_ros.sources.opening import Input
from pose_ros.viz.image_writers import FRAMES, PicturePattern, Pictures

_ADVICE = (
    "let all pictures be numbered, as in --out out/%04i.jpg, name a folder, --out out/, "
    "or write a video, --out out.mp4"
)


def open_pictures(
    target: str, inputs: Sequence[Input], whole: Whole, *, frames: int | None, force: bool
) -> Pictures:
    """Return what writes the pictures of a run; they appear with its other outputs.

    Args:
        target: As ``PicturePattern.of`` takes it.
        inputs: All that is read.
        whole: Has a place for them.
        frames: Most images of an input; None for all.
        force: Whether pictures that are there already are replaced.

    Raises:
        OutputError: Two would have one name, one is there already or is an input, or there is
            no such format.
    """
    folder = target.endswith("/")
    pattern = PicturePattern.of(f"{user_path(target)}{'/' if folder else ''}")
    _refuse_twice(pattern, inputs, frames)
    files = [file for source in inputs for file in source.files]
    if not pattern.name and any(_is_same(file.parent, pattern.folder) for file in files):
        raise OutputError(
            f"{target} is a folder whose files are only read: name another folder, or a pattern, "
            "such as --out 'poses/%s.jpg'"
        )
    there = sorted(set(_there(pattern, inputs)))
    check_apart(files, there)
    if there and not force:
        more = f" (and {len(there) - 1} more)" if len(there) > 1 else ""
        raise OutputError(f"{there[0]}{more} is there already; --force replaces it")
    first = pattern.path(inputs[0].name, 0, single=inputs[0].is_picture)
    return Pictures(pattern, whole.place_set(pattern.folder, pattern.folder / first))


def _refuse_twice(pattern: PicturePattern, inputs: Sequence[Input], frames: int | None) -> None:
    """Raise OutputError where it is plain that two pictures would have one name."""
    if not pattern.name or (pattern.numbered and not pattern.by_source):
        return  # a folder keeps its pictures apart, and numbers rise through the run
    many = next((i for i in inputs if not i.is_picture and len(i.files) < 2 and frames != 1), None)
    if many is not None and not pattern.numbered:
        name = pattern.path(many.name, 0, single=False)
        raise OutputError(
            f"{pattern.folder / name} would be written twice: {many.name} has many images; "
            + _ADVICE
        )
    names = [
        pattern.path(name, 0, single=source.is_picture)
        for source in inputs
        for name in _names(source)
    ]
    name, count = max(Counter(names).items(), key=lambda item: item[1])
    if count > 1:
        raise OutputError(f"{pattern.folder / name} would be written twice: {_ADVICE}")


def _names(source: Input) -> list[str]:
    """Return what the images of an input are called: each by itself in a sequence of pictures."""
    is_sequence = not source.is_picture and len(source.files) > 1
    return [file.name for file in source.files] if is_sequence else [source.name]


def _there(pattern: PicturePattern, inputs: Sequence[Input]) -> Iterator[Path]:
    """Yield the files, there already, that pictures of this run may be written to."""
    videos = [name for source in inputs if not source.is_picture for name in _names(source)]
    if videos:
        regex, depth = pattern.regex(videos), len(Path(pattern.name or FRAMES).parts)
        for path in pattern.folder.glob("/".join(["*"] * depth)):
            if regex.fullmatch(str(path.relative_to(pattern.folder))):
                yield path
    for number, source in enumerate(inputs):
        if source.is_picture:
            name = pattern.path(source.name, 0 if pattern.by_source else number, single=True)
            if (pattern.folder / name).exists():
                yield pattern.folder / name


def _is_same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()
