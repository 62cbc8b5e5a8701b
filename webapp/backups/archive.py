"""The parts of a backup as a gzipped tar that is made and read as a stream; nothing is ever extracted to a path."""

import re
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from webapp.backups.rules import SMALL_BYTES_MAX, DamagedBackup

_LEVEL = 2
_GZIP = 31
"""The window bits that make zlib write gzip."""
_BLOCK = tarfile.BLOCKSIZE
_TABLE = re.compile(r"tables/([a-z_0-9]{1,63})/(\d{6})", re.ASCII)

Part = tuple[str, bytes]


def packed(parts: Iterator[Part]) -> Iterator[bytes]:
    """Yield the bytes of an archive of these parts."""
    squeeze = zlib.compressobj(_LEVEL, wbits=_GZIP)
    for name, content in parts:
        member = tarfile.TarInfo(name)
        member.size, member.mode = len(content), 0o600
        yield squeeze.compress(member.tobuf(tarfile.USTAR_FORMAT))
        yield squeeze.compress(content)
        yield squeeze.compress(b"\0" * (-len(content) % _BLOCK))
    yield squeeze.compress(b"\0" * _BLOCK * 2)
    yield squeeze.flush()


class Archive:
    """An archive that is read once from its begin to its end."""

    def __init__(self, members: Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]) -> None:
        self._members = members
        self._now = next(members, None)

    def small(self, name: str) -> bytes:
        """Return the next part, which has this name.

        Raises DamagedBackup.
        """
        member, content = self._take(name)
        if member.size > SMALL_BYTES_MAX:
            raise DamagedBackup(what=f"{name} is too large")
        self._step()
        return content

    def table(self) -> str:
        """Return the name of the table whose first part is next, or nothing when no table is next."""
        found = _TABLE.fullmatch(self._now[0].name) if self._now else None
        return found[1] if found else ""

    def pieces(self, table: str) -> Iterator[bytes]:
        """Yield the parts of a table, in their order.

        Raises DamagedBackup.
        """
        number = 0
        while self.table() == table:
            name = f"tables/{table}/{number:06d}"
            _, content = self._take(name)
            yield content
            self._step()
            number += 1

    def _take(self, name: str) -> tuple[tarfile.TarInfo, bytes]:
        if self._now is None or self._now[0].name != name or self._now[1] is None:
            raise DamagedBackup(what=f"{name} is missing")
        member, file = self._now
        if member.size > SMALL_BYTES_MAX:
            raise DamagedBackup(what=f"{name} is too large")
        return member, file.read()  # type: ignore[union-attr] # the condition above says that it is there

    def _step(self) -> None:
        self._now = next(self._members, None)


@contextmanager
def unpacked(file: IO[bytes]) -> Iterator[Archive]:
    """Read an archive from a stream.

    Raises DamagedBackup.
    """
    try:
        with tarfile.open(fileobj=file, mode="r|gz") as archive:
            yield Archive((member, archive.extractfile(member) if member.isreg() else None) for member in archive)
    except (tarfile.TarError, zlib.error, EOFError) as error:
        raise DamagedBackup(what=str(error)) from None
