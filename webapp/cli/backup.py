"""`comptoir backup …`: backups of single workspaces; the whole installation has its own."""

from datetime import datetime
from pathlib import Path

import click
from sqlalchemy.orm import Session

from webapp.audit import signing
from webapp.backups import envelope, inspection, queries, shelf
from webapp.backups.inspection import Inspected
from webapp.cli.installation import ACTOR, Installation, on_installation
from webapp.cli.refusals import Refusal
from webapp.kernel.clock import utc_now
from webapp.kernel.crypto import new_ring
from webapp.kernel.ids import new_id
from webapp.tenancy import queries as tenancy

file_argument = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
identity_option = click.option(
    "--identity",
    "identity",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The file of the key that opens it, unless COMPTOIR_BACKUP_IDENTITY_PATH says it.",
)
signed_by_option = click.option(
    "--signed-by",
    "signed_by",
    multiple=True,
    metavar="HEX",
    help="A public key to trust besides this installation's own, as comptoir audit key prints it.",
)


@click.group()
def backup() -> None:
    """Take, verify and list backups of workspaces."""


@backup.command()
@click.option("--tenant", "slug", required=True, help="The workspace's short name.")
@click.option(
    "--to", type=click.Path(file_okay=False, path_type=Path), help="A folder other than that of the settings."
)
@click.option("--recipient", "closed_for", multiple=True, metavar="AGE1…", help="Close it for this key instead.")
@click.option("--for-move", is_flag=True, help="Let another installation open its sealed fields: name its --recipient.")
@on_installation
def take(place: Installation, slug: str, to: Path | None, closed_for: tuple[str, ...], for_move: bool) -> None:  # noqa: FBT001 click passes options by name
    """Write a backup of one workspace, closed and signed; it is used meanwhile."""
    if for_move and not closed_for:
        raise Refusal("name the other installation's key with --recipient: its data keys lie open within the file")
    with place.database.platform() as session:
        found = tenancy.tenant_by_slug(session=session, slug=slug)
    if found is None:
        raise Refusal(f"there is no workspace called {slug}: see comptoir tenant list")
    taken = shelf.take_down(
        settings=place.settings,
        engine=place.engine,
        database=place.database,
        actor=ACTOR,
        clock=utc_now,
        backup_id=new_id(),
        tenant_id=found.id,
        slug=slug,
        kind="asked",
        to=to,
        closed_for=list(closed_for),
        for_move=for_move,
    )
    click.echo(
        f"{slug}\t{taken.path}\t{taken.size_bytes} bytes\t{taken.manifest.rows} rows\t{taken.seconds:.1f} s"
        f"\tdigest {taken.manifest.digest}"
    )


@backup.command()
@file_argument
@identity_option
@signed_by_option
@on_installation
def verify(place: Installation, file: Path, identity: Path | None, signed_by: tuple[str, ...]) -> None:
    """Read a whole backup and compare all of it with its signed manifest; change nothing."""
    found = looked_through(place, file, identity, signed_by)
    said = found.manifest
    click.echo(
        f"{said.slug}\twhole and signed by {found.signed_by}\ttaken {said.taken_at}\trevision {said.revision}"
        f"\t{said.rows} rows\tdigest {said.digest}"
    )


def looked_through(place: Installation, file: Path, identity: Path | None, signed_by: tuple[str, ...]) -> Inspected:
    """Inspect a backup against the keys of this installation and those that were named."""
    try:
        trusted = inspection.named(signed_by) | vouched(place)
    except ValueError:
        raise Refusal("--signed-by is a public key in hexadecimal digits, as comptoir audit key prints it") from None
    return inspection.inspect(
        path=file, identities=envelope.identities(identity or envelope.identity_path(place.settings)), trusted=trusted
    )


def vouched(place: Installation) -> dict[str, bytes]:
    """Return the public keys that this installation's own secret vouches for, by their names."""
    with Session(place.engine) as session, session.begin():
        keys = signing.vouched_keys(session=session, vault=new_ring(place.settings))
    return {key.id: key.public_key for key in keys if key.vouched}


@backup.command("list")
@click.option("--tenant", "slug", default="", help="Of one workspace alone.")
@on_installation
def list_all(place: Installation, slug: str) -> None:
    """List the newest 500 backups: workspace, when, state, size, time, file or reason."""
    with place.database.platform() as session:
        found = queries.backups(session=session, slug=slug)
    for one in found:
        what = one.error if one.state == "failed" else one.file_name
        click.echo(
            f"{one.slug}\t{_told(one.began_at)}\t{one.kind}\t{one.state}\t{one.size_bytes or 0} bytes"
            f"\t{one.seconds or 0:.1f} s\t{what}"
        )
    if not found:
        click.echo("no backup yet: take one with comptoir backup take", err=True)


def _told(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"


@backup.command()
@click.option("--to", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The file to write.")
def key(to: Path) -> None:
    """Make a key that opens backups, in a file of its own, and print its public half for COMPTOIR_BACKUP_RECIPIENTS."""
    try:
        public = envelope.make_identity(to)
    except FileExistsError:
        raise Refusal(f"{to} is there already: a key is never written over") from None
    except OSError as error:
        raise Refusal(f"{to} cannot be written ({error.strerror})") from None
    click.echo(public)
    click.echo(f"keep {to} apart from the backups: without it nobody opens them", err=True)
