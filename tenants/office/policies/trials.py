"""Try a version before it decides: single requests, and the recorded decisions asked again."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from tenants.office.policies import queries
from tenants.office.policies.commands import found_store
from tenants.office.policies.point import Point
from tenants.office.policies.queries import DecisionView, StoreView, VersionView
from tenants.office.policies.rules import REPLAY_MAX, WORKSPACE, Answer, Code, Question, State
from tenants.office.policies.shape import Misfit
from tenants.office.policies.versions import EntitiesDoNotFit
from tenants.office.policies.workspace import WorkspacePoint
from webapp.access.engine import FactsRefused
from webapp.kernel.errors import NotFound

CHANGES_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Trial:
    """What a version answers to one request, and which conditions kept its policies from permitting."""

    version: int
    answer: Answer
    missing: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Changed:
    """A recorded decision that the version tried would make otherwise."""

    decision: DecisionView
    answer: Answer
    because: str
    """`policies`: the active version still decides as recorded; `entities`: it would decide otherwise too by now."""


@dataclass(frozen=True, slots=True)
class Replay:
    """How the recorded decisions would turn out; `changed` are the newest 200 that change."""

    version: int
    asked: int
    newly_permitted: int
    newly_denied: int
    changed: tuple[Changed, ...]


def try_request(*, session: Session, slug: str, question: Question, number: int | None = None) -> Trial:
    """Ask a version one request, the active one when none is named; nothing is recorded.

    Raises NotFound, EntitiesDoNotFit.
    """
    store = found_store(session=session, slug=slug)
    version = _wanted(session, store, number)
    point = _point(session, store, version)
    answer = point.decide(question)
    missing = () if answer.permit or answer.code is not Code.NOT_PERMITTED else tuple(point.missing(question))
    return Trial(version.number, answer, missing)


def replay(*, session: Session, slug: str, number: int | None = None) -> Replay:
    """Ask a version (the draft when none is named) the last 10,000 recorded decisions again, with today's entities.

    Raises NotFound, EntitiesDoNotFit.
    """
    store = found_store(session=session, slug=slug)
    if number is None and store.draft is None:
        raise NotFound
    version = _wanted(session, store, number or store.draft)
    recorded = queries.replayable(session=session, store_id=store.id, limit=REPLAY_MAX)
    answers = _answers(_point(session, store, version), recorded)
    changed = [(one, new) for one, new in zip(recorded, answers, strict=True) if one.permit is not new.permit]
    shown = changed[:CHANGES_SHOWN]
    active = queries.version_in_state(session=session, store_id=store.id, state=State.ACTIVE)
    today = _answers(_point(session, store, active), [one for one, _new in shown]) if active else []
    return Replay(
        version.number,
        len(recorded),
        sum(new.permit for _one, new in changed),
        sum(one.permit for one, _new in changed),
        tuple(
            Changed(one, new, "policies" if not today or today[place].permit is one.permit else "entities")
            for place, (one, new) in enumerate(shown)
        ),
    )


def _answers(point: Point | WorkspacePoint, recorded: Sequence[DecisionView]) -> list[Answer]:
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
    answers = point.decide_many(asked, keep=False)
    return [answers[place] for place in which]


def _wanted(session: Session, store: StoreView, number: int | None) -> VersionView:
    version = (
        queries.version_in_state(session=session, store_id=store.id, state=State.ACTIVE)
        if number is None
        else queries.version(session=session, store_id=store.id, number=number)
    )
    if version is None:
        raise NotFound
    return version


def _point(session: Session, store: StoreView, version: VersionView) -> Point | WorkspacePoint:
    if store.slug == WORKSPACE:
        return WorkspacePoint(session, version.policies)
    entities = queries.entities(session=session, store_id=store.id)
    try:
        return Point(schema=version.schema, policies=version.policies, entities=entities)
    except (Misfit, FactsRefused) as error:
        raise EntitiesDoNotFit(number=version.number, reason=str(error)) from error
