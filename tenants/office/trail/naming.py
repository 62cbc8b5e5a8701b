"""Who is who in a trail: events name people by their ids, and whoever reads them is told what they are called now."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from uuid import UUID

from sqlalchemy.orm import Session

from tenants.office.trail.rules import accounts_in
from webapp.audit.queries import Search
from webapp.audit.rules import Event
from webapp.identity import queries as identity
from webapp.kernel.actor import SYSTEM
from webapp.kernel.db import on_platform
from webapp.tenancy import queries as tenancy

OF_PEOPLE = frozenset({"person", "member", "sign_in"})
"""Kinds of object whose number is a person's."""
PEOPLE_AT_ONCE = 500


def names_of(*, session: Session, events: Sequence[Event]) -> dict[str, str]:
    """Return what people and invitations of these events are called now, by id: at most 500 people.

    A member of the workspace is called by their address. Of others a workspace reads the name alone: the address that
    somebody took after they left is none of its business. Who is gone has no name here.
    """
    acting = {event.actor_id for event in events if not event.actor_label and event.actor_id != SYSTEM}
    touched = {_id(event.object_id) for event in events if event.object_type in OF_PEOPLE}
    invited = {_id(event.object_id) for event in events if event.object_type == "invitation"}
    wanted, offers = {one for one in acting | touched if one}, {one for one in invited if one}
    if not wanted and not offers:
        return {}
    tenant = session.info.get("tenant")
    with on_platform(session) if tenant else nullcontext():
        people = identity.people(session=session, ids=set(sorted(wanted)[:PEOPLE_AT_ONCE]))
        if tenant is None:
            inside = set(people)
        else:
            inside = {one.person_id for one in tenancy.members(session=session, tenant_id=tenant.id)}
        names = {str(one): person.email if one in inside else person.name for one, person in people.items()}
        names |= tenancy.invited(session=session, ids=offers, tenant_id=tenant.id if tenant else None)
    return names


def accounts_of(*, events: Sequence[Event], asked: Callable[[set[int]], dict[int, str]]) -> dict[str, str]:
    """Return what the accounts of these events are called now, by id, of those that the reader may know of."""
    ids = {int(event.object_id) for event in events if event.object_type == "account" and event.object_id.isdecimal()}
    for event in events:
        ids |= accounts_in(event.difference)
    known = {one for one in ids if 0 < one < 2**63}
    return {str(one): name for one, name in asked(known).items()} if known else {}


def named(*, session: Session, events: Sequence[Event]) -> list[Event]:
    """Return events with the names of who acted, where an event says an id alone."""
    names = names_of(session=session, events=events)
    return [replace(one, actor_label=one.actor_label or names.get(str(one.actor_id), "")) for one in events]


def sought(*, session: Session, search: Search) -> Search:
    """Return a search by id for whom an address or an id names; others are sought by their label."""
    if "@" in search.actor:
        with on_platform(session) if session.info.get("tenant") else nullcontext():
            found = identity.id_by_email(session=session, email=search.actor)
        return replace(search, actor="", actor_id=str(found or NOBODY))
    return replace(search, actor="", actor_id=str(one)) if (one := _id(search.actor)) else search


NOBODY = UUID(int=2**128 - 1)
"""Who did nothing: sought for an address that nobody has."""


def _id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
