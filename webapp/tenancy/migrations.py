"""Bring a whole installation to the newest revision: the database, the platform's schema, every tenant's."""

from collections.abc import Callable

from webapp.kernel.db import owner_engine
from webapp.settings import Settings
from webapp.tenancy.provisioning import MigrationResult, is_current, migrate_tenants, prepare_database


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
