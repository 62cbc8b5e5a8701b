"""The recorded decisions asked again of a version: at once when they are few, else by a job that says how far it is."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, select, update
from sqlalchemy.orm import Session

from tenants.office.policies import queries
from tenants.office.policies.commands import found_store
from tenants.office.policies.models import PolicyVersion
from tenants.office.policies.queries import DecisionView, StoreView, VersionView
from tenants.office.policies.rules import REPLAY_MAX, Answer, Code, Question, State
from tenants.office.policies.trials import point_of, wanted_version
from tenants.office.policies.versions import EntitiesDoNotFit
from webapp.audit.commands import record
from webapp.jobs import queries as jobs
from webapp.jobs.commands import enqueue
from webapp.jobs.queries import JobView
from webapp.kernel.actor import Actor
from webapp.kernel.db import bound_tenant, on_platform
from webapp.kernel.errors import NotFound

REPLAY = "policies.replay"
CHANGES_SHOWN = 200
AT_ONCE_MAX = 500
"""So many recorded decisions are asked again while their person waits (0.1 s with 1,000 policies)."""
STEP = 500
"""After so many requests a job says how far it is."""

Beat = Callable[[int, int], None]
"""Told how many requests were asked, of how many."""


@dataclass(frozen=True, slots=True)
class Changed:
    """A recorded decision that the version tried would make otherwise."""

    decision: DecisionView
    answer: Answer
    because: str
    """`policies`: the active version still decides as recorded; `entities`: it would decide otherwise too by now."""


@dataclass(frozen=True, slots=True)
class Found:
    """How the recorded decisions would turn out; `changed` are the newest 200 that change and are still kept."""

    asked: int
    newly_permitted: int
    newly_denied: int
    changed: tuple[Changed, ...]


@dataclass(frozen=True, slots=True)
class Replay:
    """The newest replay of a version: when it was asked for, the job that works on it, and what was found.

    `refused` says why the store's entities kept it from being asked, when they did.
    """

    version: int
    asked_at: datetime
    made_at: datetime | None
    job: JobView | None
    found: Found | None
    refused: EntitiesDoNotFit | None

    @property
    def state(self) -> str:
        """Return done, or what its job is: queued, running, parked, cancelled."""
        return "done" if self.made_at is not None else self.job.state if self.job is not None else "cancelled"

    @property
    def is_working(self) -> bool:
        """Tell whether an answer is still to come."""
        return self.state in {"queued", "running"}


def begin(
    *, session: Session, actor: Actor, at: datetime, slug: str, job_id: UUID, number: int | None = None
) -> Replay:
    """Ask a version (the draft when none is named) the last 10,000 recorded decisions again, with today's entities.

    Up to AT_ONCE_MAX are asked now, more by a job; one that works on it already goes on. What it finds is kept with the
    version. Raises NotFound, EntitiesDoNotFit.
    """
    store = found_store(session=session, slug=slug, lock=True)
    if number is None and store.draft is None:
        raise NotFound
    version = wanted_version(session, store, number or store.draft)
    before = replay_of(session=session, store=store, number=version.number)
    if before is not None and before.is_working:
        return before
    is_long = queries.has_many(session=session, store_id=store.id, count=AT_ONCE_MAX)
    told = None if is_long else _told(_find(session, store, version))
    _keep(
        session,
        store,
        version.number,
        replay_job_id=job_id if is_long else None,
        replay_asked_at=at,
        replayed_at=None if is_long else at,
        replay=told,
    )
    if is_long:
        enqueue(
            session=session,
            actor=actor,
            at=at,
            job_id=job_id,
            kind=REPLAY,
            arguments={"store": slug, "number": version.number},
        )
    record(
        session=session,
        actor=actor,
        at=at,
        action="policy_store.replayed",
        object_type="policy_store",
        object_id=slug,
        difference={"version": (None, version.number)},
    )
    found = replay_of(session=session, store=store, number=version.number)
    if found is None:
        raise NotFound
    return found


def finish(
    *, session: Session, clock: Callable[[], datetime], slug: str, number: int, job_id: UUID, beat: Beat
) -> None:
    """Do what a job was asked for; what nobody waits for any more (another text, another replay) is left."""
    try:
        store = found_store(session=session, slug=slug)
        version = wanted_version(session, store, number)
    except NotFound:
        return
    try:
        told = _told(_find(session, store, version, beat))
    except EntitiesDoNotFit as error:
        told = {"refused": error.params["reason"]}
    _keep(session, store, number, job_id, replayed_at=clock(), replay=told)


def replay_of(*, session: Session, store: StoreView, number: int) -> Replay | None:
    """Return the newest replay of a version, if there was one."""
    row = session.execute(
        select(
            PolicyVersion.replay_asked_at, PolicyVersion.replayed_at, PolicyVersion.replay_job_id, PolicyVersion.replay
        ).where(_is(store, number))
    ).first()
    if row is None or row[0] is None:
        return None
    asked_at, made_at, job_id, told = row
    refused = EntitiesDoNotFit(number=number, reason=told["refused"]) if told and "refused" in told else None
    found = _read(session, store, told) if told and refused is None else None
    return Replay(number, asked_at, made_at, _job(session, job_id) if job_id else None, found, refused)


def _keep(session: Session, store: StoreView, number: int, job_id: UUID | None = None, **values: Any) -> None:
    """Write what is known of a version's replay; of a job's only while the version waits for that job."""
    awaited = () if job_id is None else (PolicyVersion.replay_job_id == job_id,)
    session.execute(update(PolicyVersion).where(_is(store, number), *awaited).values(**values))


def _is(store: StoreView, number: int) -> Any:
    return and_(PolicyVersion.store_id == store.id, PolicyVersion.number == number)


def _job(session: Session, job_id: UUID) -> JobView | None:
    tenant = bound_tenant(session)
    with on_platform(session):
        return jobs.job(session=session, job_id=job_id, tenant_id=tenant.id)


def _find(session: Session, store: StoreView, version: VersionView, beat: Beat | None = None) -> Found:
    recorded = queries.replayable(session=session, store_id=store.id, limit=REPLAY_MAX)
    answers = _answers(point_of(session, store, version), recorded, beat)
    changed = [(one, new) for one, new in zip(recorded, answers, strict=True) if one.permit is not new.permit]
    shown = changed[:CHANGES_SHOWN]
    active = queries.version_in_state(session=session, store_id=store.id, state=State.ACTIVE)
    today = _answers(point_of(session, store, active), [one for one, _new in shown]) if active and shown else []
    return Found(
        len(recorded),
        sum(new.permit for _one, new in changed),
        sum(one.permit for one, _new in changed),
        tuple(
            Changed(one, new, "policies" if not today or today[place].permit is one.permit else "entities")
            for place, (one, new) in enumerate(shown)
        ),
    )


def _answers(point: Any, recorded: Sequence[DecisionView], beat: Beat | None = None) -> list[Answer]:
    """Answer each recorded request; equal ones are asked once."""
    places: dict[str, int] = {}
    asked: list[Question] = []
    which = []
    for one in recorded:
        key = json.dumps(
            [one.subject_type, one.subject_id, one.action, one.resource_type, one.resource_id, one.told], sort_keys=True
        )
        if key not in places:
            places[key] = len(asked)
            asked.append(one.question)
        which.append(places[key])
    answers: list[Answer] = []
    for first in range(0, len(asked), STEP):
        answers += point.decide_many(asked[first : first + STEP], keep=False)
        if beat is not None:
            beat(len(answers), len(asked))
    return [answers[place] for place in which]


def _told(found: Found) -> dict[str, Any]:
    """Write what was found. A decision stays in its log, which forgets it in its time; here is only its number."""
    return {
        "asked": found.asked,
        "newly_permitted": found.newly_permitted,
        "newly_denied": found.newly_denied,
        "changed": [
            [one.decision.id, one.answer.code.value, list(one.answer.policies), one.answer.detail, one.because]
            for one in found.changed
        ],
    }


def _read(session: Session, store: StoreView, told: dict[str, Any]) -> Found:
    kept = queries.decisions_by_id(session=session, store_id=store.id, ids=[one[0] for one in told["changed"]])
    changed = tuple(
        Changed(kept[row], Answer(Code(code) is Code.PERMITTED, Code(code), tuple(policies), detail), because)
        for row, code, policies, detail, because in told["changed"]
        if row in kept
    )
    return Found(told["asked"], told["newly_permitted"], told["newly_denied"], changed)
