"""What operators measure of the books: counts per workspace and imports by state, for so many workspaces at most."""

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from sqlalchemy import text

from webapp.kernel.db import Database, TenantRef
from webapp.tenancy import queries as tenancy

TENANTS_MAX = 50
"""Workspaces that are counted one by one; the newest beyond are left out, so that a scrape stays cheap."""

_COUNTS = text("""
    SELECT (SELECT count(*) FROM account), (SELECT coalesce(sum(postings), 0) FROM account_balance)
""")
_IMPORTS = text("SELECT state, count(*) FROM import GROUP BY state")


def business_gauges(database: Database) -> Iterator[Metric]:
    """Read the counts; postings come from the kept balances, never from counting the postings themselves."""
    with database.platform() as session:
        tenants = tenancy.tenants(session=session, limit=TENANTS_MAX)
    accounts = GaugeMetricFamily("comptoir_ledger_accounts", "Accounts of a workspace", labels=["workspace"])
    postings = GaugeMetricFamily("comptoir_ledger_postings", "Postings of a workspace", labels=["workspace"])
    states: Counter[str] = Counter()
    for tenant in tenants:
        with database.tenant(TenantRef(tenant.id)) as session:
            counted = session.execute(_COUNTS).one()
            states.update(dict(session.execute(_IMPORTS).all()))  # type: ignore[arg-type] # rows are pairs
        accounts.add_metric([tenant.slug], counted[0])
        postings.add_metric([tenant.slug], int(counted[1]))
    imports = GaugeMetricFamily("comptoir_imports", "Imports by state", labels=["state"])
    for state, number in sorted(states.items()):
        imports.add_metric([state], number)
    yield from (accounts, postings, imports)
