"""The life of a job: queued, running, done, parked after three deaths, cancelled.

Enqueue in the transaction of the act; everything else on a transaction bound to the platform.
"""

import json
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import ColumnElement, and_, column, delete, exists, func, insert, or_, select, table, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session, aliased

from webapp import __version__
from webapp.jobs.models import Heartbeat, Job
from webapp.jobs.silence import Silence
from webapp.kernel.actor import Actor
from webapp.kernel.crypto import of_platform, ring_of
from webapp.kernel.db import on_platform
from webapp.kernel.errors import N_, Conflict, NotFound, Word

Queue = Literal["default", "imports", "mail"]

ATTEMPTS_MAX = 3
STALE_AFTER = timedelta(seconds=15)
"""A running job that was not heard of for so long has died with its worker."""
AHEAD = timedelta(minutes=1)
"""A moment that lies further ahead than this was noted before the machine's clock was put back."""
REDELIVER_AFTER = timedelta(seconds=4)
"""A delivered job that nobody began for so long is looked for in Valkey, and delivered again if it is not there."""
SWEEP_MAX = 500
FORGET_AFTER = timedelta(hours=1)
"""Heartbeats of processes that ended so long ago are deleted."""

_ARGUMENTS = "job.arguments"
_ADDRESS = re.compile(r"[^\s@<>()\[\]{}'\",;]+@[^\s@<>()\[\]{}'\",;]+")
_TENANT = table("tenant", column("id"), column("suspended_at"), schema="platform")
_OPEN = ~exists().where(_TENANT.c.id == Job.tenant_id, _TENANT.c.suspended_at.is_not(None))
"""Jobs of a suspended workspace wait until it is resumed."""


STATE_WORDS = {
    "queued": N_("waiting"),
    "running": N_("running"),
    "done": N_("done"),
    "failed": N_("failed"),
    "cancelled": N_("cancelled"),
    "parked": N_("parked"),
}
"""A job's state within a sentence."""


class JobOver(Conflict):
    """The job is not in a state in which this can be done."""

    code = "job_over"
    message = N_("The job is %(state)s, so this can no longer be done.")

    def __init__(self, *, state: str) -> None:
        super().__init__(state=Word(STATE_WORDS[state]))


@dataclass(frozen=True, slots=True)
class Claim:
    """A job that this worker runs now."""

    id: UUID
    kind: str
    tenant_id: UUID | None
    arguments: dict[str, Any]
    attempts: int
    started_at: datetime
    """By it a worker that was taken for dead is told from the one that runs the job after it."""
    created_by: UUID
    label: str = ""
    """Who queued it, as they were called then."""
    request_id: str = ""
    """The request in which it was queued; its trail and its log can be read on."""
    source_address: str = ""
    """From where the act came that queued it."""
    trace: str = ""
    """The place in a trace (W3C `traceparent`) from where it was queued; empty without traces."""
    paused: timedelta = timedelta(0)
    """How long it was put off when it last ran; nothing at its first run, and where it was not put off."""


def enqueue(
    *,
    session: Session,
    actor: Actor,
    at: datetime,
    job_id: UUID,
    kind: str,
    arguments: dict[str, Any],
    queue: Queue = "default",
    delay: timedelta = timedelta(0),
) -> UUID:
    """Write a job for the bound tenant (or the platform) in the present transaction; the commit delivers it."""
    tenant = session.info.get("tenant")
    values = {
        "id": job_id,
        "tenant_id": tenant.id if tenant else None,
        "kind": kind,
        "queue": queue,
        "arguments_sealed": _sealed(session, job_id, arguments),
        "state": "queued",
        "attempts": 0,
        "created_at": at,
        "created_by": actor.person_id,
        "created_by_label": actor.label,
        "request_id": actor.request_id,
        "source_address": actor.source_address,
        "trace": session.info.get("trace", ""),
        "available_at": at + delay,
        "progress_done": 0,
    }
    if tenant:
        with on_platform(session):
            session.execute(insert(Job), values)
    else:
        session.execute(insert(Job), values)
    session.info.setdefault("deliver", []).append((queue, job_id))
    return job_id


def claim(*, session: Session, job_id: UUID, at: datetime) -> Claim | None:
    """Begin a job; None if it is over, not due, runs elsewhere, or its workspace is suspended."""
    before = aliased(Job)
    row = session.execute(
        update(Job)
        .where(
            Job.id == job_id,
            before.id == Job.id,
            _is_due(at),
            or_(Job.state == "queued", and_(Job.state == "running", Job.heartbeat_at < at - STALE_AFTER)),
            Job.attempts < ATTEMPTS_MAX,
            _OPEN,
        )
        .values(state="running", attempts=Job.attempts + 1, started_at=at, heartbeat_at=at, error=None)
        .returning(
            Job.id,
            Job.kind,
            Job.tenant_id,
            Job.arguments_sealed,
            Job.attempts,
            Job.started_at,
            Job.created_by,
            Job.created_by_label,
            Job.request_id,
            Job.source_address,
            Job.trace,
            # Its last sign of life was when it was put off.
            func.greatest(before.available_at - before.heartbeat_at, timedelta(0)),
        ),
    ).first()
    if row is None:
        return None
    return Claim(*row[:3], _opened(session, row[0], row[3]), *row[4:])


def _is_due(at: datetime) -> ColumnElement[bool]:
    """Return the condition that a job's time has come.

    What a clock that was ahead has queued to run at once does not wait for that moment to come again.
    """
    from_ahead = and_(Job.created_at > at + AHEAD, Job.available_at <= Job.created_at + AHEAD)
    return or_(Job.available_at <= at, from_ahead)


def _sealed(session: Session, job_id: UUID, arguments: dict[str, Any]) -> bytes:
    """Seal what a job is told: addresses, links that open an account, whatever a letter says."""
    return ring_of(session).seal(json.dumps(arguments).encode(), context=f"{of_platform(_ARGUMENTS)}/{job_id}")


def _opened(session: Session, job_id: UUID, kept: bytes) -> dict[str, Any]:
    context = f"{of_platform(_ARGUMENTS)}/{job_id}"
    found: dict[str, Any] = json.loads(ring_of(session).open(bytes(kept), context=context))
    return found


def _runs(claim: Claim) -> ColumnElement[bool]:
    """Return the condition that a job still runs as it was claimed, and not anew by another worker."""
    return and_(Job.id == claim.id, Job.state == "running", Job.started_at == claim.started_at)


def beat(*, session: Session, claim: Claim, at: datetime, done: int | None = None, total: int | None = None) -> bool:
    """Say that a job is alive and how far it is; return whether it was asked to stop."""
    values: dict[str, Any] = {"heartbeat_at": at}
    if done is not None:
        values["progress_done"] = done
    if total is not None:
        values["progress_total"] = total
    row = session.execute(
        update(Job).where(_runs(claim)).values(values).returning(Job.cancel_requested_at),
    ).first()
    return row is not None and row[0] is not None


def finish(*, session: Session, claim: Claim, at: datetime, state: Literal["done", "cancelled"] = "done") -> None:
    """End a running job."""
    session.execute(
        update(Job).where(_runs(claim)).values(state=state, finished_at=_not_before_it_began(at), heartbeat_at=at),
    )


def _not_before_it_began(at: datetime) -> ColumnElement[datetime]:
    """Return when a job ends: a clock that was put back meanwhile makes no time negative."""
    return func.greatest(at, Job.started_at)


def fail(
    *,
    session: Session,
    claim: Claim,
    at: datetime,
    error: str,
    counts: bool = True,
    delay: timedelta = timedelta(seconds=1),
) -> bool:
    """Note a failure: try again later (2, 4 s) or park after the third; return whether it is parked.

    One that does not count (the database went away) is tried again after `delay`, as if it had not been begun.
    """
    parked = counts and claim.attempts >= ATTEMPTS_MAX
    values: dict[str, Any] = {"error": without_addresses(error)[:2000], "heartbeat_at": at}
    if not counts:
        values |= {
            "state": "queued",
            "attempts": claim.attempts - 1,
            "available_at": at + delay,
            "delivered_at": None,
        }
    elif parked:
        values |= {"state": "parked", "finished_at": _not_before_it_began(at)}
    else:
        values |= {"state": "queued", "available_at": at + timedelta(seconds=2**claim.attempts), "delivered_at": None}
    session.execute(update(Job).where(_runs(claim)).values(values))
    return parked


def without_addresses(error: str) -> str:
    """Return the words of a failure without what may be a person's address: a mail server repeats whom it refuses."""
    return _ADDRESS.sub("…@…", error)


def cancel(*, session: Session, job_id: UUID, tenant_id: UUID | None, at: datetime) -> None:
    """Stop a job: at once if it waits, at its next beat if it runs.

    Raises NotFound, JobOver.
    """
    query = select(Job.state).where(Job.id == job_id)
    if tenant_id is not None:
        query = query.where(Job.tenant_id == tenant_id)
    state = session.scalar(query.with_for_update())
    if state is None:
        raise NotFound
    if state == "queued":
        session.execute(update(Job).where(Job.id == job_id).values(state="cancelled", finished_at=at))
    elif state == "running":
        session.execute(update(Job).where(Job.id == job_id).values(cancel_requested_at=at))
    else:
        raise JobOver(state=state)


def retry(*, session: Session, job_id: UUID, tenant_id: UUID | None, at: datetime) -> None:
    """Give a parked job three more attempts.

    Raises NotFound, JobOver.
    """
    query = select(Job.state, Job.queue).where(Job.id == job_id)
    if tenant_id is not None:
        query = query.where(Job.tenant_id == tenant_id)
    row = session.execute(query.with_for_update()).first()
    if row is None:
        raise NotFound
    if row[0] != "parked":
        raise JobOver(state=row[0])
    session.execute(
        update(Job)
        .where(Job.id == job_id)
        .values(
            state="queued",
            attempts=0,
            available_at=at,
            heartbeat_at=None,
            delivered_at=None,
            finished_at=None,
            error=None,
            cancel_requested_at=None,
        ),
    )
    session.info.setdefault("deliver", []).append((row[1], job_id))


def forget_arguments(*, session: Session, job_id: UUID, keep: tuple[str, ...]) -> None:
    """Drop what a job was told, but for the fields to keep: a letter that was sent needs its one-time link no more."""
    kept = session.scalar(select(Job.arguments_sealed).where(Job.id == job_id).with_for_update())
    if kept is not None:
        left = {name: value for name, value in _opened(session, job_id, kept).items() if name in keep}
        session.execute(update(Job).where(Job.id == job_id).values(arguments_sealed=_sealed(session, job_id, left)))


def forget_jobs(*, session: Session, kind: str, is_about: Callable[[dict[str, Any]], bool]) -> int:
    """Remove the jobs of a kind that were told something about somebody; return how many. Reads them in blocks."""
    last, removed = UUID(int=0), 0
    while True:
        query = select(Job.id, Job.arguments_sealed).where(Job.kind == kind, Job.id > last).order_by(Job.id)
        rows = session.execute(query.limit(SWEEP_MAX)).all()
        found = [row[0] for row in rows if is_about(_opened(session, row[0], row[1]))]
        if found:
            session.execute(delete(Job).where(Job.id.in_(found)))
        removed += len(found)
        if len(rows) < SWEEP_MAX:
            return removed
        last = rows[-1][0]


def sweep(*, session: Session, at: datetime) -> list[tuple[str, UUID]]:
    """Return (queue, id) of jobs to deliver (again) (at most 500)."""
    session.execute(delete(Heartbeat).where(Heartbeat.seen_at < at - FORGET_AFTER))
    due = session.execute(
        select(Job.queue, Job.id)
        .where(
            Job.state == "queued",
            _is_due(at),
            or_(Job.delivered_at.is_(None), Job.delivered_at < at - REDELIVER_AFTER, Job.delivered_at > at + AHEAD),
            _OPEN,
        )
        .order_by(Job.available_at)
        .limit(SWEEP_MAX)
        .with_for_update(skip_locked=True),
    ).all()
    if due:
        session.execute(update(Job).where(Job.id.in_([row[1] for row in due])).values(delivered_at=at))
    return [(row[0], row[1]) for row in due]


def put_back_silent(*, session: Session, silence: Silence, at: datetime) -> int:
    """Queue again, or park, what nobody beat for so long that its worker is dead; return how many (at most 500)."""
    query = select(Job.id, Job.heartbeat_at).where(Job.state == "running").order_by(Job.heartbeat_at).limit(SWEEP_MAX)
    silent = silence.among({row[0]: row[1] for row in session.execute(query)})
    if not silent:
        return 0
    dead = session.execute(
        select(Job.id, Job.attempts)
        .where(Job.state == "running", tuple_(Job.id, Job.heartbeat_at).in_(list(silent.items())))
        .with_for_update(skip_locked=True),
    ).all()
    _bury(session, [(row[0], row[1]) for row in dead], at)
    return len(dead)


def put_back(*, session: Session, job_ids: Collection[UUID], at: datetime) -> int:
    """Take jobs from workers that are known to be dead: queue each again, or park it; return how many still ran."""
    dead = session.execute(
        select(Job.id, Job.attempts).where(Job.id.in_(job_ids), Job.state == "running").with_for_update(),
    ).all()
    _bury(session, [(row[0], row[1]) for row in dead], at)
    return len(dead)


def _bury(session: Session, dead: list[tuple[UUID, int]], at: datetime) -> None:
    """Queue a job whose worker died once more, or park it after the third death."""
    for job_id, attempts in dead:
        values: dict[str, Any] = {"state": "queued", "available_at": at, "heartbeat_at": None, "delivered_at": None}
        if attempts >= ATTEMPTS_MAX:
            values = {
                "state": "parked",
                "finished_at": _not_before_it_began(at),
                "error": "The worker died three times while it ran this job.",
            }
        session.execute(update(Job).where(Job.id == job_id).values(values))


def note_alive(*, session: Session, name: str, kind: Literal["worker", "clock", "web"], at: datetime) -> None:
    """Keep the heartbeat of a process, with its version."""
    query = upsert(Heartbeat).values(name=name, kind=kind, seen_at=at, version=__version__)
    session.execute(query.on_conflict_do_update(index_elements=["name"], set_={"seen_at": at}))
