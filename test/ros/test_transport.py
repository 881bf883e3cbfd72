from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from pose_ros.ros import transport


@pytest.mark.parametrize(
    ("rclpy", "name"),
    [("7.1.5", "FASTRTPS_DEFAULT_PROFILES_FILE"), ("9.1.2", "FASTDDS_DEFAULT_PROFILES_FILE")],
)
def test_the_profile_is_named_as_this_fast_dds_reads_it(
    rclpy: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda _: rclpy)
    environment: dict[str, str] = {}
    transport.prepare(environment)
    (path,) = environment.values()
    assert set(environment) == {name}
    segments = [
        element.text
        for element in ET.parse(Path(path)).iter()
        if element.tag.endswith("segment_size")
    ]
    assert segments == [str(transport.SEGMENT_BYTES)]


@pytest.mark.parametrize("name", transport.USER_VARIABLES)
def test_variable_set_by_the_user_stays(name: str) -> None:
    environment = {name: "own"}
    transport.prepare(environment)
    assert environment == {name: "own"}


def test_too_little_shared_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "SEGMENT_BYTES", 1 << 60)
    environment: dict[str, str] = {}
    transport.prepare(environment)
    assert environment == {}
