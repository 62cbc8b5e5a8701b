"""Every place where something sealed lies, of the platform and of a workspace."""

import importlib
import pkgutil
from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import cache
from uuid import UUID

from sqlalchemy.orm import Session

from webapp.kernel.db import Database, PlatformBase, TenantBase, TenantRef
from webapp.kernel.sealed import SealedColumn, sealed_columns
from webapp.keys.queries import ScopeKeys

_FLOORS = ("webapp", "tenants")


@cache
def columns(*, of_tenant: bool) -> tuple[SealedColumn, ...]:
    """Return the sealed columns of a workspace's schema, or of the platform's.

    The tables of every room are loaded first, by their names: a room that this process never uses may hold a secret
    as well, and a key must not be retired while one is sealed by it.
    """
    for floor in _FLOORS:
        for module in pkgutil.walk_packages(importlib.import_module(floor).__path__, f"{floor}."):
            if module.name.endswith(".models"):
                importlib.import_module(module.name)
    return tuple(sealed_columns((TenantBase if of_tenant else PlatformBase).metadata))


def bound(database: Database, tenant_id: UUID | None) -> AbstractContextManager[Session]:
    """Return a transaction on a workspace's tables, or on the platform's."""
    return database.platform() if tenant_id is None else database.tenant(TenantRef(tenant_id))


def to_look_at(scopes: list[ScopeKeys]) -> Iterator[tuple[UUID | None, tuple[int, ...]]]:
    """Yield each scope with the old keys that its tables may name.

    A table of the platform may hold what a workspace's key sealed, so the platform is looked at for all of them.
    """
    yield None, tuple(key for one in scopes for key in one.old)
    for one in scopes:
        if one.tenant_id is not None and one.old:
            yield one.tenant_id, one.old
