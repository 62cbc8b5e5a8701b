"""Every place where something sealed lies, of the platform and of a workspace."""

import importlib
import pkgutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from uuid import UUID

from sqlalchemy import Column, Engine, LargeBinary, MetaData, Table, Text
from sqlalchemy.orm import Session

from webapp.kernel.db import Database, PlatformBase, TenantBase, TenantRef
from webapp.kernel.sealed import SealedColumn, sealed_columns
from webapp.keys.queries import ScopeKeys

_FLOORS = ("webapp", "tenants")
_AUDIT_KEY = Table(
    "audit_key", MetaData(schema="platform"), Column("id", Text, primary_key=True), Column("sealed", LargeBinary)
)
BY_HAND = (SealedColumn(_AUDIT_KEY, "sealed", "audit_key.sealed/platform"),)
"""Sealed columns of tables without a model: the key that signs the trail's checkpoints (audit.signing)."""
_ANSWERS = Table("idempotency", MetaData(), Column("key", Text, primary_key=True), Column("body_sealed", LargeBinary))
BY_HAND_OF_TENANT = (SealedColumn(_ANSWERS, "body_sealed", "idempotency.body/tenant/{tenant}/{key}"),)
"""The same of a workspace: answers that are kept for their Idempotency-Key (tenants.idempotency)."""


@cache
def load_tables() -> None:
    """Load the tables of every room, by their names: also of those that this process never uses.

    Any of them may hold a secret, and a key must not be retired while something is sealed by it.
    """
    for floor in _FLOORS:
        for module in pkgutil.walk_packages(importlib.import_module(floor).__path__, f"{floor}."):
            if module.name.endswith(".models"):
                importlib.import_module(module.name)


def columns(*, of_tenant: bool) -> tuple[SealedColumn, ...]:
    """Return the sealed columns of a workspace's schema, or of the platform's."""
    load_tables()
    if of_tenant:
        return (*sealed_columns(TenantBase.metadata), *BY_HAND_OF_TENANT)
    return (*sealed_columns(PlatformBase.metadata), *BY_HAND)


@contextmanager
def bound(database: Database, owner: Engine, tenant_id: UUID | None) -> Iterator[Session]:
    """Open a transaction on a workspace's tables, or on all of the platform's: some of these only the owner reads."""
    if tenant_id is not None:
        with database.tenant(TenantRef(tenant_id)) as session:
            yield session
    else:
        with Session(owner) as session, session.begin():
            session.info["database"] = database
            yield session


def to_look_at(scopes: list[ScopeKeys]) -> Iterator[tuple[UUID | None, tuple[int, ...]]]:
    """Yield each scope with the old keys that its tables may name.

    A table of the platform may hold what a workspace's key sealed, so the platform is looked at for all of them.
    """
    yield None, tuple(key for one in scopes for key in one.old)
    for one in scopes:
        if one.tenant_id is not None and one.old:
            yield one.tenant_id, one.old
