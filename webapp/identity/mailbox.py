"""Ask for a link by mail.

Whether there is an account is found out by a job, so no answer tells it, nor how long it takes.
"""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from webapp.identity.rules import hash_secret
from webapp.jobs.commands import enqueue
from webapp.kernel.actor import Actor

SEND_LINK = "identity.send_link"
"""Kind of the job that sends a link, if there is somebody to send it to."""
LIVES = {"magic": timedelta(minutes=15), "reset": timedelta(hours=1), "verify": timedelta(days=1)}
"""Purpose of a link to how long it works."""
PATHS = {"magic": "/sign-in-by-mail/", "reset": "/password-reset/", "verify": "/email-verification/"}
LETTERS = {"magic": "magic_link", "reset": "password_reset", "verify": "verify_email"}


def ask_for_link(
    *, session: Session, actor: Actor, at: datetime, job_id: UUID, email: str, purpose: str, browser: str = ""
) -> None:
    """Queue a mail with a one-time link to an address, existing or not.

    `browser` is the secret of the only browser that can use it.
    """
    arguments = {"email": email, "purpose": purpose, "browser": hash_secret(browser).hex() if browser else ""}
    enqueue(session=session, actor=actor, at=at, job_id=job_id, kind=SEND_LINK, arguments=arguments, queue="mail")
