"""`comptoir up`: everything with one command."""

import sys
from pathlib import Path

import click


@click.command()
@click.option("--port", default=8000, show_default=True, envvar="COMPTOIR_PORT", type=click.IntRange(0, 65535))
@click.option(
    "--data-dir",
    default=".comptoir",
    show_default=True,
    envvar="COMPTOIR_DATA_DIR",
    type=click.Path(path_type=Path),
    help="Where all data lives.",
)
@click.option("--demo/--no-demo", default=True, help="Make a demo workspace on the first start.")
def up(port: int, data_dir: Path, demo: bool) -> None:  # noqa: FBT001 click passes options by name
    """Start all of Comptoir: database, queue, web, worker and clock, until Ctrl-C."""
    from webapp.embedded.process import EmbeddedError  # noqa: PLC0415 the other commands need not wait for it
    from webapp.embedded.supervisor import Supervisor  # noqa: PLC0415 the other commands need not wait for it
    from webapp.settings import SettingsError  # noqa: PLC0415 the other commands need not wait for it

    try:
        Supervisor(data_dir, port=port, demo=demo, out=sys.stdout).run()
    except (EmbeddedError, SettingsError) as error:
        click.echo(f"comptoir: {error}", err=True)
        sys.exit(1)
