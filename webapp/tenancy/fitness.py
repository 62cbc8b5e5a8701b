"""Whether the schemas that are there are fit for this version: its own revisions, or newer ones that still serve it."""

from functools import cache
from typing import Any

from sqlalchemy import Connection, Row, text
from sqlalchemy.orm import Session

from webapp.tenancy.schema import platform_revisions, tenant_revisions

_FIT = """
    WITH fit AS (
        SELECT 'platform' AS chain, unnest(CAST(:platform AS text[])) AS revision
        UNION SELECT 'tenant', unnest(CAST(:tenant AS text[]))
        UNION SELECT s.chain, s.revision FROM platform.served_revision s
            WHERE (s.chain = 'platform' AND s.former = ANY(:platform))
                OR (s.chain = 'tenant' AND s.former = ANY(:tenant))
    )
"""
_COUNTS = text(f"""
    {_FIT}
    SELECT (SELECT count(*) FROM platform.tenant
            WHERE schema_revision NOT IN (SELECT revision FROM fit WHERE chain = 'tenant')),
        (SELECT count(*) FROM platform.schema_revision
            WHERE revision NOT IN (SELECT revision FROM fit WHERE chain = 'platform'))
""")  # noqa: S608 - the part that varies is the constant above
_NAMES = text(f"""
    {_FIT}
    SELECT 'workspace ' || slug AS name, schema_revision AS revision, 'tenant' AS chain FROM platform.tenant
    WHERE schema_revision NOT IN (SELECT revision FROM fit WHERE chain = 'tenant')
    UNION ALL SELECT 'the platform''s schema', revision, 'platform' FROM platform.schema_revision
    WHERE revision NOT IN (SELECT revision FROM fit WHERE chain = 'platform')
    ORDER BY chain DESC, name LIMIT :most
""")  # noqa: S608 - as above


def unfit_counts(session: Session) -> tuple[int, int]:
    """Return how many workspaces, and whether the platform's schema, are not as this version needs them."""
    tenants, platform = session.execute(_COUNTS, _wanted()).one()
    return tenants, platform


def unfit(connection: Connection, *, most: int) -> list[Row[Any]]:
    """Return name, revision and chain of the schemas that are not as this version needs them."""
    return list(connection.execute(_NAMES, {**_wanted(), "most": most}))


@cache
def _wanted() -> dict[str, list[str]]:
    return {"platform": platform_revisions().suits(), "tenant": tenant_revisions().suits()}
