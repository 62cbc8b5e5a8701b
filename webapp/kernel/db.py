"""The database: one transaction per unit of work, bound to the platform or to one tenant, never to a connection.

`comptoir_app` signs in and may do nothing. A unit of work takes one role with `SET LOCAL` inside its transaction; when
the transaction ends the role is gone, whatever the pool or PgBouncer does with the connection.
"""

import hmac
import select
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from uuid import UUID

import psycopg
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult
from sqlalchemy import Engine, MetaData, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import InvalidatePoolError, OperationalError
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker

from webapp.kernel.reach import LOST_AFTER_SECONDS, Scout, told_of_lost_lines
from webapp.kernel.trip import trip

APP_ROLE = "comptoir_app"
PLATFORM_ROLE = "comptoir_platform"


class PlatformBase(DeclarativeBase):
    """Tables of the installation; they live in schema `platform`."""

    metadata = MetaData(schema="platform")


class TenantBase(DeclarativeBase):
    """Tables of one tenant; their schema is the search path of the bound transaction."""


class NotBoundError(RuntimeError):
    """The transaction does not belong to the tenant that it was bound to: a fault of ours, never a person's."""


@dataclass(frozen=True, slots=True)
class TenantRef:
    """The key of one tenant's rows: its schema and its role carry the same opaque name."""

    id: UUID

    @property
    def schema(self) -> str:
        """Return the name of the tenant's schema and role, `t_` and 32 hexadecimal digits."""
        return f"t_{self.id.hex}"


def app_url(owner_url: str, secret_key: str) -> URL:
    """Return the address under which web, worker and clock sign in: the owner's server, the role without rights."""
    password = hmac.new(secret_key.encode(), b"database password of comptoir_app", sha256).hexdigest()
    return make_url(owner_url).set(drivername="postgresql+psycopg", username=APP_ROLE, password=password)


def owner_engine(owner_url: str, *, pool_size: int = 4) -> Engine:
    """Return an engine that signs in as the owner of the schemas: for migrations, provisioning and the doctor.

    It prepares no statements: behind PgBouncer they would meet another connection, and migrations make plans stale.
    """
    url = make_url(owner_url).set(drivername="postgresql+psycopg")
    return create_engine(
        url,
        pool_size=pool_size,
        max_overflow=4,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={"prepare_threshold": None, **told_of_lost_lines()},
    )


_RESET = b"; ".join(
    (
        b"RESET SESSION AUTHORIZATION",
        b"RESET ALL",
        b"CLOSE ALL",
        b"UNLISTEN *",
        b"SELECT pg_advisory_unlock_all()",
        b"DISCARD TEMP",
        b"DISCARD SEQUENCES",
    )
)
"""What DISCARD ALL does, but for the plans: they hold no tenant's data and are dear to make again.

One trip of the simple protocol: it runs as one transaction, so all of it is done or the connection is thrown away.
"""


class Database:
    """The pool of the application role and the two ways to use it."""

    def __init__(
        self,
        url: URL | str,
        *,
        pool_size: int = 12,
        pooler: bool = False,
        tenants_per_connection: int = 200,
        lost_after_seconds: int = LOST_AFTER_SECONDS,
    ) -> None:
        connect_args: dict[str, Any] = {
            "prepare_threshold": None if pooler else 3,
            **told_of_lost_lines(lost_after_seconds),
        }
        self.engine = create_engine(
            url,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=10,
            pool_reset_on_return=None,
            pool_use_lifo=True,
            # A refused statement is told without its values: they are people's.
            hide_parameters=True,
            connect_args=connect_args,
        )
        self.keys: Any = None
        """The ring that seals and opens fields (kernel.crypto), where the process has one."""
        self._tenants_per_connection = tenants_per_connection
        self._sessions = sessionmaker(self.engine, expire_on_commit=False, autoflush=False)
        event.listen(self.engine, "do_connect", Scout().connect)
        event.listen(self.engine, "checkout", _refuse_stale)
        event.listen(self.engine, "reset", _reset)

    @contextmanager
    def begin(self) -> Iterator[Session]:
        """Open one transaction that may nothing until it is bound; commit at the end, roll back on an exception."""
        with self._sessions() as session, session.begin():
            session.info["database"] = self
            yield session

    @contextmanager
    def platform(self) -> Iterator[Session]:
        """Open one transaction on the platform's tables."""
        with self.begin() as session:
            bind_platform(session)
            yield session

    @contextmanager
    def tenant(self, tenant: TenantRef) -> Iterator[Session]:
        """Open one transaction on one tenant's tables."""
        with self.begin() as session:
            bind_tenant(session, tenant)
            yield session

    def forget_connections(self) -> None:
        """Drop the pool without closing its sockets: the first act of a forked child."""
        self.engine.dispose(close=False)

    def close(self) -> None:
        """Close every connection of the pool."""
        self.engine.dispose()


@contextmanager
def aside(url: URL) -> "Iterator[psycopg.Connection[Any]]":
    """Open a transaction of the platform on a connection of its own, for what must not wait for the request's.

    It is committed whatever becomes of the request, and needs no connection of the pool, whose last one may be in the
    caller's hands. Raises OperationalError, which the doors know how to answer.
    """
    address = url.set(drivername="postgresql").render_as_string(hide_password=False)
    try:
        with psycopg.connect(address, prepare_threshold=None, **told_of_lost_lines()) as connection:
            connection.execute(f"SET LOCAL ROLE {PLATFORM_ROLE}")
            yield connection
    except psycopg.OperationalError as error:
        raise OperationalError("aside", None, error, connection_invalidated=True) from error


def bind_platform(session: Session) -> None:
    """Give the open transaction the platform's role (again)."""
    _send(session, _BIND_PLATFORM)
    session.info["tenant"] = None


def bind_tenant(session: Session, tenant: TenantRef) -> None:
    """Give the open transaction one tenant's role and schema, and check that the schema is that tenant's.

    Raises NotBoundError when the schema's marker names another tenant.
    """
    name = tenant.schema
    marker = _send(
        session,
        (
            f"SET LOCAL ROLE {name}".encode(),
            f"SET LOCAL search_path = {name}, pg_catalog, pg_temp".encode(),
            b"SELECT tenant_id FROM _tenant_marker",
        ),
    )
    if marker.ntuples != 1 or marker.get_value(0, 0) != str(tenant.id).encode():
        raise NotBoundError(f"schema {name} does not carry the mark of tenant {tenant.id}")
    session.info["tenant"] = tenant
    _count_tenant(session, tenant)


def bound_tenant(session: Session) -> TenantRef:
    """Return the tenant of the open transaction, or raise NotBoundError."""
    tenant = session.info.get("tenant")
    if not isinstance(tenant, TenantRef):
        raise NotBoundError("the transaction is not bound to a tenant")
    return tenant


@contextmanager
def on_platform(session: Session) -> Iterator[Session]:
    """Turn a tenant's transaction to the platform's tables for a moment, so that both change in one commit."""
    tenant = bound_tenant(session)
    bind_platform(session)
    try:
        yield session
    finally:
        # What failed cannot be turned back: it is rolled back, at most to a savepoint that was set as the tenant.
        session.info["tenant"] = tenant
        if (
            session.is_active
            and not session.connection().invalidated
            and _driver(session).pgconn.transaction_status == TransactionStatus.INTRANS
        ):
            bind_tenant(session, tenant)


_BIND_PLATFORM = (
    f"SET LOCAL ROLE {PLATFORM_ROLE}".encode(),
    b"SET LOCAL search_path = platform, pg_catalog, pg_temp",
)


def _send(session: Session, statements: Sequence[bytes]) -> PGresult:
    """Send statements (each one of its own, as Citus asks) in one trip and return the last one's result.

    Every unit of work begins with such a trip, so it is made with libpq's own pipeline; BEGIN travels along.
    Raises OperationalError.
    """
    connection = session.connection()
    pgconn = _driver(session).pgconn
    if pgconn.transaction_status == TransactionStatus.IDLE:
        statements = (b"BEGIN", *statements)
    try:
        results = trip(pgconn, statements)
    except psycopg.Error as error:
        if pgconn.status == ConnStatus.BAD:
            connection.invalidate(error)
        raise OperationalError(
            "bind",
            None,
            error,
            connection_invalidated=connection.invalidated,
        ) from error
    return results[-1]


def _driver(session: Session) -> psycopg.Connection[Any]:
    driver = session.connection().connection.driver_connection
    if not isinstance(driver, psycopg.Connection):
        raise NotBoundError("the session has no psycopg connection")
    return driver


def _count_tenant(session: Session, tenant: TenantRef) -> None:
    """Renew a connection after many tenants: a backend's caches grow with every schema that it touches."""
    database: Database = session.info["database"]
    info = session.connection().connection.info
    seen: set[UUID] = info.setdefault("tenants", set())
    seen.add(tenant.id)
    info["worn"] = len(seen) >= database._tenants_per_connection  # noqa: SLF001 - the same module's class


def _refuse_stale(connection: Any, _record: Any, _proxy: Any) -> None:
    """Renew the pool when a connection ended while it lay there; costs no trip.

    An idle connection has nothing to read unless the server said goodbye or is gone.
    """
    pgconn = connection.pgconn
    if pgconn.status == ConnStatus.OK and pgconn.transaction_status == TransactionStatus.IDLE:
        poll = select.poll()
        poll.register(pgconn.socket, select.POLLIN)
        if not poll.poll(0):
            return
    raise InvalidatePoolError


def _reset(connection: Any, record: Any, state: Any) -> None:
    """Leave nothing of a session on a connection that goes back to the pool."""
    if state.terminate_only:
        return
    connection.rollback()
    if record is not None and record.info.pop("worn", False):
        record.invalidate()
        return
    result = connection.pgconn.exec_(_RESET)
    if connection.pgconn.status == ConnStatus.BAD:
        # The server went away; whoever is next gets a new connection.
        record.invalidate()
        return
    if result.status not in {ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK}:
        raise error_from_result(result)
