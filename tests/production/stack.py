"""The real compose file, images and scripts, started for a test under a project name and ports of their own.

Needs root, docker and the images (`make images`); everything it starts it takes down again, volumes and all.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import urllib3

ROOT = Path(__file__).resolve().parents[2]
DOMAIN = "books.test"
IMAGES = {"VALKEY_IMAGE": "comptoir-standin/valkey:8"} | {
    name: value for name, value in os.environ.items() if re.fullmatch(r"COMPTOIR_([A-Z]+_)?IMAGE", name)
}
"""What stands in where no image can be pulled, and what whoever builds an image wants tried."""

TAG = os.environ.get("COMPTOIR_TEST_TAG", "")
"""Images of a tag of their own, while somebody else's tests run beside."""


def free_port() -> int:
    """Return a port of this machine that nobody has."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def until(condition: Callable[[], Any], *, seconds: float, what: str) -> Any:
    """Wait until a condition holds and return what it returned; raises AssertionError."""
    end = time.monotonic() + seconds
    while True:
        if found := condition():
            return found
        if time.monotonic() > end:
            raise AssertionError(f"after {seconds:.0f} s not yet: {what}")
        time.sleep(0.2)


class Stack:
    """One installation in a folder of its own, as an operator has it."""

    def __init__(self, folder: Path, project: str, *, settings: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.project = project
        self.up_seconds = 0.0
        self.http_port, self.https_port = free_port(), free_port()
        self.settings = {
            **IMAGES,
            "COMPOSE_PROJECT_NAME": project,
            "HTTP_PORT": f"127.0.0.1:{self.http_port}",
            "HTTPS_PORT": f"127.0.0.1:{self.https_port}",
            "WEB_REPLICAS": "1",
            **({"COMPTOIR_VERSION": TAG, "COMPTOIR_BLUE": TAG} if TAG else {}),
            **(settings or {}),
        }
        _copy(folder)
        (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in self.settings.items()))

    def setting(self, name: str) -> str:
        """Return a line of .env, the empty text where there is none."""
        lines = (self.folder / ".env").read_text().splitlines()
        return next((line.partition("=")[2] for line in lines if line.startswith(f"{name}=")), "")

    # The operator's verbs

    def run(self, *words: str, check: bool = True, seconds: float = 300) -> subprocess.CompletedProcess[str]:
        """Run a command in the installation's folder; raises AssertionError with its words when it fails."""
        done = subprocess.run(
            words, cwd=self.folder, env=self.environ(), capture_output=True, text=True, timeout=seconds, check=False
        )
        if check and done.returncode:
            raise AssertionError(f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return done

    def compose(self, *words: str, check: bool = True, seconds: float = 300) -> str:
        """Run compose and return what it printed."""
        return self.run("ops/compose", *words, check=check, seconds=seconds).stdout

    def setup(self) -> None:
        """Run ops/setup, as an operator does first."""
        self.run("ops/setup", "--domain", DOMAIN)

    def up(self) -> None:
        """Start everything and wait until it is well."""
        began = time.monotonic()
        self.compose("up", "-d", "--wait", "--wait-timeout", "180")
        self.up_seconds = time.monotonic() - began

    def down(self) -> None:
        """Take everything down, volumes too, and remove the folder."""
        self.compose("--profile", "*", "down", "-v", "--remove-orphans", "-t", "5", check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def comptoir(self, *words: str) -> str:
        """Run a command of the product inside the image, with the worker's rights; return what it printed."""
        return self.compose("run", "--rm", "--no-deps", "-T", "worker", *words).strip()

    def services(self) -> list[dict[str, Any]]:
        """Return what compose knows of each container."""
        lines = self.compose("ps", "-a", "--format", "json").splitlines()
        return [json.loads(line) for line in lines if line]

    def sql(self, query: str, *, database: str = "comptoir") -> str:
        """Ask PostgreSQL as its superuser; return bare rows."""
        words = ("psql", "-h", "/var/run/postgresql", "-U", "postgres", "-d")
        return self.compose("exec", "-T", "postgres", *words, database, "-Atc", query).strip()

    def pool(self) -> urllib3.HTTPSConnectionPool:
        """Return connections to nginx that trust the installation's own authority and its name alone."""
        return urllib3.HTTPSConnectionPool(
            "127.0.0.1",
            self.https_port,
            ca_certs=str(self.folder / ".production/certificates/authority.pem"),
            assert_hostname=DOMAIN,
            server_hostname=DOMAIN,
            headers={"Host": f"{DOMAIN}:{self.https_port}"},
            timeout=30,
            retries=False,
            maxsize=16,
        )

    def browser(self, person: str) -> dict[str, str]:
        """Sign somebody in by a link and return the headers that their browser sends from then on."""
        link = re.search(r"(/sign-in/\S+)", self.comptoir("person", "link", "--email", person))
        assert link is not None
        origin = f"https://{DOMAIN}:{self.https_port}"
        headers = {"Host": f"{DOMAIN}:{self.https_port}", "Origin": origin, "Referer": origin + link[1]}
        with self.pool() as site:
            page = site.request("GET", link[1])
            headers["Cookie"] = with_cookies(page)
            fields = {"csrf_token": csrf_token(page.data.decode())}
            done = site.request("POST", link[1], headers=headers, fields=fields, redirect=False, encode_multipart=False)
            assert done.status == 303
        return headers | {"Cookie": with_cookies(done, headers["Cookie"])}

    def token(self, slug: str, person: str) -> str:
        """Make an API token and return it."""
        return self.comptoir("token", "create", "--tenant", slug, "--person", person).splitlines()[-1]

    def environ(self) -> dict[str, str]:
        """Return what an operator's shell has."""
        kept: Sequence[str] = ("PATH", "HOME", "DOCKER_HOST", "LANG", "PIP_CERT")
        return {name: os.environ[name] for name in kept if name in os.environ}


def with_cookies(answer: urllib3.BaseHTTPResponse, before: str = "") -> str:
    """Return the cookies that a browser sends after an answer: those of before, and the newer ones in their place."""
    kept = dict(one.split("=", 1) for one in before.split("; ") if one)
    kept.update(line.partition(";")[0].split("=", 1) for line in answer.headers.getlist("Set-Cookie"))
    return "; ".join(f"{name}={value}" for name, value in kept.items() if value)


def csrf_token(page: str) -> str:
    """Return the form token of a page."""
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
    assert found is not None
    return found[1]


@contextmanager
def running(folder: Path, *, settings: dict[str, str] | None = None) -> Iterator[Stack]:
    """Set up and start an installation with the workspace `acme`, and take it down afterwards."""
    made = Stack(folder, f"comptoir-test-{uuid4().hex[:8]}", settings=settings)
    try:
        made.setup()
        made.up()
        made.comptoir("tenant", "create", "--slug", "acme", "--name", "Acme", "--owner", "owner@acme.example")
        yield made
    finally:
        made.down()


def _copy(folder: Path) -> None:
    """Copy what an operator fetches: the compose file and the scripts and settings beside it."""
    folder.mkdir(parents=True)
    shutil.copy(ROOT / "docker-compose.production.yml", folder)
    shutil.copy(ROOT / "pyproject.toml", folder)
    shutil.copy(ROOT / ".env.example", folder)
    shutil.copytree(ROOT / "ops", folder / "ops")
    if (ROOT / ".tools/docker-compose").exists():
        (folder / ".tools").mkdir()
        os.link(ROOT / ".tools/docker-compose", folder / ".tools/docker-compose")
