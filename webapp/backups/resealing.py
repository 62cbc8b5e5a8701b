"""Fields of a backup sealed anew, under the keys of the workspace that they now belong to."""

import struct
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from webapp.backups.rules import DamagedBackup
from webapp.kernel.crypto import KeyRing, OpenKeys, Unopenable
from webapp.kernel.data_keys import PURPOSES, Wrapped
from webapp.kernel.sealed import SealedColumn
from webapp.keys.places import columns as sealed_columns


def keys_of(ring: KeyRing, tenant_id: UUID, said: Iterable[dict[str, Any]]) -> OpenKeys:
    """Return the data keys that a backup carries: open, or wrapped by a master key that is known here.

    Raises DamagedBackup, and Unopenable when the master key is another.
    """
    found = OpenKeys()
    for one in said:
        try:
            number, purpose = int(one["id"]), PURPOSES[PURPOSES.index(one["purpose"])]
            if "key" in one:
                key = bytes.fromhex(one["key"])
            else:
                wrapped = Wrapped(number, tenant_id, purpose, str(one["master_id"]), bytes.fromhex(one["wrapped"]))
                key = ring.unwrap(wrapped)
            found.keep(number, purpose, key)
        except (ValueError, KeyError, TypeError, struct.error) as error:
            if isinstance(error, Unopenable):
                raise
            raise DamagedBackup(what=f"keys.json: {error}") from None
    return found


def reseal(*, session: Session, source: OpenKeys, former: UUID, tenant_id: UUID, target: OpenKeys) -> int:
    """Open every sealed field of the schema and seal it for its workspace; return how many there were.

    Raises Unopenable.
    """
    return sum(
        _reseal_column(session, column, source, former, tenant_id, target) for column in sealed_columns(of_tenant=True)
    )


def _reseal_column(
    session: Session, column: SealedColumn, source: OpenKeys, former: UUID, tenant_id: UUID, target: OpenKeys
) -> int:
    table = column.table
    own = {key.name: bindparam(f"own_{key.name}", type_=key.type) for key in table.primary_key}
    changed = [column.name, *([column.blind] if column.blind else [])]
    statement = (
        update(table)
        .where(*(table.c[name] == value for name, value in own.items()))
        .values({name: bindparam(f"new_{name}", type_=table.c[name].type) for name in changed})
    )
    query = select(table).where(table.c[column.name].is_not(None)).order_by(*table.primary_key)
    count = 0
    found = session.execute(query.execution_options(yield_per=column.at_once)).mappings()
    for page in found.partitions(column.at_once):
        values = []
        for row in page:
            plain = source.open_value(bytes(row[column.name]), context=column.context_of(row, former))
            context = column.context_of(row, tenant_id)
            new = {f"own_{name}": row[name] for name in own}
            new[f"new_{column.name}"] = target.seal_value(plain, context=context)
            if column.blind:
                new[f"new_{column.blind}"] = target.marks(column.said(plain.decode()), context=context)[-1]
            values.append(new)
        session.connection().execute(statement, values)
        count += len(values)
    return count
