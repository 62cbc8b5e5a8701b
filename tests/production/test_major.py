"""The database goes from PostgreSQL 17 to 18; an upgrade that is refused, fails or is killed leaves the former one.

The tests run in order on one stack: each leaves it serving.
"""

import os
import re
import signal
import subprocess
import threading
import tomllib
from collections.abc import Iterator
from uuid import uuid4

import pytest
from urllib3.exceptions import HTTPError

from tests.production.books import Books
from tests.production.lines import Measured
from tests.production.stack import ROOT, TAG, Stack, until
from tests.production.test_backup import inside

FORMER = f"seventeen-{uuid4().hex[:8]}"
FAULTY = f"{FORMER}-faulty"
FAULT = """
FROM comptoir-postgres:{newer}
USER 0:0
RUN echo 'psql -X -h "$socket" -d postgres -Atc "SHOW server_version_num"' >>/etc/comptoir/facts.sh
USER 999:999
"""
"""A newer PostgreSQL in which one fact is not as it was."""
SECONDS = 900


@pytest.fixture(scope="module")
def newer(_docker: None) -> Iterator[str]:
    """Return the tag of the images with PostgreSQL 18; make those of before, with 17, and a faulty one with 18."""
    tag = TAG or str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])
    environ = {**os.environ, "POSTGRES_IMAGE": "comptoir-standin/postgres:17", "DOCKER_BUILDKIT": "0"}

    def run(*words: str, text: str = "") -> None:
        done = subprocess.run(words, cwd=ROOT, env=environ, input=text, text=True, capture_output=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    made = [f"comptoir-postgres:{FORMER}", f"comptoir-postgres:{FAULTY}"]
    run("ops/standin/build", "postgres17")
    run("ops/image/build", FORMER, "postgres")
    run("docker", "build", "-q", "-t", made[1], "-", text=FAULT.format(newer=tag))
    for name in ("nginx", "pgbouncer"):
        for copy in (FORMER, FAULTY):
            made.append(f"comptoir-{name}:{copy}")
            run("docker", "tag", f"comptoir-{name}:{tag}", made[-1])
    yield tag
    for image in made:
        subprocess.run(["docker", "image", "rm", image], check=False, capture_output=True)


@pytest.fixture(scope="module")
def books(newer: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Books]:
    """Return a running installation on PostgreSQL 17 with books in it."""
    stack = Stack(
        tmp_path_factory.mktemp("major") / "comptoir",
        f"comptoir-major-{uuid4().hex[:8]}",
        settings={"COMPTOIR_SERVERS": FORMER},
    )
    try:
        stack.setup()
        stack.up()
        made = Books(stack)
        made.post("written on 17")
        yield made
    finally:
        stack.down()


def upgrade(stack: Stack, *words: str) -> subprocess.CompletedProcess[str]:
    return stack.run("ops/upgrade-postgres", *words, check=False, seconds=SECONDS)


def clusters(stack: Stack) -> str:
    """Return what lies in the database's volume."""
    return " ".join(inside(stack, "ls /var/lib/postgresql").split())


def kept(books: Books) -> dict[str, str]:
    """Return what moves only by hand: the clock seals trails, and the installation has signs of life."""
    moving = re.compile(r"seal |rows platform\.|rows \w+\.audit_(checkpoint|seal|unsealed|words)$")
    return {name: fact for name, fact in books.facts().items() if not moving.match(name)}


def serves(books: Books, major: str) -> None:
    """See that this version serves, alone, with the door open."""
    assert books.stack.sql("SHOW server_version_num").startswith(major)
    assert not (books.stack.folder / ".production/nginx/maintenance").exists()
    assert not (books.stack.folder / ".production/upgrade-postgres").exists()
    inside(books.stack, "pgbackrest --stanza=comptoir check")


@pytest.mark.line("backup.major")
def test_an_upgrade_that_is_refused_or_not_as_it_was_leaves_the_former_database(books: Books, newer: str):
    stack = books.stack
    before, settings = kept(books), (stack.folder / ".env").read_text()
    assert stack.sql("SHOW server_version_num").startswith("17")
    for words, reason in (
        ((FORMER, "--yes"), "the database is of PostgreSQL 17, and so is this image"),
        (("nowhere", "--yes"), "there is no image comptoir-nginx:nowhere"),
        ((newer,), "nothing was changed"),
        (("--back",), "no upgrade was cut off"),
        ((FAULTY, "--yes"), "not as it was: 2 lines of the facts differ"),
    ):
        done = upgrade(stack, *words)
        assert done.returncode == 1, done.stdout
        assert reason in done.stderr, done.stdout + done.stderr
        serves(books, "17")
        assert clusters(stack) == "17"
        assert kept(books) == before
        assert (stack.folder / ".env").read_text() == settings
    books.post("after it was refused")


@pytest.mark.line("backup.major")
def test_a_newer_image_beside_a_former_cluster_does_not_serve_empty_books(books: Books, newer: str):
    stack, said = books.stack, books.said()
    environ = stack.environ() | {"COMPTOIR_SERVERS": newer}
    start = ["ops/compose", "up", "-d", "--no-deps", "postgres"]
    subprocess.run(start, cwd=stack.folder, env=environ, check=True, capture_output=True)
    told = "the books are in a cluster of PostgreSQL 17"
    until(lambda: told in stack.compose("logs", "postgres"), seconds=60, what="it says why it does not start")
    stack.up()
    serves(books, "17")
    assert clusters(stack) == "17"
    assert books.said() == said


@pytest.mark.line("backup.major")
def test_an_upgrade_that_is_killed_is_put_back_by_one_command(books: Books, newer: str):
    stack = books.stack
    before = kept(books)
    words = ["ops/upgrade-postgres", newer, "--yes"]
    with subprocess.Popen(
        words, cwd=stack.folder, env=stack.environ(), stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as running:
        assert running.stdout is not None
        assert any("starting the newer PostgreSQL" in line for line in running.stdout)
        until(lambda: clusters_of(stack) == {"17", "18", "upgrade"}, seconds=60, what="a cluster of 18")
        os.killpg(running.pid, signal.SIGKILL)
    again = upgrade(stack, newer, "--yes")
    assert again.returncode == 1
    assert "ops/upgrade-postgres --back" in again.stderr
    done = upgrade(stack, "--back")
    assert done.returncode == 0, done.stdout + done.stderr
    serves(books, "17")
    assert clusters(stack) == "17"
    assert kept(books) == before


def clusters_of(stack: Stack) -> set[str]:
    """Return what lies in the database's volume while nothing of the stack has to run."""
    words = ("run", "--rm", "--no-deps", "-T", "backup", "ls", "/var/lib/postgresql")
    return set(stack.compose(*words).split())


@pytest.mark.line("backup.major")
def test_the_books_go_from_17_to_18_with_equal_digests(books: Books, newer: str, measured: Measured):
    stack = books.stack
    before, said = kept(books), books.said()
    seen: set[int] = set()
    ended = threading.Event()

    def look() -> None:
        with stack.pool() as site:
            while not ended.wait(0.5):
                try:
                    seen.add(site.request("GET", "/livez").status)
                except HTTPError:
                    seen.add(0)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        done = upgrade(stack, newer, "--yes")
    finally:
        ended.set()
        looking.join()
    assert done.returncode == 0, done.stdout + done.stderr
    serves(books, "18")
    assert kept(books) == before
    assert stack.setting("COMPTOIR_SERVERS") == newer
    assert clusters(stack) == "17 18"
    books.post("written on 18")
    assert books.said() == said | {"written on 18"}
    # nginx is made anew, too.
    assert {200, 503} <= seen <= {200, 503, 0}
    stack.run("ops/backup", "diff")
    drill = stack.run("ops/drill", check=False)
    assert drill.returncode == 0, drill.stdout + drill.stderr
    assert upgrade(stack, FORMER, "--yes").returncode == 1
    forgotten = upgrade(stack, "--forget", "--yes")
    assert "deleted: the cluster of PostgreSQL 17" in forgotten.stdout, forgotten.stderr
    assert clusters(stack) == "18"
    told = re.findall(r"as it was: .*|upgraded in [0-9]+ s", done.stdout)
    size = stack.sql("SELECT pg_size_pretty(pg_database_size('comptoir'))")
    measured(f"17 to 18: {'; '.join(map(str, told))} ({size})")
