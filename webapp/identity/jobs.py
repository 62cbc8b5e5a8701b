"""Jobs of identity: what would tell a stranger at the door whether an account exists is found out here."""

from uuid import UUID

import structlog

from webapp.identity import lockout, mailbox, queries
from webapp.identity.addresses import SEND_CHANGE
from webapp.identity.links import make_link
from webapp.identity.lockout import TELL_LOCKED
from webapp.identity.mailbox import SEND_LINK
from webapp.identity.notices import tell
from webapp.jobs.commands import forget_arguments
from webapp.jobs.context import Handler, JobContext
from webapp.mail.commands import send_mail
from webapp.settings import Settings

log = structlog.get_logger()


def tell_locked(context: JobContext) -> None:
    """Tell a person, once a day, that somebody guesses at their password; there may be nobody to tell."""
    email, minutes, at = context.arguments["email"], context.arguments["minutes"], context.clock()
    with context.begin() as session:
        person = queries.person_by_email(session=session, email=email)
        if person is not None and lockout.may_write(session=session, at=at, email=email, limit=lockout.TOLD):
            told = {"minutes": minutes, "address": context.claim.source_address}
            tell(session=session, at=at, person_id=person.id, kind="account_locked", params=told)


def send_link(context: JobContext) -> None:
    """Make a one-time link and send it to whom the address belongs; there may be nobody, and then nothing is sent."""
    asked, at = context.arguments, context.clock()
    purpose = asked["purpose"]
    with context.begin() as session:
        person = queries.person_by_email(session=session, email=asked["email"])
        if person is None or not queries.is_enabled(session=session, person_id=person.id):
            return
        if not lockout.may_write(session=session, at=at, email=person.email, limit=lockout.MAILED):
            log.warning("mail.not_sent", reason="too many links were asked for", purpose=purpose)
            return
        secret = context.new_secret()
        make_link(
            session=session,
            at=at,
            secret=secret,
            purpose=purpose,
            person_id=person.id,
            life=mailbox.LIVES[purpose],
            browser_hash=bytes.fromhex(asked["browser"]) or None,
        )
        send_mail(
            session=session,
            actor=context.actor,
            at=at,
            job_id=context.new_id(),
            to=person.email,
            letter=mailbox.LETTERS[purpose],
            language=person.language,
            values={"name": person.name, "link": home(context.settings) + mailbox.PATHS[purpose] + secret},
        )


def send_change(context: JobContext) -> None:
    """Ask both mailboxes of a change of address; a new address that is somebody else's gets no mail."""
    asked, at = context.arguments, context.clock()
    person_id = UUID(asked["person_id"])
    with context.begin() as session:
        person = queries.people(session=session, ids={person_id})[person_id]
        is_taken = queries.person_by_email(session=session, email=asked["new"]) is not None
        for side, secret in zip(("old", "new"), asked["secrets"], strict=True):
            if side == "new" and is_taken:
                continue
            link = f"{home(context.settings)}/email-confirmation/{secret}"
            send_mail(
                session=session,
                actor=context.actor,
                at=at,
                job_id=context.new_id(),
                to=asked[side],
                letter=f"confirm_{side}_email",
                language=person.language,
                values={"name": person.name, "old": asked["old"], "new": asked["new"], "link": link},
            )
        forget_arguments(session=session, job_id=context.claim.id, keep=("person_id",))


def home(settings: Settings) -> str:
    """Return where the installation is for links that open an account: never where a request said that it came in."""
    return (settings.base_url or f"http://{settings.host}:{settings.port}").rstrip("/")


HANDLERS: dict[str, Handler] = {TELL_LOCKED: tell_locked, SEND_LINK: send_link, SEND_CHANGE: send_change}
"""Kind to code."""
