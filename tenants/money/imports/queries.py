"""Reads of imports and their rows; amounts in minor units; always bounded."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import Session

from tenants.money.imports import sealing
from tenants.money.imports.models import Import, ImportRow
from tenants.money.imports.rules import WORKING, RowState, State, shown_state
from tenants.money.ledger import queries as ledger_queries
from tenants.money.ledger.queries import EntryView
from webapp.jobs import queries as job_queries
from webapp.jobs.queries import JobView
from webapp.kernel.db import bound_tenant, on_platform


@dataclass(frozen=True, slots=True)
class ImportView:
    """One import. `state` is the one to show: a job that was given up makes it failed until it is tried again."""

    id: int
    account_id: int
    state: str
    file_name: str
    size_bytes: int
    kind: str | None
    format: str | None
    encoding: str | None
    header: list[str]
    header_fingerprint: str | None
    mapping: dict[str, Any] | None
    mapping_by: str | None
    accounts: list[dict[str, Any]]
    publish_auto: bool
    job_id: UUID | None
    created_at: datetime
    created_by: UUID
    changed_at: datetime
    published_at: datetime | None
    rows_total: int
    rows_new: int
    rows_duplicate: int
    rows_doubtful: int
    rows_wrong: int
    rows_ignored: int
    rows_skipped: int
    rows_merged: int
    rows_published: int
    stated_balances: list[dict[str, Any]]
    error_code: str | None
    error_params: dict[str, Any]
    job: JobView | None = None

    @property
    def is_working(self) -> bool:
        """Tell whether a job is at work on it."""
        return self.state in WORKING


@dataclass(frozen=True, slots=True)
class RowView:
    """One row of a statement with what became of it."""

    position: int
    line: int
    raw: str
    state: str
    reason: str | None
    params: dict[str, Any] | None
    account_id: int | None
    day: date | None
    value_day: date | None
    amount: int | None
    currency: str | None
    counterparty: str
    description: str
    bank_id: str | None
    account_label: str | None
    match_entry_id: int | None
    category_id: int | None
    suggested_id: int | None
    suggestion_percent: int | None
    decided_by: UUID | None
    match: EntryView | None = None


_IMPORT_NAMES = tuple(ImportView.__dataclass_fields__.keys() - {"job", "accounts", "stated_balances"})
_IMPORT = (*(getattr(Import, name) for name in _IMPORT_NAMES), Import.accounts_sealed, Import.balances_sealed)
_ROW_NAMES = tuple(RowView.__dataclass_fields__.keys() - {"match", "raw", "account_label"})
_SILENT = sealing.Said("", None)
_ROW = (*(getattr(ImportRow, name) for name in _ROW_NAMES), ImportRow.label)


def imported(*, session: Session, import_id: int) -> ImportView | None:
    """Return one import, with its job while one is at work."""
    row = session.execute(select(*_IMPORT).where(Import.id == import_id)).first()
    return None if row is None else _with_jobs(session, [_import_view(session, row)])[0]


def account_of(*, session: Session, import_id: int) -> int | None:
    """Return the account into which an import goes."""
    return session.scalar(select(Import.account_id).where(Import.id == import_id))


def imports(
    *,
    session: Session,
    limit: int,
    before: tuple[datetime, int] | None = None,
    within: Collection[int] | None = None,
) -> list[ImportView]:
    """Return at most `limit` imports, newest first, older than `before`; into accounts `within` these."""
    query = select(*_IMPORT).order_by(Import.created_at.desc(), Import.id.desc()).limit(limit)
    if before is not None:
        query = query.where(tuple_(Import.created_at, Import.id) < before)
    if within is not None:
        query = query.where(Import.account_id.in_(within))
    return _with_jobs(session, [_import_view(session, row) for row in session.execute(query).all()])


def _import_view(session: Session, row: Any) -> ImportView:
    values, (accounts, balances) = dict(zip(_IMPORT_NAMES, row, strict=False)), row[-2:]
    opened = partial(sealing.opened_list, session=session, import_id=values["id"])
    return ImportView(
        **values,
        accounts=opened(column="accounts", kept=accounts),
        stated_balances=opened(column="balances", kept=balances),
    )


def _with_jobs(session: Session, views: list[ImportView]) -> list[ImportView]:
    ids = {view.job_id for view in views if view.is_working and view.job_id is not None}
    if not ids:
        return views
    tenant = bound_tenant(session)
    with on_platform(session):
        jobs = {key: job_queries.job(session=session, job_id=key, tenant_id=tenant.id) for key in ids}
    return [_as_shown(view, jobs.get(view.job_id)) if view.job_id in ids else view for view in views]


def _as_shown(view: ImportView, job: JobView | None) -> ImportView:
    if job is None or job.state not in {"parked", "cancelled"}:
        return replace(view, job=job)
    if job.state == "cancelled":
        return replace(view, job=job, state=State.CANCELLED.value)
    return replace(view, job=job, state=State.FAILED.value, error_code="job_parked", error_params={})


def rows(*, session: Session, view: ImportView, limit: int, state: str | None = None, after: int = 0) -> list[RowView]:
    """Return at most `limit` rows of an import in the file's order, after a position; of one state if named."""
    query = (
        select(*_ROW)
        .where(ImportRow.import_id == view.id, ImportRow.position > after)
        .order_by(ImportRow.position)
        .limit(limit)
    )
    if state is not None:
        stored = _stored_state(state, view)
        if stored is None:
            return []
        query = query.where(ImportRow.state == stored)
        if stored != RowState.NEW:
            query = query.where(ImportRow.state != RowState.NEW.value)
    return _with_matches(session, _row_views(session, view, session.execute(query).all()))


def row(*, session: Session, view: ImportView, position: int) -> RowView | None:
    """Return one row."""
    query = select(*_ROW).where(ImportRow.import_id == view.id, ImportRow.position == position)
    found = session.execute(query).first()
    return None if found is None else _with_matches(session, _row_views(session, view, [found]))[0]


def _row_views(session: Session, view: ImportView, found: Sequence[Any]) -> list[RowView]:
    rows = [dict(zip(_ROW_NAMES, row, strict=False)) for row in found]
    positions = [row["position"] for row in rows]
    texts = dict(sealing.said(session=session, import_id=view.id, positions=positions))
    labels = {one["label_id"]: one["label"] for one in view.accounts if one["label_id"] is not None}
    return [
        RowView(
            **row
            | {
                "state": shown_state(row["state"], view.state),
                "raw": said.raw,
                "params": said.params if row["params"] is None else row["params"],
                "account_label": labels.get(one.label),
            }
        )
        for row, one in zip(rows, found, strict=True)
        for said in (texts.get(row["position"], _SILENT),)
    ]


def _stored_state(state: str, view: ImportView) -> str | None:
    """Return the stored state behind a shown one; None if no row of this import can be in it."""
    for stored in RowState:
        if shown_state(stored.value, view.state) == state:
            return stored.value
    return None


def _with_matches(session: Session, views: list[RowView]) -> list[RowView]:
    ids = list({view.match_entry_id for view in views if view.match_entry_id is not None})
    found = {entry.id: entry for entry in ledger_queries.entries_by_id(session=session, ids=ids)}
    return [replace(view, match=found.get(view.match_entry_id)) if view.match_entry_id else view for view in views]


@dataclass(frozen=True, slots=True)
class Left:
    """How many entries an undone import left in the books: still to be settled, kept, and reversed since."""

    waiting: int = 0
    kept: int = 0
    reversed: int = 0


def left(*, session: Session, views: Sequence[ImportView]) -> dict[int, Left]:
    """Return what became of the entries that stayed when these imports were undone; none for those that left none."""
    ids = [view.id for view in views if view.state == State.REVERSED and view.rows_published]
    if not ids:
        return {}
    query = (
        select(
            ImportRow.import_id,
            func.count().filter(ImportRow.reason == "left"),
            func.count().filter(ImportRow.reason == "kept"),
            func.count().filter(ImportRow.reason == "reversed"),
        )
        .where(ImportRow.import_id.in_(ids), ImportRow.state == RowState.LEFT.value)
        .group_by(ImportRow.import_id)
    )
    return {key: Left(*counts) for key, *counts in session.execute(query)}


def attention_count(*, session: Session) -> int:
    """Return how many imports wait for a person."""
    query = select(func.count()).where(Import.state.in_([State.NEEDS_MAPPING.value, State.REVIEW.value]))
    return session.scalar(query) or 0


def latest_on(*, session: Session, account_ids: list[int]) -> dict[int, datetime]:
    """Return when each account's newest statement was published."""
    query = (
        select(Import.account_id, func.max(Import.published_at))
        .where(Import.account_id.in_(account_ids), Import.published_at.is_not(None))
        .group_by(Import.account_id)
    )
    return {found[0]: found[1] for found in session.execute(query) if found[1] is not None}
