"""What `/readyz` asks: the parts without which a request or a job would fail."""

from datetime import timedelta

from flask import g
from sqlalchemy import text

from webapp.jobs import queries as jobs
from webapp.tenancy.fitness import unfit_counts
from webapp.web.health import Check, valkey
from webapp.web.state import services

ALIVE_WITHIN = timedelta(seconds=15)


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
    """See that the platform's and every tenant's schema are fit for this version: one query, however many there are.

    A newer schema is fit as long as migrations only added to it: `migrate` of the newer version wrote that down, so
    the version before goes on serving while the next one is brought into service, and after a way back.
    """
    if not g.database_answers:
        return AWAY
    with services().database.platform() as session:
        tenants, platform = unfit_counts(session)
    if platform:
        return "the platform's schema is behind: run comptoir migrate"
    return f"{tenants} workspaces are behind: run comptoir migrate" if tenants else ""


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
