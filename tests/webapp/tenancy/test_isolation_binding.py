"""A transaction belongs to one tenant, a connection to nobody: what the database itself refuses."""

from collections.abc import Callable

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from tests.cast import Cast
from tests.pooler import database_of
from tests.webapp.tenancy.mutation import mutate
from tests.webapp.tenancy.stage import Stage
from webapp.kernel import db
from webapp.kernel.db import Database, NotBoundError, TenantRef, bind_platform, bind_tenant

Grant = Callable[..., None]


def readable(session: Session, statements: list[str]) -> list[str]:
    """Return the statements that the session may run; each is tried alone."""
    found = []
    for statement in statements:
        try:
            with session.begin_nested():
                session.execute(text(statement), {}).all()
        except DBAPIError:
            continue
        found.append(statement)
    return found


def secrets_of(stage: Stage) -> list[str]:
    """Return statements that read something of workspace B or of the platform, by every way that was tried."""
    b = stage.b.workspace.ref.schema
    return [
        f"SELECT note FROM {b}.entry",
        f"SELECT count(*) FROM {b}.entry",
        f"SELECT * FROM {b}._tenant_marker",
        f"SELECT nextval('{b}.entry_id_seq')",
        f"SELECT query_to_xml('SELECT note FROM {b}.entry', true, true, '')",
        f"SELECT set_config('role', '{b}', true)",
        f"SELECT set_config('search_path', '{b}', true)",
        f"UPDATE pg_settings SET setting = '{b}' WHERE name = 'role' RETURNING setting",
        "SELECT id FROM platform.person",
        "SELECT slug FROM platform.tenant",
        "CREATE TEMPORARY TABLE entry (note text)",
        "CREATE SCHEMA mine",
    ]


def unbound_reads(stage: Stage) -> list[str]:
    """Return what a transaction can read that was bound to nobody."""
    own = stage.a.workspace.ref.schema
    statements = [*secrets_of(stage), "SELECT note FROM entry", f"SELECT note FROM {own}.entry", "SELECT 1 FROM tenant"]
    with stage.database.begin() as session:
        return readable(session, statements)


def bound_reads(stage: Stage) -> list[str]:
    """Return what a transaction can read beyond the workspace that it is bound to."""
    with stage.database.tenant(stage.a.workspace.ref) as session:
        assert session.scalar(text("SELECT note FROM entry LIMIT 1")) == stage.a.canary
        return readable(session, secrets_of(stage))


def what_stays(stage: Stage) -> list[str]:
    """Return what is left of a binding on its connection after the end of the transaction, committed or not."""
    found = []
    for end in (Session.commit, Session.rollback):
        with stage.database.engine.connect() as connection:
            before = connection.execute(text("SELECT current_user, current_schemas(true)")).one()
            connection.rollback()
            for bind in (lambda one: bind_tenant(one, stage.b.workspace.ref), bind_platform):
                session = Session(bind=connection, info={"database": stage.database})
                bind(session)
                end(session)
                after = connection.execute(text("SELECT current_user, current_schemas(true)")).one()
                connection.rollback()
                if after != before:
                    found.append(f"after {end.__name__}: {after}")
    return found


def traces(database: Database) -> list[str]:
    """Leave on a connection what a careless act could leave, give it back, and return what the next one finds."""
    with database.engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        driver.execute("SET ROLE comptoir_platform")
        driver.execute("SET search_path = platform")
        driver.execute("SET statement_timeout = 12345")
        driver.execute("SELECT pg_advisory_lock(4711)")
        driver.execute("LISTEN gossip")
        driver.execute("DECLARE kept CURSOR WITH HOLD FOR SELECT id FROM person")
        driver.commit()
    with database.engine.connect() as connection:
        rows = connection.execute(
            text("""
                SELECT 'user ' || current_user FROM (VALUES (1)) AS v WHERE current_user <> 'comptoir_app'
                UNION ALL SELECT 'path ' || current_setting('search_path') WHERE current_setting('search_path') ~ 'plat'
                UNION ALL SELECT 'timeout' WHERE current_setting('statement_timeout') = '12345ms'
                UNION ALL SELECT 'lock' FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711
                UNION ALL SELECT 'channel' FROM pg_listening_channels()
                UNION ALL SELECT 'cursor' FROM pg_cursors WHERE name = 'kept'
            """)
        )
        return list(rows.scalars())


def mixed_up(cast: Cast, owner: Engine, database: Database) -> list[str]:
    """Put Bravo's mark into Acme's schema, as a restore under a wrong name would, and return who still enters."""
    with owner.begin() as connection:
        marker = f"{cast.acme.ref.schema}._tenant_marker"
        connection.execute(text(f"UPDATE {marker} SET tenant_id = :id"), {"id": cast.bravo.ref.id})
    try:
        with database.tenant(cast.acme.ref):
            return ["entered a schema with another tenant's mark"]
    except NotBoundError:
        return []
    finally:
        with owner.begin() as connection:
            connection.execute(text(f"UPDATE {marker} SET tenant_id = :id"), {"id": cast.acme.ref.id})


@pytest.fixture
def to_everybody(owner: Engine, stage: Stage) -> object:
    """Grant B's schema to PUBLIC for the time of a test."""
    b = stage.b.workspace.ref.schema
    with owner.begin() as connection:
        connection.execute(text(f"GRANT USAGE ON SCHEMA {b} TO PUBLIC"))
        connection.execute(text(f"GRANT SELECT ON {b}.entry TO PUBLIC"))
    yield
    with owner.begin() as connection:
        connection.execute(text(f"REVOKE ALL ON SCHEMA {b} FROM PUBLIC"))
        connection.execute(text(f"REVOKE ALL ON {b}.entry FROM PUBLIC"))


def test_a_transaction_that_is_bound_to_nobody_reads_nothing(stage: Stage):
    assert unbound_reads(stage) == []


def test_a_bound_transaction_reads_nothing_else(stage: Stage):
    assert bound_reads(stage) == []


def test_a_transaction_of_the_platform_reads_no_workspace(stage: Stage):
    own = stage.a.workspace.ref.schema
    with stage.database.platform() as session:
        assert readable(session, [f"SELECT note FROM {own}.entry", "SELECT note FROM entry"]) == []


def test_a_build_that_grants_to_public_turns_the_reads_red(stage: Stage, to_everybody: None):
    assert unbound_reads(stage)
    assert bound_reads(stage)


def test_a_binding_ends_with_its_transaction(stage: Stage):
    assert what_stays(stage) == []


def test_a_build_that_binds_by_set_turns_red(stage: Stage, monkeypatch: pytest.MonkeyPatch):
    mutate(monkeypatch, db.bind_tenant, "SET LOCAL", "SET")
    try:
        assert what_stays(stage)
    finally:
        stage.database.engine.dispose()


def test_set_local_outside_a_transaction_opens_nothing(stage: Stage):
    with stage.database.engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        driver.autocommit = True
        try:
            driver.execute(f"SET LOCAL ROLE {stage.b.workspace.ref.schema}".encode())
            row = driver.execute("SELECT current_user").fetchone()
        finally:
            driver.autocommit = False
    assert row == ("comptoir_app",)


def test_an_exception_in_a_bound_transaction_leaves_nothing(stage: Stage):
    def fall() -> None:
        with stage.database.tenant(stage.a.workspace.ref) as session:
            session.execute(text("SELECT count(*) FROM entry"))
            raise LookupError

    with pytest.raises(LookupError):
        fall()
    assert unbound_reads(stage) == []


def test_a_connection_is_given_back_clean(stage: Stage):
    with database_of(stage.app, pool_size=1) as database:
        assert traces(database) == []


def test_a_build_without_the_reset_turns_red(stage: Stage, monkeypatch: pytest.MonkeyPatch):
    mutate(monkeypatch, db._reset, "connection.rollback()", "return connection.rollback()")
    with database_of(stage.app, pool_size=1) as database:
        found = traces(database)
        assert {one.partition(" ")[0] for one in found} == {"user", "path", "timeout", "lock", "channel", "cursor"}
        for connection in [database.engine.connect()]:
            connection.invalidate()
            connection.close()


def test_a_schema_with_another_mark_is_not_entered(cast: Cast, owner: Engine, stage: Stage):
    assert mixed_up(cast, owner, stage.database) == []


def test_a_build_without_the_check_of_the_mark_turns_red(
    cast: Cast, owner: Engine, stage: Stage, monkeypatch: pytest.MonkeyPatch
):
    mutate(monkeypatch, db.bind_tenant, "if marker.ntuples != 1 or", "if False and")
    assert mixed_up(cast, owner, stage.database)


def test_a_workspace_that_was_never_made_cannot_be_entered(stage: Stage):
    with pytest.raises(DBAPIError), stage.database.tenant(TenantRef(db.UUID(int=7))):
        pass


def test_the_platform_can_be_visited_and_left_within_one_transaction(stage: Stage):
    with stage.database.tenant(stage.a.workspace.ref) as session:
        with db.on_platform(session):
            assert session.scalar(text("SELECT count(*) FROM tenant")) >= 2
            assert readable(session, ["SELECT note FROM entry"]) == []
        assert session.scalar(text("SELECT note FROM entry LIMIT 1")) == stage.a.canary
        assert readable(session, ["SELECT slug FROM tenant", "SELECT slug FROM platform.tenant"]) == []
