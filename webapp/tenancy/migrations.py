"""Bring a whole installation to the newest revision: the database, the platform's schema, every tenant's."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from uuid import UUID

import psycopg
from psycopg import errors, sql
from sqlalchemy import Engine

from webapp.kernel.db import TenantRef, owner_engine
from webapp.settings import Settings
from webapp.tenancy.preparation import PATIENCE, TRIES_MAX, is_current, newer, prepare_database
from webapp.tenancy.schema import ContractWaits, Revisions, UnknownRevision, tenant_revisions
from webapp.tenancy.statements import driver_of, literal, run_statements

MIGRATION_THREADS = 2


@dataclass(frozen=True, slots=True)
class MigrationResult:
    """What became of one schema: `error` is empty when it reached `revision`."""

    name: str
    revision: str
    error: str = ""


def migrate(
    settings: Settings,
    *,
    report: Callable[[MigrationResult], None] = lambda _result: None,
    contract: bool = False,
) -> list[MigrationResult]:
    """Prepare the database and migrate every tenant that is behind; return what became of each of those.

    When nothing is to do, that is seen by one query. With `contract`, migrations that take away what older versions
    use run too. Raises UnknownRevision, ContractWaits.
    """
    if not contract and is_current(settings.database_url, settings.secret_key):
        return []
    engine = owner_engine(settings.database_url)
    try:
        prepare_database(engine, settings.secret_key, contract=contract)
        return migrate_tenants(engine, report=report, contract=contract)
    finally:
        engine.dispose()


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
        driver = driver_of(connection)
        fit = {chain.head()} if contract else set(chain.suits())
        behind = driver.execute(
            "SELECT id, slug, schema_revision FROM platform.tenant WHERE NOT schema_revision = ANY(%s)"
            " ORDER BY created_at",
            (list(fit | newer(driver, chain)),),
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
                driver = driver_of(connection)
                run_statements(
                    driver,
                    [
                        *PATIENCE,
                        f"SET LOCAL search_path = {schema}, pg_catalog, pg_temp",
                        *statements,
                        literal("UPDATE _tenant_marker SET revision = {}", head),
                        literal("UPDATE platform.tenant SET schema_revision = {} WHERE id = {}", head, str(tenant.id)),
                    ],
                )
        except errors.LockNotAvailable as error:
            problem = str(error).splitlines()[0]
        except psycopg.Error as error:
            return MigrationResult(slug, head, str(error).splitlines()[0])
        else:
            return MigrationResult(slug, head)
    return MigrationResult(slug, head, problem)
