"""`comptoir doctor`: the standing assertions about who can read what."""

import click

from webapp.cli.installation import Installation, on_installation
from webapp.cli.refusals import Refusal
from webapp.tenancy.doctor import examine


@click.command()
@on_installation
def doctor(place: Installation) -> None:
    """See that nobody's data can be read by anybody else; change nothing."""
    with place.engine.connect() as connection:
        findings = examine(connection)
    for one in findings:
        click.echo(f"{one.code}\t{one.what}: {one.way_out}")
    if findings:
        raise Refusal(f"{len(findings)} findings; each line says what to do")
    click.echo("all is well: every workspace is apart from every other")
