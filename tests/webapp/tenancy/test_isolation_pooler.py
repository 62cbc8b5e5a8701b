"""PgBouncer in transaction mode between application and server: a binding is over when its transaction is."""

from collections.abc import Iterator

import pytest
from sqlalchemy import text
from sqlalchemy.engine import URL

from tests.pooler import SERVER_CONNECTIONS, database_of, pgbouncer
from tests.webapp.tenancy.mutation import mutate
from tests.webapp.tenancy.stage import Stage
from tests.webapp.tenancy.test_isolation_binding import bound_reads, unbound_reads, what_stays
from tests.webapp.tenancy.test_isolation_interleaving import interleave
from webapp.kernel import db
from webapp.kernel.db import Database

pytestmark = pytest.mark.pgbouncer


@pytest.fixture(scope="module")
def address(stage: Stage) -> Iterator[URL]:
    """Run PgBouncer."""
    with pgbouncer(stage.app.extensions["comptoir"].settings) as url:
        yield url


@pytest.fixture
def pooled(stage: Stage, address: URL) -> Iterator[Database]:
    """Let the application go through PgBouncer, with more clients than there are server connections."""
    with database_of(stage.app, address, pool_size=8) as database:
        yield database


def other_clients(database: Database) -> list[str]:
    """Return as whom other clients act that never said so."""
    found = []
    connections = [database.engine.connect() for _ in range(SERVER_CONNECTIONS * 3)]
    for connection in connections:
        found += connection.scalars(text("SELECT current_user::text")).all()
        connection.rollback()
        connection.close()
    return [user for user in found if user != db.APP_ROLE]


def test_a_binding_is_not_seen_by_other_clients(stage: Stage, pooled: Database):
    assert what_stays(stage) == []
    assert other_clients(pooled) == []
    assert unbound_reads(stage) == []
    assert bound_reads(stage) == []


def test_threads_that_share_connections_see_only_their_own(stage: Stage, pooled: Database):
    answers, leaks = interleave(stage, pooled, 500)
    assert leaks == []
    assert answers["200"] >= 400


def test_a_build_that_binds_by_set_turns_red(stage: Stage, pooled: Database, monkeypatch: pytest.MonkeyPatch):
    mutate(monkeypatch, db.bind_tenant, "SET LOCAL", "SET")
    with pooled.tenant(stage.b.workspace.ref) as session:
        session.execute(text("SELECT 1"))
        # Committed here, this client still has its connection to PgBouncer, not the server's.
        session.connection().connection.driver_connection.commit()
        assert other_clients(pooled)
