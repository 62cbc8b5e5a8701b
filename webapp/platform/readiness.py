"""What `/readyz` asks: the parts without which a request or a job would fail."""

from datetime import timedelta
from functools import cache

from flask import g
from sqlalchemy import text

from webapp.jobs import queries as jobs
from webapp.tenancy.schema import platform_revisions, tenant_revisions
from webapp.web.health import Check, valkey
from webapp.web.state import services

ALIVE_WITHIN = timedelta(seconds=15)

_BEHIND = text("""
    SELECT (SELECT count(*) FROM platform.tenant WHERE schema_revision <> :tenant_head),
        (SELECT count(*) FROM platform.schema_revision WHERE revision <> :platform_head)
""")


def checks() -> dict[str, Check]:
    """Return the parts by name; each answers an empty text or what is wrong."""
    return {"database": database, "valkey": valkey, "migrations": migrations, "worker": worker}


AWAY = "not asked: the database does not answer"


def database() -> str:
    """Ask PostgreSQL; while it does not answer, the parts that live in it are not asked."""
    g.database_answers = False
    with services().database.platform() as session:
        session.execute(text("SELECT 1"))
    g.database_answers = True
    return ""


def migrations() -> str:
    """See that the platform and every tenant are at the newest revision: one query, however many there are."""
    if not g.database_answers:
        return AWAY
    tenant_head, platform_head = _heads()
    with services().database.platform() as session:
        tenants, platform = session.execute(
            _BEHIND,
            {"tenant_head": tenant_head, "platform_head": platform_head},
        ).one()
    if platform:
        return "the platform's schema is behind: run comptoir migrate"
    return f"{tenants} workspaces are behind: run comptoir migrate" if tenants else ""


@cache
def _heads() -> tuple[str, str]:
    return tenant_revisions().head(), platform_revisions().head()


def worker() -> str:
    """See that a worker and the clock were heard of within 15 seconds."""
    if not g.database_answers:
        return AWAY
    at = services().clock()
    with services().database.platform() as session:
        missing = [
            kind
            for kind in ("worker", "clock")
            if not jobs.alive(session=session, kind=kind, at=at, within=ALIVE_WITHIN)
        ]
    return f"no {' and no '.join(missing)} was heard of for 15 seconds" if missing else ""
