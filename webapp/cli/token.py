"""`comptoir token …`: API tokens."""

import secrets
from datetime import timedelta

import click

from webapp.access.permissions import SCOPES
from webapp.cli.installation import ACTOR, Installation, on_installation
from webapp.cli.refusals import Refusal
from webapp.identity import queries as people
from webapp.identity import tokens
from webapp.identity.notices import tell
from webapp.kernel.ids import new_secret
from webapp.tenancy import queries

TOKEN_ID_BYTES = 8


@click.group()
def token() -> None:
    """Make API tokens."""


@token.command()
@click.option("--tenant", "slug", required=True, help="Short name of the workspace that it opens.")
@click.option("--person", "email", required=True, metavar="EMAIL", help="The member whose rights it carries.")
@click.option("--name", default="command line", show_default=True, help="What the list of tokens shows.")
@click.option(
    "--days",
    default=tokens.TOKEN_LIFE.days,
    show_default=True,
    type=click.IntRange(1, 366),
    help="Days until it expires.",
)
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(SCOPES),
    metavar="ROOM:read|write",
    help="Narrow it to a scope; repeat for more. Without it: all.",
)
@click.option(
    "--network",
    "networks",
    multiple=True,
    metavar="CIDR",
    help="Let it work from this network alone; repeat for more. Without it: from everywhere.",
)
@on_installation
def create(
    place: Installation,
    slug: str,
    email: str,
    name: str,
    days: int,
    scopes: tuple[str, ...],
    networks: tuple[str, ...],
) -> None:
    """Make a token of a member and print it alone; it cannot be seen again."""
    with place.database.platform() as session:
        person = people.person_by_email(session=session, email=email.strip())
        found = person and queries.membership(session=session, slug=slug, person_id=person.id)
        if person is None or found is None:
            raise Refusal(_missing(email, slug, known=person is not None))
        made = tokens.create_token(
            session=session,
            actor=ACTOR,
            at=place.at,
            token_id=secrets.token_hex(TOKEN_ID_BYTES),
            secret=new_secret(),
            tenant_id=found.tenant.id,
            person_id=person.id,
            name=name,
            scopes=frozenset(scopes or SCOPES),
            known_scopes=SCOPES,
            life=timedelta(days=days),
            networks=networks,
        )
        told = {"token": name, "workspace": found.tenant.name}
        tell(session=session, actor=ACTOR, at=place.at, person_id=person.id, kind="token_created", params=told)
    click.echo(made)


def _missing(email: str, slug: str, *, known: bool) -> str:
    if not known:
        return f"nobody is known as {email}: add them with comptoir person add, and invite them into {slug}"
    return f"{email} is no member of a workspace called {slug}: see comptoir tenant list, or invite them"
