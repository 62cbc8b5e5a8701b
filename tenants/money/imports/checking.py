"""The first half of an import's work: recognise the file, read it, find what is booked already, count.

Run again from the start after a death: rows are staged in one transaction, so they are all there or none is.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy.orm import Session

from tenants.money.accounts import queries as account_queries
from tenants.money.accounts.rules import CATEGORIES
from tenants.money.imports import account_plan, commands, decisions, duplicates, sealing, staging, suggestions
from tenants.money.imports.models import Import
from tenants.money.imports.readers.lines import StatementError
from tenants.money.imports.readers.mapping import Mapping
from tenants.money.imports.readers.read import Reading, read
from tenants.money.imports.readers.recognise import Recognition
from tenants.money.imports.recognition import Task, check_format, mapping_for, recognise_content
from tenants.money.imports.rules import State
from webapp.jobs.context import JobCancelled, JobContext

BEAT_SECONDS = 0.5
_OPEN = (State.RECEIVED, State.RECOGNISING, State.CHECKING)


class Overtaken(Exception):
    """A person cancelled the import, or read it anew, while this job was at work: its result is not wanted."""


def check(context: JobContext) -> None:
    """Recognise and read the file of an import, up to review, or on to publication if that was asked for."""
    import_id = int(context.arguments["import_id"])
    with closing_on_cancel(context, import_id, State.CANCELLED):
        try:
            task = _begin(context, import_id)
            if task is None:
                return
            recognised = _recognise(context, task)
            if recognised is not None:
                _load(context, task, *recognised)
        except StatementError as error:
            _fail(context, import_id, error.code, error.params)
        except Overtaken:
            return


@contextmanager
def closing_on_cancel(context: JobContext, import_id: int, state: State) -> Iterator[None]:
    """Note on the import that a person stopped its job."""
    try:
        yield
    except JobCancelled:
        with context.begin() as session:
            if _own(session, context, import_id) is not None:
                commands.set_state(session, import_id, context.clock(), state)
        raise


def _own(session: Session, context: JobContext, import_id: int, states: Iterable[str] | None = None) -> Import | None:
    """Lock the import if this job is still the one that works on it."""
    found = commands.lock(session, import_id)
    if found.job_id != context.claim.id or (states is not None and found.state not in set(states)):
        return None
    return found


def _fail(context: JobContext, import_id: int, code: str, params: dict[str, Any]) -> None:
    with context.begin() as session:
        if _own(session, context, import_id, _OPEN) is not None:
            commands.drop_rows(session, import_id)
            commands.set_state(session, import_id, context.clock(), State.FAILED, error_code=code, error_params=params)


def _begin(context: JobContext, import_id: int) -> Task | None:
    with context.begin() as session:
        found = _own(session, context, import_id, _OPEN)
        if found is None:
            return None
        commands.set_state(session, import_id, context.clock(), State.RECOGNISING)
        currency = account_queries.currencies_of(session=session, ids=[found.account_id])[found.account_id]
        chosen = Mapping.from_dict(found.mapping) if found.mapping and found.mapping_by == "person" else None
        encoding = found.encoding if found.mapping_by == "person" else None
        return Task(found.id, found.account_id, currency, found.size_bytes, found.requested_format, encoding, chosen)


def _recognise(context: JobContext, task: Task) -> tuple[Recognition, Mapping | None] | None:
    """Find out what the file is and how to read it; None when a person has to say that first."""
    with context.begin() as session:
        recognition = recognise_content(session, task.id, task.size, task.encoding)
    check_format(recognition, task.requested_format)
    with context.begin() as session:
        if _own(session, context, task.id, _OPEN) is None:
            raise Overtaken
        mapping, shown, by = mapping_for(session, context.clock(), task, recognition)
        by = "person" if task.encoding else by
        waits = mapping is None and recognition.kind in {"csv", "xlsx"}
        commands.set_state(
            session,
            task.id,
            context.clock(),
            State.NEEDS_MAPPING if waits else State.CHECKING,
            kind=recognition.kind,
            format=recognition.format,
            encoding=recognition.encoding,
            header=list(recognition.header)[:200],
            header_fingerprint=recognition.header_fingerprint or None,
            mapping=None if shown is None else shown.to_dict(),
            mapping_by=by,
        )
    return None if waits else (recognition, mapping)


def _load(context: JobContext, task: Task, recognition: Recognition, mapping: Mapping | None) -> None:
    progress = Progress(context, task.size)
    with context.begin() as source, context.begin() as session:
        commands.prepare_long_work(session, fresh_plans=True)
        commands.drop_rows(session, task.id)
        reading = read(
            staging.chunks(session=source, import_id=task.id, read=progress.took),
            recognition,
            mapping=mapping,
            default_currency=task.currency,
            max_rows=context.settings.import_rows_max,
        )
        staged = staging.stage(
            session=session,
            import_id=task.id,
            rows=reading,
            account=(task.account_id, task.currency),
            suggester=_suggester(session),
            told=progress.staged,
        )
        _settle(session, context, task, reading, staged)


def _suggester(session: Session) -> suggestions.Suggester:
    categories = account_queries.accounts(session=session, kinds=[kind.value for kind in CATEGORIES])
    currencies = {one.id: one.currency for one in categories if one.closed_on is None and one.purpose is None}
    return suggestions.suggester(session=session, currencies=currencies)


def _settle(session: Session, context: JobContext, task: Task, reading: Reading, staged: staging.Staged) -> None:
    """Put the rows on their accounts, mark what is booked already, count, and move the import on."""
    planned = account_plan.plan(
        session=session,
        account_id=task.account_id,
        found={
            (label and label[: staging.LABEL_MAX], currency): rows for (label, currency), rows in reading.labels.items()
        },
        label_ids=staged.labels,
    )
    if not account_plan.is_simple(planned, task.account_id, staged.first_label):
        account_plan.place_rows(session=session, import_id=task.id, planned=planned)
    if staged.states["new"]:
        duplicates.mark(session=session, import_id=task.id)
    found = _own(session, context, task.id, _OPEN)
    if found is None:
        raise Overtaken
    at = context.clock()
    total, _, doubtful, wrong = decisions.recount(session=session, import_id=task.id, at=at)
    if not total:
        raise EmptyStatement
    balances = [
        {
            "label": b.account_label,
            "kind": b.kind,
            "day": b.day.isoformat() if b.day else None,
            "minor": b.minor,
            "currency": b.currency,
            "after": b.after,
        }
        for b in reading.balances[:100]
    ]
    commands.set_state(
        session,
        task.id,
        at,
        State.REVIEW,
        accounts_sealed=account_plan.sealed(session=session, import_id=task.id, planned=planned),
        balances_sealed=sealing.sealed_list(session=session, import_id=task.id, column="balances", values=balances),
        rows_published=0,
    )
    if found.publish_auto and not doubtful and not wrong:
        commands.request_publication(
            session=session, actor=context.actor, at=at, new_id=context.new_id, import_id=task.id
        )


class EmptyStatement(StatementError):
    """A file without a single movement."""

    def __init__(self) -> None:
        self.code = "nothing_to_book"
        self.params = {}
        Exception.__init__(self, self.code)


class Progress:
    """Tells the job's row how far the reading is, at most twice a second; the total is estimated from the bytes."""

    def __init__(self, context: JobContext, size: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._context = context
        self._size = size
        self._taken = 0
        self._clock = clock
        self._last = clock()

    def took(self, size: int) -> None:
        """Hear that a piece of the file was taken."""
        self._taken += size

    def staged(self, rows: int) -> None:
        """Hear how many rows were staged. Raises JobCancelled."""
        now = self._clock()
        if now - self._last < BEAT_SECONDS:
            return
        self._last = now
        estimate = max(rows, rows * self._size // max(self._taken, 1))
        self._context.beat(done=rows, total=estimate)
