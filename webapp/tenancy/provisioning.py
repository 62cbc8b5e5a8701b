"""Make, swap and remove the schemas of workspaces: the acts that need the owner's sign-in, never a person's request."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg import errors, sql
from sqlalchemy import Engine

from webapp.kernel.db import APP_ROLE, TenantRef
from webapp.kernel.errors import N_, Conflict, NotFound
from webapp.tenancy.schema import tenant_revisions, tenant_script
from webapp.tenancy.statements import driver_of, run_statements


class SlugTaken(Conflict):
    """Another workspace has this short name."""

    code = "slug_taken"
    message = N_("Another workspace is already called %(slug)s. Choose another short name.")


def create_tenant(
    engine: Engine,
    *,
    tenant_id: UUID,
    slug: str,
    name: str,
    base_currency: str,
    at: datetime,
    is_demo: bool = False,
    time_zone: str = "UTC",
    fill: Callable[[psycopg.Connection[Any], TenantRef], None] | None = None,
) -> TenantRef:
    """Make a workspace with its role and schema in one transaction.

    Raises SlugTaken.
    """
    tenant = TenantRef(tenant_id)
    revision = tenant_revisions().needed()
    with engine.begin() as connection:
        driver = driver_of(connection)
        try:
            driver.execute(
                "INSERT INTO platform.tenant (id, slug, name, schema_revision, base_currency, is_demo, created_at,"
                " time_zone) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
                (tenant_id, slug, name, revision, base_currency, is_demo, at, time_zone),
            )
        except errors.UniqueViolation:
            raise SlugTaken(slug=slug) from None
        make_role(driver, tenant)
        fill_schema(driver, tenant.schema, tenant_script(tenant.schema, tenant_id, revision))
        if fill is not None:
            fill(driver, tenant)
    return tenant


def make_role(driver: psycopg.Connection[Any], tenant: TenantRef) -> None:
    """Make the role that alone enters a workspace's schema."""
    role = sql.Identifier(tenant.schema).as_string()
    run_statements(
        driver,
        [
            f"CREATE ROLE {role} NOLOGIN NOINHERIT",
            f"GRANT {role} TO {APP_ROLE} WITH INHERIT FALSE, SET TRUE",
        ],
    )


def fill_schema(driver: psycopg.Connection[Any], schema: str, statements: Iterable[str]) -> None:
    """Make an empty schema and run a script in it."""
    name = sql.Identifier(schema).as_string()
    run_statements(
        driver, [f"CREATE SCHEMA {name}", f"SET LOCAL search_path = {name}, pg_catalog, pg_temp", *statements]
    )


def swap_schema(driver: psycopg.Connection[Any], tenant: TenantRef, *, new: str, aside: str) -> None:
    """Put a new schema in the place of a workspace's own, which is kept as `aside` and which nobody enters any more.

    Its mark must be locked by then (ACCESS EXCLUSIVE): who waits for it finds the new one.
    """
    role, old, come = (sql.Identifier(name).as_string() for name in (tenant.schema, aside, new))
    run_statements(
        driver,
        [
            f"ALTER SCHEMA {role} RENAME TO {old}",
            f"ALTER SCHEMA {come} RENAME TO {role}",
            *(f"REVOKE ALL ON ALL {kind} IN SCHEMA {old} FROM {role}" for kind in ("TABLES", "SEQUENCES", "ROUTINES")),
            f"REVOKE ALL ON SCHEMA {old} FROM {role}",
        ],
    )


def name_aside(tenant: TenantRef, at: datetime) -> str:
    """Return the name under which the schema of before a restore is kept."""
    return f"{_aside(tenant)}{at:%Y%m%d%H%M%S}"


def _aside(tenant: TenantRef) -> str:
    return f"before_{tenant.id.hex}_"


def kept_aside(driver: psycopg.Connection[Any], tenant: TenantRef) -> list[str]:
    """Return the names of the schemas of before a restore, oldest first (at most 1,000)."""
    rows = driver.execute(
        "SELECT nspname FROM pg_namespace WHERE starts_with(nspname, %s) ORDER BY nspname LIMIT 1000", (_aside(tenant),)
    )
    return [row[0] for row in rows]


def drop_aside(driver: psycopg.Connection[Any], tenant: TenantRef) -> list[str]:
    """Drop the schemas of before a restore for good and return their names."""
    names = kept_aside(driver, tenant)
    run_statements(driver, [f"DROP SCHEMA {sql.Identifier(name).as_string()} CASCADE" for name in names])
    return names


def remove_tenant(engine: Engine, *, slug: str, erase_at: datetime | None = None) -> None:
    """Drop a workspace for good: its schema, its role and every platform row that names it.

    With `erase_at` only if it is still to be erased then.
    Raises NotFound.
    """
    with engine.begin() as connection:
        driver = driver_of(connection)
        row = driver.execute(
            "DELETE FROM platform.tenant"
            " WHERE slug = %(slug)s AND (%(at)s::timestamptz IS NULL OR erase_at = %(at)s) RETURNING id",
            {"slug": slug, "at": erase_at},
        ).fetchone()
        if row is None:
            raise NotFound(N_("There is no workspace called %(slug)s."), slug=slug)
        drop_aside(driver, TenantRef(row[0]))
        role = sql.Identifier(TenantRef(row[0]).schema).as_string()
        run_statements(driver, [f"DROP SCHEMA {role} CASCADE", f"DROP ROLE {role}"])
