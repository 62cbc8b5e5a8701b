"""The whole installation is backed up, lost, and put back, all of it or as it was at a moment; damage is refused.

The tests run in order on one stack: each leaves it serving.
"""

import re
import subprocess
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from tests.production.books import Books
from tests.production.lines import Measured
from tests.production.stack import Stack, until

RESTORE_SECONDS = 600


@pytest.fixture(scope="module")
def books(_docker: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Books]:
    """Return a running installation with books in it, and one full backup."""
    stack = Stack(tmp_path_factory.mktemp("backup") / "comptoir", f"comptoir-backup-{uuid4().hex[:8]}")
    try:
        stack.setup()
        stack.up()
        yield Books(stack)
    finally:
        stack.down()


def measures(stack: Stack) -> dict[str, float]:
    text = stack.compose("exec", "-T", "backup", "cat", "/var/lib/comptoir/metrics/backup.prom")
    assert "# TYPE comptoir_backup_last_success_timestamp_seconds gauge" in text
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in text.splitlines() if line[0] != "#"}


def restore(stack: Stack, *words: str) -> subprocess.CompletedProcess[str]:
    return stack.run("ops/restore", "--yes", *words, check=False, seconds=RESTORE_SECONDS)


def restored(told: str) -> str:
    """Return what a restore says of its time."""
    return str(re.findall(r"restored in [0-9]+ s", told)[0])


def inside(stack: Stack, script: str) -> str:
    """Run a few lines beside the backups and return what they printed."""
    return stack.compose("exec", "-T", "backup", "bash", "-c", script).strip()


@pytest.mark.line("backup.all")
def test_the_clock_and_the_hand_take_backups_that_are_read_back_and_told(books: Books):
    first = '[ "$(pgbackrest --stanza=comptoir info --output=json | grep -c \'"label"\')" = 1 ] && echo yes || true'
    until(lambda: inside(books.stack, first) == "yes", seconds=60, what="the first full backup, taken by the clock")
    until(
        lambda: 'comptoir_backup_success{type="full"}' in measures(books.stack), seconds=60, what="the first was read"
    )
    books.stack.run("ops/backup")
    told = measures(books.stack)
    now = time.time()
    for kind in ("full", "diff"):
        assert now - 300 < told[f'comptoir_backup_last_success_timestamp_seconds{{type="{kind}"}}'] <= now
        assert told[f'comptoir_backup_success{{type="{kind}"}}'] == 1
    assert told["comptoir_wal_archive_lag_seconds"] < 60


@pytest.mark.line("backup.configuration")
def test_the_configuration_lies_beside_it_and_opens_with_the_key_alone(books: Books):
    folder = "/var/lib/pgbackrest/configuration"
    closed = inside(books.stack, f"base64 -w0 {folder}/$(ls {folder} | tail -1)")
    opening = (
        "openssl enc -d -aes-256-cbc -pbkdf2 -iter 600000"
        " -pass fd:3 3< <(sed -n 's/^repo1-cipher-pass=//p' .production/secrets/backup_cipher)"
    )
    listed = books.stack.run("bash", "-c", f"base64 -d <<<{closed} | {opening} | tar -tz").stdout.split()
    assert {".env", "./.production/product.env", "./.production/secrets/master_keys"} <= set(listed)


@pytest.mark.line("backup.lost")
def test_all_is_lost_and_comes_back_with_equal_digests(books: Books, measured: Measured):
    stack = books.stack
    books.post("a minute before the fire")
    waited = books.archived()
    assert waited <= 70
    stack.compose("stop", "web-blue", "worker", "clock")
    books.archived()
    before = books.facts()
    stack.compose("kill", "-s", "KILL", "postgres")
    stack.compose("rm", "-sf", "postgres", "backup", "pgbouncer", "migrate")
    stack.run("docker", "volume", "rm", f"{stack.project}_postgres")

    done = restore(stack)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all is well: every workspace is apart" in done.stdout
    assert "acme: whole" in done.stdout
    after = books.facts()
    assert {name for name in before if before[name] != after.get(name)} <= {"rows platform.job"}
    assert books.said() == {"a minute before the fire"}
    size = stack.sql("SELECT pg_size_pretty(sum(pg_database_size(oid))) FROM pg_database")
    measured(f"archived after {waited:.0f} s, {restored(done.stdout)} ({size}, all digests equal)")


@pytest.mark.line("backup.minute")
def test_it_goes_back_to_a_minute_behind_the_maintenance_page(books: Books, measured: Measured):
    stack = books.stack
    books.post("before the mistake")
    time.sleep(1.1)
    moment = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}"
    time.sleep(1.1)
    books.post("the mistake")

    seen: set[int] = set()
    ended = threading.Event()

    def look() -> None:
        with stack.pool() as site:
            while not ended.wait(0.3):
                seen.add(site.request("GET", "/readyz").status)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        done = restore(stack, "--to", moment)
    finally:
        ended.set()
        looking.join()
    assert done.returncode == 0, done.stdout + done.stderr
    assert books.said() == {"a minute before the fire", "before the mistake"}
    assert seen <= {200, 503}
    assert 503 in seen
    measured(restored(done.stdout))
    assert "before-restore" in inside(stack, "ls /var/lib/postgresql/18")
    again = restore(stack)
    assert again.returncode == 1
    assert "former cluster is still kept" in again.stderr
    stack.run("ops/restore", "--forget", "--yes")
    assert inside(stack, "ls /var/lib/postgresql/18") == "docker"
    # A database that has just started leaves changes lying for minutes, unless somebody wakes it.
    books.post("after the way back")
    assert books.archived() <= 80


@pytest.mark.line("backup.refused")
def test_what_cannot_be_restored_is_refused_with_its_reason_and_nothing_changes(books: Books):
    stack = books.stack
    stack.run("ops/backup", "diff")
    newest = inside(
        stack, 'pgbackrest --stanza=comptoir info --output=json | grep -oE \'"label":"[^"]+\' | tail -1 | cut -c10-'
    )
    books.post("kept")

    def refused(reason: str, *words: str) -> None:
        done = stack.run(
            *("ops/compose", "run", "--rm", "--no-deps", "-T", "backup", "bash", "/etc/comptoir/restore.sh"),
            *("beside", *words),
            check=False,
        )
        assert done.returncode == 1, done.stdout
        assert reason in done.stderr, done.stderr
        assert inside(stack, "ls /var/lib/postgresql/18") == "docker"

    refused("has not come yet", "--to", f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%d %H:%M}")
    refused("is younger than", "--to", "2026-01-01 00:00")
    refused("--to is a time such as", "--to", "yesterday-ish")
    refused("there is no second target", "--second")

    inside(stack, f"pgbackrest --stanza=comptoir annotate --set={newest} --annotation=comptoir-version=99.0.0")
    refused("was made by Comptoir 99.0.0 and this is")
    inside(stack, f"pgbackrest --stanza=comptoir annotate --set={newest} --annotation=comptoir-version=0.0.1")

    key = stack.folder / ".production/secrets/backup_cipher"
    right = key.read_text()
    key.chmod(0o644)
    key.write_text("[global]\nrepo1-cipher-pass=another\n")
    refused("is backup_cipher the key that they were made with?")
    key.write_text(right)

    full = newest.partition("_")[0]
    bundle = f"/var/lib/pgbackrest/backup/comptoir/{full}/bundle/1"
    inside(stack, f"cp {bundle} /var/lib/pgbackrest/bundle && truncate -s 100000 {bundle}")
    refused("cannot be restored")
    inside(stack, f"cp /var/lib/pgbackrest/bundle {bundle} && printf XX | dd of={bundle} bs=1 seek=9000 conv=notrunc")
    whole = restore(stack)
    assert whole.returncode == 1
    assert "cannot be restored" in whole.stderr
    assert "nothing was changed" in whole.stderr
    failed = stack.run("ops/backup", "diff", check=False)
    inside(stack, f"cp /var/lib/pgbackrest/bundle {bundle}")
    assert books.said() == {"a minute before the fire", "before the mistake", "after the way back", "kept"}
    assert failed.returncode == 1
    assert "found it damaged" in failed.stdout
    assert measures(stack)['comptoir_backup_success{type="diff"}'] == 0


@pytest.mark.line("backup.refused")
def test_a_gap_in_the_changes_is_no_end_of_them(books: Books):
    stack = books.stack
    inside(stack, "bash /etc/comptoir/backup.sh diff")
    for what in ("one", "two", "three"):
        books.post(what)
        stack.sql("SELECT pg_switch_wal()")
    books.archived()
    archive = "$(ls -d /var/lib/pgbackrest/archive/comptoir/18-1/*/ | tail -1)"
    gone = inside(
        stack,
        f'cd {archive}; f=$(ls | grep -v partial | tail -2 | head -1); mv "$f" ../../../../gone; pwd; echo "$f"',
    ).split()
    done = stack.run(
        *("ops/compose", "run", "--rm", "--no-deps", "-T", "backup", "bash", "/etc/comptoir/restore.sh", "beside"),
        check=False,
    )
    inside(stack, f"mv /var/lib/pgbackrest/gone {gone[0]}/{gone[1]}")
    assert done.returncode == 1, done.stdout
    assert "is missing from the backups although" in done.stderr
    assert {"one", "two", "three"} <= books.said()


@pytest.mark.line("backup.drill")
def test_a_drill_restores_the_newest_backup_apart_and_finds_it_equal_or_says_that_it_is_not(
    books: Books, measured: Measured
):
    stack = books.stack
    stack.run("ops/backup", "diff")
    began = time.monotonic()
    good = stack.run("ops/drill", check=False)
    measured(f"{time.monotonic() - began:.0f} s; a fact made false is found")
    assert good.returncode == 0, good.stdout + good.stderr
    assert "tables as they were, trails as sealed" in good.stdout
    seen = inside(stack, "cat /var/lib/comptoir/metrics/drill.prom")
    assert "comptoir_drill_success 1" in seen
    newest = "$(ls -t /var/lib/comptoir/facts/*.tsv | head -1)"
    inside(stack, f"sed -i 's/^\\(rows\\t[^\\t]*\\.posting\\t\\)[0-9]*/\\199/' {newest}")
    bad = stack.run("ops/drill", check=False)
    assert bad.returncode == 1
    assert "not as it was" in bad.stdout
    seen = inside(stack, "cat /var/lib/comptoir/metrics/drill.prom")
    assert "comptoir_drill_success 0" in seen
    assert stack.run("ops/drill", "--last").stdout.count("\n") >= 2


@pytest.mark.line("backup.workspace")
def test_one_workspace_goes_back_to_a_moment_while_it_is_worked_in(books: Books, measured: Measured):
    stack = books.stack
    books.post("before the slip")
    time.sleep(1.1)
    moment = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}"
    time.sleep(1.1)
    books.post("the slip")
    began = time.monotonic()
    done = stack.run("ops/restore-workspace", "acme", "--to", moment, "--as", "acme-then", check=False, seconds=600)
    assert done.returncode == 0, done.stdout + done.stderr
    measured(f"{time.monotonic() - began:.0f} s")
    books.post("meanwhile")
    assert {"before the slip", "the slip", "meanwhile"} <= books.said()
    then = stack.token("acme-then", "owner@acme.example")
    said = {one["description"] for one in books.call("GET", "/entries", slug="acme-then", token=then)["data"]}
    assert "before the slip" in said
    assert "the slip" not in said
    assert not list((stack.folder / ".production").glob("workspace.*"))
