"""Versions of a policy store on pages: draft, look at, try, activate, roll back."""

from typing import Any

from flask import Blueprint, Response, flash, g, request, url_for
from flask_babel import gettext as _

from tenants.door import PAGES_PREFIX, guard_room
from tenants.office.policies import commands, forms, queries, replays, trials, versions
from tenants.office.policies.difference import difference
from tenants.office.policies.queries import StoreView
from tenants.office.policies.rules import REASONS, WORKSPACE, Answer, State
from tenants.office.policies.trials import Trial
from webapp.access.door import ask
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.access.product import schema_text
from webapp.access.reading import PoliciesRefused
from webapp.kernel.db import on_platform
from webapp.kernel.errors import Conflict, DomainError, Invalid, NotFound, Stale
from webapp.tenancy import queries as tenancy
from webapp.web.fields import field_errors
from webapp.web.problem import translate
from webapp.web.render import render, see_other

bp = Blueprint("office_policies_versions", __name__, url_prefix=PAGES_PREFIX)
guard_room(bp)

ASKED = ("subject_type", "subject_id", "subject_properties", "action", "action_properties")
ASKED_ALSO = ("resource_type", "resource_id", "resource_properties", "context")
FIRST_SCHEMA = """\
entity user;
entity record { owner: user };
action read, write appliesTo { principal: user, resource: record };
"""
FIRST_POLICIES = """\
@id("owners")
permit (principal, action, resource is record)
when { resource.owner == principal };
"""
# What a workspace may begin with for itself: nobody but owners books on a Saturday or a Sunday.
FIRST_OWN = """\
@id("weekend")
forbid (principal, action == Action::"ledger:entries:write", resource)
when { context.weekday > 5 };
"""


def reason_of(answer: Answer) -> str:
    """Return why a store answered so, in the reader's language."""
    return translate(REASONS[answer.code], {"detail": answer.detail})


@bp.get("/policies/<store>/draft")
@requires(Permission.POLICIES_STORES_WRITE)
def edit_draft(store: str) -> Response:
    """Show the editor: the draft, else the active version to begin from, else an example."""
    found = commands.found_store(session=g.db, slug=store)
    commands.note_reading(session=g.db, actor=g.actor, at=g.at, store=found, version=found.draft or found.active)
    return _editor(found)


@bp.post("/policies/<store>/draft")
@requires(Permission.POLICIES_STORES_WRITE)
def save_draft(store: str) -> Response:
    """Write the draft; what does not compile stays in the editor, marked at its line."""
    found = commands.found_store(session=g.db, slug=store)
    # A form sends lines with CR LF; the file that is kept has LF alone.
    typed = {name: request.form.get(name, "").replace("\r\n", "\n") for name in ("schema_text", "policies", "note")}
    changes = request.form.get("changes", "")
    try:
        draft = versions.save_draft(
            session=g.db,
            actor=g.actor,
            at=g.at,
            slug=store,
            schema=typed["schema_text"],
            policies=typed["policies"],
            note=typed["note"],
            changes=int(changes) if changes.isascii() and changes.isdecimal() and len(changes) < 10 else None,  # noqa: PLR2004
        )
    except PoliciesRefused as error:
        findings = [(one.line, one.column, translate(one.message, dict(one.params))) for one in error.findings]
        where = "schema_text" if error.where == "schema" else "policies"
        return _editor(found, status=422, typed=typed, findings=findings, where=where)
    except (Invalid, Stale) as error:
        return _editor(found, status=422, typed=typed, errors=field_errors(error))
    flash(_("The draft was saved. It compiles and fits its schema."), "success")
    return see_other(url_for("office_policies_versions.show_version", store=store, number=draft.number))


@bp.post("/policies/<store>/draft/deletion")
@requires(Permission.POLICIES_STORES_WRITE)
def drop_draft(store: str) -> Response:
    """Throw the draft away."""
    versions.drop_draft(session=g.db, actor=g.actor, at=g.at, slug=store)
    flash(_("The draft was thrown away."), "success")
    return see_other(url_for("office_policies.show_store", store=store))


@bp.get("/policies/<store>/versions/<int:number>")
@requires(Permission.POLICIES_STORES_READ)
def show_version(store: str, number: int) -> Response:
    """Show a version and how it differs from the active one."""
    found = commands.found_store(session=g.db, slug=store)
    response = _version(found, number)
    commands.note_reading(session=g.db, actor=g.actor, at=g.at, store=found, version=number)
    return response


@bp.post("/policies/<store>/versions/<int:number>/activation")
@requires(Permission.POLICIES_STORES_ACTIVATE, confirm=True)
def activate(store: str, number: int) -> Response:
    """Let a version decide from now on."""
    if store == WORKSPACE:
        ask(Permission.POLICIES_OWN_ACTIVATE)
    changes = request.form.get("changes", "")
    seen = int(changes) if changes.isascii() and changes.isdecimal() and len(changes) < 10 else None  # noqa: PLR2004
    try:
        versions.activate(session=g.db, actor=g.actor, at=g.at, slug=store, number=number, changes=seen)
    except (Conflict, Stale, PoliciesRefused) as error:
        refused = translate(error.text, error.params)
        return _version(commands.found_store(session=g.db, slug=store), number, status=409, refused=refused)
    flash(_("Version %(number)s decides from now on.", number=number), "success")
    return see_other(url_for("office_policies.show_store", store=store))


@bp.post("/policies/<store>/rollback")
@requires(Permission.POLICIES_STORES_ACTIVATE, confirm=True)
def roll_back(store: str) -> Response:
    """Activate the version that was active before."""
    if store == WORKSPACE:
        ask(Permission.POLICIES_OWN_ACTIVATE)
    found = versions.roll_back(session=g.db, actor=g.actor, at=g.at, slug=store)
    flash(_("Version %(number)s decides again.", number=found.number), "success")
    return see_other(url_for("office_policies.show_store", store=store))


@bp.get("/policies/<store>/bench")
@requires(Permission.POLICIES_STORES_WRITE)
def bench(store: str) -> Response:
    """Try a request on the draft or the active version, and show why it is answered so."""
    found = commands.found_store(session=g.db, slug=store)
    values = {name: request.args.get(name, "").replace("\0", "")[:4000] for name in (*ASKED, *ASKED_ALSO)}
    with on_platform(g.db) as session:
        places = tenancy.members(session=session, tenant_id=g.tenant.id) if store == WORKSPACE else []
    people = queries.names_of(session=g.db, ids=(place.person_id for place in places))
    wanted = request.args.get("version", "")
    numbers = [number for number in (found.draft, found.active) if number is not None]
    chosen = next((number for number in numbers if str(number) == wanted), numbers[0] if numbers else None)
    tried: Trial | None = None
    errors: dict[str, str] = {}
    if request.args.get("subject_id") is not None and chosen is not None:
        try:
            tried = trials.try_request(session=g.db, slug=store, question=forms.read_trial(request.args), number=chosen)
        except DomainError as error:
            errors = field_errors(error)
    return render(
        "office/policies/bench.html",
        status=422 if errors else 200,
        store=found,
        values=values,
        chosen=chosen,
        tried=tried,
        people=sorted((name, str(one)) for one, name in people.items()),
        permissions=list(Permission),
        errors=errors,
        reason_of=reason_of,
    )


def _editor(store: StoreView, *, status: int = 200, **context: Any) -> Response:
    draft = queries.version_in_state(session=g.db, store_id=store.id, state=State.DRAFT)
    active = queries.version_in_state(session=g.db, store_id=store.id, state=State.ACTIVE)
    base, own = draft or active, store.slug == WORKSPACE
    shown = {
        "store": store,
        "draft": draft,
        "typed": {
            "schema_text": schema_text() if own else base.schema if base else FIRST_SCHEMA,
            "policies": base.policies if base else FIRST_OWN if own else FIRST_POLICIES,
            "note": draft.note if draft else "",
        },
        "findings": [],
        "where": "",
        "errors": {},
    }
    return render("office/policies/draft.html", status=status, **(shown | context))


def _version(store: StoreView, number: int, *, status: int = 200, refused: str = "") -> Response:
    version = queries.version(session=g.db, store_id=store.id, number=number)
    if version is None:
        raise NotFound
    active = queries.version_in_state(session=g.db, store_id=store.id, state=State.ACTIVE)
    other = active if active is not None and active.number != number else None
    return render(
        "office/policies/version.html",
        status=status,
        store=store,
        version=version,
        other=other,
        changes=[
            (_("Policies"), difference(other.policies, version.policies)),
            (_("Schema"), difference(other.schema, version.schema)),
        ]
        if other
        else [],
        names=queries.names_of(session=g.db, ids=(version.changed_by, version.activated_by)),
        replay=replays.replay_of(session=g.db, store=store, number=number),
        refused=refused,
    )
