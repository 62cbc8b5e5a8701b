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
_NAMED = re.compile(r"""(?m)^(revision|down_revision)\b[^=\n]*=\s*["']([^"']+)["']""")
_REVISION = re.compile(r"[0-9a-z_]{1,40}", re.ASCII)
_LATE = re.compile(r"(?:--[^\n]*\n)*\s*CREATE\s+(?:(?:UNIQUE\s+)?INDEX|(?:CONSTRAINT\s+)?TRIGGER)\b", re.IGNORECASE)
_PARAMETER = re.compile(r"(?<![:\w]):(schema|role|tenant_id|revision)\b")


class UnknownRevision(LookupError):
    """A schema is at a revision that this version has never heard of: a newer one made it, or somebody's hand did."""


@dataclass(frozen=True, slots=True)
class Revisions:
    """One chain of migrations: `platform` or `tenant`."""

    name: str
    directory: Path

    def head(self) -> str:
        """Return the newest revision."""
        return _head(self.directory)

    def statements(self, current: str) -> list[str]:
        """Return the SQL that leads from `current` to the newest revision, one statement each.

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
            way = reversed(list(scripts.iterate_revisions("head", current)))
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
def _head(directory: Path) -> str:
    """Read the names in the revisions' files: the head is the one that no other follows; raises LookupError."""
    named: dict[str, set[str]] = {"revision": set(), "down_revision": set()}
    for path in (directory / "versions").glob("*.py"):
        for kind, name in _NAMED.findall(path.read_text(encoding="utf-8")):
            named[kind].add(name)
    heads = named["revision"] - named["down_revision"]
    if len(heads) != 1:
        raise LookupError(f"the chain in {directory} has {len(heads)} newest revisions instead of one")
    return heads.pop()


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
