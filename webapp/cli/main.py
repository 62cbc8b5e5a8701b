"""The command `comptoir`: a table of its nouns, each imported only when it is used."""

import importlib
import sys

import click

NOUNS = {
    "alive": ("webapp.cli.alive:alive", "See whether this container's role is well."),
    "audit": ("webapp.cli.audit:audit", "Verify trails, see the keys that sign them, seal what waits."),
    "backup": ("webapp.cli.backup:backup", "Take, verify and list backups of workspaces."),
    "clock": ("webapp.cli.serve:clock", "Be the clock: one of the lasting roles of a production run."),
    "doctor": ("webapp.cli.doctor:doctor", "See that nobody's data can be read by anybody else."),
    "keys": ("webapp.cli.keys:keys", "List, rotate and retire the keys that seal fields."),
    "migrate": ("webapp.cli.migrate:migrate", "Bring the database to the newest version."),
    "person": ("webapp.cli.person:person", "Add people, let them in, begin anew for who lost everything."),
    "restore": ("webapp.cli.restore:restore", "Put a workspace back from a backup, beside or in place."),
    "tenant": ("webapp.cli.tenant:tenant", "Make, list, suspend, resume, remove and erase workspaces."),
    "token": ("webapp.cli.token:token", "Make API tokens."),
    "up": ("webapp.cli.up:up", "Start all of Comptoir until Ctrl-C."),
    "web": ("webapp.cli.serve:web", "Serve requests: one of the lasting roles of a production run."),
    "worker": ("webapp.cli.serve:worker", "Run jobs: one of the lasting roles of a production run."),
}
"""Noun to the place of its command and its line in `comptoir --help`."""


class LazyGroup(click.Group):
    """A group that imports a command when it is run, so that `--help` waits for nothing."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the nouns in alphabetical order."""
        del ctx
        return sorted(NOUNS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command of a noun."""
        del ctx
        if cmd_name not in NOUNS:
            return None
        module, _, name = NOUNS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the nouns from the table, without importing any."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, NOUNS[name][1]) for name in sorted(NOUNS)])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="comptoir", message="comptoir %(version)s")
def comptoir() -> None:
    """Comptoir: money, work and access rules of small organisations."""


def main() -> None:
    """Run the command line: an anticipated failure is one line with the way out and exit code 1."""
    try:
        comptoir(prog_name="comptoir")
    except Exception as error:
        from webapp.cli.refusals import in_one_line  # noqa: PLC0415 costs time that only a failure may take

        line = in_one_line(error)
        if line is None:
            raise
        click.echo(f"comptoir: {line}", err=True)
        sys.exit(1)
