"""Jobs: forget recorded decisions, once a day, and ask them again of a version."""

from tenants.office.policies import keeping, replays
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


def replay(context: JobContext) -> None:
    """Ask a version the recorded decisions again; it writes one answer at its end, so a run that died is begun anew."""
    with context.begin() as session:
        replays.finish(
            session=session,
            clock=context.clock,
            slug=context.arguments["store"],
            number=context.arguments["number"],
            job_id=context.claim.id,
            beat=lambda done, total: context.beat(done=done, total=total),
        )


HANDLERS: dict[str, Handler] = {keeping.FORGET: forget, replays.REPLAY: replay}
