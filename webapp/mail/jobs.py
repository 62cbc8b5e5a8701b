"""The job that sends one letter."""

import smtplib
from datetime import datetime, timedelta
from pathlib import Path

from webapp.jobs.commands import forget_arguments
from webapp.jobs.context import Handler, JobContext, TryLater
from webapp.mail.commands import SEND
from webapp.mail.delivery import deliver, is_passing, post_of
from webapp.mail.letters import envelope, write
from webapp.mail.queries import FOLDER

WAIT_MIN, WAIT_MAX = timedelta(seconds=15), timedelta(hours=1)
GIVE_UP_AFTER = timedelta(days=1)


def send(context: JobContext) -> None:
    """Write the letter and send it; then forget its words, which may hold a one-time link.

    While the mail server is away it is tried again, each time after twice as long, for a day.
    """
    arguments, settings, at = context.arguments, context.settings, context.clock()
    letter = write(arguments["letter"], arguments["language"], arguments["values"], home=settings.base_url)
    message = envelope(letter, sender=settings.mail_from, to=arguments["to"], at=at, message_id=str(context.claim.id))
    name = f"{at:%Y%m%dT%H%M%S}-{context.claim.id.hex}"
    try:
        deliver(message, post=post_of(settings), folder=Path(settings.data_dir) / FOLDER, name=name)
    except (OSError, smtplib.SMTPException) as error:
        age = at - datetime.fromisoformat(arguments["queued_at"])
        if age > GIVE_UP_AFTER or not is_passing(error):
            raise
        raise TryLater(str(error), min(max(age, WAIT_MIN), WAIT_MAX)) from error
    with context.database.platform() as session:
        forget_arguments(session=session, job_id=context.claim.id, keep=("to", "letter", "language"))


HANDLERS: dict[str, Handler] = {SEND: send}
"""Kind to code."""
