"""The workspace that a command is about: found by its short name, and named once more before something of it goes."""

import click

from webapp.cli.installation import Installation
from webapp.cli.refusals import Refusal
from webapp.tenancy import queries
from webapp.tenancy.queries import TenantView


def named(place: Installation, slug: str) -> TenantView:
    """Return a workspace by its short name; raises Refusal."""
    with place.database.platform() as session:
        found = queries.tenant_by_slug(session=session, slug=slug)
    if found is None:
        raise Refusal(f"there is no workspace called {slug}: see comptoir tenant list")
    return found


def ask_for_name(slug: str, *, so: str, kept: str) -> None:
    """Let the short name be typed before something goes (`so`); raises Refusal, which begins with `kept`."""
    typed = click.prompt(f"{so}. Type {slug} to go on", default="", show_default=False)
    if typed.strip() != slug:
        raise Refusal(f"{kept}: what was typed is not the short name")
