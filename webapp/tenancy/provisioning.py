"""Make, migrate and remove schemas: the acts that need the owner's sign-in, never a person's request."""

import hmac
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, LiteralString
from uuid import UUID

import psycopg
from psycopg import errors, sql
from sqlalchemy import Engine
from sqlalchemy.engine import make_url

from webapp.kernel.db import APP_ROLE, PLATFORM_ROLE, TenantRef
from webapp.kernel.errors import N_, Conflict, NotFound
from webapp.tenancy.schema import (
    ContractWaits,
    Revisions,
    UnknownRevision,
    platform_revisions,
    platform_script,
    tenant_revisions,
    tenant_script,
)

LOCK_TIMEOUT = "2s"
STATEMENT_TIMEOUT = "60s"
PATIENCE = (f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'", f"SET LOCAL statement_timeout = '{STATEMENT_TIMEOUT}'")
"""A migration waits behind a long transaction no longer than this, and holds up those behind it no longer either."""
TRIES_MAX = 5
MIGRATION_THREADS = 2


class SlugTaken(Conflict):
    """Another workspace has this short name."""

    code = "slug_taken"
    message = N_("Another workspace is already called %(slug)s. Choose another short name.")


@dataclass(frozen=True, slots=True)
class MigrationResult:
    """What became of one schema: `error` is empty when it reached `revision`."""

    name: str
    revision: str
    error: str = ""


def _driver(connection: Any) -> psycopg.Connection[Any]:
    driver: psycopg.Connection[Any] = connection.connection.driver_connection
    return driver


def _run(driver: psycopg.Connection[Any], statements: Iterable[str]) -> None:
    """Send many statements in one trip; each is a statement of its own, as Citus asks."""
    with driver.pipeline():
        for statement in statements:
            driver.execute(statement.encode())


def _literal(statement: LiteralString, *values: str) -> str:
    """Return a statement with its values written in, for statements that travel together."""
    return sql.SQL(statement).format(*map(sql.Literal, values)).as_string()


def _app_password(secret_key: str) -> str:
    return hmac.new(secret_key.encode(), b"database password of comptoir_app", sha256).hexdigest()


def _fingerprint(secret_key: str) -> str:
    """Return what stands in the database once it was prepared with this secret: nothing that leads back to it."""
    return sha256(f"prepared {_app_password(secret_key)}".encode()).hexdigest()


_PLACE = """(SELECT concat(%(mark)s::text, '/', d.oid, '/', to_regrole('comptoir_app')::oid)
    FROM pg_database d WHERE d.datname = current_database())"""
"""How and where a database was prepared: one that was restored elsewhere, or lost its role, is prepared anew."""

_NOTHING_TO_DO = f"""
    WITH fit AS (
        SELECT 'platform' AS chain, unnest(%(platform)s::text[]) AS revision
        UNION SELECT 'tenant', unnest(%(tenant)s::text[])
        UNION SELECT s.chain, s.revision FROM platform.served_revision s
            WHERE (s.chain = 'platform' AND s.former = ANY(%(platform)s))
                OR (s.chain = 'tenant' AND s.former = ANY(%(tenant)s))
    )
    SELECT revision IN (SELECT f.revision FROM fit f WHERE f.chain = 'platform') AND prepared = {_PLACE}
        AND NOT EXISTS (SELECT FROM platform.tenant WHERE schema_revision NOT IN
            (SELECT f.revision FROM fit f WHERE f.chain = 'tenant'))
    FROM platform.schema_revision
"""  # noqa: S608 - the only part that varies is the constant above


def is_current(owner_url: str, secret_key: str) -> bool:
    """Tell by one query whether database, platform and every workspace are as this version wants them."""
    address = make_url(owner_url).set(drivername="postgresql").render_as_string(hide_password=False)
    asked = {
        "platform": platform_revisions().suits(),
        "tenant": tenant_revisions().suits(),
        "mark": _fingerprint(secret_key),
    }
    with psycopg.connect(address, autocommit=True, prepare_threshold=None) as connection:
        try:
            row = connection.execute(_NOTHING_TO_DO, asked).fetchone()
        except (errors.UndefinedTable, errors.InvalidSchemaName, errors.UndefinedColumn):
            return False
    return row == (True,)


def prepare_database(engine: Engine, secret_key: str, *, contract: bool = False) -> None:
    """Make the roles, the revokes of the database and the platform's schema; do nothing where they exist.

    Raises UnknownRevision, ContractWaits.
    """
    for remaining in reversed(range(TRIES_MAX)):
        try:
            _prepare(engine, secret_key, contract=contract)
        except errors.LockNotAvailable:
            if not remaining:
                raise
        else:
            return


def _prepare(engine: Engine, secret_key: str, *, contract: bool) -> None:
    password = _app_password(secret_key)
    with engine.begin() as connection:
        driver = _driver(connection)
        driver.execute("SELECT pg_advisory_xact_lock(hashtext('comptoir prepare'), 0)")
        roles = {row[0] for row in driver.execute("SELECT rolname FROM pg_roles WHERE rolname LIKE 'comptoir%'")}
        if PLATFORM_ROLE not in roles:
            driver.execute(f"CREATE ROLE {PLATFORM_ROLE} NOLOGIN NOINHERIT")
        if APP_ROLE not in roles:
            driver.execute(f"CREATE ROLE {APP_ROLE} LOGIN NOINHERIT")
            driver.execute(f"GRANT {PLATFORM_ROLE} TO {APP_ROLE} WITH INHERIT FALSE, SET TRUE")
            for name, value in (
                ("lock_timeout", "10s"),
                ("statement_timeout", "30s"),
                ("idle_in_transaction_session_timeout", "5min"),
            ):
                driver.execute(f"ALTER ROLE {APP_ROLE} SET {name} = '{value}'")
        driver.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(APP_ROLE), sql.Literal(password)))
        database = sql.Identifier(driver.info.dbname)
        driver.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))
        driver.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, sql.Identifier(APP_ROLE)))
        driver.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
        driver.execute("ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC")
        with suppress(errors.InsufficientPrivilege), driver.transaction():
            # Only a superuser may; the doctor names an installation where this was not possible.
            driver.execute("REVOKE EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) FROM PUBLIC")
        chain = platform_revisions()
        if driver.execute("SELECT to_regnamespace('platform')").fetchone() == (None,):
            _run(driver, platform_script())
            _run(
                driver,
                [
                    "CREATE TABLE platform.schema_revision (revision text NOT NULL, prepared text NOT NULL DEFAULT '')",
                    _literal("INSERT INTO platform.schema_revision VALUES ({})", chain.head()),
                    f"GRANT SELECT ON platform.schema_revision TO {PLATFORM_ROLE}",
                ],
            )
        else:
            for statement in PATIENCE:
                driver.execute(statement)
            driver.execute(_SERVED_TABLE)
            row = driver.execute("SELECT revision FROM platform.schema_revision").fetchone()
            if row is not None and row[0] not in _newer(driver, chain):
                goal = chain.goal(row[0], contract=contract)
                _run(driver, chain.statements(row[0], goal))
                driver.execute("UPDATE platform.schema_revision SET revision = %s", (goal,))
        driver.execute(
            "ALTER TABLE platform.schema_revision ADD COLUMN IF NOT EXISTS prepared text NOT NULL DEFAULT ''"
        )
        driver.execute(
            f"UPDATE platform.schema_revision SET prepared = {_PLACE}",  # noqa: S608 - a constant of ours
            {"mark": _fingerprint(secret_key)},
        )
        _note_served(driver)


_SERVED_TABLE = """
    CREATE TABLE IF NOT EXISTS platform.served_revision (
        chain text NOT NULL, revision text NOT NULL, former text NOT NULL, PRIMARY KEY (chain, revision, former)
    )
"""
"""A schema at `revision` also serves versions that need `former`: so a version knows that a newer schema is fit."""


def _note_served(driver: psycopg.Connection[Any]) -> None:
    """Write down for older versions which of this version's revisions still serve them."""
    driver.execute(_SERVED_TABLE)
    driver.execute(f"GRANT SELECT ON platform.served_revision TO {PLATFORM_ROLE}")
    for chain in (platform_revisions(), tenant_revisions()):
        for revision, former in chain.served():
            driver.execute(
                "INSERT INTO platform.served_revision VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
                (chain.name, revision, former),
            )


def _newer(driver: psycopg.Connection[Any], chain: Revisions) -> set[str]:
    """Return revisions that this version does not know and that serve it nevertheless."""
    rows = driver.execute(
        "SELECT DISTINCT revision FROM platform.served_revision WHERE chain = %s AND former = ANY(%s)",
        (chain.name, chain.suits()),
    )
    return {row[0] for row in rows} - set(chain.suits())


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
        driver = _driver(connection)
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
    _run(
        driver,
        [
            f"CREATE ROLE {role} NOLOGIN NOINHERIT",
            f"GRANT {role} TO {APP_ROLE} WITH INHERIT FALSE, SET TRUE",
        ],
    )


def fill_schema(driver: psycopg.Connection[Any], schema: str, statements: Iterable[str]) -> None:
    """Make an empty schema and run a script in it."""
    name = sql.Identifier(schema).as_string()
    _run(driver, [f"CREATE SCHEMA {name}", f"SET LOCAL search_path = {name}, pg_catalog, pg_temp", *statements])


def run_statements(driver: psycopg.Connection[Any], statements: Iterable[str]) -> None:
    """Run statements of our own scripts where the transaction stands."""
    _run(driver, statements)


def swap_schema(driver: psycopg.Connection[Any], tenant: TenantRef, *, new: str, aside: str) -> None:
    """Put a new schema in the place of a workspace's own, which is kept as `aside` and which nobody enters any more.

    Its mark must be locked by then (ACCESS EXCLUSIVE): who waits for it finds the new one.
    """
    role, old, come = (sql.Identifier(name).as_string() for name in (tenant.schema, aside, new))
    _run(
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
    _run(driver, [f"DROP SCHEMA {sql.Identifier(name).as_string()} CASCADE" for name in names])
    return names


def remove_tenant(engine: Engine, *, slug: str, erase_at: datetime | None = None) -> None:
    """Drop a workspace for good: its schema, its role and every platform row that names it.

    With `erase_at` only if it is still to be erased then.
    Raises NotFound.
    """
    with engine.begin() as connection:
        driver = _driver(connection)
        row = driver.execute(
            "DELETE FROM platform.tenant"
            " WHERE slug = %(slug)s AND (%(at)s::timestamptz IS NULL OR erase_at = %(at)s) RETURNING id",
            {"slug": slug, "at": erase_at},
        ).fetchone()
        if row is None:
            raise NotFound(N_("There is no workspace called %(slug)s."), slug=slug)
        drop_aside(driver, TenantRef(row[0]))
        role = sql.Identifier(TenantRef(row[0]).schema).as_string()
        _run(driver, [f"DROP SCHEMA {role} CASCADE", f"DROP ROLE {role}"])


def migrate_tenants(
    engine: Engine,
    *,
    chain: Revisions | None = None,
    report: Callable[[MigrationResult], None] = lambda _result: None,
    threads: int = MIGRATION_THREADS,
    contract: bool = False,
) -> list[MigrationResult]:
    """Bring every tenant to the revision that this version needs, each in a transaction of its own.

    With `contract`, to the newest. One query when nothing is to do. A tenant that fails does not stop the others; a run
    that was stopped goes on where it was.
    """
    chain = chain or tenant_revisions()
    with engine.connect() as connection:
        driver = _driver(connection)
        fit = {chain.head()} if contract else set(chain.suits())
        behind = driver.execute(
            "SELECT id, slug, schema_revision FROM platform.tenant WHERE NOT schema_revision = ANY(%s)"
            " ORDER BY created_at",
            (list(fit | _newer(driver, chain)),),
        ).fetchall()
    if not behind:
        return []
    scripts = {revision: _script(chain, revision, contract=contract) for revision in {row[2] for row in behind}}

    def one(row: tuple[UUID, str, str]) -> MigrationResult:
        script = scripts[row[2]]
        if isinstance(script, str):
            result = MigrationResult(row[1], row[2], script)
        else:
            result = _migrate_one(engine, TenantRef(row[0]), row[1], *script)
        report(result)
        return result

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(one, behind))


def _script(chain: Revisions, current: str, *, contract: bool) -> tuple[str, list[str]] | str:
    """Return where a migration from a revision leads and its statements, or why there are none."""
    try:
        goal = chain.goal(current, contract=contract)
        return goal, chain.statements(current, goal)
    except (UnknownRevision, ContractWaits) as error:
        return str(error)


def _migrate_one(engine: Engine, tenant: TenantRef, slug: str, head: str, statements: list[str]) -> MigrationResult:
    schema = sql.Identifier(tenant.schema).as_string()
    problem = ""
    for _ in range(TRIES_MAX):
        try:
            with engine.begin() as connection:
                driver = _driver(connection)
                _run(
                    driver,
                    [
                        *PATIENCE,
                        f"SET LOCAL search_path = {schema}, pg_catalog, pg_temp",
                        *statements,
                        _literal("UPDATE _tenant_marker SET revision = {}", head),
                        _literal("UPDATE platform.tenant SET schema_revision = {} WHERE id = {}", head, str(tenant.id)),
                    ],
                )
        except errors.LockNotAvailable as error:
            problem = str(error).splitlines()[0]
        except psycopg.Error as error:
            return MigrationResult(slug, head, str(error).splitlines()[0])
        else:
            return MigrationResult(slug, head)
    return MigrationResult(slug, head, problem)
