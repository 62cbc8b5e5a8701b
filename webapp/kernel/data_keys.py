"""Wrapped data keys in `platform.data_key`: read and made on a connection of their own.

A ring is asked in the middle of a transaction that is bound to a tenant, may be rolled back, and may hold the pool's
only connection. So it opens another one for the moment, once for each scope and process.
"""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy.engine import URL

from webapp.kernel.db import aside

FIRST = UUID(int=0)
"""The rotation of a key that none has made: the first of its scope."""
PURPOSES = ("seal", "blind")


@dataclass(frozen=True, slots=True)
class Wrapped:
    """One wrapped data key; `tenant_id` is None for the platform's."""

    id: int
    tenant_id: UUID | None
    purpose: str
    master_id: str
    wrapped: bytes = field(repr=False)


def about(tenant_id: UUID | None, purpose: str) -> bytes:
    """Return what is authenticated with a wrapped key, so that no scope can be given another's."""
    return f"comptoir data key/{purpose}/{tenant_id or 'platform'}".encode()


class DataKeys:
    """The table of wrapped data keys."""

    def __init__(self, url: URL) -> None:
        self._url = url

    def read(self, tenant_id: UUID | None) -> list[Wrapped]:
        """Return the keys of a scope that are not retired, oldest first."""
        with aside(self._url) as connection:
            return _read(connection, tenant_id)

    def add(self, keys: list[Wrapped]) -> list[Wrapped]:
        """Keep a scope's first keys, unless another process was quicker, and return those that are there."""
        tenant_id = keys[0].tenant_id
        with aside(self._url) as connection:
            for one in keys:
                connection.execute(
                    "INSERT INTO platform.data_key (tenant_id, purpose, rotation, master_id, wrapped, made_at)"
                    " VALUES (%s, %s, %s, %s, %s, now()) ON CONFLICT (tenant_id, purpose, rotation) DO NOTHING",
                    (tenant_id, one.purpose, FIRST, one.master_id, one.wrapped),
                )
            return _read(connection, tenant_id)


def _read(connection: "psycopg.Connection[Any]", tenant_id: UUID | None) -> list[Wrapped]:
    rows = connection.execute(
        "SELECT id, tenant_id, purpose, master_id, wrapped FROM platform.data_key"
        " WHERE tenant_id IS NOT DISTINCT FROM %s AND retired_at IS NULL ORDER BY id",
        (tenant_id,),
    )
    return [Wrapped(row[0], row[1], row[2], row[3], bytes(row[4])) for row in rows]
