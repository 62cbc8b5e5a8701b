"""Put, change and remove the entities of a store: subjects, resources, groups, and what stands in what."""

import json
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, tuple_
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from tenants.office.policies import queries
from tenants.office.policies.commands import OwnStore, found_store
from tenants.office.policies.models import PolicyEntity
from tenants.office.policies.point import cedar_entity
from tenants.office.policies.queries import StoreView
from tenants.office.policies.rules import (
    ENTITIES_MAX,
    ENTITY_BYTES_MAX,
    HIERARCHY_DEPTH_MAX,
    NAME_CHARS_MAX,
    TYPE_CHARS_MAX,
    WORKSPACE,
    Entity,
    State,
    too_deep,
)
from tenants.office.policies.shape import Misfit, read_shape
from tenants.office.policies.versions import touch
from webapp.access.engine import FactsRefused, compile_policies
from webapp.audit.commands import record
from webapp.kernel.actor import Actor
from webapp.kernel.errors import N_, Conflict, FieldError, Invalid

ROWS_AT_ONCE = 1_000
ERRORS_MAX = 20


class NoSchema(Conflict):
    """There is neither an active version nor a draft whose schema says what entities look like."""

    code = "no_schema"
    message = N_("Write a schema first: it says what the store's entities look like.")


def change_entities(
    *,
    session: Session,
    actor: Actor,
    at: datetime,
    slug: str,
    put: Sequence[Entity] = (),
    remove: Sequence[tuple[str, str]] = (),
    replace: bool = False,
) -> int:
    """Put entities (replacing those of the same name), remove others, and return how many there are.

    `replace` removes all that is not put. Checked against the active version's schema, before there is one against the
    draft's. Raises NotFound, OwnStore, NoSchema, Invalid (put/<place>: size, schema, depth).
    """
    if slug == WORKSPACE:
        raise OwnStore
    store = found_store(session=session, slug=slug, lock=True)
    known = {} if replace else {one.name: one for one in queries.entities(session=session, store_id=store.id)}
    for name in remove:
        known.pop(name, None)
    known |= {one.name: one for one in put}
    _check(session, store, put, known)
    if replace:
        session.execute(delete(PolicyEntity).where(PolicyEntity.store_id == store.id))
    for begin in range(0, len(remove), ROWS_AT_ONCE):
        some = remove[begin : begin + ROWS_AT_ONCE]
        session.execute(
            delete(PolicyEntity).where(
                PolicyEntity.store_id == store.id, tuple_(PolicyEntity.type, PolicyEntity.id).in_(some)
            )
        )
    _write(session, store, list({one.name: one for one in put}.values()))
    touch(session, store)
    record(
        session=session,
        actor=actor,
        at=at,
        action="policy_store.entities_changed",
        object_type="policy_store",
        object_id=slug,
        difference={
            "put": (None, len(put)),
            "removed": (None, len(remove)),
            **({"replaced": (None, True)} if replace else {}),
        },
    )
    return len(known)


def _write(session: Session, store: StoreView, put: list[Entity]) -> None:
    query = upsert(PolicyEntity)
    query = query.on_conflict_do_update(
        index_elements=["store_id", "type", "id"],
        set_={"attributes": query.excluded.attributes, "parents": query.excluded.parents},
    )
    for begin in range(0, len(put), ROWS_AT_ONCE):
        rows = [
            {
                "store_id": store.id,
                "type": one.type,
                "id": one.id,
                "attributes": dict(one.attributes),
                "parents": [{"type": kind, "id": name} for kind, name in one.parents],
            }
            for one in put[begin : begin + ROWS_AT_ONCE]
        ]
        session.execute(query, rows)


def _check(session: Session, store: StoreView, put: Sequence[Entity], known: dict[tuple[str, str], Entity]) -> None:
    if len(known) > ENTITIES_MAX:
        message = N_("A store has at most %(most)d entities; these would be %(count)d.")
        raise Invalid(errors=(FieldError("put", "count", message, {"most": ENTITIES_MAX, "count": len(known)}),))
    version = queries.version_in_state(
        session=session, store_id=store.id, state=State.ACTIVE
    ) or queries.version_in_state(session=session, store_id=store.id, state=State.DRAFT)
    if version is None:
        raise NoSchema
    shape = read_shape(version.schema)
    errors, written = [], []
    for place, one in enumerate(put):
        wrong = _too_large(one)
        try:
            written.append(cedar_entity(one, shape))
        except Misfit as misfit:
            message = N_("The schema does not allow this entity: %(reason)s.")
            wrong = wrong or FieldError(f"put/{place}", "schema", message, {"reason": str(misfit)})
        if wrong is not None:
            errors.append(FieldError(f"put/{place}", wrong.code, wrong.message, wrong.params))
        if len(errors) == ERRORS_MAX:
            break
    deep = None if errors else too_deep(known)
    if deep is not None:
        message = N_("%(name)s stands in itself, or more than %(most)d levels lie above it.")
        errors.append(
            FieldError("put", "depth", message, {"name": f"{deep[0]} {deep[1]}", "most": HIERARCHY_DEPTH_MAX})
        )
    if errors:
        raise Invalid(errors=tuple(errors))
    try:
        compile_policies("", version.schema).facts(written)
    except FactsRefused as error:
        message = N_("The schema does not allow these entities: %(reason)s.")
        raise Invalid(errors=(FieldError("put", "schema", message, {"reason": str(error)}),)) from error


def _too_large(one: Entity) -> FieldError | None:
    if not 1 <= len(one.id) <= NAME_CHARS_MAX or not 1 <= len(one.type) <= TYPE_CHARS_MAX:
        return FieldError("", "name", N_("An entity's id has 1 to 500 characters, its type 1 to 200."))
    size = len(json.dumps([dict(one.attributes), list(one.parents)]))
    if size > ENTITY_BYTES_MAX:
        message = N_("This entity has %(count)d bytes; at most %(most)d are accepted.")
        return FieldError("", "size", message, {"count": size, "most": ENTITY_BYTES_MAX})
    return None
