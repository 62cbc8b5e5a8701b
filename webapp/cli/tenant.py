"""`comptoir tenant …`: the life of a workspace."""

from pathlib import Path
from typing import NoReturn
from uuid import UUID

import click

from webapp.access.permissions import Role
from webapp.audit.commands import record
from webapp.backups.erasing import erase_workspace
from webapp.cli.installation import ACTOR, Installation, on_installation, on_new_installation
from webapp.cli.person import find_or_add, make_sign_in_link
from webapp.cli.refusals import Refusal
from webapp.cli.workspace import ask_for_name, named
from webapp.kernel.ids import new_id
from webapp.kernel.money import currencies
from webapp.tenancy import commands, queries
from webapp.tenancy.provisioning import SlugTaken, create_tenant, remove_tenant
from webapp.tenancy.queries import TenantView
from webapp.tenancy.rules import is_slug

NAME_LENGTH_MAX = 200

slug_option = click.option("--slug", required=True, help="Its short name, as in its address.")


@click.group()
def tenant() -> None:
    """Make, list, suspend, resume, remove and erase workspaces."""


@tenant.command()
@click.option("--slug", required=True, help="Short name in addresses: lower case letters, digits, hyphens.")
@click.option("--name", required=True, help="Name that people read.")
@click.option("--owner", required=True, metavar="EMAIL", help="Its first owner, who is added if new.")
@click.option("--currency", default="EUR", show_default=True, help="Currency of its reports (ISO 4217).")
@on_new_installation
def create(place: Installation, slug: str, name: str, owner: str, currency: str) -> None:
    """Make a workspace; for an owner who is new, print a link that signs in once."""
    name, currency = name.strip(), currency.strip().upper()
    if not is_slug(slug):
        _refuse(f"{slug!r} cannot be a short name: use lower case letters, digits and hyphens, a letter first")
    if not 0 < len(name) <= NAME_LENGTH_MAX:
        _refuse(f"a name has 1 to {NAME_LENGTH_MAX} characters: give another one with --name")
    if currency not in currencies():
        _refuse(f"{currency!r} is not a currency: use an ISO 4217 code such as EUR with --currency")
    with place.database.platform() as session:
        if queries.tenant_by_slug(session=session, slug=slug) is not None:
            raise SlugTaken(slug=slug)
        person_id, is_new = find_or_add(session, place.at, owner)
    tenant_id = new_id()
    create_tenant(place.engine, tenant_id=tenant_id, slug=slug, name=name, base_currency=currency, at=place.at)
    try:
        link = _let_in(place, tenant_id, person_id, is_new=is_new)
    except BaseException:
        # A workspace without an owner could be entered by nobody and its short name would be lost.
        remove_tenant(place.engine, slug=slug)
        raise
    click.echo(f"workspace {slug} is ready at {place.base_url}/t/{slug}/, owner {owner.strip()}")
    if link:
        click.echo(f"sign in once within 24 hours: {link}")


def _let_in(place: Installation, tenant_id: UUID, person_id: UUID, *, is_new: bool) -> str:
    with place.database.platform() as session:
        record(
            session=session,
            actor=ACTOR,
            at=place.at,
            action="tenant.created",
            object_type="tenant",
            object_id=tenant_id,
        )
        commands.add_member(
            session=session, actor=ACTOR, at=place.at, tenant_id=tenant_id, person_id=person_id, role=Role.OWNER
        )
        return make_sign_in_link(session, place.at, place.base_url, person_id) if is_new else ""


@tenant.command("list")
@on_installation
def list_all(place: Installation) -> None:
    """List the workspaces: short name, state, name."""
    after = ""
    while True:
        with place.database.platform() as session:
            page = queries.tenants(session=session, after_slug=after)
        for one in page:
            click.echo(f"{one.slug}\t{_state(one)}\t{one.name}")
        if not page and not after:
            click.echo("no workspace yet: make one with comptoir tenant create", err=True)
        if len(page) < queries.LIST_MAX:
            return
        after = page[-1].slug


def _state(one: TenantView) -> str:
    if one.suspended_at is not None:
        return "suspended"
    return "demo" if one.is_demo else "active"


@tenant.command()
@slug_option
@on_installation
def suspend(place: Installation, slug: str) -> None:
    """Let nobody into a workspace; everything in it is kept."""
    with place.database.platform() as session:
        commands.set_suspended(session=session, actor=ACTOR, at=place.at, slug=slug, suspended=True)
    click.echo(f"workspace {slug} is suspended; resume it with: comptoir tenant resume --slug {slug}")


@tenant.command()
@slug_option
@on_installation
def resume(place: Installation, slug: str) -> None:
    """Let people into a suspended workspace again."""
    with place.database.platform() as session:
        commands.set_suspended(session=session, actor=ACTOR, at=place.at, slug=slug, suspended=False)
    click.echo(f"workspace {slug} is open again")


@tenant.command()
@slug_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@on_installation
def remove(place: Installation, slug: str, yes: bool) -> None:  # noqa: FBT001 click passes options by name
    """Delete a workspace and everything in it, for good."""
    found = named(place, slug)
    if not yes:
        ask_for_name(slug, so=f"All books of {found.name} will be gone", kept="nothing was removed")
    remove_tenant(place.engine, slug=slug)
    with place.database.platform() as session:
        record(
            session=session,
            actor=ACTOR,
            at=place.at,
            action="tenant.removed",
            object_type="tenant",
            object_id=found.id,
            difference={"slug": (slug, None)},
        )
    click.echo(f"workspace {slug} is removed")


@tenant.command()
@slug_option
@click.option(
    "--certificate",
    "to",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file of the certificate, which is not there yet.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@on_installation
def erase(place: Installation, slug: str, to: Path, yes: bool) -> None:  # noqa: FBT001 click passes options by name
    """Erase a workspace with its backups, for good, and write a signed certificate of it."""
    if to.exists():
        _refuse(f"{to} is there already: name another file for the certificate")
    named(place, slug)
    if not yes:
        ask_for_name(slug, so=f"All books and backups of {slug} will be gone", kept="nothing was erased")
    # Written empty first: a certificate that could not be kept must stop the erasure, not follow it.
    to.touch(mode=0o600)
    try:
        done = erase_workspace(engine=place.engine, database=place.database, actor=ACTOR, at=place.at, slug=slug)
    except BaseException:
        to.unlink()
        raise
    to.write_text(done.written(), encoding="utf-8")
    click.echo(f"workspace {slug} is erased; the certificate, signed by key {done.key_id}, is {to}")


def _refuse(line: str) -> NoReturn:
    raise Refusal(line)
