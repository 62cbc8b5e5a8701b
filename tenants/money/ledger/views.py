"""Saved views: searches that a person keeps, shares with the other members, or begins with."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, insert, or_, select, update
from sqlalchemy.orm import Session

from tenants.money.ledger.models import SavedView
from tenants.money.ledger.search import LENGTH_MAX
from webapp.audit.commands import record
from webapp.kernel.actor import Actor
from webapp.kernel.errors import N_, Conflict, FieldError, Invalid, NotFound

NAME_LENGTH_MAX = 100
VIEWS_MAX = 50


class TooManyViews(Conflict):
    """A person keeps so many views at most."""

    code = "too_many_views"
    message = N_("At most %(maximum)s views can be kept. Remove one first.")


@dataclass(frozen=True, slots=True)
class View:
    """A kept search."""

    id: int
    person_id: UUID
    name: str
    query: str
    shared: bool
    is_default: bool


_VIEW = tuple(getattr(SavedView, name) for name in View.__dataclass_fields__)


def views(*, session: Session, person_id: UUID) -> list[View]:
    """Return a person's own views and those that others share, by name (at most 200)."""
    query = select(*_VIEW).where(or_(SavedView.person_id == person_id, SavedView.shared))
    return [View(*row) for row in session.execute(query.order_by(SavedView.name, SavedView.id).limit(4 * VIEWS_MAX))]


def save_view(
    *, session: Session, actor: Actor, at: datetime, name: str, query: str, shared: bool, is_default: bool
) -> int:
    """Keep a search under a name and return its id; a view of the same name is replaced.

    Raises Invalid (name, q), TooManyViews.
    """
    if not name.strip() or len(name) > NAME_LENGTH_MAX or "\x00" in name + query:
        raise Invalid(
            errors=(
                FieldError(
                    "name", "length", N_("A name has 1 to %(maximum)s characters."), {"maximum": NAME_LENGTH_MAX}
                ),
            )
        )
    if len(query) > LENGTH_MAX:
        raise Invalid(
            errors=(FieldError("q", "length", N_("At most %(maximum)s characters."), {"maximum": LENGTH_MAX}),)
        )
    own = SavedView.person_id == actor.person_id
    if is_default:
        session.execute(update(SavedView).where(own).values(is_default=False))
    session.execute(delete(SavedView).where(own, SavedView.name == name))
    if (session.scalar(select(func.count()).where(own)) or 0) >= VIEWS_MAX:
        raise TooManyViews(maximum=VIEWS_MAX)
    view_id = session.execute(
        insert(SavedView)
        .values(person_id=actor.person_id, name=name, query=query, shared=shared, is_default=is_default, created_at=at)
        .returning(SavedView.id),
    ).scalar_one()
    record(
        session=session,
        actor=actor,
        at=at,
        action="view.saved",
        object_type="view",
        object_id=view_id,
        difference={"name": (None, name), "query": (None, query), "shared": (None, shared)},
    )
    return view_id


def remove_view(*, session: Session, actor: Actor, at: datetime, view_id: int) -> None:
    """Remove one of the person's own views.

    Raises NotFound.
    """
    gone = session.execute(
        delete(SavedView)
        .where(SavedView.id == view_id, SavedView.person_id == actor.person_id)
        .returning(SavedView.name),
    ).scalar()
    if gone is None:
        raise NotFound
    record(
        session=session,
        actor=actor,
        at=at,
        action="view.removed",
        object_type="view",
        object_id=view_id,
        difference={"name": (gone, None)},
    )
