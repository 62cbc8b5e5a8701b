"""The SQL that migrations send, and the ready scripts, hold against squawk and pgspot; faulty ones do not."""

import subprocess
from pathlib import Path
from uuid import UUID

import pytest

from webapp.tenancy.preparation import PATIENCE
from webapp.tenancy.schema import Revisions, platform_revisions, platform_script, tenant_revisions, tenant_script

TOOLS = Path(__file__).resolve().parents[2] / ".tools/ops/bin"
CHAINS = {"platform": platform_revisions(), "tenant": tenant_revisions()}
NOT_FOR_US = {
    "require-concurrent-index-creation": "a workspace migrates in one transaction, and is alone behind its own locks",
    "require-concurrent-index-deletion": "the same",
    "prefer-robust-stmts": "a migration happens as a whole or not at all",
    "prefer-bigint-over-int": "an integer is chosen where a number stays small",
}
KNOWN = {
    "PS001": "search_path is the workspace's schema before pg_catalog, and nobody else may write there",
    "PS005": "the same: no function here has the rights of somebody else",
    "PS010": "the owner makes the schema in a database that nobody else may make one in",
    "PS016": "as PS001",
    "PS017": "as PS001",
}


def squawk(statements: list[str], path: Path) -> subprocess.CompletedProcess[str]:
    path.write_text(";\n".join([*PATIENCE, *statements]) + ";\n", encoding="utf-8")
    words = [TOOLS / "squawk", "--pg-version", "17", "--assume-in-transaction", "--exclude", ",".join(NOT_FOR_US), path]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def pgspot(statements: list[str], path: Path) -> subprocess.CompletedProcess[str]:
    path.write_text(";\n".join(statements) + ";\n", encoding="utf-8")
    ignored = [word for code in KNOWN for word in ("--ignore", code)]
    return subprocess.run([TOOLS / "pgspot", *ignored, path], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.line("deploy.lint")
def test_what_migrations_send_locks_nobody_out(name: str, tmp_path: Path):
    chain: Revisions = CHAINS[name]
    done = squawk(chain.statements("0001"), tmp_path / "chain.sql")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "fault",
    [
        "ALTER TABLE entry ALTER COLUMN description TYPE varchar(9)",
        "ALTER TABLE entry ADD COLUMN added text NOT NULL",
        "ALTER TABLE entry RENAME COLUMN description TO words",
        "ALTER TABLE entry ADD CONSTRAINT long CHECK (length(description) < 9)",
        "DROP TABLE entry",
    ],
)
@pytest.mark.line("deploy.lint")
def test_a_migration_that_locks_out_or_breaks_the_version_before_is_found(fault: str, tmp_path: Path):
    assert squawk([fault], tmp_path / "fault.sql").returncode == 1
    assert squawk(["ALTER TABLE entry ADD COLUMN added text"], tmp_path / "sound.sql").returncode == 0


@pytest.mark.line("deploy.lint")
def test_the_ready_scripts_open_no_way_in(tmp_path: Path):
    tenant = tenant_script("t_x", UUID(int=1), tenant_revisions().head())
    into = ["CREATE SCHEMA t_x", "SET search_path = t_x, pg_catalog, pg_temp"]
    for script in (platform_script(), [*into, *tenant]):
        done = pgspot(script, tmp_path / "script.sql")
        assert "Errors: 0 Warnings: 0 Unknown: 0" in done.stdout, done.stdout
    fault = "CREATE FUNCTION t_x.f() RETURNS int LANGUAGE sql SECURITY DEFINER AS $$ SELECT 1 $$"
    assert "PS003" in pgspot([fault], tmp_path / "fault.sql").stdout
