"""The kinds of jobs of imports."""

from tenants.money.imports import checking, publication, reversal
from webapp.jobs.context import Handler

HANDLERS: dict[str, Handler] = {
    "imports.check": checking.check,
    "imports.publish": publication.publish,
    "imports.reverse": reversal.reverse,
}
"""Kind to code; each is run again from the import's state after a death."""
