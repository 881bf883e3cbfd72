"""Where the original files of networks come from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from pose_ros.runtime.card_fields import Fields
from pose_ros.share import user_path


@dataclass(frozen=True)
class Wheel:
    """A wheel that pip can fetch for a machine that need not be this one.

    Attributes:
        requirement: What pip calls it, with its version: ``name==1.2.3``.
        python: Version of Python, such as ``3.11``.
        abi: Such as ``cp311``.
        platform: Such as ``manylinux_2_28_x86_64``.
        sha256: Of the wheel.
    """

    requirement: str
    python: str
    abi: str
    platform: str
    sha256: str

    @property
    def file_name(self) -> str:
        """Name of the wheel's file."""
        name, version = self.requirement.split("==")
        return f"{name.replace('-', '_')}-{version}-{self.abi}-{self.abi}-{self.platform}.whl"


@dataclass(frozen=True)
class WheelOrigin:
    """The original file lies in a wheel.

    Attributes:
        wheel: The wheel that holds it.
        member: Its path within the wheel.
    """

    wheel: Wheel
    member: str

    @property
    def place(self) -> str:
        """What a person fetches to have the file."""
        return self.wheel.file_name

    @property
    def file_name(self) -> str:
        """What the file is called there."""
        return self.member


@dataclass(frozen=True)
class UrlOrigin:
    """The original file has an address of its own.

    Attributes:
        url: Its http or https address.
    """

    url: str

    @property
    def place(self) -> str:
        """What a person fetches to have the file."""
        return self.url

    @property
    def file_name(self) -> str:
        """What the file is called there."""
        return self.url.rpartition("/")[2]


@dataclass(frozen=True)
class ArchiveOrigin:
    """The original file lies in a zip or tar archive that has an address.

    Attributes:
        url: The archive's http or https address.
        member: The file's path within it.
    """

    url: str
    member: str

    @property
    def place(self) -> str:
        """What a person fetches to have the file."""
        return self.url

    @property
    def file_name(self) -> str:
        """What the file is called there."""
        return self.member


@dataclass(frozen=True)
class PathOrigin:
    """The original file is the user's own.

    Attributes:
        path: Where it lies.
    """

    path: Path

    @property
    def place(self) -> str:
        """What a person fetches to have the file."""
        return str(self.path)

    @property
    def file_name(self) -> str:
        """What the file is called there."""
        return self.path.name


@dataclass(frozen=True)
class ConvertedOrigin:
    """The file is made by hand from one of another kind, with what is no dependency here.

    Attributes:
        url: The http or https address of that other file.
        git_blob: Its id, for who has it from elsewhere.
        command: What makes an ONNX file of it.
    """

    url: str
    git_blob: str
    command: str

    @property
    def place(self) -> str:
        """What a person fetches and does to have the file."""
        return f"{self.url} (git blob {self.git_blob}), make ONNX of it with `{self.command}`"

    @property
    def file_name(self) -> str:
        """What the file that is made is called."""
        return f"{self.url.rpartition('/')[2].rpartition('.')[0]}.onnx"


Origin: TypeAlias = WheelOrigin | UrlOrigin | ArchiveOrigin | PathOrigin | ConvertedOrigin
"""A place that an original file comes from."""


def read_origin(fields: Fields) -> Origin:
    """Read where an original file comes from, out of a card.

    Raises:
        ModelError: A field is missing, unknown or wrong.
    """
    origin: Origin
    if fields.has("url"):
        # http will do: it is the checksum that tells the file, not the way that it came
        origin = UrlOrigin(_url(fields))
    elif fields.has("path"):
        origin = own_file(fields.path, fields.text("path"))
    elif fields.has("archive"):
        archive = fields.fields("archive")
        origin = ArchiveOrigin(_url(archive), archive.text("member"))
        archive.end()
    elif fields.has("convert"):
        other = fields.fields("convert")
        origin = ConvertedOrigin(_url(other), other.git_blob(), other.text("command"))
        other.end()
    else:
        origin = WheelOrigin(wheel=_wheel(fields.fields("wheel")), member=fields.text("member"))
    fields.end()
    return origin


def own_file(card: Path, path: str) -> PathOrigin:
    """Return a file of the user: from the card's folder on, wherever pose_ros was started."""
    return PathOrigin(card.absolute().parent / user_path(path))


def _url(fields: Fields) -> str:
    return fields.text("url", "https?://[!-~]+", "an http or https address")


def _wheel(fields: Fields) -> Wheel:
    wheel = Wheel(
        requirement=fields.text("requirement", "[A-Za-z0-9._-]+==[A-Za-z0-9.]+", "name==version"),
        python=fields.text("python", r"3\.\d+", 'a version of Python, such as "3.11"'),
        abi=fields.text("abi", r"\w+"),
        platform=fields.text("platform", r"\w+"),
        sha256=fields.sha256(),
    )
    fields.end()
    return wheel
