"""The embedded PostgreSQL: start, stop, survive."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import create_engine, text

from tests.webapp.embedded.conftest import is_running, processes_naming, wait_until
from webapp.embedded.postgres import EmbeddedPostgres
from webapp.embedded.process import ServerFailed

START_AND_WAIT = """
    import sys
    from pathlib import Path
    from webapp.embedded.postgres import EmbeddedPostgres
    postgres = EmbeddedPostgres(Path(sys.argv[1]), fast=True)
    print(postgres.start(), postgres.server.pid, flush=True)
    sys.stdin.read()
"""

Runner = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def postgres(data_dir: Path) -> Iterator[EmbeddedPostgres]:
    """Return a cluster that is not started yet and is stopped at the end."""
    cluster = EmbeddedPostgres(data_dir, fast=True)
    yield cluster
    cluster.stop()


def ask(dsn: str, question: str) -> object:
    """Ask one value."""
    with psycopg.connect(dsn, autocommit=True) as session:
        cursor = session.execute(question)
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def test_a_cold_start_in_a_long_path_with_spaces_gives_the_owner_a_utf8_database(postgres: EmbeddedPostgres):
    dsn = postgres.start()
    assert ask(dsn, "SELECT rolsuper AND rolname = 'comptoir_owner' FROM pg_roles WHERE rolname = current_user")
    assert (
        ask(
            dsn,
            "SELECT concat(pg_encoding_to_char(encoding), datlocprovider, datlocale) FROM pg_database WHERE "
            "datname = current_database()",
        )
        == "UTF8bC.UTF-8"
    )
    assert ask(dsn, "SHOW data_checksums") == "on"
    assert ask(dsn, "SHOW listen_addresses") == ""
    assert (postgres.cluster.stat().st_mode & 0o777) == 0o700


def test_sqlalchemy_takes_the_dsn(postgres: EmbeddedPostgres):
    engine = create_engine(postgres.start())
    with engine.connect() as session:
        assert session.execute(text("SELECT current_database()")).scalar_one() == "comptoir"
    engine.dispose()


def test_a_real_run_is_safe_at_a_power_cut(data_dir: Path):
    postgres = EmbeddedPostgres(data_dir)
    try:
        dsn = postgres.start()
        assert [ask(dsn, f"SHOW {name}") for name in ("fsync", "synchronous_commit", "full_page_writes")] == ["on"] * 3
    finally:
        postgres.stop()


def test_what_was_written_is_there_after_a_second_start_and_nothing_is_left_after_a_stop(
    postgres: EmbeddedPostgres, data_dir: Path
):
    first = postgres.start()
    ask(first, "CREATE TABLE kept AS SELECT 7 AS number")
    directory = Path(psycopg.conninfo.conninfo_to_dict(first)["host"])
    postgres.stop()
    assert processes_naming(str(data_dir)) == []
    assert not directory.exists()
    assert ask(postgres.start(), "SELECT number FROM kept") == 7


def test_a_stop_does_not_wait_for_an_idle_session(postgres: EmbeddedPostgres):
    with psycopg.connect(postgres.start()) as session:
        session.execute("SELECT 1")
        postgres.stop()
        with pytest.raises(psycopg.OperationalError):
            session.execute("SELECT 1")


def test_another_process_finds_the_running_server(data_dir: Path, second_python: Runner):
    assert EmbeddedPostgres(data_dir).running_dsn() is None
    child = second_python(START_AND_WAIT, data_dir)
    assert child.stdout is not None
    dsn = child.stdout.readline().split()[0]
    assert EmbeddedPostgres(data_dir).running_dsn() == dsn
    assert ask(dsn, "SELECT 1") == 1


def test_a_killed_supervisor_leaves_no_server_and_the_next_start_has_the_data(
    postgres: EmbeddedPostgres, data_dir: Path, second_python: Runner
):
    child = second_python(START_AND_WAIT, data_dir)
    assert child.stdout is not None
    dsn = child.stdout.readline().split()[0]
    ask(dsn, "CREATE TABLE kept AS SELECT 7 AS number")
    child.kill()
    wait_until(lambda: not processes_naming(str(data_dir)), "no process names the data directory")
    assert ask(postgres.start(), "SELECT number FROM kept") == 7


def test_a_start_right_after_the_supervisor_was_killed_waits_for_its_server_to_go(
    postgres: EmbeddedPostgres, data_dir: Path, second_python: Runner
):
    child = second_python(START_AND_WAIT, data_dir)
    assert child.stdout is not None
    child.stdout.readline()
    child.kill()
    assert ask(postgres.start(), "SELECT 1") == 1


def test_a_server_that_was_killed_starts_again_at_the_same_address_with_what_was_committed(postgres: EmbeddedPostgres):
    dsn = postgres.start()
    ask(dsn, "CREATE TABLE kept AS SELECT 7 AS number")
    assert postgres.server.pid
    os.kill(postgres.server.pid, signal.SIGKILL)
    wait_until(lambda: postgres.server.exit_code() is not None, "the server is gone")
    assert postgres.start() == dsn
    assert ask(dsn, "SELECT number FROM kept") == 7


def test_a_stale_pid_file_whose_number_another_program_got_does_not_stop_a_start(postgres: EmbeddedPostgres):
    postgres.start()
    pid_file = postgres.cluster / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    postgres.stop()
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:], ""]))
    assert ask(postgres.start(), "SELECT 1") == 1


def test_a_start_that_was_killed_while_it_made_the_cluster_is_made_again(postgres: EmbeddedPostgres):
    postgres.launch()
    half = postgres.home / "data.new"
    wait_until((half / "PG_VERSION").exists, "initdb is at work")
    assert postgres.server.process
    postgres.server.process.kill()
    postgres.server.process.wait()
    wait_until(lambda: not processes_naming(str(half)), "initdb is gone")
    assert not postgres.cluster.exists()
    assert ask(postgres.start(), "SELECT 1") == 1


def test_a_server_that_cannot_start_says_why_in_one_line(postgres: EmbeddedPostgres):
    postgres.start()
    postgres.stop()
    (postgres.cluster / "PG_VERSION").write_text("9.6\n")
    with pytest.raises(ServerFailed, match=r"PostgreSQL did not start: .*9\.6") as failure:
        postgres.start()
    assert "\n" not in str(failure.value)


def test_nothing_of_the_callers_postgres_settings_reaches_the_server(
    postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
):
    for name, value in {"PGPORT": "1", "PGDATA": "/nowhere", "PGHOST": "nowhere.example"}.items():
        monkeypatch.setenv(name, value)
    assert ask(postgres.start(), "SHOW port") == "5432"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")
def test_as_root_the_files_stay_roots_and_no_parent_directory_is_opened(postgres: EmbeddedPostgres, data_dir: Path):
    data_dir.mkdir(parents=True)
    data_dir.parent.chmod(0o700)
    postgres.start()
    assert data_dir.parent.stat().st_mode & 0o777 == 0o700
    assert postgres.cluster.stat().st_uid == 0
    assert postgres.server.pid
    assert is_running(postgres.server.pid)
