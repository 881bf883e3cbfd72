"""Archives of every kind, of friends and of people who mean no good."""

from __future__ import annotations

import gzip
import io
import random
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pose_ros.errors import ModelError
from pose_ros.models import fetch
from pose_ros.models.fetch import read_members

CONTENT = random.Random(3).randbytes(50_000)
MEMBER = "Pose-Net/net.onnx"

Entry = tuple[str, bytes | dict[str, Any]]
"""Name, and content or the fields of a tarfile.TarInfo that is not a plain file."""


def tar_of(path: Path, *entries: Entry, mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as opened:  # type: ignore[call-overload]
        for name, content in entries:
            info = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                info.size = len(content)
                opened.addfile(info, io.BytesIO(content))
            else:
                for field, value in content.items():
                    setattr(info, field, value)
                opened.addfile(info)
    return path


def zip_of(path: Path, *entries: tuple[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in entries:
            opened.writestr(name, content)
    return path


def read(path: Path, *names: str) -> list[tuple[str, bytes]]:
    return read_members(path, names or ("net.onnx",))


OTHERS: tuple[tuple[str, bytes], ...] = (("Pose-Net/colors.txt", b"1 2 3"), ("net.onnx.txt", b""))
WRITERS: dict[str, Callable[[Path], Path]] = {
    "zip": lambda path: zip_of(path, *OTHERS, (MEMBER, CONTENT)),
    **{
        kind: lambda path, kind=kind: tar_of(path, *OTHERS, (MEMBER, CONTENT), mode=f"w:{kind}")  # type: ignore[misc]
        for kind in ("", "gz", "bz2", "xz")
    },
}


@pytest.mark.parametrize("kind", WRITERS)
def test_archive_kind_follows_content_and_not_name(tmp_path: Path, kind: str) -> None:
    path = WRITERS[kind](tmp_path / "download")
    assert read(path) == [(MEMBER, CONTENT)]
    assert read(path, "absent.onnx") == []
    assert read(path, "net.onnx", "colors.txt") == [OTHERS[0], (MEMBER, CONTENT)]


@pytest.mark.parametrize("content", [b"", b"x", CONTENT, bytes(2000)])
def test_file_that_is_not_an_archive_has_no_members(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    assert read(path) == []


@pytest.mark.parametrize("name", ["/etc/net.onnx", "../../net.onnx", "./a/../../net.onnx"])
@pytest.mark.parametrize("write", [tar_of, zip_of])
def test_member_with_a_path_is_written_nowhere(
    tmp_path: Path, name: str, write: Callable[..., Path]
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    path = write(folder / "archive", (name, CONTENT))
    before = sorted(tmp_path.rglob("*"))
    assert read(path) == [(name, CONTENT)]
    assert sorted(tmp_path.rglob("*")) == before  # in memory, and nowhere else


@pytest.mark.parametrize(
    "fields",
    [
        {"type": tarfile.SYMTYPE, "linkname": "/etc/hostname"},
        {"type": tarfile.LNKTYPE, "linkname": "Pose-Net/secret"},
        {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 5},
        {"type": tarfile.FIFOTYPE},
        {"type": tarfile.DIRTYPE},
    ],
    ids=["symbolic link", "hard link", "device", "pipe", "folder"],
)
def test_only_plain_files_of_a_tar_are_read(tmp_path: Path, fields: dict[str, Any]) -> None:
    entries: list[Entry] = [("Pose-Net/secret", b"secret"), (MEMBER, fields)]
    assert read(tar_of(tmp_path / "archive", *entries)) == []
    whole = tar_of(tmp_path / "archive", *entries, (MEMBER, CONTENT))
    assert read(whole) == [(MEMBER, CONTENT)]


def test_link_in_a_zip_is_skipped(tmp_path: Path) -> None:
    link = zipfile.ZipInfo(MEMBER)
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "archive", "w") as opened:
        opened.writestr(link, "/etc/hostname")
    assert read(tmp_path / "archive") == []


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same bounds, in a size for tests."""
    monkeypatch.setattr(fetch, "MAX_UNPACKED", 1 << 20)
    monkeypatch.setattr(fetch, "MAX_MEMBERS", 50)


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("name", [MEMBER, "Pose-Net/before"])
def test_tar_bomb_is_refused(tmp_path: Path, name: str) -> None:
    # a thousandth of its size: what it unpacks to is seen only while it is unpacked
    path = tar_of(tmp_path / "bomb", (name, bytes(4 << 20)), (MEMBER, CONTENT))
    assert path.stat().st_size < 100_000
    with pytest.raises(ModelError, match=f"^{path} unpacks to more than 1 MiB: not a model"):
        read(path)


@pytest.mark.usefixtures("narrow")
def test_zip_bomb_is_refused(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "bomb", (MEMBER, bytes(4 << 20)))
    assert path.stat().st_size < 100_000
    with pytest.raises(ModelError, match="unpacks to more than 1 MiB"):
        read(path)
    # other members are not unpacked
    assert read(path, "other.onnx") == []


@pytest.mark.usefixtures("narrow")
def test_zip_with_a_false_size_is_refused(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "bomb", (MEMBER, bytes(4 << 20)))
    content = path.read_bytes()
    path.write_bytes(content.replace(struct.pack("<I", 4 << 20), struct.pack("<I", 10)))
    with pytest.raises(ModelError, match="damaged archive: Bad CRC-32|more than 1 MiB"):
        read(path)


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("write", [tar_of, zip_of])
def test_archive_of_too_many_members_is_refused(tmp_path: Path, write: Callable[..., Path]) -> None:
    path = write(tmp_path / "many", *((f"{i}", b"") for i in range(60)))
    with pytest.raises(ModelError, match=f"^{path} has more than 50 members"):
        read(path)


@pytest.mark.usefixtures("narrow")
def test_sparse_file_without_content_is_skipped(tmp_path: Path) -> None:
    headers = {"GNU.sparse.map": "0,0", "GNU.sparse.size": str(1 << 40)}
    entry: Entry = (MEMBER, {"pax_headers": headers})
    assert read(tar_of(tmp_path / "sparse", entry)) == []


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz"])
def test_truncated_archive_gives_a_one_line_error(tmp_path: Path, kind: str) -> None:
    path = WRITERS[kind](tmp_path / "cut")
    path.write_bytes(path.read_bytes()[:-30_000])
    with pytest.raises(ModelError, match=f"^{path} is a damaged archive: ") as caught:
        read(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("start", [b"\x1f\x8b\x08", b"BZh91AY&SY", b"\xfd7zXZ\x00"])
def test_garbage_with_the_magic_of_an_archive_gives_a_one_line_error(
    tmp_path: Path, start: bytes
) -> None:
    path = tmp_path / "nonsense"
    path.write_bytes(start + b"nonsense" * 100)
    with pytest.raises(ModelError, match=f"^{path} is a damaged archive: "):
        read(path)


def test_missing_archive_raises_the_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "nothing.tar")


def outcome(path: Path) -> list[tuple[str, bytes]] | str:
    """Return what an archive holds, or its error."""
    try:
        return read(path)
    except ModelError as error:
        return str(error)


@pytest.mark.parametrize("write", [tar_of, zip_of])
def test_one_flipped_bit_is_always_detected(tmp_path: Path, write: Callable[..., Path]) -> None:
    path = write(tmp_path / "flipped", (MEMBER, CONTENT))
    sound = path.read_bytes()
    for place in range(0, len(sound), 997):
        damaged = bytearray(sound)
        damaged[place] ^= 8
        path.write_bytes(damaged)
        found = outcome(path)
        # where it says nothing it hit a field that the content does not need, such as a date
        assert found in ([], [(MEMBER, CONTENT)]) or "is a damaged archive" in found
        assert found != [(MEMBER, CONTENT)] or not 200 < place < 50_000


def test_random_bytes_in_headers_give_one_line_or_no_members(tmp_path: Path) -> None:
    chance = random.Random(5)
    plain = tar_of(tmp_path / "plain", (MEMBER, b"small"), ("other", b"x"), mode="w:")
    header = plain.read_bytes()[:2048]
    path = tmp_path / "noise.tar.gz"
    for _ in range(200):
        noisy = bytearray(header)
        for _ in range(chance.randrange(1, 40)):
            noisy[chance.randrange(512)] = chance.randrange(256)
        # a sum that fits, so that the reader believes what it reads
        noisy[148:156] = b"        "
        noisy[148:156] = b"%06o\0 " % sum(noisy[:512])
        path.write_bytes(gzip.compress(bytes(noisy)))
        found = outcome(path)
        assert not isinstance(found, str) or "\n" not in found
