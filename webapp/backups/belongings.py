"""What of the platform belongs to a workspace, and how much of it comes back with a backup.

People, roles and settings come back; whatever opens a door does not: tokens, invitations, grants, single sign-on.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import errors
from psycopg.types.json import Jsonb
from sqlalchemy.orm import Session

from webapp.access.permissions import Role
from webapp.backups.inspection import Inspected
from webapp.backups.rules import DamagedBackup, NotRestored
from webapp.identity import people as acts
from webapp.identity import queries as identity
from webapp.kernel.actor import Actor
from webapp.kernel.db import TenantRef
from webapp.kernel.errors import N_
from webapp.tenancy import commands as tenancy

ACTOR = Actor.system("restore", via="cli")
_SETTINGS = ("base_currency", "is_demo", "second_factor_roles", "origins")


class NobodyKnown(NotRestored):
    """A workspace into which nobody could go."""

    code = "nobody_known"
    message = N_("None of the backup's owners is known here: name one with --owner.")


def put_back(*, session: Session, found: Inspected, tenant: TenantRef, at: datetime, owner: str) -> int:
    """Write a new workspace's settings, roles and members, as the owner of the schemas; return how many members.

    People are known by their id or their address; who is not is added, without a password.
    Raises NobodyKnown, DamagedBackup.
    """
    former = session.info.get("tenant")
    session.info["tenant"] = None
    try:
        _settings(session, found.platform["tenant"], tenant)
        for role in found.platform["access_role"]:
            _insert(session, "access_role", role | {"tenant_id": str(tenant.id)})
        return _members(session, found, tenant, at, owner)
    except (KeyError, TypeError, ValueError, errors.DataError, errors.IntegrityError) as error:
        raise DamagedBackup(what=f"platform.json: {error}") from None
    finally:
        session.info["tenant"] = former


def _settings(session: Session, said: dict[str, Any], tenant: TenantRef) -> None:
    driver: Any = session.connection().connection.driver_connection
    names = ", ".join(_SETTINGS)
    driver.execute(
        f"UPDATE platform.tenant t SET ({names}) = (SELECT {names} FROM"  # noqa: S608 - names of our own
        " jsonb_populate_record(NULL::platform.tenant, %s)) WHERE id = %s".encode(),
        (Jsonb({name: said[name] for name in _SETTINGS}), tenant.id),
    )


def _insert(session: Session, table: str, row: dict[str, Any]) -> None:
    driver: Any = session.connection().connection.driver_connection
    driver.execute(
        f"INSERT INTO platform.{table} SELECT * FROM jsonb_populate_record(NULL::platform.{table}, %s)".encode(),  # noqa: S608 - a name of our own
        (Jsonb(row),),
    )


def _members(session: Session, found: Inspected, tenant: TenantRef, at: datetime, owner: str) -> int:
    known = {UUID(one["id"]): one for one in found.platform["people"]}
    places: dict[UUID, dict[str, Any]] = {}
    for one in found.platform["membership"]:
        person = _person(session, known.get(UUID(one["person_id"])), at)
        if person is not None:
            places[person] = one
    if owner:
        asked = identity.person_by_email(session=session, email=owner)
        if asked is None:
            raise NotRestored(
                N_("Nobody signs in with %(email)s: add them first with comptoir person add."), email=owner
            )
        places[asked.id] = {"role": Role.OWNER.value, "own_roles": []}
    if Role.OWNER.value not in {one["role"] for one in places.values()}:
        raise NobodyKnown
    for person, one in places.items():
        tenancy.add_member(
            session=session, actor=ACTOR, at=at, tenant_id=tenant.id, person_id=person, role=Role(one["role"])
        )
        tenancy.set_own_roles(session=session, tenant_id=tenant.id, person_id=person, names=tuple(one["own_roles"]))
    return len(places)


def _person(session: Session, said: dict[str, Any] | None, at: datetime) -> UUID | None:
    """Return who it is here: the same person, somebody with the same address, or a person who is added."""
    if said is None:
        return None
    person_id = UUID(said["id"])
    if identity.people(session=session, ids={person_id}):
        return person_id
    other = identity.person_by_email(session=session, email=said["email"])
    if other is not None:
        return other.id
    return acts.add_person(
        session=session,
        actor=ACTOR,
        at=at,
        person_id=person_id,
        email=said["email"],
        name=said["name"],
        password=None,
        language=said["language"],
    )
