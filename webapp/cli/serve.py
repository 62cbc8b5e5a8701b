"""`comptoir web`, `worker`, `clock`: the lasting roles, one to a process, on servers given by settings."""

import click

from webapp.settings import Settings


@click.command()
def web() -> None:
    """Serve requests until told to stop; those that were taken are finished first."""
    from webapp.app import serve  # noqa: PLC0415 the other roles need not wait for it

    serve(Settings.from_environ())


@click.command()
def worker() -> None:
    """Run jobs until told to stop; the one that runs is finished first."""
    from webapp.worker import work  # noqa: PLC0415 the other roles need not wait for it

    work(Settings.from_environ())


@click.command()
def clock() -> None:
    """Deliver what is due, put back what died, seal the trails, until told to stop."""
    from webapp.clock import tick  # noqa: PLC0415 the other roles need not wait for it

    tick(Settings.from_environ())
