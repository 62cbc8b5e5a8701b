"""What Prometheus is told of the installation: how long seals wait, and whose schema is behind."""

from collections.abc import Iterator
from datetime import datetime

from prometheus_client.core import GaugeMetricFamily, Metric
from sqlalchemy import text

from webapp.audit import queries
from webapp.kernel.clock import utc_now
from webapp.kernel.db import Database, TenantRef
from webapp.tenancy import queries as tenancy
from webapp.tenancy.fitness import unfit_counts

TRAILS_MAX = 50
"""Workspaces whose trails are asked, beside the installation's own: the sealer goes over all of them in one run."""

_COUNTS = text("""
    SELECT count(*) FILTER (WHERE suspended_at IS NULL), count(*) FILTER (WHERE suspended_at IS NOT NULL)
    FROM platform.tenant
""")


def seal_gauges(database: Database) -> Iterator[Metric]:
    """Tell how long the event has waited that has waited longest for its seal."""
    at, waiting = utc_now(), []
    with database.platform() as session:
        waiting.append(queries.oldest_waiting(session=session))
        tenants = tenancy.tenants(session=session, limit=TRAILS_MAX)
    for tenant in tenants:
        with database.tenant(TenantRef(tenant.id)) as session:
            waiting.append(queries.oldest_waiting(session=session))
    yield GaugeMetricFamily(
        "comptoir_audit_seal_lag_seconds",
        "How long the oldest event without a seal has waited",
        value=max((_age(at, one) for one in waiting), default=0.0),
    )


def _age(at: datetime, since: datetime | None) -> float:
    return max(0.0, (at - since).total_seconds()) if since else 0.0


def tenancy_gauges(database: Database) -> Iterator[Metric]:
    """Tell how many workspaces there are, and how many schemas are not as this version needs them."""
    with database.platform() as session:
        open_, suspended = session.execute(_COUNTS).one()
        tenants, platform = unfit_counts(session)
    workspaces = GaugeMetricFamily("comptoir_workspaces", "Workspaces by state", labels=["state"])
    workspaces.add_metric(["open"], open_)
    workspaces.add_metric(["suspended"], suspended)
    behind = GaugeMetricFamily(
        "comptoir_migrations_behind", "Schemas that are not as this version needs them", labels=["chain"]
    )
    behind.add_metric(["platform"], platform)
    behind.add_metric(["tenant"], tenants)
    yield from (workspaces, behind)
