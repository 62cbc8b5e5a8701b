"""The operator's page of backups: how old the newest of each workspace is, and one at once."""

from flask import Blueprint, Response, flash, g, request, url_for
from flask_babel import gettext as _

from webapp.backups import commands, queries
from webapp.identity.gate import operator_only
from webapp.kernel.errors import NotFound
from webapp.tenancy import queries as tenancy
from webapp.web.pagination import cut, read_cursor
from webapp.web.render import render, see_other
from webapp.web.state import services

bp = Blueprint("backups", __name__, url_prefix="/platform/backups")

PAGE_ROWS = 50


@bp.get("")
@operator_only
def list_backups() -> Response:
    """List the workspaces with the age of their newest backup and what became of the last try."""
    cursor = request.args.get("cursor")
    position = read_cursor("backups", cursor)
    after = position[0] if position else ""
    rows = queries.kept(session=g.db, at=g.at, after_slug=after, limit=PAGE_ROWS + 1)
    page, later = cut(rows, PAGE_ROWS, "backups", lambda row: [row.slug])
    moving = any(row.state in {"queued", "running"} for row in page)
    return render(
        "platform/backups.html",
        workspaces=page,
        ages=queries.ages(session=g.db, at=g.at),
        hour=services().settings.backup_hour,
        keep_days=services().settings.backup_keep_days,
        poll_href=url_for("backups.list_backups") if moving and not cursor else None,
        first_href=url_for("backups.list_backups") if position else None,
        next_href=url_for("backups.list_backups", cursor=later) if later else None,
    )


@bp.post("/<slug>")
@operator_only
def take_backup(slug: str) -> Response:
    """Take a backup of a workspace now."""
    found = tenancy.tenant_by_slug(session=g.db, slug=slug)
    if found is None:
        raise NotFound
    commands.ask(session=g.db, actor=g.actor, at=g.at, job_id=services().new_id(), tenant_id=found.id, slug=slug)
    flash(_("A backup of %(slug)s is being taken.", slug=slug), "success")
    return see_other(url_for("backups.list_backups"))
