"""`comptoir person …`: people, and links that let them in."""

from datetime import datetime
from pathlib import Path
from uuid import UUID

import click
from sqlalchemy.orm import Session

from webapp.backups.erasing import erase_person
from webapp.cli.installation import ACTOR, Installation, on_installation
from webapp.cli.refusals import Refusal
from webapp.identity import addresses, links, people, queries, tokens
from webapp.kernel.ids import new_id, new_secret
from webapp.oauth import commands as programs


@click.group()
def person() -> None:
    """Add people and let them in."""


@person.command()
@click.option("--email", required=True, help="The address that they sign in with.")
@click.option("--name", default="", help="Their name; the address's first part if not given.")
@click.option("--operator", is_flag=True, help="Let them run the installation.")
@on_installation
def add(place: Installation, email: str, name: str, operator: bool) -> None:  # noqa: FBT001 click passes options by name
    """Add a person and print a link that signs in once."""
    with place.database.platform() as session:
        person_id = _add(session, place.at, email, name, is_operator=operator)
        link = make_sign_in_link(session, place.at, place.base_url, person_id)
    click.echo(link)


@person.command()
@click.option("--email", required=True, help="The address of a person who is known here.")
@on_installation
def link(place: Installation, email: str) -> None:
    """Print a link that signs a person in, once, within 24 hours."""
    with place.database.platform() as session:
        found = queries.person_by_email(session=session, email=email.strip())
        if found is None:
            raise Refusal(f"nobody is known as {email}: add them with comptoir person add")
        made = make_sign_in_link(session, place.at, place.base_url, found.id)
    click.echo(made)


@person.command()
@click.option("--email", required=True, help="The address that they sign in with.")
@click.option("--new-email", default="", help="Their address from now on, when the mailbox is lost too.")
@click.option("--tokens", "with_tokens", is_flag=True, help="Revoke their API tokens in every workspace, too.")
@on_installation
def reset(place: Installation, email: str, new_email: str, with_tokens: bool) -> None:  # noqa: FBT001 as above
    """Take a person's password, second factors, sessions and programs away and print a link that signs in once.

    For who has lost everything. Be sure who asks: who gets the link gets the account. They are told by mail.
    """
    email, new_email = email.strip(), new_email.strip()
    with place.database.platform() as session:
        found = queries.person_by_email(session=session, email=email)
        if found is None:
            raise Refusal(f"nobody is known as {email}: add them with comptoir person add")
        who = {"session": session, "actor": ACTOR, "at": place.at, "person_id": found.id}
        if new_email:
            addresses.replace_address(old=found.email, new=new_email, **who)
        people.reset_person(to=(found.email, *([new_email] if new_email else [])), **who)
        programs.end_program(client_id=None, **who)
        if with_tokens:
            tokens.revoke_tokens_of(**who)
        made = make_sign_in_link(session, place.at, place.base_url, found.id)
    click.echo(made)


@person.command()
@click.option("--email", required=True, help="The address that they sign in with.")
@click.option(
    "--certificate",
    "to",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file of the certificate, which is not there yet.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@on_installation
def erase(place: Installation, email: str, to: Path, yes: bool) -> None:  # noqa: FBT001 as above
    """Anonymise a person everywhere and write a signed certificate of it; books and trails stay as they are."""
    email = email.strip()
    with place.database.platform() as session:
        found = queries.person_by_email(session=session, email=email)
    if found is None:
        raise Refusal(f"nobody is known as {email}")
    if to.exists():
        raise Refusal(f"{to} is there already: name another file for the certificate")
    asked = f"Nothing but an id will be left of {email}. Type the address again to erase them"
    if not yes and click.prompt(asked, default="", show_default=False).strip().lower() != email.lower():
        raise Refusal("nothing was erased: what was typed is another address")
    to.touch(mode=0o600)
    try:
        done = erase_person(engine=place.engine, database=place.database, actor=ACTOR, at=place.at, person_id=found.id)
    except BaseException:
        to.unlink()
        raise
    to.write_text(done.written(), encoding="utf-8")
    click.echo(f"the person is erased; the certificate, signed by key {done.key_id}, is {to}")


def find_or_add(session: Session, at: datetime, email: str) -> tuple[UUID, bool]:
    """Return the person with this address and whether they are new; raises Invalid (email)."""
    found = queries.person_by_email(session=session, email=email.strip())
    if found is not None:
        return found.id, False
    return _add(session, at, email, "", is_operator=False), True


def make_sign_in_link(session: Session, at: datetime, base_url: str, person_id: UUID) -> str:
    """Make a link that signs a person in, once, within 24 hours, and return its address."""
    secret = new_secret()
    links.make_link(session=session, at=at, secret=secret, purpose="sign_in", person_id=person_id)
    return f"{base_url}/sign-in/{secret}"


def _add(session: Session, at: datetime, email: str, name: str, *, is_operator: bool) -> UUID:
    email = email.strip()
    return people.add_person(
        session=session,
        actor=ACTOR,
        at=at,
        person_id=new_id(),
        email=email,
        name=name.strip() or email.partition("@")[0][:200] or email,
        password=None,
        is_operator=is_operator,
    )
