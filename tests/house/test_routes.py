"""House rules of doors: each says who may pass; every setting and every command is documented."""

import inspect
import re
from dataclasses import MISSING, fields
from pathlib import Path

import click
import pytest
from flask import Flask

from webapp.access.asker import Asker
from webapp.access.guard import permitted
from webapp.access.permissions import Permission, Role
from webapp.cli.main import comptoir
from webapp.identity.gate import check_declarations, public
from webapp.settings import Settings

DOCS = Path(__file__).parents[2] / "docs"


def test_every_route_declares_a_permission_or_that_it_is_public(app: Flask):
    check_declarations(app)
    inside = [rule for rule in app.url_map.iter_rules() if re.match(r"(/api/v1)?/t/<slug>", rule.rule)]
    assert inside
    for rule in inside:
        view = app.view_functions[rule.endpoint]
        assert isinstance(view.permission, Permission), f"{rule.rule} is inside a workspace and needs a permission"


def test_a_route_that_declares_nothing_refuses_to_start():
    app = Flask("house")
    app.add_url_rule("/open", "open", public(lambda: ""))
    check_declarations(app)
    app.add_url_rule("/forgotten", "forgotten", lambda: "")
    with pytest.raises(RuntimeError, match="/forgotten"):
        check_declarations(app)


def test_reading_routes_ask_for_permissions_to_read(app: Flask):
    for rule in app.url_map.iter_rules():
        permission = getattr(app.view_functions[rule.endpoint], "permission", None)
        if permission is not None and rule.rule.startswith("/api/") and "GET" not in (rule.methods or set()):
            assert not permission.endswith(":read"), f"{rule.rule} changes something with {permission}"


def test_permissions_are_in_alphabetical_order():
    assert list(Permission) == sorted(Permission)
    assert all(re.fullmatch(r"[a-z]+:[a-z_]+:[a-z_]+", permission) for permission in Permission)
    assert all(permission.name == permission.value.replace(":", "_").upper() for permission in Permission)


def test_an_auditor_reads_everything_and_changes_nothing():
    assert permitted(asker=Asker(Role.AUDITOR)) == {one for one in Permission if one.value.endswith(":read")}
    assert permitted(asker=Asker(Role.OWNER)) == frozenset(Permission)


def test_every_setting_is_documented():
    assert (DOCS / "settings.md").read_text(encoding="utf-8") == settings_page()


def test_every_command_is_documented():
    assert (DOCS / "commands.md").read_text(encoding="utf-8") == commands_page()


def settings_page() -> str:
    """Write docs/settings.md."""
    lines = [
        "# Settings",
        "",
        "Each is an environment variable. With `_FILE` after its name the value is read from the file that it names,",
        "which is how secrets are given. A wrong value stops the start with one line that says the way out.",
        "",
        "Four must be set for a production run: the database, the queue, the secret and the master keys. `comptoir up`",
        "makes them itself, in its data folder, unless they are given. A copy of the database opens no sealed field",
        "without the master keys: keep a copy of these, and keep it apart.",
        "",
        "| Variable | Default | What it is |",
        "|---|---|---|",
    ]
    for one in fields(Settings):
        default = (
            "must be set" if one.default is MISSING else f"`{str(one.default).lower()}`" if one.type is bool else ""
        )
        default = default or (f"`{one.default}`" if one.default != "" else "empty")
        lines.append(f"| `COMPTOIR_{one.name.upper()}` | {default} | {one.metadata['help']} |")
    return "\n".join([*lines, ""])


def commands_page() -> str:
    """Write docs/commands.md."""
    lines = [
        "# Commands",
        "",
        "Without `COMPTOIR_DATABASE_URL` a command works on the data folder of `comptoir up`, running or not.",
        "A refusal is one line on standard error with the way out, and exit code 1.",
        "",
    ]
    context = click.Context(comptoir, info_name="comptoir")
    for noun in comptoir.list_commands(context):
        command = comptoir.get_command(context, noun)
        assert command is not None
        lines += _described(command, click.Context(command, info_name=noun, parent=context))
    return "\n".join(lines)


def _described(command: click.Command, context: click.Context) -> list[str]:
    if isinstance(command, click.Group):
        parts = (command.commands[name] for name in sorted(command.commands))
        return [
            line
            for part in parts
            for line in _described(part, click.Context(part, info_name=part.name, parent=context))
        ]
    named = "".join(f" {one.make_metavar(context)}" for one in command.params if isinstance(one, click.Argument))
    lines = [
        f"## `{context.command_path}{named}`",
        "",
        inspect.cleandoc(command.help or ""),
        "",
        "| Option | What it does |",
        "|---|---|",
    ]
    for option in command.params:
        if isinstance(option, click.Argument):
            continue
        assert isinstance(option, click.Option)
        record = option.get_help_record(context)
        assert record is not None
        lines.append(f"| `{record[0].replace('|', chr(92) + '|')}` | {re.sub(r'  +', ' ', record[1])} |")
    return [*lines, ""]
