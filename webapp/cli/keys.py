"""`comptoir keys …`: the keys that seal fields at rest. None of them is ever printed."""

import os
from uuid import UUID

import click

from webapp.cli.installation import ACTOR, Installation, on_installation
from webapp.cli.refusals import Refusal
from webapp.jobs.queries import unfinished
from webapp.kernel.crypto import KeyRing
from webapp.kernel.ids import new_id
from webapp.kernel.masters import KEY_BYTES, MasterKeysError
from webapp.keys import commands, places, queries


@click.group()
def keys() -> None:
    """List, rotate and retire the keys that seal fields."""
    places.load_tables()


@keys.command("list")
@on_installation
def list_all(place: Installation) -> None:
    """List master keys with what they wrap, and data keys: scope, id, role, since when."""
    ring: KeyRing = place.database.keys
    with place.database.platform() as session:
        wraps, scopes = queries.wrapped_by(session=session), queries.scopes(session=session)
        running = unfinished(session=session, kinds=(commands.ROTATE, commands.RESEAL))
    masters = ring.masters.read_again()
    for name in [*masters.keys, *sorted(set(wraps) - set(masters.keys))]:
        role = "current" if name == masters.current else "old" if name in masters.keys else "missing"
        click.echo(f"master\t{name}\t{role}\twraps {wraps.get(name, 0)}")
    for one in scopes:
        state = f"{len(one.old)} old" if one.old else "alone"
        click.echo(f"data\t{one.tenant_id or 'platform'}\t{one.current}\t{state}\t{one.made_at:%Y-%m-%d %H:%M}")
    for job in running:
        click.echo(f"job\t{job.kind}\t{job.state}\t{job.progress_done} of {job.progress_total or '?'}")


@keys.command()
@click.option("--keep-master", is_flag=True, help="Make no new master key: wrap by the one that stands first.")
@click.option("--keep-data", is_flag=True, help="Make no new data keys: no field is sealed anew.")
@on_installation
def rotate(place: Installation, keep_master: bool, keep_data: bool) -> None:  # noqa: FBT001 click passes options by name
    """Make new keys and seal every field with them, while everything runs; old keys open until they are retired."""
    ring: KeyRing = place.database.keys
    with place.database.platform() as session:
        if unfinished(session=session, kinds=(commands.ROTATE, commands.RESEAL)):
            raise Refusal("a rotation is at work: see how far it is with comptoir keys list")
    masters = ring.masters.read_again()
    if not keep_master:
        try:
            masters = masters.led_by(f"{place.at:%Y%m%d-%H%M%S}", os.urandom(KEY_BYTES))
            ring.masters.keep(masters)
        except MasterKeysError as error:
            raise Refusal(
                f"{error}: put a new key first yourself (id:base64 of 32 bytes), restart web, worker and clock one "
                "after the other, then run: comptoir keys rotate --keep-master"
            ) from None
    rotation = new_id()
    with place.database.platform() as session:
        commands.ask_to_rotate(
            session=session,
            actor=ACTOR,
            at=place.at,
            job_id=new_id(),
            rotation=rotation,
            master_id=masters.current,
            data=not keep_data,
        )
    click.echo(f"rotation {rotation} is queued under master key {masters.current}: the worker does it")
    click.echo("see how far it is with comptoir keys list; keep a copy of the master keys apart from the backups")


@keys.command()
@on_installation
def retire(place: Installation) -> None:
    """Destroy old data keys that seal nothing any more, and drop master keys that wrap none."""
    ring: KeyRing = place.database.keys
    with place.database.platform() as session:
        scopes = queries.scopes(session=session)
    old = [key for one in scopes for key in one.old]
    retired = 0
    if old:
        left = any(_is_left(place, tenant_id, keys) for tenant_id, keys in places.to_look_at(scopes))
        with place.database.platform() as session:
            retired = commands.retire(session=session, actor=ACTOR, at=place.at, old=old, is_left=lambda: left)
    with place.database.platform() as session:
        wraps = queries.wrapped_by(session=session)
    masters = ring.masters.read_again()
    idle = [name for name in masters.keys if name != masters.current and not wraps.get(name)]
    for name in idle:
        masters = masters.without(name)
    if idle and ring.masters.path is not None:
        ring.masters.keep(masters)
    elif idle:
        click.echo(f"take these out of COMPTOIR_MASTER_KEYS, they wrap nothing: {', '.join(idle)}", err=True)
    click.echo(f"{retired} data keys are destroyed, {len(idle)} master keys wrap nothing any more")


def _is_left(place: Installation, tenant_id: UUID | None, old: tuple[int, ...]) -> bool:
    with places.bound(place.database, place.engine, tenant_id) as session:
        return bool(old) and any(
            commands.left_under(session=session, column=column, old=old)
            for column in places.columns(of_tenant=tenant_id is not None)
        )
