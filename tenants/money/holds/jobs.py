"""The job that lets holds of a workspace expire; it is due when the hold is that it was made for."""

from tenants.money.holds import commands
from webapp.jobs.context import Handler, JobContext


def expire(context: JobContext) -> None:
    """Settle every hold of the workspace whose time is over."""
    while True:
        with context.begin() as session:
            settled = commands.expire_due(session=session, actor=context.actor, at=context.clock())
        if settled < commands.EXPIRE_MAX:
            return


HANDLERS: dict[str, Handler] = {commands.EXPIRE: expire}
