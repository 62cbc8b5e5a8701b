"""Another version comes into service, and goes out again, under load: no request fails, no posting is lost."""

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.production.lines import Measured
from tests.production.load import Load
from tests.production.stack import Stack, running, until

STEPS = ("preflight", "save", "migrate", "start", "files", "gate", "switch", "drain", "stop", "workers")
MIGRATIONS = "/opt/comptoir/lib/python3.13/site-packages/webapp/_files/migrations"
ADDS = ("tenant", "9001", "0001", "expand", "ALTER TABLE entry ADD COLUMN added text")
TAKES_AWAY = ("tenant", "9002", "9001", "contract", "ALTER TABLE entry DROP COLUMN added")
ADDS_TO_THE_PLATFORM = ("platform", "9001", "0001", "expand", "ALTER TABLE platform.heartbeat ADD COLUMN added text")
NO_START = """["sh", "-c", "[ $0 != web ] || { echo 'no such module: money' >&2; exit 3; }; exec comptoir $0 $@"]"""
NEVER_READY = NO_START.replace(
    "echo 'no such module: money' >&2; exit 3", "export COMPTOIR_REDIS_URL_FILE= COMPTOIR_REDIS_URL=redis://nowhere"
)


@pytest.fixture(scope="module")
def stack(_docker: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Return an installation of its own: afterwards another version, of the other colour, serves in it."""
    with running(tmp_path_factory.mktemp("deploy") / "comptoir") as made:
        yield made


@pytest.fixture(scope="module")
def versions(stack: Stack) -> Iterator[dict[str, str]]:
    """Return tags of images that are made from the one that runs: `next`, and two that are not fit to serve."""
    now = stack.setting("COMPTOIR_BLUE")
    tags = {name: f"{name}-{uuid4().hex[:8]}" for name in ("next", "broken", "deaf")}
    for name, more in (
        ("next", migrations()),
        ("broken", f"ENTRYPOINT {NO_START}\n"),
        ("deaf", f"ENTRYPOINT {NEVER_READY}\n"),
    ):
        text = f"FROM comptoir:{now}\nLABEL org.opencontainers.image.version={tags[name]}\n{more}"
        made = ["docker", "build", "-q", "-t", f"comptoir:{tags[name]}", "-"]
        subprocess.run(made, input=text, text=True, check=True, capture_output=True)
    yield tags | {"now": now}
    for tag in tags.values():
        subprocess.run(["docker", "image", "rm", "-f", f"comptoir:{tag}"], check=False, capture_output=True)


@pytest.fixture(scope="module")
def load(stack: Stack, versions: dict[str, str]) -> Iterator[Load]:
    """Return a load that lasts for all tests of this file."""
    with Load(stack, "acme", stack.token("acme", "owner@acme.example")) as made:
        until(lambda: made.imported, seconds=120, what="a first statement is imported")
        yield made


def migrations() -> str:
    """Return the lines of a Dockerfile that lay migrations into an image: two that add, one that takes away."""
    lines = ["USER 0"]
    for chain, name, before, kind, statement in (ADDS, TAKES_AWAY, ADDS_TO_THE_PLATFORM):
        text = (
            f'from alembic import op\\nrevision = "{name}"\\ndown_revision = "{before}"\\nkind = "{kind}"\\n'
            f'def upgrade():\\n    op.execute("{statement}")\\n'
        )
        lines.append(f"RUN printf '{text}' >{MIGRATIONS}/{chain}/versions/{name}.py")
    return "\n".join([*lines, "USER 10001:10001", ""])


def revision(stack: Stack) -> str:
    """Return at which revision the workspace is."""
    return stack.sql("SELECT schema_revision FROM platform.tenant WHERE slug = 'acme'")


def made_by(stack: Stack) -> str:
    """Return which version the newest backup says it is of."""
    words = ("exec", "-T", "backup", "pgbackrest", "--stanza=comptoir", "info", "--output=json")
    newest = json.loads(stack.compose(*words))[0]["backup"][-1]
    return str(newest["annotation"]["comptoir-version"])


def images(stack: Stack) -> dict[str, set[str]]:
    """Return the images that run, by service."""
    found: dict[str, set[str]] = {}
    for one in stack.services():
        if one["State"] == "running":
            found.setdefault(one["Service"], set()).add(one["Image"].partition(":")[2])
    return found


def all_is_kept(load: Load) -> None:
    """See that nothing failed and that the books hold what was answered."""
    count = len(load.posted)
    until(lambda: len(load.posted) > count, seconds=30, what="another posting")
    answered = set(load.posted)
    assert load.failed == []
    assert answered <= load.in_the_books()


@pytest.mark.line("deploy.load", "deploy.rollback")
def test_a_deploy_and_a_rollback_fail_no_request(
    stack: Stack, versions: dict[str, str], load: Load, measured: Measured
):
    began = time.monotonic()
    told = stack.run("ops/deploy", versions["next"], seconds=600).stdout
    measured(f"deploy {time.monotonic() - began:.0f} s")
    assert all(f"] {step}\n" in told for step in STEPS)
    seen = images(stack)
    assert seen["web-green"] == seen["worker"] == seen["clock"] == {versions["next"]}
    assert "web-blue" not in seen
    for coding in ("br", "gzip"):
        with stack.pool() as site:
            asked = {**site.headers, "Accept-Encoding": coding}
            answer = site.request("GET", "/static/css/components.css", headers=asked, decode_content=False)
        assert (answer.status, answer.headers["Content-Encoding"]) == (200, coding)
        files = stack.folder / ".production/nginx/files/web-green/static/css"
        packed = files / f"components.css.{'br' if coding == 'br' else 'gz'}"
        assert answer.data == packed.read_bytes(), "it is what this version brought"
    assert "acme\t9001" in told
    assert made_by(stack) == versions["now"], "the backup before the deploy"
    stack.run("ops/backup", "diff")
    assert made_by(stack) == versions["next"]
    assert revision(stack) == "9001", "what takes away waits"
    all_is_kept(load)

    began = time.monotonic()
    told = stack.run("ops/rollback", seconds=600).stdout
    taken = time.monotonic() - began
    measured(f"rollback {taken:.0f} s")
    seen = images(stack)
    assert seen["web-blue"] == seen["worker"] == seen["clock"] == {versions["now"]}
    assert "web-green" not in seen
    assert taken < 60
    assert revision(stack) == "9001", "the version before serves what was added to"
    all_is_kept(load)
    measured(
        f"0 of {load.counts.total()} requests failed, {len(load.posted)} postings and {len(load.imported)} imports kept"
    )


@pytest.mark.parametrize(
    ("kind", "reason"), [("broken", "does not stay up"), ("deaf", "is not ready")], ids=["broken", "deaf"]
)
@pytest.mark.line("deploy.unfit")
def test_a_version_that_is_unfit_stops_itself(
    stack: Stack, versions: dict[str, str], load: Load, kind: str, reason: str
):
    before = images(stack)
    words = ["env", "DEPLOY_WAIT=45", "ops/deploy", versions[kind], "--without-backup"]
    done = stack.run(*words, check=False, seconds=300)
    assert done.returncode == 1
    assert reason in done.stderr
    assert "serves as before" in done.stderr
    if kind == "broken":
        assert "no such module: money" in done.stderr
    assert images(stack) == before
    all_is_kept(load)


@pytest.mark.line("deploy.killed")
def test_a_deploy_that_is_killed_at_each_step_goes_on(
    stack: Stack, versions: dict[str, str], load: Load, measured: Measured
):
    for step in STEPS:
        running = subprocess.Popen(
            ["ops/deploy", versions["next"]], cwd=stack.folder, stdout=subprocess.PIPE, text=True, env=stack.environ()
        )
        assert running.stdout is not None
        lines = []
        for line in running.stdout:
            lines.append(line)
            if f"] {step}\n" in line:
                break
        else:
            raise AssertionError(f"no step {step}: {lines}")
        running.send_signal(signal.SIGKILL)
        running.wait()
        running.stdout.close()
    told = stack.run("ops/deploy", versions["next"], seconds=600).stdout
    assert "going on with the deploy" in told
    assert "runs everywhere" in told
    seen = images(stack)
    assert seen["web-green"] == seen["worker"] == seen["clock"] == {versions["next"]}
    assert "web-blue" not in seen
    all_is_kept(load)
    measured(f"killed at {len(STEPS)} steps; 0 of {load.counts.total()} requests failed")


@pytest.mark.line("deploy.contract")
def test_what_takes_away_runs_when_the_way_back_is_given_up(stack: Stack, versions: dict[str, str], load: Load):
    refused = stack.run(
        *["ops/compose", "run", "--rm", "--no-deps", "-T", "migrate", "migrate", "--contract"], check=False
    )
    assert refused.returncode == 1
    assert f"can still go back to {versions['now']}" in refused.stderr
    assert revision(stack) == "9001"
    stack.run("ops/deploy", "--finish")
    assert revision(stack) == "9002"
    assert "no version is known to go back to" in stack.run("ops/rollback", check=False).stderr
    all_is_kept(load)
