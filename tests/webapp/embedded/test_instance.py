"""One data directory: its lock, its format, its secret, and servers for a command."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from redis import Redis

from tests.conftest import MASTER
from tests.webapp.embedded.conftest import processes_naming
from webapp.embedded.instance import DataDirInUse, DataDirNewer, DataDirUnusable, Instance
from webapp.embedded.postgres import EmbeddedPostgres
from webapp.embedded.valkey import EmbeddedValkey

HOLD_THE_LOCK = """
    import sys
    from webapp.embedded.instance import Instance
    instance = Instance(sys.argv[1], {})
    instance.prepare()
    instance.lock()
    print("held", flush=True)
    sys.stdin.read()
"""
RUN_THE_SERVERS = """
    import sys
    from pathlib import Path
    from webapp.embedded.instance import Instance
    instance = Instance(sys.argv[1], {})
    instance.prepare()
    instance.lock()
    postgres, valkey = instance.postgres, instance.valkey
    print(postgres.start(), valkey.start(), flush=True)
    sys.stdin.read()
"""


def make_cluster(data_dir: Path) -> None:
    """Make a cluster, so that a command finds one that is migrated (a new one would be migrated first)."""
    instance = Instance(data_dir, {})
    instance.prepare()
    postgres = EmbeddedPostgres(data_dir, fast=True)
    postgres.start()
    postgres.stop()


def test_a_new_directory_is_private_and_knows_its_format(data_dir: Path):
    Instance(data_dir, {}).prepare()
    assert data_dir.stat().st_mode & 0o777 == 0o700
    assert (data_dir / "VERSION").read_text() == "1\n"


def test_the_secret_is_made_once_and_is_readable_by_its_owner_only(data_dir: Path):
    instance = Instance(data_dir, {})
    instance.prepare()
    secret = instance.secret_key()
    assert len(secret) >= 60
    assert Instance(data_dir, {}).secret_key() == secret
    assert (data_dir / "secret").stat().st_mode & 0o777 == 0o600


def test_a_directory_of_a_newer_version_is_left_alone(data_dir: Path):
    data_dir.mkdir(parents=True)
    (data_dir / "VERSION").write_text("2\n")
    with pytest.raises(DataDirNewer, match=r"from a newer Comptoir .*upgrade Comptoir, or choose another folder"):
        Instance(data_dir, {}).prepare()


@pytest.mark.parametrize("damage", [b"", b"one", b"\xff\xfe"])
def test_a_directory_whose_version_is_damaged_is_left_alone(data_dir: Path, damage: bytes):
    data_dir.mkdir(parents=True)
    (data_dir / "VERSION").write_bytes(damage)
    with pytest.raises(DataDirUnusable, match="VERSION file is damaged"):
        Instance(data_dir, {}).prepare()


def test_a_file_in_place_of_the_directory_is_refused_in_one_line(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataDirUnusable, match=r"cannot be used .*choose another folder with --data-dir") as failure:
        Instance(tmp_path / "file", {}).prepare()
    assert "\n" not in str(failure.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_directory_without_rights_is_refused_in_one_line(tmp_path: Path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(DataDirUnusable, match="Permission denied"):
            Instance(tmp_path / "data", {}).prepare()
    finally:
        tmp_path.chmod(0o700)


def test_two_instances_never_share_a_directory(data_dir: Path, second_python: Callable[..., Any]):
    child = second_python(HOLD_THE_LOCK, data_dir)
    assert child.stdout.readline() == "held\n"
    instance = Instance(data_dir, {})
    with pytest.raises(DataDirInUse, match=rf"in use by another instance \(process {child.pid}\)"):
        instance.lock()
    child.kill()
    child.wait()
    instance.lock()
    instance.unlock()


def test_a_command_uses_the_servers_of_the_running_instance(data_dir: Path, second_python: Callable[..., Any]):
    child = second_python(RUN_THE_SERVERS, data_dir)
    dsn, url = child.stdout.readline().split()
    with Instance(data_dir, {}).servers(valkey=True) as settings:
        assert (settings.database_url, settings.redis_url) == (dsn, url)
        assert settings.secret_key == Instance(data_dir, {}).secret_key()
        assert settings.mode == "embedded"
    assert EmbeddedPostgres(data_dir).running_dsn() == dsn
    assert EmbeddedValkey(data_dir).running_url() == url


def test_a_command_starts_postgres_for_its_own_time_when_nothing_runs(data_dir: Path):
    make_cluster(data_dir)
    with Instance(data_dir, {}).servers() as settings:
        with psycopg.connect(settings.database_url) as session:
            assert session.execute("SELECT 1").fetchone() == (1,)
        assert EmbeddedValkey(data_dir).running_url() is None
    assert processes_naming(str(data_dir)) == []


def test_a_command_gets_valkey_only_when_it_asks(data_dir: Path):
    make_cluster(data_dir)
    with Instance(data_dir, {}).servers(valkey=True) as settings, Redis.from_url(settings.redis_url) as client:
        assert client.ping()
    assert processes_naming(str(data_dir)) == []


def test_a_command_that_fails_leaves_no_server(data_dir: Path):
    make_cluster(data_dir)
    with pytest.raises(RuntimeError, match="in the command"), Instance(data_dir, {}).servers():
        raise RuntimeError("in the command")
    assert processes_naming(str(data_dir)) == []
    Instance(data_dir, {}).lock()


def test_given_addresses_and_a_given_secret_win(data_dir: Path, tmp_path: Path):
    servers = tmp_path / "given"
    postgres, valkey = EmbeddedPostgres(servers, fast=True), EmbeddedValkey(servers)
    try:
        environ = {
            "COMPTOIR_DATABASE_URL": postgres.start(),
            "COMPTOIR_REDIS_URL": valkey.start(),
            "COMPTOIR_SECRET_KEY": "k" * 40,
            "COMPTOIR_MASTER_KEYS": MASTER,
        }
        with Instance(data_dir, environ).servers(valkey=True) as settings:
            assert settings.database_url == environ["COMPTOIR_DATABASE_URL"]
            assert settings.redis_url == environ["COMPTOIR_REDIS_URL"]
            assert settings.secret_key == environ["COMPTOIR_SECRET_KEY"]
        assert sorted(re.sub(r"\..*", "", path.name) for path in data_dir.iterdir()) == ["VERSION"]
    finally:
        postgres.stop()
        valkey.stop()
