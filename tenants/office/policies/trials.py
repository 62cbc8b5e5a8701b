"""Try a version before it decides: single requests."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from tenants.office.policies import queries
from tenants.office.policies.commands import found_store
from tenants.office.policies.point import Point
from tenants.office.policies.queries import StoreView, VersionView
from tenants.office.policies.rules import WORKSPACE, Answer, Code, Question, State
from tenants.office.policies.shape import Misfit
from tenants.office.policies.versions import EntitiesDoNotFit
from tenants.office.policies.workspace import WorkspacePoint
from webapp.access.engine import FactsRefused
from webapp.kernel.errors import NotFound


@dataclass(frozen=True, slots=True)
class Trial:
    """What a version answers to one request, and which conditions kept its policies from permitting."""

    version: int
    answer: Answer
    missing: tuple[tuple[str, str], ...]


def try_request(*, session: Session, slug: str, question: Question, number: int | None = None) -> Trial:
    """Ask a version one request, the active one when none is named; nothing is recorded.

    Raises NotFound, EntitiesDoNotFit.
    """
    store = found_store(session=session, slug=slug)
    version = wanted_version(session, store, number)
    point = point_of(session, store, version)
    answer = point.decide(question)
    missing = () if answer.permit or answer.code is not Code.NOT_PERMITTED else tuple(point.missing(question))
    return Trial(version.number, answer, missing)


def wanted_version(session: Session, store: StoreView, number: int | None) -> VersionView:
    """Return a version, the active one when none is named; raises NotFound."""
    version = (
        queries.version_in_state(session=session, store_id=store.id, state=State.ACTIVE)
        if number is None
        else queries.version(session=session, store_id=store.id, number=number)
    )
    if version is None:
        raise NotFound
    return version


def point_of(session: Session, store: StoreView, version: VersionView) -> Point | WorkspacePoint:
    """Return a version ready to be asked; raises EntitiesDoNotFit."""
    if store.slug == WORKSPACE:
        return WorkspacePoint(session, version.policies)
    entities = queries.entities(session=session, store_id=store.id)
    try:
        return Point(schema=version.schema, policies=version.policies, entities=entities)
    except (Misfit, FactsRefused) as error:
        raise EntitiesDoNotFit(number=version.number, reason=str(error)) from error
