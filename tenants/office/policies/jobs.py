"""The job that forgets recorded decisions; it queues itself again for the next day."""

from tenants.office.policies import keeping
from webapp.jobs.commands import enqueue
from webapp.jobs.context import Handler, JobContext


def forget(context: JobContext) -> None:
    """Delete what is older than each store keeps, a part after the other, and come back in a day."""
    at = context.clock()
    with context.begin() as session:
        if not keeping.begin_round(session=session, at=at):
            return
        enqueue(
            session=session,
            actor=context.actor,
            at=at,
            job_id=context.new_id(),
            kind=keeping.FORGET,
            arguments={},
            delay=keeping.EVERY,
        )
    while True:
        with context.begin() as session:
            count = keeping.forget_decisions(session=session, at=at)
        if count < keeping.AT_ONCE:
            return
        context.beat()


HANDLERS: dict[str, Handler] = {keeping.FORGET: forget}
