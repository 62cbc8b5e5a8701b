"""The installation's own trail, for operators: the same page and the same files as a workspace's.

What shows a trail lies above; the composition root registers it as the extension `installation_trail`.
"""

from collections.abc import Callable
from dataclasses import dataclass

from flask import Blueprint, Response, current_app

from webapp.identity.gate import confirmed, operator_only

bp = Blueprint("platform_trail", __name__, url_prefix="/platform/audit-events")

EXTENSION = "installation_trail"


@dataclass(frozen=True, slots=True)
class InstallationTrail:
    """What the pages answer with."""

    page: Callable[[], Response]
    file: Callable[[], Response]
    script: Callable[[], Response]


def _trail() -> InstallationTrail:
    found: InstallationTrail = current_app.extensions[EXTENSION]
    return found


@bp.get("")
@operator_only
def list_events() -> Response:
    """List the installation's events, newest first."""
    return _trail().page()


@bp.get("/export")
@confirmed
@operator_only
def export() -> Response:
    """Give what the address asks for as a file."""
    return _trail().file()


@bp.get("/verify_trail.py")
@operator_only
def script() -> Response:
    """Give the program that verifies an export without Comptoir."""
    return _trail().script()
