"""Hand a letter to the post: a job of the act's own transaction, so that nothing is sent for what did not happen."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from webapp.jobs.commands import enqueue
from webapp.kernel.actor import Actor

SEND = "mail.send"
"""Kind of the job that sends one letter."""


def send_mail(
    *,
    session: Session,
    actor: Actor,
    at: datetime,
    job_id: UUID,
    to: str,
    letter: str,
    language: str,
    values: dict[str, Any],
) -> None:
    """Queue one letter (a template in templates/mail) to one address, in the reader's language.

    `values` are JSON; they are forgotten as soon as the letter is sent, because they may hold a one-time link.
    """
    arguments = {"to": to, "letter": letter, "language": language, "values": values, "queued_at": at.isoformat()}
    enqueue(session=session, actor=actor, at=at, job_id=job_id, kind=SEND, arguments=arguments, queue="mail")
