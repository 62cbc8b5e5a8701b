"""`comptoir migrate`: the database, the platform's schema and every workspace's."""

import click
from sqlalchemy import text

from webapp import __version__
from webapp.cli.installation import Installation, on_installation
from webapp.cli.refusals import Refusal
from webapp.jobs.presence import HEARD_WITHIN
from webapp.jobs.queries import other_versions
from webapp.tenancy import migrations
from webapp.tenancy.migrations import MigrationResult
from webapp.tenancy.schema import ContractWaits, UnknownRevision


@click.command()
@click.option("--contract", is_flag=True, help="Also take away what only older versions use; none of them may run.")
@on_installation
def migrate(place: Installation, contract: bool) -> None:  # noqa: FBT001 click passes options by name
    """Bring the database to the newest version: the platform, then all workspaces, a line for each."""
    if contract:
        _see_that_nothing_older_is_left(place)
    try:
        results = migrations.migrate(place.settings, report=_say, contract=contract)
    except (ContractWaits, UnknownRevision) as error:
        raise Refusal(f"the platform's schema was left as it was: {error}") from error
    failed = [one for one in results if one.error]
    if failed:
        raise Refusal(
            f"{len(failed)} of {len(results)} workspaces were left as they were: correct the cause and run it again",
        )
    if not results:
        click.echo("everything is at the newest version")


def _see_that_nothing_older_is_left(place: Installation) -> None:
    """Refuse while another version runs or may come back: it would miss what is taken away."""
    if former := place.settings.previous_version:
        raise Refusal(f"nothing was taken away: ops/rollback can still go back to {former}. Run ops/deploy --finish")
    with place.engine.connect() as connection:
        if connection.scalar(text("SELECT to_regclass('platform.heartbeat')")) is None:
            return
    with place.database.platform() as session:
        others = other_versions(session=session, version=__version__, at=place.at, within=HEARD_WITHIN)
    if others:
        raise Refusal(
            f"nothing was taken away: other versions than {__version__} were heard of within a minute: "
            f"{', '.join(others)}. Stop them, wait a minute and run it again"
        )


def _say(result: MigrationResult) -> None:
    """Print what became of one workspace."""
    click.echo(f"{result.name}\t{f'failed: {result.error}' if result.error else result.revision}")
