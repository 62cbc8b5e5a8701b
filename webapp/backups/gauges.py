"""What Prometheus is told of backups."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from webapp.backups import queries
from webapp.kernel.clock import utc_now
from webapp.kernel.db import Database


def backup_gauges(database: Database) -> Iterator[Metric]:
    """Tell how old the newest backup of the worst workspace is, how many are late, and how many tries have failed."""
    with database.platform() as session:
        found = queries.ages(session=session, at=utc_now())
    yield GaugeMetricFamily(
        "comptoir_backup_age_seconds",
        "Age of the newest backup of the workspace whose newest is oldest",
        value=found.oldest_seconds,
    )
    yield GaugeMetricFamily(
        "comptoir_backup_workspaces_late", "Workspaces without a backup within 26 hours", value=found.late
    )
    yield CounterMetricFamily("comptoir_backup_failures", "Backups of workspaces that failed", value=found.failures)
