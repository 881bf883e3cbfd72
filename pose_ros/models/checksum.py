"""What a file is known by: its sha256, its git blob id, or both."""

from __future__ import annotations

import hashlib
import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pose_ros.documents import DocumentError, open_file


@dataclass(frozen=True)
class Checksum:
    """What a file is known by.

    Attributes:
        sha256: Of its content, 64 hexadecimal digits.
        git_blob: What git calls its content, 40 hexadecimal digits: a repository
            names a file by it without anybody fetching the file.
        either: Of the two kinds one is enough, as where they come from different
            places and they could not be compared.
    """

    sha256: str | None = None
    git_blob: str | None = None
    either: bool = False

    @property
    def known(self) -> bool:
        """Whether there is anything to know the file by."""
        return bool(self.sha256 or self.git_blob)

    def measure(self, content: Path | bytes) -> Checksum | None:
        """Return what a file or some bytes are known by, in the kinds that this one has.

        Returns:
            None when the file cannot be read, or is not a regular file.
        """
        try:
            if isinstance(content, bytes):
                return self._measure(io.BytesIO(content), len(content))
            with open_file(content) as stream:
                return self._measure(stream, os.fstat(stream.fileno()).st_size)
        except (OSError, DocumentError):
            return None

    def fits(self, content: Path | bytes) -> bool:
        """Whether a file or some bytes are the ones; what cannot be read is not.

        Nothing is, where there is nothing to know the file by.
        """
        found = self.measure(content)
        if found is None or not self.known:
            return False
        if self.either:
            return self.sha256 == found.sha256 or self.git_blob == found.git_blob
        return found == self

    def problem(self, content: Path | bytes, /) -> str:
        """Return what is wrong with a file, as what follows its name; empty when nothing is."""
        if self.fits(content):
            return ""
        return f"gives a file of {self.measure(content) or 'no content'}, expected {self}"

    def _measure(self, stream: BinaryIO, size: int) -> Checksum:
        sha256 = hashlib.sha256()
        # git puts kind and length before the content
        git_blob = hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)
        while block := stream.read(1 << 20):
            sha256.update(block)
            if self.git_blob:
                git_blob.update(block)
        return Checksum(
            sha256.hexdigest() if self.sha256 else None,
            git_blob.hexdigest() if self.git_blob else None,
            self.either,
        )

    def __str__(self) -> str:
        kinds = (("sha256", self.sha256), ("git blob id", self.git_blob))
        joint = " or " if self.either else " and "
        return joint.join(f"{kind} {digits}" for kind, digits in kinds if digits)
