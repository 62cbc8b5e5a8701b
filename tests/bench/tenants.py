"""Workspaces by the hundred: making one, finding that nothing is to migrate, adding a column in every one."""

import shutil
import time
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from tests.bench.stage import Stage
from tests.bench.table import middle, percentile, show
from webapp.kernel.db import TenantRef
from webapp.tenancy.migrations import migrate_tenants
from webapp.tenancy.provisioning import create_tenant
from webapp.tenancy.schema import Revisions, tenant_revisions

TENANTS = 500
RUNS = 3
REVISION = """
from alembic import op

revision = "{name}"
down_revision = "{before}"


def upgrade() -> None:
    op.execute("ALTER TABLE entry ADD COLUMN bench_{name} text")
"""


def make(on: Stage) -> tuple[list[TenantRef], list[float]]:
    """Make the workspaces and return how long each took."""
    refs, took = [], []
    for n in range(TENANTS):
        began = time.perf_counter()
        refs.append(
            create_tenant(
                on.owner,
                tenant_id=uuid4(),
                slug=f"bench-{n}",
                name=f"Bench {n}",
                base_currency="EUR",
                at=datetime.now(UTC),
            )
        )
        took.append(time.perf_counter() - began)
    return refs, took


def nothing_to_do(on: Stage) -> tuple[list[float], list[float]]:
    """Return how long a migration without work takes, and one bare query on the same connection."""
    floor, took = [], []
    for _ in range(RUNS + 2):
        began = time.perf_counter()
        with on.owner.connect() as connection:
            connection.exec_driver_sql("SELECT count(*) FROM platform.tenant").scalar()
        floor.append(time.perf_counter() - began)
        began = time.perf_counter()
        migrate_tenants(on.owner)
        took.append(time.perf_counter() - began)
    return floor, took


def add_column(on: Stage, refs: list[TenantRef]) -> tuple[list[float], list[float]]:
    """Return how long it takes to add a column everywhere by a migration, and by bare statements one by one."""
    folder = on.folder / "migrations"
    shutil.copytree(tenant_revisions().directory, folder, ignore=shutil.ignore_patterns("__pycache__"))
    floor, took = [], []
    before = tenant_revisions().head()
    for run in range(RUNS):
        began = time.perf_counter()
        with on.owner.connect() as connection:
            for ref in refs:
                connection.exec_driver_sql(f"ALTER TABLE {ref.schema}.entry ADD COLUMN floor_{run} text")
                connection.commit()
        floor.append(time.perf_counter() - began)
        name = f"bench{run}"
        chain = chain_with(folder, name, before, run)
        began = time.perf_counter()
        results = migrate_tenants(on.owner, chain=chain)
        took.append(time.perf_counter() - began)
        if len(results) < TENANTS or any(result.error for result in results):
            raise RuntimeError(f"{len(results)} results, first problem: {[r for r in results if r.error][:1]}")
        before = name
    return floor, took


def chain_with(folder: Path, name: str, before: str, run: int) -> Revisions:
    """Return a chain with one more revision, in a folder of its own: scripts are read once for each folder."""
    (folder / "versions" / f"29991231_000{run}_{name}.py").write_text(REVISION.format(name=name, before=before))
    copy = folder.parent / f"migrations-{run}"
    shutil.copytree(folder, copy)
    return Revisions("tenant", copy)


def measure(on: Stage) -> None:
    """Run the benches of workspaces."""
    refs, made = make(on)
    floor_noop, noop = nothing_to_do(on)
    floor_column, column = add_column(on, refs)

    def row(label: str, took: list[float], floor: list[float] | None, reach: str) -> list[str]:
        return [
            label,
            f"{middle(took) * 1000:,.1f}",
            f"{percentile(took, 95) * 1000:,.1f}",
            f"{middle(floor) * 1000:,.1f}" if floor else "",
            reach,
        ]

    show(
        f"Workspaces ({TENANTS} of them; medians)",
        ["", "ms", "p95 ms", "floor ms", "reach"],
        [
            row("new workspace", made, None, "< 100 ms"),
            row("migration with nothing to do (floor: one query)", noop, floor_noop, "< 500 ms"),
            row("column added everywhere (floor: bare ALTER)", column, floor_column, "< 5,000 ms"),
        ],
    )
