"""The schemas of the platform and of a tenant: ready scripts, roles, and the revisions that lead to them."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

from psycopg import sql
from sqlalchemy.dialects import postgresql

from webapp.kernel.files import product_files

SEPARATOR = "--;\n"
_NAMED = re.compile(r"""(?m)^(revision|down_revision|kind)\b[^=\n]*=\s*["']([^"']+)["']""")
_REVISION = re.compile(r"[0-9a-z_]{1,40}", re.ASCII)
_LATE = re.compile(r"(?:--[^\n]*\n)*\s*CREATE\s+(?:(?:UNIQUE\s+)?INDEX|(?:CONSTRAINT\s+)?TRIGGER)\b", re.IGNORECASE)
_PARAMETER = re.compile(r"(?<![:\w]):(schema|role|tenant_id|revision)\b")


class UnknownRevision(LookupError):
    """A schema is at a revision that this version has never heard of: a newer one made it, or somebody's hand did."""


class ContractWaits(RuntimeError):
    """A migration that takes something away lies on the way: it runs only once nothing older runs."""


@dataclass(frozen=True, slots=True)
class Revisions:
    """One chain of migrations: `platform` or `tenant`.

    A migration adds (the version before it can serve what it leaves), or says `kind = "contract"`: then it takes away
    what only older versions use, and `migrate` leaves it for `migrate --contract`.
    """

    name: str
    directory: Path

    def head(self) -> str:
        """Return the newest revision."""
        return _steps(self.directory)[-1][0]

    def needed(self) -> str:
        """Return the revision that this version needs at least: the newest one before contracts that may yet wait."""
        return self.suits()[0]

    def suits(self) -> list[str]:
        """Return the revisions that this version can serve, as far as it knows them, oldest first."""
        steps = _steps(self.directory)
        first = len(steps) - 1
        while first and steps[first][1]:
            first -= 1
        return [name for name, _ in steps[first:]]

    def served(self) -> list[tuple[str, str]]:
        """Return (revision, former): a schema at that revision still serves versions that need the former one."""
        found: list[tuple[str, str]] = []
        formers: list[str] = []
        for name, is_contract in _steps(self.directory):
            if is_contract:
                formers = []
            found += [(name, former) for former in formers]
            formers.append(name)
        return found

    def goal(self, current: str, *, contract: bool) -> str:
        """Return how far a migration from `current` goes: to the end, or to what this version needs.

        Raises UnknownRevision; ContractWaits when a contract lies before what this version needs.
        """
        steps = _steps(self.directory)
        names = [name for name, _ in steps]
        if current not in names:
            raise UnknownRevision(
                f"its revision {current!r} is unknown to this version: use the version that it belongs to"
            )
        if contract:
            return names[-1]
        if current in self.suits():
            return current
        goal = names.index(self.needed())
        waiting = [name for name, is_contract in steps[names.index(current) + 1 : goal + 1] if is_contract]
        if waiting:
            raise ContractWaits(
                f"revision {waiting[0]} takes away what versions before it use: end the former deploy "
                "(ops/deploy --finish, or comptoir migrate --contract), then go on"
            )
        return names[goal]

    def statements(self, current: str, goal: str = "head") -> list[str]:
        """Return the SQL that leads from `current` to another revision, the newest by default, one statement each.

        Raises UnknownRevision.
        """
        from alembic.migration import MigrationContext  # noqa: PLC0415 costs a start time when nothing is to migrate
        from alembic.operations import Operations  # noqa: PLC0415 the same
        from alembic.script import ScriptDirectory  # noqa: PLC0415 the same
        from alembic.script.revision import RevisionError  # noqa: PLC0415 the same
        from alembic.util import CommandError  # noqa: PLC0415 the same

        scripts = ScriptDirectory(str(self.directory), version_locations=[str(self.directory / "versions")])
        found: list[str] = []
        context = MigrationContext.configure(
            dialect=postgresql.dialect(),
            opts={"as_sql": True, "output_buffer": _Discard()},
        )
        context.impl.static_output = lambda text: found.append(text.rstrip().rstrip(";"))  # type: ignore[method-assign]
        try:
            way = reversed(list(scripts.iterate_revisions(goal, current)))
        except (CommandError, RevisionError) as error:
            raise UnknownRevision(
                f"its revision {current!r} is unknown to this version: use the version that it belongs to"
            ) from error
        with Operations.context(context):
            for revision in way:
                revision.module.upgrade()
        return found


class _Discard:
    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        """Nothing is kept."""


def platform_revisions() -> Revisions:
    """Return the chain of the platform's schema."""
    return Revisions("platform", product_files("migrations") / "platform")


def tenant_revisions() -> Revisions:
    """Return the chain of every tenant's schema."""
    return Revisions("tenant", product_files("migrations") / "tenant")


@cache
def _steps(directory: Path) -> list[tuple[str, bool]]:
    """Read the chain in the revisions' files: each name, and whether it is a contract; raises LookupError."""
    after: dict[str, tuple[str, bool]] = {}
    for path in (directory / "versions").glob("*.py"):
        named = dict(_NAMED.findall(path.read_text(encoding="utf-8")))
        if named["revision"] in {name for name, _ in after.values()} or named.get("down_revision", "") in after:
            raise LookupError(f"the chain in {directory} has 2 newest revisions instead of one")
        after[named.get("down_revision", "")] = named["revision"], named.get("kind") == "contract"
    steps: list[tuple[str, bool]] = []
    while (last := steps[-1][0] if steps else "") in after:
        steps.append(after.pop(last))
    if after or not steps:
        raise LookupError(f"the chain in {directory} has {len(after)} newest revisions instead of one")
    return steps


def blocks(text: str) -> list[str]:
    """Split a ready script into its statements."""
    statements = (
        re.sub(r"(?m)^--.*\n?", "", block) if block.lstrip().startswith("--") else block
        for block in text.split(SEPARATOR)
    )
    return [statement.strip() for statement in statements if statement.strip()]


@cache
def _tenant_template(revision: str) -> list[str]:
    chain = tenant_revisions()
    path = chain.directory / ("head.sql" if revision == chain.head() else f"former/{revision}.sql")
    if not _REVISION.fullmatch(revision) or not path.is_file():
        raise UnknownRevision(f"there is no ready script of revision {revision!r}")
    return blocks(path.read_text(encoding="utf-8"))


def tenant_script(schema: str, tenant_id: UUID, revision: str, *, role: str = "") -> list[str]:
    """Return the statements that fill an empty schema for one tenant, as it is at a revision.

    A schema that is made under a name of its own says whose `role` enters it. Raises UnknownRevision.
    """
    values: dict[str, Any] = {
        "schema": sql.Identifier(schema).as_string(),
        "role": sql.Identifier(role or schema).as_string(),
        "tenant_id": sql.Literal(str(tenant_id)).as_string(),
        "revision": sql.Literal(revision).as_string(),
    }
    return [_PARAMETER.sub(lambda match: values[match[1]], statement) for statement in _tenant_template(revision)]


def in_two(statements: list[str]) -> tuple[list[str], list[str]]:
    """Part a script into what a table needs to take rows, and what is faster or only right once they are there."""
    late = [one for one in statements if _LATE.match(one)]
    return [one for one in statements if not _LATE.match(one)], late


def platform_script() -> list[str]:
    """Return the statements that make the platform's schema."""
    return blocks((platform_revisions().directory / "head.sql").read_text(encoding="utf-8"))
