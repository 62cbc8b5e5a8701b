"""What a connection carries from one unit of work to the next: nothing, and a dead one is not handed out."""

import os
import socket
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session

from tests.cast import Workspace
from webapp.kernel import reach, trip
from webapp.kernel.db import Database, NotBoundError, TenantRef, app_url, bind_platform, bind_tenant, on_platform
from webapp.settings import Settings


@pytest.fixture
def narrow(settings: Settings, owner: Engine) -> Iterator[Database]:
    """Return a pool of one connection, so that every unit of work gets the one of the unit before."""
    database = Database(app_url(settings.database_url, settings.secret_key), pool_size=1)
    yield database
    database.close()


@pytest.fixture
def almighty(settings: Settings, owner: Engine) -> Iterator[Database]:
    """Return a pool of one connection that may do everything, also what the application's role may not."""
    database = Database(settings.database_url.replace("postgresql://", "postgresql+psycopg://"), pool_size=1)
    yield database
    database.close()


def one(session: Session, statement: str) -> object:
    """Return the one value of a statement."""
    return session.connection().exec_driver_sql(statement).scalar()


def end(owner: Engine, pid: object) -> None:
    """Let the server end a backend, and wait until it is gone."""
    with owner.connect() as connection:
        ended = connection.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid}).scalar()
    assert ended


DIRT = {
    "a role": ("SET ROLE comptoir_platform", "SELECT current_user = session_user"),
    "a search path": ("SET search_path = platform", "SELECT current_setting('search_path') = '\"$user\", public'"),
    "a timeout": ("SET statement_timeout = '7s'", "SELECT current_setting('statement_timeout') <> '7s'"),
    "a setting of our own": (
        "SET app.tenant = 'acme'",
        "SELECT coalesce(current_setting('app.tenant', true), '') = ''",
    ),
    "a temporary table": ("CREATE TEMP TABLE leak AS SELECT 1 AS a", "SELECT to_regclass('pg_temp.leak') IS NULL"),
    "an advisory lock": (
        "SELECT pg_advisory_lock(7)",
        "SELECT count(*) = 0 FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()",
    ),
    "a channel": ("LISTEN news", "SELECT count(*) = 0 FROM pg_listening_channels()"),
    "an open cursor": ("DECLARE c CURSOR WITH HOLD FOR SELECT 1", "SELECT count(*) = 0 FROM pg_cursors"),
}


@pytest.mark.parametrize("kind", DIRT)
def test_nothing_of_a_session_stays_on_a_connection(almighty: Database, kind: str) -> None:
    spoil, is_clean = DIRT[kind]
    with almighty.engine.connect() as connection:
        pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
        connection.exec_driver_sql(spoil)
        connection.commit()
        assert not connection.exec_driver_sql(is_clean).scalar(), "the test itself must leave dirt"
    with almighty.begin() as session:
        assert one(session, "SELECT pg_backend_pid()") == pid
        assert one(session, is_clean)


def test_a_sequence_of_the_unit_before_is_forgotten(almighty: Database, acme: Workspace) -> None:
    with almighty.begin() as session:
        one(session, f"SELECT nextval('{acme.ref.schema}.entry_id_seq')")
    with almighty.begin() as session, pytest.raises(DBAPIError, match="lastval is not yet defined"):
        one(session, "SELECT lastval()")


def test_plans_stay_so_that_they_are_made_once(narrow: Database) -> None:
    for _ in range(5):
        with narrow.platform() as session:
            session.execute(text("SELECT count(*) FROM tenant WHERE slug = :slug"), {"slug": "x"})
    with narrow.platform() as session:
        assert one(session, "SELECT count(*) FROM pg_prepared_statements")


def test_role_and_path_end_with_the_transaction(narrow: Database, acme: Workspace) -> None:
    with narrow.tenant(acme.ref) as session:
        assert one(session, "SELECT current_user::text") == acme.ref.schema
    with narrow.begin() as session:
        assert one(session, "SELECT current_user::text") == "comptoir_app"
        with pytest.raises(DBAPIError, match="does not exist"):
            one(session, "SELECT count(*) FROM account")


def test_a_connection_that_the_server_ended_is_not_handed_out(narrow: Database, owner: Engine) -> None:
    with narrow.platform() as session:
        pid = one(session, "SELECT pg_backend_pid()")
    end(owner, pid)
    with narrow.platform() as session:
        assert one(session, "SELECT pg_backend_pid()") != pid


def test_a_connection_lost_in_the_middle_is_an_error_of_the_database(narrow: Database, owner: Engine) -> None:
    with pytest.raises(OperationalError) as caught, narrow.platform() as session:
        end(owner, one(session, "SELECT pg_backend_pid()"))
        bind_platform(session)
    assert caught.value.connection_invalidated
    with narrow.platform() as session:
        assert one(session, "SELECT 1") == 1


def test_binding_a_tenant_that_does_not_exist_is_refused(narrow: Database) -> None:
    with pytest.raises(OperationalError), narrow.tenant(TenantRef(uuid4())):
        pass
    with narrow.platform() as session:
        assert one(session, "SELECT 1") == 1


def test_a_schema_that_carries_another_mark_is_refused(narrow: Database, owner: Engine, acme: Workspace) -> None:
    with owner.begin() as connection:
        connection.exec_driver_sql(f"UPDATE {acme.ref.schema}._tenant_marker SET tenant_id = gen_random_uuid()")
    with pytest.raises(NotBoundError, match="does not carry the mark"), narrow.tenant(acme.ref):
        pass
    with owner.begin() as connection:
        # Other tests look at the whole installation: leave it sound.
        connection.exec_driver_sql(
            f"UPDATE {acme.ref.schema}._tenant_marker SET tenant_id = %(id)s", {"id": acme.ref.id}
        )


def test_the_error_of_an_act_on_the_platform_is_not_hidden(narrow: Database, acme: Workspace) -> None:
    with (
        pytest.raises(DBAPIError, match="nothing_of_this_name"),
        narrow.tenant(acme.ref) as session,
        on_platform(session),
    ):
        one(session, "SELECT count(*) FROM nothing_of_this_name")


def test_a_refusal_on_the_platform_leaves_the_tenant_bound(narrow: Database, acme: Workspace) -> None:
    with narrow.tenant(acme.ref) as session:
        with pytest.raises(LookupError), on_platform(session):
            raise LookupError
        assert one(session, "SELECT current_user::text") == acme.ref.schema


def test_a_transaction_turns_from_one_tenant_to_another_completely(narrow: Database, acme: Workspace) -> None:
    with narrow.platform() as session:
        bind_tenant(session, acme.ref)
        assert one(session, "SELECT current_user::text || current_schema()") == acme.ref.schema * 2
        bind_platform(session)
        assert one(session, "SELECT current_user::text || ' ' || current_schema()") == "comptoir_platform platform"


def test_a_connection_is_renewed_after_many_tenants(settings: Settings, owner: Engine, acme: Workspace) -> None:
    database = Database(app_url(settings.database_url, settings.secret_key), pool_size=1, tenants_per_connection=1)
    with database.tenant(acme.ref) as session:
        pid = one(session, "SELECT pg_backend_pid()")
    with database.tenant(acme.ref) as session:
        assert one(session, "SELECT pg_backend_pid()") != pid
    database.close()


def test_a_network_that_swallows_everything_is_noticed_within_seconds(narrow: Database) -> None:
    with narrow.platform() as session:
        driver: Any = session.connection().connection.driver_connection
        told = driver.info.get_parameters()
    # Longer than the lock_timeout of the role: a statement that waits for a lock reads nothing, and is not lost.
    assert 10_000 < int(told["tcp_user_timeout"]) <= 15_000
    assert int(told["keepalives_idle"]) + int(told["keepalives_interval"]) * int(told["keepalives_count"]) <= 6


@pytest.fixture
def stuck(narrow: Database) -> Iterator[Database]:
    """Return a pool whose one connection leads to a server that takes what is sent and answers nothing any more."""
    with narrow.platform() as session:
        pgconn: Any = session.connection().connection.driver_connection.pgconn  # type: ignore[union-attr]
    ours, theirs = socket.socketpair()
    with ours, theirs, socket.socket(fileno=os.dup(pgconn.socket)) as kept:
        os.dup2(ours.fileno(), pgconn.socket)
        yield narrow
        kept.close()


def test_a_server_that_is_stuck_holds_nobody_for_long(stuck: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trip, "BIND_SECONDS_MAX", 0.2)
    with pytest.raises(OperationalError, match="did not answer") as caught, stuck.platform():
        pass
    assert caught.value.connection_invalidated
    with stuck.platform() as session:
        assert one(session, "SELECT 1") == 1


def test_while_the_server_is_away_one_caller_tries_and_the_others_are_told() -> None:
    scout, tried, is_slow, go_on = reach.Scout(), [], threading.Event(), threading.Event()

    def connect(**_options: Any) -> str:
        tried.append("once")
        if len(tried) == 1:
            raise psycopg.OperationalError("nobody there")
        is_slow.set()
        assert go_on.wait(10)
        return "a connection"

    def ask() -> Any:
        return scout.connect(SimpleNamespace(connect=connect), None, (), {})

    with pytest.raises(psycopg.OperationalError, match="nobody there"):
        ask()
    found: list[Any] = []
    first = threading.Thread(target=lambda: found.append(ask()))
    first.start()
    assert is_slow.wait(10)
    for _ in range(3):
        with pytest.raises(psycopg.OperationalError, match="another request"):
            ask()
    go_on.set()
    first.join(10)
    assert found == ["a connection"]
    assert ask() == "a connection", "it is there again, for everybody"
    assert len(tried) == 3


@pytest.mark.parametrize("blip", ["long ago", "while others got through"])
def test_one_failed_connection_refuses_a_server_that_is_well_to_nobody(blip: str) -> None:
    at, held, go_on = [0.0], threading.Event(), threading.Event()
    scout = reach.Scout(steady=lambda: at[0])

    def fail(**_options: Any) -> str:
        if blip == "while others got through":
            at[0] += 1
            assert get_through() == "a connection"
        raise psycopg.OperationalError("too many connections for a moment")

    def ask(connect: Any) -> Any:
        return scout.connect(SimpleNamespace(connect=connect), None, (), {})

    def get_through() -> Any:
        return ask(lambda **_options: "a connection")

    def slowly(**_options: Any) -> str:
        held.set()
        assert go_on.wait(10)
        return "a connection"

    with pytest.raises(psycopg.OperationalError, match="for a moment"):
        ask(fail)
    at[0] += 3600 if blip == "long ago" else 1
    first = threading.Thread(target=ask, args=(slowly,))
    first.start()
    try:
        assert held.wait(10)
        assert get_through() == "a connection", "at the same time as another"
    finally:
        go_on.set()
        first.join(10)
