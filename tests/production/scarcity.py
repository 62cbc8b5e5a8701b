"""Small disks under the volumes of a stack, a clock that is moved, and somebody who posts and reads meanwhile."""

import contextlib
import json
import os
import shutil
import subprocess
import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import urllib3

from tests.production.stack import Stack, until

MOVED = ("web-blue", "worker", "clock", "postgres", "backup")
"""Services that see the clock which a test moves."""


def run(*words: str) -> str:
    """Run a command of this machine and return what it printed."""
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, (words, done.stderr)
    return done.stdout


class Disk:
    """A file system of its own in a file, mounted where whoever watches may look at it."""

    def __init__(self, folder: Path, name: str, *, megabytes: int, owner: int, mode: int = 0o755) -> None:
        self.name, self.image, self.folder = name, folder / f"{name}.img", folder / name
        self.folder.mkdir(parents=True)
        with self.image.open("wb") as file:
            file.truncate(megabytes * 1024 * 1024)
        run("mkfs.ext4", "-q", "-F", "-m", "0", str(self.image))
        run("mount", "-o", "loop", str(self.image), str(self.folder))
        (self.folder / "lost+found").rmdir()
        os.chown(self.folder, owner, owner)
        self.folder.chmod(mode)
        self.device = run("findmnt", "-n", "-o", "SOURCE", str(self.folder)).strip()

    @property
    def ballast(self) -> Path:
        """Return the file that takes the room."""
        return self.folder / "ballast"

    def fill(self) -> None:
        """Leave not a byte."""
        ballast = os.open(self.ballast, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for size in (1 << 20, 1 << 12, 1 << 8, 1):
            with contextlib.suppress(OSError):
                while os.write(ballast, b"\0" * size) == size:
                    pass
        os.close(ballast)
        os.sync()

    def empty(self) -> None:
        """Make room again."""
        self.ballast.unlink(missing_ok=True)

    def close(self) -> None:
        """Take it away."""
        run("umount", "-l", str(self.folder))
        self.image.unlink()


def override(stack: Stack, disks: Iterable[Disk], *, moved: bool = False) -> None:
    """Write the compose file that lays disks under the volumes and a clock that can be moved under the services."""
    said: dict[str, Any] = {
        "volumes": {
            disk.name: {"driver": "local", "driver_opts": {"type": "none", "o": "bind", "device": str(disk.folder)}}
            for disk in disks
        }
    }
    if moved:
        clock = {
            "LD_PRELOAD": "/faketime/libfaketime.so.1",
            "FAKETIME_TIMESTAMP_FILE": "/faketime/offset",
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        volumes = [f"{stack.folder}/faketime:/faketime:ro"]
        said["services"] = {name: {"environment": clock, "volumes": volumes} for name in MOVED}
    (stack.folder / "scarcity.yml").write_text(json.dumps(said))


def move(stack: Stack, hours: float) -> None:
    """Move the clock so far from this machine's."""
    (stack.folder / "faketime/offset").write_text(f"{hours * 3600:+.0f}\n")


def fetch_faketime(stack: Stack) -> None:
    """Fetch Debian's libfaketime for the base of the images."""
    folder = stack.folder / "faketime"
    folder.mkdir(mode=0o755)
    fetch = "cd /out && apt-get update -qq && apt-get download -qq libfaketime && dpkg -x libfaketime*.deb x"
    run("docker", "run", "--rm", "-v", f"{folder}:/out", "comptoir-standin/debian:trixie", "bash", "-c", fetch)
    (library,) = folder.rglob("libfaketime.so.1")
    shutil.copy(library, folder / "libfaketime.so.1")
    (folder / "libfaketime.so.1").chmod(0o755)
    move(stack, 0)


@dataclass(frozen=True, slots=True)
class Answer:
    """What one call was told."""

    what: str
    description: str
    status: int
    code: str
    request_id: str


class Work:
    """Somebody who posts and reads all the time, each posting once; every answer is kept."""

    def __init__(self, stack: Stack, slug: str, token: str, *, pause: float = 0.25) -> None:
        self.stack, self.slug, self.token, self.pause = stack, slug, token, pause
        self.mark, self.answers, self.silent = uuid4().hex[:8], list[Answer](), Counter[str]()
        self.site = stack.pool()
        self._stop = threading.Event()
        self.bank, self.costs = (self._account(name, kind) for name, kind in (("Bank", "asset"), ("Costs", "expense")))
        self._threads = [threading.Thread(target=self._repeat, args=(act,)) for act in (self._post, self._read)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        until(lambda: self.posted, seconds=30, what="a first posting")
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=60)

    def call(self, method: str, path: str, **given: Any) -> Any:
        """Call the API once; no answer at all is a refusal with the status 0."""
        headers = {**dict(self.site.headers), "Authorization": f"Bearer {self.token}", **given.pop("headers", {})}
        try:
            return self.site.request(method, f"/api/v1/t/{self.slug}{path}", headers=headers, **given)
        except (urllib3.exceptions.HTTPError, OSError):
            return None

    def upload(self, rows: int, *, width: int = 40, publish: str = "auto") -> Any:
        """Bring a statement of so many lines and return the answer."""
        name = uuid4().hex
        lines = "".join(f"2026-03-02,{name},{number:0{width}d},-{number + 1}.00,EUR\n" for number in range(rows))
        content = f"Date,Payee,Description,Amount,Currency\n{lines}".encode()
        fields = {"account_id": str(self.bank), "publish": publish, "file": (f"{name}.csv", content, "text/csv")}
        return self.call("POST", "/imports", fields=fields)

    def imported(self, import_id: int) -> dict[str, Any]:
        """Return an import as the API tells it; nothing while it does not."""
        answer = self.call("GET", f"/imports/{import_id}")
        return dict(answer.json()) if answer is not None and answer.status == 200 else {"state": ""}

    def published(self, import_id: int, *, rows: int, seconds: float = 180) -> None:
        """Wait until an import is in the books and see that each of its lines is there once."""
        until(
            lambda: self.imported(import_id)["state"] == "published", seconds=seconds, what=f"import {import_id} booked"
        )
        assert self.imported(import_id)["counts"]["published"] == rows
        counted = (
            f"SELECT count(*), count(DISTINCT import_position) FROM {self.schema}.entry WHERE import_id = {import_id}"
        )
        assert self.stack.sql(counted) == f"{rows}|{rows}", "a line was booked twice or not at all"

    @property
    def posted(self) -> list[str]:
        """Return the descriptions that were answered 201."""
        return [one.description for one in self.answers if one.what == "posting" and one.status == 201]

    def told(self, what: str) -> Counter[tuple[int, str]]:
        """Count the answers to one kind of call by status and code."""
        return Counter((one.status, one.code) for one in self.answers if one.what == what)

    @property
    def schema(self) -> str:
        """Return the workspace's schema."""
        query = f"SELECT 't_' || replace(id::text, '-', '') FROM platform.tenant WHERE slug = '{self.slug}'"
        return self.stack.sql(query)

    def audit(self) -> None:
        """See that all answered 201 is in the books once, what was refused is not, and no entry is half."""
        schema = self.schema
        found = self.stack.sql(f"SELECT description FROM {schema}.entry WHERE description LIKE '{self.mark} %'")
        books = Counter(found.splitlines())
        refused = {one.description for one in self.answers if one.what == "posting" and one.code == "storage_full"}
        assert not [one for one in self.posted if books[one] != 1], "a posting was lost or booked twice"
        assert not refused & books.keys(), "what was refused is in the books"
        half = (
            f"SELECT count(*) FROM {schema}.entry e WHERE (SELECT count(*) < 2 OR sum(amount) <> 0 FROM"
            f" {schema}.posting p WHERE p.entry_id = e.id)"
        )
        assert self.stack.sql(half) == "0", "an entry is half"
        unnamed = [one for one in self.answers if one.status >= 500 and not one.request_id]
        assert not unnamed, unnamed[:3]

    def _repeat(self, act: Any) -> None:
        while not self._stop.wait(self.pause):
            act()

    def _account(self, name: str, kind: str) -> int:
        answer = self.call("POST", "/accounts", json={"name": f"{name} {self.mark}", "kind": kind, "currency": "EUR"})
        assert answer is not None and answer.status == 201, answer and answer.data
        return int(answer.json()["id"])

    def _note(self, what: str, description: str, answer: Any) -> None:
        if answer is None:
            self.silent[what] += 1
            return
        kind = answer.headers.get("Content-Type", "")
        said = answer.json() if "json" in kind and answer.status >= 400 else {}
        code, request_id = said.get("code", ""), said.get("request_id", "")
        self.answers.append(Answer(what, description, answer.status, code, request_id))

    def _post(self) -> None:
        description = f"{self.mark} {uuid4().hex} {'x' * 200}"
        postings = [
            {"account_id": one, "amount": amount, "currency": "EUR"}
            for one, amount in ((self.bank, "-1.00"), (self.costs, "1.00"))
        ]
        body = {"date": "2026-03-02", "description": description, "postings": postings}
        headers = {"Idempotency-Key": description[:41]}
        self._note("posting", description, self.call("POST", "/entries", json=body, headers=headers))

    def _read(self) -> None:
        self._note("read", "", self.call("GET", "/accounts"))
