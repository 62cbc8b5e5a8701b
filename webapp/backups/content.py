"""What a workspace's own export holds: data in forms that any program reads, the trail with its proof, the files."""

import csv
import hashlib
import io
import json
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import version
from typing import Any, Protocol
from xml.sax.saxutils import escape

from psycopg import sql
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from webapp.audit import exports as trail
from webapp.audit import queries as audit
from webapp.audit import seals
from webapp.audit.exports import harmless
from webapp.audit.queries import Search
from webapp.audit.seals import Chain
from webapp.backups import tables
from webapp.identity import queries as identity
from webapp.kernel.crypto import KeyRing, Unopenable, ring_of
from webapp.kernel.db import Database, TenantRef
from webapp.kernel.files import product_files
from webapp.kernel.money import decimal
from webapp.kernel.sealed import BLIND_SUFFIX, SUFFIX, SealedColumn
from webapp.keys.places import columns as sealed_columns

ROWS_AT_ONCE = 500
_MACHINERY = frozenset({"idempotency", "import_secret", "import_chunk", "import_text", "category_word"})
"""Tables that say nothing that the others, or the files, do not say."""
_XML_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")
_README = """An export of the workspace {name} ({slug}), taken {at} (UTC), by Comptoir {version}.

data/*.jsonl    one table each, one JSON object a line; amounts are whole numbers of the currency's smallest unit
csv/*.csv       the same for a spreadsheet (UTF-8); texts that it would take for a formula begin with '
csv/journal.csv every posting with its entry and account; amounts with decimals, debit positive
xml/*.xml       the same in XML, where it was asked for
documents/      statement files as they were uploaded
trail/          who did what, with its proof: python3 trail/verify_trail.py trail/trail.jsonl
manifest.json   the SHA-256 of every file

Bank numbers stand open in here: keep it as you keep a bank statement.
"""
_JOURNAL = """
    SELECT e.id, e.day, e.description, e.counterparty, e.note, e.tags, p.position, a.name, a.code, p.amount, p.currency,
        p.memo
    FROM posting p JOIN entry e ON e.id = p.entry_id JOIN account a ON a.id = p.account_id
    ORDER BY p.entry_id, p.position
"""
_JOURNAL_HEAD = (
    "entry",
    "date",
    "description",
    "counterparty",
    "note",
    "tags",
    "line",
    "account",
    "account code",
    "amount",
    "currency",
    "memo",
)


class Sink(Protocol):
    """Where the bytes of the archive go to, one after the other."""

    def write(self, data: bytes) -> int:
        """Take some."""

    def flush(self) -> None:
        """Keep nothing back."""


@dataclass(slots=True)
class _Files:
    """The archive as it is written, with what its manifest says of each file."""

    archive: zipfile.ZipFile
    at: datetime
    said: list[dict[str, Any]] = field(default_factory=list)

    def put(self, name: str, lines: Iterable[bytes]) -> None:
        """Write one file line by line."""
        digest, size = hashlib.sha256(), 0
        info = zipfile.ZipInfo(name, date_time=self.at.timetuple()[:6])
        info.compress_type = zipfile.ZIP_DEFLATED
        with self.archive.open(info, "w", force_zip64=True) as file:
            for line in lines:
                digest.update(line)
                size += len(line)
                file.write(line)
        self.said.append({"name": name, "bytes": size, "sha256": digest.hexdigest()})


def write_export(
    *,
    engine: Engine,
    database: Database,
    tenant: TenantRef,
    at: datetime,
    sink: Sink,
    with_xml: bool,
    beat: Callable[[int, int], None],
) -> None:
    """Write a workspace's export as a zip, of one snapshot, as the owner; others read and write meanwhile."""
    with Session(engine) as session, session.begin(), zipfile.ZipFile(sink, "w") as archive:  # type: ignore[call-overload] # it asks no more of a file than to write
        session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
        slug, name = session.execute(
            text("SELECT slug, name FROM platform.tenant WHERE id = :id"), {"id": tenant.id}
        ).one()
        session.info["database"] = database
        driver: Any = session.connection().connection.driver_connection
        chain = Chain.of(tenant.id)
        seals.enter(session, chain)
        tables.fix(driver, tenant.schema)
        files = _Files(archive, at)
        about = _README.format(name=name, slug=slug, at=f"{at:%Y-%m-%d %H:%M}", version=version("comptoir"))
        files.put("README.txt", [about.encode()])
        reader = _Reader(driver, ring_of(database), tenant)
        shapes = [
            one for one in tables.shapes(driver) if one.name not in _MACHINERY and not one.name.startswith("audit_")
        ]
        for number, shape in enumerate(shapes):
            beat(number, len(shapes) + 1)
            names = reader.names(shape)
            files.put(f"data/{shape.name}.jsonl", (_json(row) for row in reader.rows(shape)))
            files.put(f"csv/{shape.name}.csv", _csv(names, (row.values() for row in reader.rows(shape))))
            if with_xml:
                files.put(f"xml/{shape.name}.xml", _xml(shape.name, reader.rows(shape)))
        files.put("csv/journal.csv", _csv(_JOURNAL_HEAD, reader.journal()))
        for file_name, content in reader.documents():
            files.put(f"documents/{file_name}", content)
        keys = audit.public_keys(session=session)
        lines = trail.proof_lines(
            session=session,
            chain=chain,
            name=slug,
            search=Search(),
            keys=keys,
            at=at,
            names_of=lambda events: {
                str(one.id): one.email
                for one in identity.people(session=session, ids={event.actor_id for event in events}).values()
            },
        )
        files.put("trail/trail.jsonl", lines)
        files.put("trail/verify_trail.py", [(product_files("webapp") / "audit" / "offline.py").read_bytes()])
        head = {"workspace": slug, "name": name, "tenant_id": str(tenant.id), "taken_at": at.isoformat()}
        head |= {"product": version("comptoir")}
        files.put("manifest.json", [json.dumps({**head, "files": files.said}, indent=1).encode()])
        beat(len(shapes) + 1, len(shapes) + 1)


class _Reader:
    """Reads rows of the snapshot, a few hundred at a time, and opens what is sealed in them."""

    def __init__(self, driver: Any, ring: KeyRing, tenant: TenantRef) -> None:
        self._driver, self._ring, self._tenant = driver, ring, tenant
        self._sealed: dict[tuple[str, str], SealedColumn] = {
            (one.table.name, one.name): one for one in sealed_columns(of_tenant=True)
        }

    def names(self, shape: tables.Shape) -> tuple[str, ...]:
        """Return the names of the columns as they are told."""
        return tuple(one.removesuffix(SUFFIX) for one in shape.columns if not one.endswith(BLIND_SUFFIX))

    def rows(self, shape: tables.Shape) -> Iterator[dict[str, Any]]:
        """Yield the rows of a table in the order of its primary key."""
        names = sql.SQL(", ").join(map(sql.Identifier, shape.columns))
        order = sql.SQL(", ".join(shape.order))  # type: ignore[arg-type] # the server's own quoted names
        query = sql.SQL("SELECT {} FROM {} ORDER BY {}").format(names, sql.Identifier(shape.name), order)
        for row in self._read(query):
            there = dict(zip(shape.columns, row, strict=True))
            yield {
                name.removesuffix(SUFFIX): self._opened(shape.name, name, value, there)
                for name, value in there.items()
                if not name.endswith(BLIND_SUFFIX)
            }

    def journal(self) -> Iterator[tuple[Any, ...]]:
        """Yield every posting with its entry and account."""
        for row in self._read(sql.SQL(_JOURNAL)):
            yield (*row[:5], " ".join(row[5] or ()), *row[6:9], _Number(decimal(row[9], row[10])), *row[10:])

    def documents(self) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Yield the statement files that are kept: a name that is safe in a folder, and the pieces."""
        query = sql.SQL(
            "SELECT i.id, i.file_name FROM import i WHERE EXISTS (SELECT FROM import_chunk c WHERE c.import_id = i.id)"
            " ORDER BY i.id"
        )
        for number, name in list(self._driver.execute(query).fetchall()):
            safe = re.sub(r"[^\w.-]+", "_", name).strip("._") or "statement"
            yield f"statements/{number}-{safe}", self._chunks(number)

    def _chunks(self, number: int) -> Iterator[bytes]:
        column = self._sealed["import_chunk", "content_sealed"]
        position = 0
        while True:
            row = self._driver.execute(
                "SELECT position, content_sealed FROM import_chunk WHERE import_id = %s AND position >= %s"
                " ORDER BY position LIMIT 1",
                (number, position),
            ).fetchone()
            if row is None:
                return
            context = column.context_of({"import_id": number, "position": row[0]}, self._tenant.id)
            yield self._ring.open(bytes(row[1]), context=context)
            position = row[0] + 1

    def _read(self, query: sql.Composed | sql.SQL) -> Iterator[tuple[Any, ...]]:
        with self._driver.cursor(name="export") as cursor:
            cursor.itersize = ROWS_AT_ONCE
            cursor.execute(query)
            yield from cursor

    def _opened(self, table: str, name: str, value: Any, row: Mapping[str, Any]) -> Any:
        column = self._sealed.get((table, name))
        if column is None or value is None:
            return value
        try:
            return self._ring.open(bytes(value), context=column.context_of(row, self._tenant.id)).decode()
        except (Unopenable, UnicodeDecodeError):
            return None


class _Number(str):
    """A text of digits that a spreadsheet shall read as a number."""

    __slots__ = ()


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    return str(value)


def _json(row: dict[str, Any]) -> bytes:
    return json.dumps(row, ensure_ascii=False, default=_plain).encode() + b"\n"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, int | _Number) and not isinstance(value, bool):
        return str(value)
    return harmless(
        json.dumps(value, default=_plain, ensure_ascii=False) if isinstance(value, dict | list) else _told(value)
    )


def _told(value: Any) -> str:
    return value if isinstance(value, str) else str(_plain(value))


def _csv(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> Iterator[bytes]:
    yield b"\xef\xbb\xbf" + _line(head)
    for row in rows:
        yield _line(_cell(value) for value in row)


def _line(cells: Iterable[str]) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer).writerow(cells)
    return buffer.getvalue().encode()


def _xml(table: str, rows: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    yield f'<?xml version="1.0" encoding="UTF-8"?>\n<table name="{table}">\n'.encode()
    for row in rows:
        cells = "".join(
            f"<{name}>{escape(_XML_CONTROLS.sub('', _xml_text(value)))}</{name}>"
            for name, value in row.items()
            if value is not None
        )
        yield f"<row>{cells}</row>\n".encode()
    yield b"</table>\n"


def _xml_text(value: Any) -> str:
    return json.dumps(value, default=_plain, ensure_ascii=False) if isinstance(value, dict | list) else _told(value)
