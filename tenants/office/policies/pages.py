"""Policy stores on pages: list, make, settings, entities, export and import."""

import json
from typing import Any

from flask import Blueprint, Response, flash, g, request, url_for
from flask_babel import gettext as _

from tenants.door import PAGES_PREFIX, guard_room
from tenants.office.policies import commands, entities, exchange, forms, queries
from tenants.office.policies.queries import StoreView
from tenants.office.policies.rules import ENTITIES_MAX, HIERARCHY_DEPTH_MAX, STORES_MAX, WORKSPACE
from webapp.access.door import ask
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.kernel.errors import Conflict, DomainError, Invalid
from webapp.web.fields import field_errors
from webapp.web.pagination import cut, read_cursor
from webapp.web.problem import translate
from webapp.web.render import render, see_other
from webapp.web.state import services

bp = Blueprint("office_policies", __name__, url_prefix=PAGES_PREFIX)
guard_room(bp)

PAGE_ROWS = 50
NEW = {"slug": "", "name": ""}


@bp.get("/policies")
@requires(Permission.POLICIES_STORES_READ)
def list_stores() -> Response:
    """List the stores."""
    return _list()


@bp.post("/policies")
@requires(Permission.POLICIES_STORES_WRITE)
def create_store() -> Response:
    """Make an empty store."""
    values = {name: request.form.get(name, "").replace("\0", "") for name in NEW}
    try:
        store = commands.create_store(
            session=g.db,
            actor=g.actor,
            at=g.at,
            slug=values["slug"].strip(),
            settings=commands.StoreSettings(values["name"]),
            job_id=services().new_id(),
        )
    except (Invalid, Conflict) as error:
        return _list(status=422, values=values, errors=field_errors(error))
    return see_other(url_for("office_policies_versions.edit_draft", store=store.slug))


@bp.post("/policies/imports")
@requires(Permission.POLICIES_STORES_WRITE)
def import_store() -> Response:
    """Make a store from an exported one."""
    slug = request.form.get("import_slug", "").replace("\0", "").strip()
    file = request.files.get("file")
    try:
        store = exchange.import_store(
            session=g.db,
            actor=g.actor,
            at=g.at,
            slug=slug,
            file=forms.read_file(file.read() if file else b""),
            job_id=services().new_id(),
        )
    except (Invalid, Conflict, DomainError) as error:
        errors = field_errors(error)
        known = {"import_slug" if name == "slug" else name: text for name, text in errors.items()}
        return _list(status=422, import_slug=slug, errors=known)
    flash(_("The store was imported. Its version is the draft: look at it, then activate it."), "success")
    return see_other(url_for("office_policies.show_store", store=store.slug))


@bp.get("/policies/<store>")
@requires(Permission.POLICIES_STORES_READ)
def show_store(store: str) -> Response:
    """Show a store: how it is asked, its versions, its settings."""
    found = commands.found_store(session=g.db, slug=store)
    commands.note_reading(session=g.db, actor=g.actor, at=g.at, store=found)
    return _store(found)


@bp.post("/policies/<store>")
@requires(Permission.POLICIES_STORES_WRITE, confirm=True)
def change_store(store: str) -> Response:
    """Change name and settings."""
    if store == WORKSPACE:
        ask(Permission.POLICIES_OWN_ACTIVATE)
    found = commands.found_store(session=g.db, slug=store)
    try:
        commands.change_store(
            session=g.db, actor=g.actor, at=g.at, slug=store, settings=forms.read_settings(request.form)
        )
    except Invalid as error:
        return _store(found, status=422, values=request.form, errors=field_errors(error))
    flash(_("The settings were saved."), "success")
    return see_other(url_for("office_policies.show_store", store=store))


@bp.post("/policies/<store>/removal")
@requires(Permission.POLICIES_STORES_ACTIVATE, confirm=True)
def remove_store(store: str) -> Response:
    """Remove a store with all that belongs to it."""
    commands.remove_store(session=g.db, actor=g.actor, at=g.at, slug=store)
    flash(_("The policy store was removed; whoever asks it is answered that there is none."), "success")
    return see_other(url_for("office_policies.list_stores"))


@bp.get("/policies/<store>/export")
@requires(Permission.POLICIES_STORES_READ, confirm=True)
def export_store(store: str) -> Response:
    """Send a store as a file."""
    whole = exchange.export_store(session=g.db, actor=g.actor, at=g.at, slug=store)
    response = Response(json.dumps(whole, ensure_ascii=False, indent=2) + "\n", content_type="application/json")
    response.headers["Content-Disposition"] = f'attachment; filename="{store}.policy-store.json"'
    return response


@bp.get("/policies/<store>/entities")
@requires(Permission.POLICIES_STORES_READ)
def list_entities(store: str) -> Response:
    """List the entities of a store."""
    return _entities(store)


@bp.post("/policies/<store>/entities")
@requires(Permission.POLICIES_STORES_WRITE)
def change_entities(store: str) -> Response:
    """Put the entities that were written, and remove those that were ticked."""
    ticked = [tuple(json.loads(one)) for one in request.form.getlist("remove") if _is_name(one)]
    try:
        put = forms.read_entities(request.form) if request.form.get("entities", "").strip() else []
        count = entities.change_entities(session=g.db, actor=g.actor, at=g.at, slug=store, put=put, remove=ticked)
    except (Invalid, Conflict) as error:
        told = [translate(one.message, one.params) for one in error.errors] or [translate(error.text, error.params)]
        return _entities(
            store, status=422, written=request.form.get("entities", ""), errors={"entities": " ".join(told)}
        )
    flash(_("Saved. The store knows %(count)s entities now.", count=count), "success")
    return see_other(url_for("office_policies.list_entities", store=store))


def _is_name(text: str) -> bool:
    try:
        name = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(name, list) and len(name) == 2 and all(isinstance(part, str) for part in name)  # noqa: PLR2004


def _list(*, status: int = 200, **context: Any) -> Response:
    stores = queries.stores(session=g.db)
    shown = {
        "own": next(one for one in stores if one.slug == WORKSPACE),
        "stores": [one for one in stores if one.slug != WORKSPACE],
        "most": STORES_MAX,
        "values": NEW,
        "import_slug": "",
        "errors": {},
    }
    return render("office/policies/stores.html", status=status, **(shown | context))


def _store(store: StoreView, *, status: int = 200, **context: Any) -> Response:
    rows = queries.versions(session=g.db, store_id=store.id, limit=PAGE_ROWS)
    shown = {
        "store": store,
        "versions": rows,
        "names": queries.names_of(
            session=g.db, ids=(one for row in rows for one in (row.changed_by, row.activated_by))
        ),
        "by_type": queries.entities_by_type(session=g.db, store_id=store.id),
        "can_roll_back": queries.last_retired(session=g.db, store_id=store.id) is not None,
        "address": f"{request.host_url.rstrip('/')}/t/{g.slug}/access/{store.slug}",
        "well_known": f"{request.host_url}.well-known/authzen-configuration/t/{g.slug}/access/{store.slug}",
        "values": {
            "name": store.name,
            "four_eyes": "1" if store.four_eyes else "",
            "log_percent": store.log_percent,
            "log_days": store.log_days,
        },
        "errors": {},
    }
    return render("office/policies/store.html", status=status, **(shown | context))


def _entities(slug: str, *, status: int = 200, **context: Any) -> Response:
    store = commands.found_store(session=g.db, slug=slug)
    kind = request.args.get("type", "").replace("\0", "")[:200]
    position = read_cursor("policy-entities", request.args.get("cursor"))
    after = (position[0], position[1]) if position else None
    rows = queries.entity_page(session=g.db, store_id=store.id, kind=kind, after=after, limit=PAGE_ROWS + 1)
    page, onward = cut(rows, PAGE_ROWS, "policy-entities", lambda row: list(row.name))
    here = {"store": slug, **({"type": kind} if kind else {})}
    shown = {
        "store": store,
        "entities": [(row, json.dumps(list(row.name)), json.dumps(dict(row.attributes))) for row in page],
        "by_type": queries.entities_by_type(session=g.db, store_id=store.id),
        "kind": kind,
        "written": "",
        "errors": {},
        "most": ENTITIES_MAX,
        "depth": HIERARCHY_DEPTH_MAX,
        "first_href": url_for("office_policies.list_entities", **here) if position else None,
        "next_href": url_for("office_policies.list_entities", cursor=onward, **here) if onward else None,
    }
    return render("office/policies/entities.html", status=status, **(shown | context))
