"""A store as a file: written whole, read back into a new store."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from tenants.office.policies import queries
from tenants.office.policies.commands import OwnStore, StoreSettings, create_store, found_store
from tenants.office.policies.entities import change_entities
from tenants.office.policies.queries import StoreView
from tenants.office.policies.rules import ENTITIES_MAX, WORKSPACE, Entity, State
from tenants.office.policies.versions import save_draft
from webapp.audit.commands import record
from webapp.kernel.actor import Actor
from webapp.kernel.errors import N_, Conflict, FieldError, Invalid

FORMAT = "comptoir-policy-store/1"


class DraftThere(Conflict):
    """The reserved store has a draft, which an import would write over."""

    code = "draft_there"
    message = N_("There is a draft already. Activate it or throw it away, then import.")


def export_store(*, session: Session, actor: Actor, at: datetime, slug: str) -> dict[str, Any]:
    """Return a store as JSON values: settings, the active version (the draft when none is), entities.

    Raises NotFound.
    """
    store = found_store(session=session, slug=slug)
    version = queries.version_in_state(
        session=session, store_id=store.id, state=State.ACTIVE
    ) or queries.version_in_state(session=session, store_id=store.id, state=State.DRAFT)
    known = queries.entities(session=session, store_id=store.id)
    record(
        session=session,
        actor=actor,
        at=at,
        action="policy_store.exported",
        object_type="policy_store",
        object_id=slug,
        difference={"version": (None, version.number if version else None), "entities": (None, len(known))},
    )
    return {
        "format": FORMAT,
        "name": store.name,
        "four_eyes": store.four_eyes,
        "log_percent": store.log_percent,
        "log_days": store.log_days,
        "note": version.note if version else "",
        "schema_text": version.schema if version else "",
        "policies": version.policies if version else "",
        "entities": [
            {
                "type": one.type,
                "id": one.id,
                "attributes": dict(one.attributes),
                "parents": [{"type": kind, "id": name} for kind, name in one.parents],
            }
            for one in known
        ],
    }


def import_store(
    *, session: Session, actor: Actor, at: datetime, slug: str, file: dict[str, Any], job_id: UUID
) -> StoreView:
    """Make a store from an exported one: its texts as the draft, its entities, nothing active.

    The reserved store is there: it takes the policies as its draft, and keeps its schema and settings. Raises Invalid
    (file, and what create_store refuses), SlugTaken, TooManyStores, PoliciesRefused, OwnStore, DraftThere.
    """
    parts = _parts(file)
    if slug == WORKSPACE:
        return _import_own(session=session, actor=actor, at=at, parts=parts)
    settings = StoreSettings(
        parts["name"], file.get("four_eyes") is True, _number(file, "log_percent", 100), _number(file, "log_days", 30)
    )
    create_store(session=session, actor=actor, at=at, slug=slug, settings=settings, job_id=job_id)
    if parts["schema_text"]:
        save_draft(
            session=session,
            actor=actor,
            at=at,
            slug=slug,
            schema=parts["schema_text"],
            policies=parts["policies"],
            note=parts["note"],
        )
        change_entities(session=session, actor=actor, at=at, slug=slug, put=parts["entities"])
    record(
        session=session,
        actor=actor,
        at=at,
        action="policy_store.imported",
        object_type="policy_store",
        object_id=slug,
        difference={"entities": (None, len(parts["entities"]))},
    )
    return found_store(session=session, slug=slug)


def _import_own(*, session: Session, actor: Actor, at: datetime, parts: dict[str, Any]) -> StoreView:
    if parts["entities"]:
        raise OwnStore
    if found_store(session=session, slug=WORKSPACE).draft:
        raise DraftThere
    told: dict[str, Any] = {"session": session, "actor": actor, "at": at}
    save_draft(**told, slug=WORKSPACE, schema="", policies=parts["policies"], note=parts["note"])
    record(**told, action="policy_store.imported", object_type="policy_store", object_id=WORKSPACE)
    return found_store(session=session, slug=WORKSPACE)


def _parts(file: dict[str, Any]) -> dict[str, Any]:
    texts = {name: file.get(name, "") for name in ("name", "schema_text", "policies", "note")}
    listed = file.get("entities", [])
    sound = file.get("format") == FORMAT and all(isinstance(text, str) for text in texts.values())
    if not sound or not isinstance(listed, list) or len(listed) > ENTITIES_MAX:
        raise _no_export()
    return {**texts, "entities": [_entity(one) for one in listed]}


def _entity(one: Any) -> Entity:
    try:
        kind, name, attributes = one["type"], one["id"], one.get("attributes", {})
        parents = tuple((parent["type"], parent["id"]) for parent in one.get("parents", []))
        names = [kind, name, *(part for parent in parents for part in parent)]
        if not all(isinstance(part, str) for part in names) or not isinstance(attributes, dict):
            raise _no_export()
    except (KeyError, TypeError, AttributeError) as error:
        raise _no_export() from error
    return Entity(kind, name, attributes, parents)


def _number(file: dict[str, Any], name: str, otherwise: int) -> int:
    found = file.get(name, otherwise)
    return found if isinstance(found, int) else -1


def _no_export() -> Invalid:
    message = N_("This is no policy store as it is exported here: a JSON object with “format”: “%(format)s”.")
    return Invalid(errors=(FieldError("file", "format", message, {"format": FORMAT}),))
