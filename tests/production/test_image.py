"""The product's image: how large it is, what is in it and what is not, and that it is made alike each time."""

import hashlib
import json
import re
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from tests.production.stack import ROOT, TAG

pytestmark = pytest.mark.usefixtures("_docker")
VERSION = re.findall(r'(?m)^version = "(.+)"', (ROOT / "pyproject.toml").read_text())[0]
IMAGE = f"comptoir:{TAG or VERSION}"
BASE = "comptoir-standin/debian:trixie"
LARGEST = 250_000_000


def run(*words: str, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(words, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def inspected(image: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run("docker", "image", "inspect", image))[0]
    return found


def inside(*words: str) -> subprocess.CompletedProcess[str]:
    """Run a program of the image in place of the product, with no network."""
    words = ("docker", "run", "--rm", "--network", "none", "--entrypoint", words[0], IMAGE, *words[1:])
    return subprocess.run(words, capture_output=True, text=True, check=False)


@pytest.mark.line("image.size")
def test_it_is_smaller_than_250_mb_and_says_how_much_of_it_is_the_base(measured: Callable[[str], None]):
    size, base = inspected(IMAGE)["Size"], inspected(BASE)["Size"]
    assert size < LARGEST
    measured(f"{size / 1e6:.0f} MB, of which the base {base / 1e6:.0f} MB")


@pytest.mark.line("image.hardened")
def test_it_is_no_root_and_says_what_it_is_and_how_it_is():
    configuration = inspected(IMAGE)["Config"]
    assert configuration["User"] == "10001:10001"
    assert configuration["Healthcheck"]["Test"] == ["CMD", "comptoir", "alive", "web"]
    labels = {name.removeprefix("org.opencontainers.image."): value for name, value in configuration["Labels"].items()}
    assert labels["title"] == "Comptoir"
    assert labels["licenses"] == "AGPL-3.0-or-later"
    assert labels["version"] in {TAG, VERSION}
    assert re.fullmatch("[0-9a-f]{40}|unknown", labels["revision"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT.+", labels["created"])
    assert labels["org.comptoir.compose-revision"] == "1"
    assert inside("id", "-u").stdout.strip() == "10001"


@pytest.mark.line("image.hardened")
def test_nothing_in_it_installs_or_compiles_or_raises_rights():
    tools = "pip pip3 ensurepip gcc g++ cc c++ clang ld as make rustc cargo go curl wget sudo ssh"
    names = f"for one in {tools}; do command -v $one; done; true"
    assert inside("sh", "-c", names).stdout == ""
    for module in ("pip", "ensurepip", "setuptools", "pytest"):
        done = inside("/opt/comptoir/bin/python", "-c", f"import {module}")
        assert "ModuleNotFoundError" in done.stderr, module
    own = inside("sh", "-c", "find /opt /tmp /var/lib/comptoir /usr/local \\( -perm -4000 -o -perm -2000 \\) -type f")
    assert own.stdout == ""
    written = inside("sh", "-c", "find /opt /usr /etc -writable ! -type l 2>/dev/null | head")
    assert written.stdout == ""


@pytest.mark.line("image.locked")
def test_all_in_it_is_locked():
    pins = (ROOT / "ops/image/requirements.lock").read_text()
    locked = {name.replace("_", "-").lower(): pin for name, pin in re.findall(r"(?m)^([\w.-]+)==([^\s;\\]+)", pins)}
    told = inside(
        *("/opt/comptoir/bin/python", "-c"),
        "import importlib.metadata as m; print(*(f'{d.name}=={d.version}' for d in m.distributions()))",
    ).stdout
    there = dict(one.replace("_", "-").lower().split("==") for one in told.split())
    assert there.pop("comptoir") == VERSION
    assert len(there) > 30
    assert {name: version for name, version in there.items() if locked.get(name) != version} == {}
    assert pins.count("--hash=sha256:") >= len(locked)


def content(image: str) -> dict[str, tuple[object, ...]]:
    """Return each file of an image: its kind, rights, owner, target and digest, but not when it was made."""
    container = run("docker", "create", image)
    found = {}
    try:
        with (
            subprocess.Popen(["docker", "export", container], stdout=subprocess.PIPE) as export,
            tarfile.open(fileobj=export.stdout, mode="r|") as archive,
        ):
            for one in archive:
                file = archive.extractfile(one) if one.isfile() else None
                digest = hashlib.sha256(file.read()).hexdigest() if file else ""
                found[one.name] = (one.type, one.mode, one.uid, one.gid, one.linkname, digest)
    finally:
        run("docker", "rm", container)
    return found


@pytest.fixture
def twice(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Build the image two times, each from nothing."""
    tags = [f"test-{uuid4().hex[:8]}" for _ in range(2)]
    monkeypatch.setenv("BASE", BASE)
    try:
        for tag in tags:
            run("ops/image/build", "--again", tag, "comptoir")
        yield [f"comptoir:{tag}" for tag in tags]
    finally:
        subprocess.run(
            ["docker", "image", "rm", *(f"comptoir:{tag}" for tag in tags)], capture_output=True, check=False
        )


@pytest.mark.line("image.locked")
def test_made_twice_from_nothing_it_is_equal(twice: list[str], measured: Callable[[str], None]):
    one, other = (content(image) for image in twice)
    assert len(one) > 5000
    assert sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name)) == []
    measured(f"{len(one)} files, none differs")
