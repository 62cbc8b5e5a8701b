"""The models say what the schemas are: no table, column, index or key that only one of them knows."""

import importlib
import pkgutil
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, MetaData

import tenants
import webapp
from tests.cast import Workspace
from webapp.kernel.db import PlatformBase, TenantBase

BY_HAND = {
    "_tenant_marker": "written by provisioning alone",
    "schema_revision": "written by provisioning alone",
    "served_revision": "written by provisioning alone",
    "rate_count": "written by ready texts alone, on the hot path",
    "rate_count_ends": "of that table",
    "idempotency": "written by ready texts alone, on the hot path",
    "entry_words": "an expression over a configuration of text search",
    "posting_amount": "an expression",
}
"""Names that head.sql has and the models leave out, with the reason."""


def every_model() -> None:
    """Import every module that holds tables."""
    for package in (webapp, tenants):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if module.name.endswith(".models"):
                importlib.import_module(module.name)


def differences(owner: Engine, metadata: MetaData, schema: str, *, qualified: bool) -> list[Any]:
    """Compare the models with a schema that provisioning made."""
    every_model()
    with owner.connect() as connection:
        connection.exec_driver_sql(f"SET LOCAL search_path = {schema}")
        if not qualified:
            # The tenant's tables carry no schema, so the search path's schema must be the default one.
            connection.dialect.default_schema_name = schema
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                "include_schemas": qualified,
                "include_name": lambda name, kind, _parents: (
                    kind != "schema" or name == (schema if qualified else None)
                ),
            },
        )
        try:
            return [one for one in compare_metadata(context, metadata) if not _is_by_hand(one)]
        finally:
            connection.dialect.default_schema_name = "public"


def _is_by_hand(difference: Any) -> bool:
    if isinstance(difference, tuple) and difference[0] in {"remove_table", "remove_index"}:
        return difference[1].name in BY_HAND
    return False


def test_the_models_of_a_tenant_are_its_schema(owner: Engine, acme: Workspace) -> None:
    assert differences(owner, TenantBase.metadata, acme.ref.schema, qualified=False) == []


def test_the_models_of_the_platform_are_its_schema(owner: Engine) -> None:
    assert differences(owner, PlatformBase.metadata, "platform", qualified=True) == []


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE entry ADD COLUMN extra text",
        "ALTER TABLE hold DROP COLUMN captured",
        "DROP INDEX hold_account",
        "ALTER TABLE account ALTER COLUMN name DROP NOT NULL",
    ],
)
def test_a_schema_that_drifts_is_noticed(owner: Engine, acme: Workspace, change: str) -> None:
    with owner.begin() as connection:
        connection.exec_driver_sql(f"SET LOCAL search_path = {acme.ref.schema}")
        connection.exec_driver_sql(change)
    assert differences(owner, TenantBase.metadata, acme.ref.schema, qualified=False)
