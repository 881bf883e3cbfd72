"""Damaged bags: all readable messages are read, losses are reported, files stay unchanged."""

from __future__ import annotations

import contextlib
import hashlib
import random
import shutil
import sqlite3
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import lz4.frame
import pytest
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from pose_ros.bags import mcap
from pose_ros.bags.finding import MCAP_MAGIC
from pose_ros.bags.message_types import types, typestore
from pose_ros.bags.reader import open_bag
from pose_ros.errors import SourceError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

START = 1_700_000_000 * 10**9
PERIOD = 10_000_000
COUNT = 300
STRING = "std_msgs/msg/String"
PLUGINS = {"sqlite3": StoragePlugin.SQLITE3, "mcap": StoragePlugin.MCAP}


def text(number: int) -> str:
    """Return the text of a message: long, short or incompressible."""
    noise = hashlib.sha256(str(number).encode()).hexdigest()
    return f"{number} {noise * (1 + 900 * (number % 5 == 0))}"


def write(
    path: Path,
    storage: str,
    numbers: Iterator[int] | range = range(COUNT),
    compression: CompressionMode = CompressionMode.NONE,
    version: int = 9,
) -> Path:
    """Write messages in turns on two topics; return the file that holds them."""
    writer = Writer(path, version=version, storage_plugin=PLUGINS[storage])
    writer.set_compression(compression, CompressionFormat.ZSTD)
    with writer:
        topics = [
            writer.add_connection(name, STRING, typestore=typestore()) for name in ("/a", "/b")
        ]
        for number in numbers:
            data = typestore().serialize_cdr(types(STRING)(data=text(number)), STRING)
            writer.write(topics[number % 2], START + number * PERIOD, data)
    (file,) = (file for file in path.iterdir() if file.name != "metadata.yaml")
    return file


def read(path: Path) -> tuple[list[int], tuple[str, ...]]:
    """Return the numbers of the messages that can be read, and the reported loss.

    The bag stays unchanged, and no file is written beside it.
    """
    before = contents(path)
    with open_bag(path) as bag:
        messages = list(bag.messages())
        for message in messages:
            number = (message.nanoseconds - START) // PERIOD
            assert message.read().data == text(number)
            assert message.topic == ("/a", "/b")[number % 2]
        damage = bag.damage
        assert [m.data for m in bag.messages()] == [m.data for m in messages]
        assert bag.damage == damage  # nothing counts twice
        assert [m.data for m in bag.messages(head=50)] == [m.data[:50] for m in messages]
    assert contents(path) == before
    return [(m.nanoseconds - START) // PERIOD for m in messages], damage


def contents(path: Path) -> dict[Path, bytes]:
    folder = path if path.is_dir() else path.parent
    return {file: hashlib.sha256(file.read_bytes()).digest() for file in folder.iterdir()}


@pytest.fixture(scope="module", params=PLUGINS)
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("whole") / "bag", request.param)


@pytest.fixture
def file(whole: Path, tmp_path: Path) -> Path:
    """A bag's one file, to be damaged."""
    shutil.copytree(whole.parent, tmp_path / "bag")
    return tmp_path / "bag" / whole.name


def test_undamaged_file_gives_all_messages_and_no_damage(file: Path) -> None:
    assert read(file.parent) == (list(range(COUNT)), ())
    assert read(file) == (list(range(COUNT)), ())


@pytest.mark.parametrize("share", [0.1, 0.5, 0.97])
def test_file_cut_off_gives_the_messages_before_the_cut(file: Path, share: float) -> None:
    data = file.read_bytes()
    file.write_bytes(data[: int(share * len(data))])
    numbers, (damage,) = read(file.parent)
    # all up to where it was cut; the rest of a long one may lie behind that
    holes = set(range(numbers[-1])) - set(numbers)
    assert numbers == sorted(set(numbers))
    assert len(holes) <= 6
    assert all(number % 5 == 0 for number in holes)
    assert 0.5 * share * COUNT < len(numbers) < COUNT
    lost = COUNT - len(numbers)
    assert damage == f"{file.name} is damaged (it is cut off): {lost} of {COUNT} messages are lost"


def test_file_cut_off_without_metadata_reports_an_unknown_loss(file: Path) -> None:
    data = file.read_bytes()
    file.write_bytes(data[: len(data) // 2])
    (file.parent / "metadata.yaml").unlink()
    numbers, damage = read(file.parent)
    why = damage[-1]
    assert damage == ("metadata.yaml is missing", why)
    assert f"{file.name} is damaged (it is cut off): {len(numbers)} messages are there, " in why
    assert read(file) == (numbers, (why,))


def chunks(data: bytes) -> list[int]:
    """Return where the chunks of an MCAP file begin."""
    records = mcap.walk_records(
        lambda offset, size: data[offset : offset + size], 8, len(data) - 37
    )
    return [body - mcap.HEAD.size for code, body, _ in records if code == mcap.CHUNK]


def test_file_damaged_in_the_middle_gives_the_messages_around_it(file: Path) -> None:
    data = bytearray(file.read_bytes())
    start = len(data) // 3
    if file.suffix == ".mcap":  # without checksums it is not seen that a text is broken
        start = chunks(bytes(data))[1]
    data[start : start + len(data) // 4] = bytes(len(data) // 4)
    file.write_bytes(data)
    numbers, (damage,) = read(file.parent)
    assert numbers == sorted(set(numbers))
    assert numbers[0] == 0
    assert numbers[-1] == COUNT - 1
    assert 0.4 * COUNT < len(numbers) < 0.85 * COUNT
    assert damage.endswith(f"{COUNT - len(numbers)} of {COUNT} messages are lost")
    (file.parent / "metadata.yaml").unlink()
    assert read(file.parent)[0] == numbers


@pytest.mark.parametrize("seed", range(3))
def test_every_row_that_sqlite_can_read_is_found(tmp_path: Path, seed: int) -> None:
    file = tmp_path / "bag.db3"
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.executescript(
            "CREATE TABLE topics(id INTEGER PRIMARY KEY, name, type, serialization_format);"
            "CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id, timestamp, data);"
            "INSERT INTO topics VALUES(1, '/a', 'std_msgs/msg/String', 'cdr')"
        )
        rows = [(1, i, bytes(i % 300)) for i in range(12_000)]
        connection.executemany("INSERT INTO messages VALUES(NULL, ?, ?, ?)", rows)
        connection.commit()
    data = bytearray(file.read_bytes())
    size = len(data)
    generator = random.Random(seed)
    for pages in (1, 1, 1, 2, 40):
        start = 4096 * generator.randrange(4, size // 4096 - 60)
        data[start : start + 4096 * pages] = bytes(4096 * pages)
    file.write_bytes(data)
    expected = set()
    with contextlib.closing(sqlite3.connect(f"file:{file}?immutable=1", uri=True)) as connection:
        for row in range(1, 12_001):
            query = "SELECT timestamp, data FROM messages WHERE id = ?"
            with contextlib.suppress(sqlite3.DatabaseError):
                expected |= {stamp for stamp, _ in connection.execute(query, (row,))}
    with open_bag(file) as bag:
        assert {message.nanoseconds for message in bag.messages()} == expected
    assert 0 < len(expected) < 12_000


def test_file_damaged_and_cut_off_gives_the_remaining_messages(tmp_path: Path) -> None:
    file = write(tmp_path / "bag", "mcap")
    data = bytearray(file.read_bytes())
    start = chunks(bytes(data))[1]
    data[start : start + 1000] = bytes(1000)
    file.write_bytes(data[: int(0.9 * len(data))])
    numbers, (damage,) = read(file.parent)
    assert numbers[0] == 0
    assert numbers[-1] > 0.8 * COUNT  # the chunks behind the hole are found
    assert len(numbers) < numbers[-1]
    assert damage.endswith(f"{COUNT - len(numbers)} of {COUNT} messages are lost")


def test_missing_metadata_is_reported_and_messages_are_read(file: Path) -> None:
    (file.parent / "metadata.yaml").unlink()
    assert read(file.parent) == (list(range(COUNT)), ("metadata.yaml is missing",))


@pytest.mark.parametrize("text", ["[", "3", "rosbag2_bagfile_information: {files: 7}", "\x00\xff"])
def test_invalid_metadata_is_reported_and_messages_are_read(file: Path, text: str) -> None:
    (file.parent / "metadata.yaml").write_bytes(text.encode("latin-1"))
    numbers, (damage,) = read(file.parent)
    assert numbers == list(range(COUNT))
    assert "metadata.yaml" in damage


def test_unreadable_file_is_one_error(file: Path) -> None:
    for data, why in [(b"", "is empty"), (b"no bag at all", "is neither an MCAP nor a SQLite")]:
        file.write_bytes(data)
        with pytest.raises(SourceError, match=f"{why}.*: {COUNT} messages are lost"):
            open_bag(file.parent)
    file.unlink()
    with pytest.raises(SourceError, match=f"is missing: {COUNT} messages are lost"):
        open_bag(file.parent)
    (file.parent / "metadata.yaml").unlink()
    with pytest.raises(SourceError, match="no bag that can be read"):
        open_bag(file.parent)
    with pytest.raises(SourceError, match="there is no bag"):
        open_bag(file.parent / "none")


def test_random_bytes_end_in_messages_or_one_clear_error(file: Path) -> None:
    whole = file.read_bytes()
    for seed in range(25):
        data = bytearray(whole)
        for i in range(1 + 3 * seed):
            place = int.from_bytes(hashlib.sha256(f"{seed} {i}".encode()).digest()[:4], "big")
            data[place % len(data)] ^= 1 + seed
        file.write_bytes(data[: len(data) - 40_000 * (seed % 2)])
        try:
            with open_bag(file.parent) as bag:
                found = [message.data for message in bag.messages()]
                assert len(found) <= COUNT
                heads = [message.data for message in bag.messages(head=9)]
                assert set(heads) >= {data[:9] for data in found}  # more where an end is broken
                assert bag.count("/a") <= COUNT
                assert isinstance(bag.damage, tuple)
        except SourceError:
            continue


@pytest.mark.parametrize("number", [3, 100, 298])
def test_broken_index_of_stamps_loses_no_message_of_a_whole_table(
    tmp_path: Path, number: int
) -> None:
    file = write(tmp_path / "bag", "sqlite3")
    data = bytearray(file.read_bytes())
    stamps = [(START + i * PERIOD).to_bytes(8, "big") for i in (number, number + 1)]
    places = [i for i in range(len(data)) if data[i : i + 8] == stamps[0]]
    # rows of the table are far apart, entries of the index close together
    (place,) = (i for i in places if stamps[1] in data[i - 24 : i + 24])
    data[place + 1] ^= 0x40
    file.write_bytes(data)
    numbers, damage = read(tmp_path / "bag")
    assert numbers == list(range(COUNT))
    assert damage == ("bag.db3 is damaged (parts of it are broken): 0 of 300 messages are lost",)


def split(folder: Path, storage: str) -> list[Path]:
    """Write a bag of three files; return them."""
    files = []
    for i in range(3):
        made = write(folder.parent / f"part{i}", storage, range(100 * i, 100 * (i + 1)))
        folder.mkdir(exist_ok=True)
        files.append(made.replace(folder / f"bag_{i}{made.suffix}"))
    names = "".join(f"  - {file.name}\n" for file in files)
    parts = "".join(f"  - path: {file.name}\n    message_count: 100\n" for file in files)
    (folder / "metadata.yaml").write_text(
        f"rosbag2_bagfile_information:\n  version: 5\n  storage_identifier: {storage}\n"
        f"  message_count: 300\n  relative_file_paths:\n{names}  files:\n{parts}"
    )
    return files


@pytest.mark.parametrize("storage", PLUGINS)
def test_missing_file_of_several_is_reported(tmp_path: Path, storage: str) -> None:
    files = split(tmp_path / "bag", storage)
    assert read(tmp_path / "bag") == (list(range(300)), ())
    files[1].unlink()
    expected = [*range(100), *range(200, 300)]
    lost = (f"{files[1].name} is missing: 100 messages are lost",)
    assert read(tmp_path / "bag") == (expected, lost)
    files[2].write_bytes(b"")
    more = f"{files[2].name} is empty: 100 messages are lost"
    assert read(tmp_path / "bag") == (list(range(100)), (*lost, more))


@pytest.mark.parametrize("storage", PLUGINS)
@pytest.mark.parametrize("mode", [CompressionMode.FILE, CompressionMode.MESSAGE])
def test_compressed_file_is_read(tmp_path: Path, storage: str, mode: CompressionMode) -> None:
    file = write(tmp_path / "bag", storage, compression=mode)
    assert read(file.parent) == (list(range(COUNT)), ())
    (file.parent / "metadata.yaml").unlink()
    assert read(file.parent)[0] == list(range(COUNT))
    assert read(file)[0] == list(range(COUNT))


def test_compressed_file_cut_off_gives_the_messages_before_the_cut(tmp_path: Path) -> None:
    file = write(tmp_path / "bag", "mcap", compression=CompressionMode.FILE)
    data = file.read_bytes()
    file.write_bytes(data[: len(data) // 2])
    numbers, damage = read(file.parent)
    assert 0.2 * COUNT < len(numbers) < 0.8 * COUNT
    assert "cannot be decompressed" in damage[0]
    assert damage[1].endswith(f"{COUNT - len(numbers)} of {COUNT} messages are lost")


@pytest.mark.parametrize("kind", ["zstd", "lz4"])
def test_compressed_chunks_are_read(tmp_path: Path, kind: str) -> None:
    file = write(tmp_path / "bag", "mcap")
    rewrite(file, kind)
    assert read(file)[0] == list(range(COUNT))
    data = file.read_bytes()
    file.write_bytes(data[: len(data) // 2])
    numbers, damage = read(file)
    assert numbers == list(range(len(numbers)))
    assert 0.2 * COUNT < len(numbers) < 0.8 * COUNT
    assert "cut off" in damage[0]


def rewrite(file: Path, kind: str) -> None:
    """Write an MCAP file again, without an index, its chunks compressed."""
    data = file.read_bytes()
    compress = {"zstd": zstd.compress, "lz4": lz4.frame.compress}[kind]
    out = bytearray(MCAP_MAGIC)
    for code, body, length in mcap.walk_records(lambda o, n: data[o : o + n], 8, len(data) - 37):
        record = data[body : body + length]
        if code == mcap.CHUNK:
            inner = compress(
                bytes(record[40:])
            )  # behind the head of a chunk that is not compressed
            record = record[:28] + struct.pack("<I", len(kind)) + kind.encode()
            record += struct.pack("<Q", len(inner)) + inner
        elif code != 1:
            continue
        out += mcap.HEAD.pack(code, len(record)) + record
    out += mcap.HEAD.pack(mcap.DATA_END, 4) + bytes(4)
    out += mcap.HEAD.pack(mcap.FOOTER, 20) + bytes(20) + MCAP_MAGIC
    file.write_bytes(out)


def test_messages_outside_of_chunks_are_read(tmp_path: Path) -> None:
    file = write(tmp_path / "bag", "mcap")
    data = file.read_bytes()
    out = bytearray(MCAP_MAGIC)
    for code, body, length in mcap.walk_records(lambda o, n: data[o : o + n], 8, len(data) - 37):
        if code == mcap.CHUNK:
            out += data[body + 40 : body + length]
    file.write_bytes(out)
    numbers, (damage,) = read(file.parent)
    assert numbers == list(range(COUNT))
    assert damage.endswith(f"(it is cut off): 0 of {COUNT} messages are lost")
    out += mcap.HEAD.pack(mcap.DATA_END, 4) + bytes(4)
    file.write_bytes(out + mcap.HEAD.pack(mcap.FOOTER, 20) + bytes(20) + MCAP_MAGIC)
    assert read(file.parent) == (list(range(COUNT)), ())


def test_index_without_topics_is_read(tmp_path: Path) -> None:
    file = write(tmp_path / "bag", "mcap")
    data = file.read_bytes()
    (summary,) = struct.unpack_from("<Q", data, len(data) - 28)
    out = bytearray(data[:summary])
    for code, body, length in mcap.walk_records(
        lambda o, n: data[o : o + n], summary, len(data) - 37
    ):
        if code not in (mcap.SCHEMA, mcap.CHANNEL):
            out += data[body - mcap.HEAD.size : body + length]
    file.write_bytes(out + data[-37:])
    assert read(file) == (list(range(COUNT)), ())


def test_wrong_checksum_of_a_chunk_loses_no_message(tmp_path: Path) -> None:
    file = write(tmp_path / "bag", "mcap")
    data = bytearray(file.read_bytes())
    chunk = chunks(bytes(data))[1] + mcap.HEAD.size
    data[chunk + 24 : chunk + 28] = b"\x01\x02\x03\x04"
    file.write_bytes(data)
    with open_bag(file.parent) as bag:
        assert len(list(bag.messages())) == COUNT
        why = "the checksum of a chunk is wrong"
        lost = f"0 of {COUNT} messages are lost"
        assert bag.damage == (f"{file.name} is damaged ({why}): {lost}",)


def test_recording_of_humble_without_definitions_is_read(tmp_path: Path) -> None:
    file = write(tmp_path / "bag", "sqlite3", version=8)
    with sqlite3.connect(file) as connection:
        for table in ("message_definitions", "metadata", "schema"):
            connection.execute(f"DROP TABLE {table}")
    connection.close()
    assert read(file) == (list(range(COUNT)), ())


def test_broken_index_hides_no_messages(tmp_path: Path) -> None:
    file = write(tmp_path / "bag", "sqlite3")
    connection = sqlite3.connect(file)
    query = "SELECT rootpage FROM sqlite_master WHERE name = 'timestamp_idx'"
    ((page,),) = connection.execute(query)
    connection.close()
    data = bytearray(file.read_bytes())
    data[(page - 1) * 4096 + 8 : page * 4096] = bytes(4088)
    file.write_bytes(data)
    numbers, (damage,) = read(file.parent)
    assert numbers == list(range(COUNT))
    assert damage.endswith(f"0 of {COUNT} messages are lost")


@pytest.fixture
def unclosed(tmp_path: Path) -> Path:
    """A file with 200 messages; 41 and 40 more are two transactions of its log, and some began."""
    made = write(tmp_path / "made", "sqlite3")
    file = tmp_path / "bag" / "bag.db3"
    file.parent.mkdir()
    with contextlib.closing(sqlite3.connect(made)) as connection:
        connection.executescript("PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0")
        connection.execute("DELETE FROM messages WHERE id > 200")
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        for number in range(200, COUNT):
            data = typestore().serialize_cdr(types(STRING)(data=text(number)), STRING)
            row = 1 + number % 2, START + number * PERIOD, bytes(data)
            connection.execute("INSERT INTO messages(topic_id, timestamp, data) VALUES(?,?,?)", row)
            if number in {240, 280}:
                connection.commit()
        log = made.with_name(f"{made.name}-wal")
        shutil.copy(made, file)
        shutil.copy(log, file.with_name("bag.db3-wal"))
    return file


def test_rows_still_in_the_write_ahead_log_are_read(unclosed: Path) -> None:
    file = unclosed
    why = "bag.db3 was not closed; its end is read from bag.db3-wal"
    assert read(file) == (list(range(281)), (why,))
    # of a log that is cut off the transactions that were ended count
    log = file.with_name("bag.db3-wal")
    log.write_bytes(log.read_bytes()[:-100_000])
    assert read(file) == (list(range(241)), (why,))
    log.write_bytes(b"x" * 100)
    why = "bag.db3 was not closed; what was recorded last is lost"
    assert read(file) == (list(range(200)), (why,))


@pytest.mark.parametrize("at", [4, 20, 33, 40, 5_000, 0.3, 0.5, 0.7, 0.9, 0.97])
def test_damaged_write_ahead_log_is_read_as_far_as_sqlite_replays_it(
    unclosed: Path, tmp_path: Path, at: float
) -> None:
    log = unclosed.with_name("bag.db3-wal")
    data = bytearray(log.read_bytes())
    data[int(at if at >= 1 else at * len(data))] ^= 0x10
    log.write_bytes(data)
    before = unclosed.read_bytes()
    shutil.copytree(unclosed.parent, tmp_path / "copy")
    with contextlib.closing(sqlite3.connect(tmp_path / "copy" / "bag.db3")) as connection:
        ((count,),) = connection.execute("SELECT count(*) FROM messages")
    assert count in {200, 241, 281}
    assert read(unclosed)[0] == list(range(count))
    assert (unclosed.read_bytes(), log.read_bytes()) == (before, bytes(data))


def test_messages_of_unknown_types_are_copied_unchanged(tmp_path: Path) -> None:
    file = write(tmp_path / "bag", "sqlite3")
    connection = sqlite3.connect(file)
    connection.execute("UPDATE topics SET type = 'foo_msgs/msg/Foo' WHERE name = '/b'")
    connection.commit()
    connection.close()
    with open_bag(file) as bag:
        messages = list(bag.messages())
        assert len(messages) == COUNT
        assert bag.knows(STRING)
        assert not bag.knows("foo_msgs/msg/Foo")
        with pytest.raises(SourceError, match="nothing defines messages of foo_msgs/msg/Foo"):
            messages[1].read()


def test_one_damaged_message_leaves_the_others_readable(tmp_path: Path) -> None:
    file = write(tmp_path / "bag", "sqlite3")
    connection = sqlite3.connect(file)
    connection.execute("UPDATE messages SET data = x'00010000FFFF' WHERE id = 8")
    connection.commit()
    connection.close()
    with open_bag(file) as bag:
        messages = list(bag.messages())
        assert len(messages) == COUNT
        with pytest.raises(SourceError, match="/b: a std_msgs/msg/String is damaged"):
            messages[7].read()


def test_bag_in_a_read_only_folder_is_read(file: Path) -> None:
    for path in (file, file.parent):
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        assert read(file.parent) == (list(range(COUNT)), ())
    finally:
        file.parent.chmod(0o755)


def test_decompressed_files_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path / "bag", "mcap", compression=CompressionMode.FILE)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    with open_bag(file.parent) as bag:
        assert list(scratch.iterdir())
        assert len(list(bag.messages())) == COUNT
    assert not list(scratch.iterdir())
    data = file.read_bytes()
    file.write_bytes(data[:40])
    with pytest.raises(SourceError):
        open_bag(file.parent)
    assert not list(scratch.iterdir())


def test_file_names_with_special_characters_are_read(tmp_path: Path) -> None:
    file = write(tmp_path / "bag", "sqlite3")
    folder = tmp_path / "50% #1?"
    folder.mkdir()
    assert read(shutil.copy(file, folder / "a b?c#.db3"))[0] == list(range(COUNT))
