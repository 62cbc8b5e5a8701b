"""The work of a rotation, in the background: new keys first, then, when every process has them, the fields."""

from uuid import UUID

from sqlalchemy import Engine

from webapp.jobs.commands import enqueue
from webapp.jobs.context import Handler, JobContext
from webapp.kernel.db import owner_engine
from webapp.keys import commands, places, queries


def rotate(context: JobContext) -> None:
    """Rewrap the data keys by the new master key and make new ones; a second run does what is left."""
    asked, done = context.arguments, 0
    rotation = UUID(asked["rotation"])
    while True:
        with context.database.platform() as session:
            some = commands.rewrap_some(session=session, master_id=asked["master"])
        if not some:
            break
        context.beat(done=(done := done + some))
    while asked["data"]:
        with context.database.platform() as session:
            some = commands.make_some(session=session, at=context.clock(), rotation=rotation)
        if not some:
            break
        context.beat(done=(done := done + some))
    if asked["data"]:
        with context.begin() as session:
            enqueue(
                session=session,
                actor=context.actor,
                at=context.clock(),
                job_id=context.new_id(),
                kind=commands.RESEAL,
                arguments={"rotation": asked["rotation"]},
                delay=commands.RESEAL_AFTER,
            )


def reseal(context: JobContext) -> None:
    """Seal every field anew that an old key sealed, workspace after workspace; a second run goes on with the rest."""
    context.keys.forget()
    owner = owner_engine(context.settings.database_url, pool_size=1)
    try:
        _reseal(context, owner)
    finally:
        owner.dispose()


def _reseal(context: JobContext, owner: Engine) -> None:
    with context.database.platform() as session:
        scopes = list(places.to_look_at(queries.scopes(session=session)))
    for number, (tenant_id, old) in enumerate(scopes):
        context.beat(done=number, total=len(scopes))
        for column in places.columns(of_tenant=tenant_id is not None) if old else ():
            after = None
            while True:
                with places.bound(context.database, owner, tenant_id) as session:
                    some = commands.reseal_some(
                        session=session, column=column, tenant_id=tenant_id, old=old, after=after
                    )
                if not some:
                    break
                after = some[-1]
                context.beat()
    context.beat(done=len(scopes), total=len(scopes))


HANDLERS: dict[str, Handler] = {commands.ROTATE: rotate, commands.RESEAL: reseal}
