"""The recorded decisions asked again of a version, on pages: ask, follow, see what would change."""

from flask import Blueprint, Response, g, request, url_for

from tenants.door import PAGES_PREFIX, guard_room
from tenants.office.policies import commands, queries, replays
from tenants.office.policies.queries import StoreView, VersionView
from tenants.office.policies.replays import Replay
from tenants.office.policies.rules import REASONS, REPLAY_MAX
from tenants.office.policies.versions import EntitiesDoNotFit
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.kernel.errors import NotFound
from webapp.web.problem import translate
from webapp.web.render import render, see_other
from webapp.web.state import services

bp = Blueprint("office_policies_replays", __name__, url_prefix=PAGES_PREFIX)
guard_room(bp)


@bp.get("/policies/<store>/versions/<int:number>/replay")
@requires(Permission.POLICIES_STORES_WRITE)
def show_replay(store: str, number: int) -> Response:
    """Show which recorded decisions the version would make otherwise; it asks for itself while a job works on that."""
    found, version = _found(store, number)
    return _replay(found, version, replays.replay_of(session=g.db, store=found, number=number))


@bp.post("/policies/<store>/versions/<int:number>/replay")
@requires(Permission.POLICIES_STORES_WRITE)
def replay(store: str, number: int) -> Response:
    """Ask the version the recorded decisions again."""
    try:
        replays.begin(session=g.db, actor=g.actor, at=g.at, slug=store, number=number, job_id=services().new_id())
    except EntitiesDoNotFit as error:
        return _replay(*_found(store, number), None, status=409, refused=error)
    return see_other(url_for("office_policies_replays.show_replay", store=store, number=number))


def _found(slug: str, number: int) -> tuple[StoreView, VersionView]:
    store = commands.found_store(session=g.db, slug=slug)
    version = queries.version(session=g.db, store_id=store.id, number=number)
    if version is None:
        raise NotFound
    return store, version


def _replay(
    store: StoreView,
    version: VersionView,
    made: Replay | None,
    *,
    status: int = 200,
    refused: EntitiesDoNotFit | None = None,
) -> Response:
    refused = made.refused if made is not None else refused
    return render(
        "office/policies/replay.html",
        status=status,
        store=store,
        version=version,
        replay=made,
        refused=translate(refused.text, refused.params) if refused else "",
        reason_of=lambda answer: translate(REASONS[answer.code], {"detail": answer.detail}),
        most=REPLAY_MAX,
        left=made.job.seconds_left(g.at) if made is not None and made.job is not None else None,
        poll_href=request.path if made is not None and made.is_working else None,
    )
