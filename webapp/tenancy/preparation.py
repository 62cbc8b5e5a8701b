"""Prepare a database: its roles, what nobody may, the platform's schema and what older versions are told of it."""

import hmac
from contextlib import suppress
from hashlib import sha256
from typing import Any

import psycopg
from psycopg import errors, sql
from sqlalchemy import Engine
from sqlalchemy.engine import make_url

from webapp.kernel.db import APP_ROLE, PLATFORM_ROLE
from webapp.tenancy.schema import Revisions, platform_revisions, platform_script, tenant_revisions
from webapp.tenancy.statements import driver_of, literal, run_statements

LOCK_TIMEOUT = "2s"
STATEMENT_TIMEOUT = "60s"
PATIENCE = (f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'", f"SET LOCAL statement_timeout = '{STATEMENT_TIMEOUT}'")
"""A migration waits behind a long transaction no longer than this, and holds up those behind it no longer either."""
TRIES_MAX = 5


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
        driver = driver_of(connection)
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
            run_statements(driver, platform_script())
            run_statements(
                driver,
                [
                    "CREATE TABLE platform.schema_revision (revision text NOT NULL, prepared text NOT NULL DEFAULT '')",
                    literal("INSERT INTO platform.schema_revision VALUES ({})", chain.head()),
                    f"GRANT SELECT ON platform.schema_revision TO {PLATFORM_ROLE}",
                ],
            )
        else:
            for statement in PATIENCE:
                driver.execute(statement)
            driver.execute(_SERVED_TABLE)
            row = driver.execute("SELECT revision FROM platform.schema_revision").fetchone()
            if row is not None and row[0] not in newer(driver, chain):
                goal = chain.goal(row[0], contract=contract)
                run_statements(driver, chain.statements(row[0], goal))
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


def newer(driver: psycopg.Connection[Any], chain: Revisions) -> set[str]:
    """Return revisions that this version does not know and that serve it nevertheless."""
    rows = driver.execute(
        "SELECT DISTINCT revision FROM platform.served_revision WHERE chain = %s AND former = ANY(%s)",
        (chain.name, chain.suits()),
    )
    return {row[0] for row in rows} - set(chain.suits())
