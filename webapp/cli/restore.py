"""`comptoir restore`: a workspace back from a backup."""

from pathlib import Path
from typing import Any

import click

from webapp.audit.commands import record
from webapp.backups import envelope
from webapp.backups.restoring import restore as put_back
from webapp.cli.backup import identity_option, looked_through, signed_by_option, vouched
from webapp.cli.installation import ACTOR, Installation, on_installation
from webapp.cli.refusals import Refusal
from webapp.cli.workspace import ask_for_name, named
from webapp.kernel.ids import new_id
from webapp.tenancy.provisioning import drop_aside

UNCHANGED = "nothing was changed"


@click.command()
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--as", "slug", default="", metavar="SLUG", help="Make a new workspace of it, beside those that are there."
)
@click.option("--in-place", is_flag=True, help="Put it in the place of its own workspace, which is kept aside.")
@click.option("--forget", default="", metavar="SLUG", help="Delete what restores in place have kept of this workspace.")
@click.option("--owner", default="", metavar="EMAIL", help="Who owns the new workspace, besides those of the backup.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@identity_option
@signed_by_option
@on_installation
def restore(
    place: Installation,
    file: Path | None,
    slug: str,
    in_place: bool,  # noqa: FBT001 click passes options by name
    forget: str,
    owner: str,
    yes: bool,  # noqa: FBT001 click passes options by name
    identity: Path | None,
    signed_by: tuple[str, ...],
) -> None:
    """Put a workspace back from a backup, beside what is there or in its place; others go on meanwhile."""
    if forget:
        _forget(place, forget, yes=yes)
        return
    if file is None or bool(slug) == in_place:
        raise Refusal("name a backup, and either --as SLUG for a new workspace or --in-place")
    found = looked_through(place, file, identity, signed_by)
    said = found.manifest
    if in_place and not yes:
        so = f"{said.slug} goes back to {said.taken_at}; what is there now is kept aside"
        ask_for_name(said.slug, so=so, kept=UNCHANGED)
    done = put_back(
        engine=place.engine,
        database=place.database,
        path=file,
        identities=envelope.identities(identity or envelope.identity_path(place.settings)),
        found=found,
        actor=ACTOR,
        at=place.at,
        new_id=new_id(),
        slug=slug,
        owner_email=owner,
        own_keys=vouched(place),
    )
    click.echo(
        f"workspace {done.slug} is back as of {said.taken_at} at {place.base_url}/t/{done.slug}/: {done.rows} rows,"
        f" digest {done.digest}"
    )
    if done.aside:
        click.echo(
            f"what was there before is kept as schema {done.aside}; delete it with:"
            f" comptoir restore --forget {done.slug}"
        )
    elif not done.is_same_trail:
        click.echo("its trail is sealed anew from here on; an event in it names where the former one ended")


def _forget(place: Installation, slug: str, *, yes: bool) -> None:
    found = named(place, slug)
    if not yes:
        ask_for_name(slug, so=f"What was kept of {slug} before its restores will be gone", kept=UNCHANGED)
    with place.engine.begin() as connection:
        driver: Any = connection.connection.driver_connection
        names = drop_aside(driver, found.ref)
    if names:
        with place.database.platform() as session:
            record(
                session=session,
                actor=ACTOR,
                at=place.at,
                action="tenant.former_deleted",
                object_type="tenant",
                object_id=found.id,
                difference={"schemas": (names, None)},
            )
    click.echo(f"{len(names)} schemas of before are deleted")
