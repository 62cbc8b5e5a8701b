"""`comptoir audit …`: the trails, their seals and the keys that sign them."""

from pathlib import Path

import click
from sqlalchemy.orm import Session

from tenants.office.trail.naming import names_of
from webapp.audit import exports, offline, seals, signing
from webapp.audit.commands import record
from webapp.audit.queries import Search
from webapp.audit.rules import PublicKey
from webapp.audit.sealer import Sealer
from webapp.audit.seals import Chain
from webapp.audit.verification import Verification, snapshot
from webapp.audit.verification import verify as verify_chain
from webapp.cli.installation import ACTOR, Installation, on_installation
from webapp.cli.refusals import Refusal
from webapp.kernel.clock import utc_now
from webapp.kernel.crypto import new_ring
from webapp.kernel.db import bind_platform, bind_tenant
from webapp.tenancy import queries


@click.group()
def audit() -> None:
    """Verify trails, see the keys that sign them, seal what waits."""


@audit.command()
@click.option("--tenant", "slug", help="Verify the trail of this workspace alone.")
@click.option("--platform", is_flag=True, help="Verify the installation's own trail alone.")
@click.option("--all", "every", is_flag=True, help="Verify every trail; so it does without an option, too.")
@click.option(
    "--file",
    "path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Verify an export (JSON lines) against the keys of this installation.",
)
@on_installation
def verify(place: Installation, slug: str | None, platform: bool, every: bool, path: Path | None) -> None:  # noqa: FBT001 click passes options by name
    """Verify trails row by row: what was changed, removed, inserted or moved is named, and the exit code is 1."""
    if sum((slug is not None, platform, every, path is not None)) > 1:
        raise Refusal("choose one of --tenant, --platform, --all and --file")
    if path is not None:
        _verify_file(place, path)
        return
    keys = [key for key in _keys(place) if key.vouched]
    wrong = 0
    for name, chain in _chains(place, slug, platform=platform):
        with snapshot(place.engine) as session:
            found = verify_chain(session=session, chain=chain, keys=keys)
        _tell(name, found)
        wrong += len(found.findings)
    if wrong:
        raise Refusal(f"{wrong} findings: what is named above is not as it was sealed")


def _verify_file(place: Installation, path: Path) -> None:
    trusted = {key.id: key.public_key for key in _keys(place) if key.vouched}
    try:
        with path.open("rb") as file:
            report = offline.verify_lines(iter(lambda: file.readline(offline.LINE_BYTES_MAX), b""), trusted)
    except offline.NotATrail as error:
        raise Refusal(f"{path} is no export of a trail: {error}") from None
    for line in offline.describe(report, key_given=True):
        click.echo(line)
    if report.findings:
        raise Refusal(f"{len(report.findings)} findings: what is named above is not as it was sealed")


def _chains(place: Installation, slug: str | None, *, platform: bool) -> list[tuple[str, Chain]]:
    if slug is not None:
        with place.database.platform() as session:
            found = queries.tenant_by_slug(session=session, slug=slug)
        if found is None:
            raise Refusal(f"there is no workspace called {slug}: see comptoir tenant list")
        return [(slug, Chain.of(found.id))]
    chains = [("platform", Chain.of(None))]
    after = ""
    while not platform:
        with place.database.platform() as session:
            page = queries.tenants(session=session, after_slug=after)
        chains += [(one.slug, Chain.of(one.id)) for one in page]
        if len(page) < queries.LIST_MAX:
            break
        after = page[-1].slug
    return chains


def _tell(name: str, found: Verification) -> None:
    for line in found.findings:
        click.echo(f"{name}: {line}")
    state = "NOT AS SEALED" if found.findings else "whole"
    click.echo(
        f"{name}: {state}, {found.events} events in seals {found.first_seal} to {found.last_seal},"
        f" signed up to seal {found.signed_seal}, {found.unsealed} waiting"
    )


@audit.command()
@click.option("--tenant", "slug", help="The workspace whose trail it is; without it the installation's own.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The file to write.")
@on_installation
def export(place: Installation, slug: str | None, output: Path) -> None:
    """Write a whole trail as JSON lines with the proof, as far as it is sealed and signed."""
    name, chain = _chains(place, slug, platform=slug is None)[0]
    keys = [key for key in _keys(place) if key.vouched]
    with (
        Session(place.engine) as session,
        session.begin(),
        place.database.begin() as reader,
        output.open("wb") as file,
    ):
        bind_tenant(reader, chain.tenant) if chain.tenant else bind_platform(reader)
        seals.enter(session, chain)
        file.writelines(
            exports.proof_lines(
                session=session,
                chain=chain,
                name=name,
                search=Search(),
                keys=keys,
                at=place.at,
                names_of=lambda events: names_of(session=reader, events=events),
            )
        )
        record(
            session=session,
            actor=ACTOR,
            at=place.at,
            action="trail.exported",
            object_type="trail",
            object_id=chain.name,
            difference={"format": (None, "jsonl"), "filters": (None, {})},
        )
    click.echo(f"{name}: written to {output}; verify it with comptoir audit verify --file, or with verify_trail.py")


@audit.command()
@on_installation
def seal(place: Installation) -> None:
    """Seal and sign at once what waits in every trail; the clock does so by itself every few seconds."""
    sealed = Sealer(place.engine, new_ring(place.settings), utc_now).run()
    click.echo(f"{sealed} events sealed")


@audit.command()
@click.option("--rotate", is_flag=True, help="Make a new key for what is signed from now on.")
@on_installation
def key(place: Installation, rotate: bool) -> None:  # noqa: FBT001 click passes options by name
    """Print the public keys that sign checkpoints: its name, the key (hexadecimal), since when, its state."""
    if rotate:
        with Session(place.engine) as session, session.begin():
            signing.rotate(session=session, vault=new_ring(place.settings), at=place.at)
    for one in _keys(place):
        state = "retired" if one.retired_at else "signs"
        vouched = "" if one.vouched else "\tNOT VOUCHED FOR by the secret of this installation"
        click.echo(f"{one.id}\t{one.public_key.hex()}\t{one.created_at:%Y-%m-%d}\t{state}{vouched}")


def _keys(place: Installation) -> list[PublicKey]:
    with Session(place.engine) as session, session.begin():
        return signing.vouched_keys(session=session, vault=new_ring(place.settings))
