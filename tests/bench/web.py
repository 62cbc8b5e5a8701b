"""The web process of a bench: the product's own, with one more route as the floor of every request."""

import os

from flask import Blueprint, Response, g, jsonify
from flask_openapi3 import APIBlueprint
from sqlalchemy import text

from tenants.door import API_PREFIX, guard_room
from tenants.schemas import WorkspacePath
from webapp import app, rooms
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.audit import commands
from webapp.identity.gate import public
from webapp.settings import Settings

bp = APIBlueprint("bench", __name__, url_prefix=API_PREFIX)
guard_room(bp)
_ONE_ROW = text("SELECT name FROM account WHERE id = :id")


@bp.get("/bench/row")
@requires(Permission.LEDGER_ACCOUNTS_READ)
def row(path: WorkspacePath) -> Response:
    """Bind the tenant and read one row."""
    return jsonify(name=g.db.scalar(_ONE_ROW, {"id": 1}))


def forget_the_trail() -> None:
    """Let every act go without its event, in whatever module it was imported: the floor of the trail's own bench."""
    commands.record.__code__ = (lambda **_said: None).__code__


hello_bp = Blueprint("bench_hello", __name__)


@hello_bp.get("/bench/hello")
@public
def hello() -> Response:
    """Say hello as JSON: what the server and its headers take by themselves."""
    return jsonify(hello="world")


if __name__ == "__main__":
    if os.environ.get("BENCH_WITHOUT_TRAIL"):
        forget_the_trail()
    rooms.API = (*rooms.API, bp)
    rooms.PAGES = (*rooms.PAGES, hello_bp)
    app.serve(Settings.from_environ())
