"""How to sign in after a start: the lines that `comptoir up` prints."""

from datetime import datetime

from sqlalchemy.orm import Session

from webapp.cli.person import make_sign_in_link
from webapp.identity import links, queries
from webapp.kernel.clock import utc_now
from webapp.kernel.crypto import new_ring
from webapp.kernel.db import Database, app_url
from webapp.kernel.ids import new_secret
from webapp.settings import Settings
from webapp.tenancy import queries as tenancy

DEMO_SLUG = "demo"
DEMO_OWNER = "owner@demo.example"


def sign_in_lines(settings: Settings, base_url: str) -> list[str]:
    """Return how to sign in, for the terminal: links that work once, because a password is never printed."""
    base_url, at = base_url.rstrip("/"), utc_now()
    database = Database(
        app_url(settings.database_url, settings.secret_key), pool_size=1, pooler=settings.database_pooler
    )
    database.keys = new_ring(settings)
    try:
        with database.platform() as session:
            return [*_operator(session, at, base_url), *_demo(session, at, base_url)]
    finally:
        database.close()


def _operator(session: Session, at: datetime, base_url: str) -> list[str]:
    if queries.has_operator(session=session):
        return [f"sign in at {base_url}/sign-in"]
    secret = new_secret()
    links.make_link(session=session, at=at, secret=secret, purpose="first_operator", person_id=None)
    return [f"make your own account (once, within 24 hours): {base_url}/first-operator/{secret}"]


def _demo(session: Session, at: datetime, base_url: str) -> list[str]:
    place = tenancy.tenant_by_slug(session=session, slug=DEMO_SLUG)
    owner = queries.person_by_email(session=session, email=DEMO_OWNER)
    if place is None or not place.is_demo or owner is None:
        return []
    return [f"look around in the demo workspace as {DEMO_OWNER}: {make_sign_in_link(session, at, base_url, owner.id)}"]
