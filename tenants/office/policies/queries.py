"""Reads of policy stores: stores, versions, entities, decisions; every list is bounded."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from tenants.office.policies.models import PolicyDecision, PolicyEntity, PolicyStore, PolicyVersion
from tenants.office.policies.rules import (
    ENTITIES_MAX,
    STORES_MAX,
    VERSIONS_MAX,
    WORKSPACE,
    Code,
    Entity,
    Party,
    Question,
)
from webapp.identity import queries as identity
from webapp.kernel.actor import SYSTEM
from webapp.kernel.db import on_platform

DECISIONS_MAX = 501
SEARCHED_MAX = 500


@dataclass(frozen=True, slots=True)
class StoreView:
    """A store as lists and pages show it."""

    id: int
    slug: str
    name: str
    four_eyes: bool
    log_percent: int
    log_days: int
    revision: int
    created_at: datetime
    created_by: UUID
    active: int | None
    """The number of the active version."""
    draft: int | None


UNMADE = StoreView(
    0, WORKSPACE, "This workspace", False, 100, 30, 0, datetime(1970, 1, 1, tzinfo=UTC), SYSTEM, None, None
)
"""The reserved store before anybody wrote into it: no row, and no version."""


@dataclass(frozen=True, slots=True)
class VersionView:
    """One version of a store, with its texts."""

    number: int
    state: str
    schema: str
    policies: str
    note: str
    created_at: datetime
    created_by: UUID
    changed_at: datetime
    changed_by: UUID
    changes: int
    activated_at: datetime | None
    activated_by: UUID | None
    retired_at: datetime | None


@dataclass(frozen=True, slots=True)
class DecisionView:
    """One recorded decision."""

    id: int
    decision_id: UUID
    at: datetime
    version: int
    subject_type: str
    subject_id: str
    action: str
    resource_type: str
    resource_id: str
    told: dict[str, Any] | None
    permit: bool
    code: str
    policies: list[str]
    microseconds: int
    asked_by: UUID
    request_id: str

    @property
    def question(self) -> Question:
        """Return what was asked."""
        told = self.told or {}
        return Question(
            Party(self.subject_type, self.subject_id, told.get("subject", {})),
            self.action,
            Party(self.resource_type, self.resource_id, told.get("resource", {})),
            told.get("action", {}),
            told.get("context", {}),
        )


@dataclass(frozen=True, slots=True)
class DecisionFilter:
    """What a search through the decisions of a store asks for; empty parts ask for nothing."""

    subject_id: str = ""
    resource_id: str = ""
    action: str = ""
    permit: bool | None = None
    decision_id: UUID | None = None


_ACTIVE = (
    select(PolicyVersion.number)
    .where(PolicyVersion.store_id == PolicyStore.id, PolicyVersion.state == "active")
    .scalar_subquery()
)
_DRAFT = (
    select(PolicyVersion.number)
    .where(PolicyVersion.store_id == PolicyStore.id, PolicyVersion.state == "draft")
    .scalar_subquery()
)
_STORE = (
    PolicyStore.id,
    PolicyStore.slug,
    PolicyStore.name,
    PolicyStore.four_eyes,
    PolicyStore.log_percent,
    PolicyStore.log_days,
    PolicyStore.revision,
    PolicyStore.created_at,
    PolicyStore.created_by,
    _ACTIVE,
    _DRAFT,
)
_VERSION = (
    PolicyVersion.number,
    PolicyVersion.state,
    PolicyVersion.schema,
    PolicyVersion.policies,
    PolicyVersion.note,
    PolicyVersion.created_at,
    PolicyVersion.created_by,
    PolicyVersion.changed_at,
    PolicyVersion.changed_by,
    PolicyVersion.changes,
    PolicyVersion.activated_at,
    PolicyVersion.activated_by,
    PolicyVersion.retired_at,
)
_DECISION = (
    PolicyDecision.id,
    PolicyDecision.decision_id,
    PolicyDecision.at,
    PolicyDecision.version,
    PolicyDecision.subject_type,
    PolicyDecision.subject_id,
    PolicyDecision.action,
    PolicyDecision.resource_type,
    PolicyDecision.resource_id,
    PolicyDecision.told,
    PolicyDecision.permit,
    PolicyDecision.code,
    PolicyDecision.policies,
    PolicyDecision.microseconds,
    PolicyDecision.asked_by,
    PolicyDecision.request_id,
)


def stores(*, session: Session) -> list[StoreView]:
    """Return the stores of the workspace by their short name, the reserved one among them (at most 51)."""
    rows = session.execute(select(*_STORE).order_by(PolicyStore.slug).limit(STORES_MAX + 1))
    found = [StoreView(*row) for row in rows]
    if all(one.slug != WORKSPACE for one in found):
        found.append(UNMADE)
    return sorted(found, key=lambda one: one.slug)


def store(*, session: Session, slug: str) -> StoreView | None:
    """Return one store by its short name; the reserved one is always there."""
    row = session.execute(select(*_STORE).where(PolicyStore.slug == slug)).first()
    if row is None:
        return UNMADE if slug == WORKSPACE else None
    return StoreView(*row)


def versions(
    *, session: Session, store_id: int, before: int | None = None, limit: int = VERSIONS_MAX
) -> list[VersionView]:
    """Return a store's versions, newest first (at most 500)."""
    query = select(*_VERSION).where(PolicyVersion.store_id == store_id)
    if before is not None:
        query = query.where(PolicyVersion.number < before)
    rows = session.execute(query.order_by(PolicyVersion.number.desc()).limit(min(limit, VERSIONS_MAX + 1)))
    return [VersionView(*row) for row in rows]


def version(*, session: Session, store_id: int, number: int) -> VersionView | None:
    """Return one version by its number."""
    return _one_version(
        session, select(*_VERSION).where(PolicyVersion.store_id == store_id, PolicyVersion.number == number)
    )


def version_in_state(*, session: Session, store_id: int, state: str) -> VersionView | None:
    """Return the draft or the active version."""
    return _one_version(
        session, select(*_VERSION).where(PolicyVersion.store_id == store_id, PolicyVersion.state == state)
    )


def _one_version(session: Session, query: Select[Any]) -> VersionView | None:
    row = session.execute(query).first()
    return None if row is None else VersionView(*row)


def last_retired(*, session: Session, store_id: int) -> VersionView | None:
    """Return the version that was active before the present one: where a roll back leads."""
    return _one_version(
        session,
        select(*_VERSION)
        .where(
            PolicyVersion.store_id == store_id,
            PolicyVersion.state == "retired",
            PolicyVersion.retired_at.is_not(None),
        )
        .order_by(PolicyVersion.retired_at.desc(), PolicyVersion.number.desc())
        .limit(1),
    )


def entities(*, session: Session, store_id: int) -> list[Entity]:
    """Return all entities of a store by type and id (at most 20,000)."""
    return _entities(session, select(PolicyEntity).where(PolicyEntity.store_id == store_id), ENTITIES_MAX)


def entity_page(
    *, session: Session, store_id: int, kind: str = "", after: tuple[str, str] | None = None, limit: int = 50
) -> list[Entity]:
    """Return entities of a store by type and id, of one type if named, from a place on (at most 501)."""
    query = select(PolicyEntity).where(PolicyEntity.store_id == store_id)
    if kind:
        query = query.where(PolicyEntity.type == kind)
    if after is not None:
        query = query.where(func.row(PolicyEntity.type, PolicyEntity.id) > func.row(*after))
    return _entities(session, query, min(limit, DECISIONS_MAX))


def _entities(session: Session, query: Select[Any], limit: int) -> list[Entity]:
    columns = query.with_only_columns(
        PolicyEntity.type, PolicyEntity.id, PolicyEntity.attributes, PolicyEntity.parents
    ).order_by(PolicyEntity.type, PolicyEntity.id)
    return [
        Entity(row[0], row[1], row[2], tuple((parent["type"], parent["id"]) for parent in row[3]))
        for row in session.execute(columns.limit(limit))
    ]


def entities_by_type(*, session: Session, store_id: int) -> dict[str, int]:
    """Return how many entities of each type a store has (at most 500 types)."""
    query = (
        select(PolicyEntity.type, func.count())
        .where(PolicyEntity.store_id == store_id)
        .group_by(PolicyEntity.type)
        .order_by(PolicyEntity.type)
        .limit(SEARCHED_MAX)
    )
    return {row[0]: row[1] for row in session.execute(query)}


def replayable(*, session: Session, store_id: int, limit: int) -> list[DecisionView]:
    """Return the newest recorded decisions without the searches, which decide nothing."""
    query = select(*_DECISION).where(PolicyDecision.store_id == store_id, PolicyDecision.code != Code.SEARCHED)
    rows = session.execute(query.order_by(PolicyDecision.id.desc()).limit(limit))
    return [DecisionView(*row) for row in rows]


def has_many(*, session: Session, store_id: int, count: int) -> bool:
    """Tell whether more decisions than these are recorded, at least so many that a replay would take its time."""
    query = select(PolicyDecision.id).where(PolicyDecision.store_id == store_id).offset(count).limit(1)
    return session.execute(query).first() is not None


def decisions_by_id(*, session: Session, store_id: int, ids: Collection[int]) -> dict[int, DecisionView]:
    """Return recorded decisions of a store by their numbers (at most 501); those that were forgotten are left out."""
    query = select(*_DECISION).where(PolicyDecision.store_id == store_id, PolicyDecision.id.in_(ids))
    return {row[0]: DecisionView(*row) for row in session.execute(query.limit(DECISIONS_MAX))}


def decisions(
    *,
    session: Session,
    store_id: int,
    wanted: DecisionFilter | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[DecisionView]:
    """Return recorded decisions of a store, newest first."""
    query = select(*_DECISION).where(PolicyDecision.store_id == store_id)
    wanted = wanted or DecisionFilter()
    if wanted.subject_id:
        query = query.where(PolicyDecision.subject_id == wanted.subject_id)
    if wanted.resource_id:
        query = query.where(PolicyDecision.resource_id == wanted.resource_id)
    if wanted.action:
        query = query.where(PolicyDecision.action == wanted.action)
    if wanted.permit is not None:
        query = query.where(PolicyDecision.permit if wanted.permit else ~PolicyDecision.permit)
    if wanted.decision_id is not None:
        query = query.where(PolicyDecision.decision_id == wanted.decision_id)
    if before is not None:
        query = query.where(PolicyDecision.id < before)
    rows = session.execute(query.order_by(PolicyDecision.id.desc()).limit(limit))
    return [DecisionView(*row) for row in rows]


def names_of(*, session: Session, ids: Iterable[UUID | None]) -> dict[UUID, str]:
    """Return the names of the people who did something, by id."""
    with on_platform(session) as platform:
        found = identity.people(session=platform, ids={one for one in ids if one is not None})
    return {one: person.name or person.email for one, person in found.items()}
