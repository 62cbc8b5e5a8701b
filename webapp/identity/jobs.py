"""Jobs of identity: what would tell a stranger at the door whether an account exists is found out here."""

from webapp.identity import lockout, queries
from webapp.identity.lockout import TELL_LOCKED
from webapp.identity.notices import tell
from webapp.jobs.context import Handler, JobContext


def tell_locked(context: JobContext) -> None:
    """Tell a person, once a day, that somebody guesses at their password; there may be nobody to tell."""
    email, minutes, at = context.arguments["email"], context.arguments["minutes"], context.clock()
    with context.begin() as session:
        person = queries.person_by_email(session=session, email=email)
        if person is not None and lockout.is_due_to_tell(session=session, at=at, email=email):
            told = {"minutes": minutes, "address": context.claim.source_address}
            tell(session=session, at=at, person_id=person.id, kind="account_locked", params=told)


HANDLERS: dict[str, Handler] = {TELL_LOCKED: tell_locked}
"""Kind to code."""
