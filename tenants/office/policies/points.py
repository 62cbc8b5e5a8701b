"""The stores that this process has at hand: read once for each revision, asked with every request.

Whoever activates a version, or changes entities or settings, makes two revisions grow in the same transaction: the
store's, and that of all stores of the workspace. Every request reads the latter with the place of whoever asks, so no
process answers from an older one once that transaction is over, and a store that is at hand costs no trip of its own.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from tenants.office.policies import queries
from tenants.office.policies.point import Point
from tenants.office.policies.rules import WORKSPACE, State
from webapp.kernel.db import bind_tenant
from webapp.kernel.errors import NotFound
from webapp.tenancy.queries import TenantView

STORES_KEPT = 100
"""So many stores one process keeps compiled; the one that was asked longest ago makes room."""
_REVISION = text("SELECT id, revision, log_percent FROM policy_store WHERE slug = :slug")


@dataclass(frozen=True, slots=True)
class Ready:
    """A store as it is at one revision; without an active version there is no point to ask."""

    store_id: int
    revision: int
    log_percent: int
    version: int
    point: Point | None


class Points:
    """The stores of all workspaces that this process was asked about."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[UUID, str], tuple[int, Ready]] = OrderedDict()
        self._lock = threading.Lock()
        self._making: dict[tuple[UUID, str], threading.Lock] = {}

    def ready(self, session: Session, tenant: TenantView, slug: str) -> Ready:
        """Return a store as it is at the workspace's present revision of stores; raises NotFound.

        Only a store that is not at hand is read, and only then the transaction is bound to the workspace. Nothing but
        the guard asks the reserved store, as only the guard knows members, roles and grants.
        """
        key = (tenant.id, slug)
        kept = self._kept.get(key)
        if kept is not None and kept[0] == tenant.stores_revision:
            return kept[1]
        bind_tenant(session, tenant.ref)
        row = session.execute(_REVISION, {"slug": slug}).first() if slug != WORKSPACE else None
        if row is None:
            raise NotFound
        with self._lock:
            making = self._making.setdefault(key, threading.Lock())
        # One thread compiles; the others wait for it rather than do the same.
        with making:
            kept = self._kept.get(key)
            if kept is not None and (kept[1].store_id, kept[1].revision) == (row[0], row[1]):
                found = kept[1]
            else:
                found = self._make(session, row[0], row[1], row[2])
            self._keep(key, tenant.stores_revision, found)
        return found

    def _make(self, session: Session, store_id: int, revision: int, log_percent: int) -> Ready:
        active = queries.version_in_state(session=session, store_id=store_id, state=State.ACTIVE)
        if active is None:
            return Ready(store_id, revision, log_percent, 0, None)
        entities = queries.entities(session=session, store_id=store_id)
        point = Point(schema=active.schema, policies=active.policies, entities=entities)
        return Ready(store_id, revision, log_percent, active.number, point)

    def _keep(self, key: tuple[UUID, str], stores_revision: int, ready: Ready) -> None:
        with self._lock:
            self._kept[key] = stores_revision, ready
            self._kept.move_to_end(key)
            while len(self._kept) > STORES_KEPT:
                gone, _kept = self._kept.popitem(last=False)
                self._making.pop(gone, None)
