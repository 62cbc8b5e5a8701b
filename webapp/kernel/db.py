"""The database: one transaction per unit of work, bound to the platform or to one tenant, never to a connection.

`comptoir_app` signs in and may do nothing. A unit of work takes one role with `SET LOCAL` inside its transaction; when the
transaction ends the role is gone, whatever the pool or PgBouncer does with the connection.
"""

import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import Engine, MetaData, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker

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
    """Return an engine that signs in as the owner of the schemas: for migrations, provisioning and the doctor."""
    url = make_url(owner_url).set(drivername="postgresql+psycopg")
    return create_engine(url, pool_size=pool_size, max_overflow=4, pool_pre_ping=True)


_RESET = (
    "RESET SESSION AUTHORIZATION",
    "RESET ALL",
    "CLOSE ALL",
    "UNLISTEN *",
    "SELECT pg_advisory_unlock_all()",
    "DISCARD TEMP",
)
"""What DISCARD ALL does, but for the plans: they hold no tenant's data and are dear to make again."""


class Database:
    """The pool of the application role and the two ways to use it."""

    def __init__(
        self,
        url: URL | str,
        *,
        pool_size: int = 12,
        pooler: bool = False,
        tenants_per_connection: int = 200,
    ) -> None:
        connect_args: dict[str, Any] = {"prepare_threshold": None} if pooler else {"prepare_threshold": 3}
        self.engine = create_engine(
            url,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=10,
            pool_pre_ping=True,
            pool_reset_on_return=None,
            pool_use_lifo=True,
            connect_args=connect_args,
        )
        self._tenants_per_connection = tenants_per_connection
        self._sessions = sessionmaker(self.engine, expire_on_commit=False, autoflush=False)
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


def bind_platform(session: Session) -> None:
    """Give the open transaction the platform's role (again)."""
    with _driver(session).pipeline():
        _driver(session).execute(f"SET LOCAL ROLE {PLATFORM_ROLE}".encode())
        _driver(session).execute(b"SET LOCAL search_path = platform, pg_catalog, pg_temp")
    session.info["tenant"] = None


def bind_tenant(session: Session, tenant: TenantRef) -> None:
    """Give the open transaction one tenant's role and schema, and check that the schema is that tenant's.

    Raises NotBoundError when the schema's marker names another tenant.
    """
    name = tenant.schema
    driver = _driver(session)
    with driver.pipeline():
        driver.execute(f"SET LOCAL ROLE {name}".encode())
        driver.execute(f"SET LOCAL search_path = {name}, pg_catalog, pg_temp".encode())
        marker = driver.execute(b"SELECT tenant_id FROM _tenant_marker")
    row = marker.fetchone()
    if row is None or row[0] != tenant.id:
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
        if session.is_active and not _driver(session).closed:
            bind_tenant(session, tenant)


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


def _reset(connection: Any, record: Any, state: Any) -> None:
    """Leave nothing of a session on a connection that goes back to the pool."""
    if state.terminate_only:
        return
    connection.rollback()
    if record is not None and record.info.pop("worn", False):
        record.invalidate()
        return
    connection.autocommit = True
    with connection.pipeline():
        for statement in _RESET:
            connection.execute(statement)
    connection.autocommit = False
