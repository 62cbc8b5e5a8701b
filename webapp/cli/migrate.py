"""`comptoir migrate`: the database, the platform's schema and every workspace's."""

import click

from webapp.cli.installation import Installation, on_installation
from webapp.cli.refusals import Refusal
from webapp.tenancy import migrations
from webapp.tenancy.provisioning import MigrationResult


@click.command()
@on_installation
def migrate(place: Installation) -> None:
    """Bring the database to the newest version: the platform, then all workspaces, a line for each."""
    results = migrations.migrate(place.settings, report=_say)
    failed = [one for one in results if one.error]
    if failed:
        raise Refusal(
            f"{len(failed)} of {len(results)} workspaces were left as they were: correct the cause and run it again",
        )
    if not results:
        click.echo("everything is at the newest version")


def _say(result: MigrationResult) -> None:
    """Print what became of one workspace."""
    click.echo(f"{result.name}\t{f'failed: {result.error}' if result.error else result.revision}")
