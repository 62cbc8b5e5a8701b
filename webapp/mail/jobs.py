"""The job that sends one letter."""

from pathlib import Path

from webapp.jobs.commands import forget_arguments
from webapp.jobs.context import Handler, JobContext
from webapp.mail.commands import SEND
from webapp.mail.delivery import deliver
from webapp.mail.letters import envelope, write
from webapp.mail.queries import FOLDER


def send(context: JobContext) -> None:
    """Write the letter and send it; then forget its words, which may hold a one-time link."""
    arguments, settings, at = context.arguments, context.settings, context.clock()
    letter = write(arguments["letter"], arguments["language"], arguments["values"], home=settings.base_url)
    message = envelope(letter, sender=settings.mail_from, to=arguments["to"], at=at, message_id=str(context.claim.id))
    name = f"{at:%Y%m%dT%H%M%S}-{context.claim.id.hex}"
    deliver(message, smtp_url=settings.smtp_url, folder=Path(settings.data_dir) / FOLDER, name=name)
    with context.database.platform() as session:
        forget_arguments(session=session, job_id=context.claim.id, keep=("to", "letter", "language"))


HANDLERS: dict[str, Handler] = {SEND: send}
"""Kind to code."""
