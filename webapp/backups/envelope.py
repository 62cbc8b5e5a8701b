"""The closed file around a backup: age (X25519, ChaCha20-Poly1305), written and read as a stream."""

import errno
import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from webapp.backups.rules import (
    FIRST_LINE_BYTES,
    DamagedBackup,
    NotRestored,
    TruncatedBackup,
    WrongKey,
    first_line,
    read_first_line,
)
from webapp.kernel.errors import N_
from webapp.settings import Settings

_CHUNK = 1024 * 1024


class NoRecipient(NotRestored):
    """Nobody could open what would be written."""

    code = "no_backup_recipient"
    message = N_(
        "COMPTOIR_BACKUP_RECIPIENTS is not set, so nobody could open the backup. Make a key with comptoir backup key,"
        " and keep it apart from the backups."
    )


class BadKey(NotRestored):
    """A key of age that is none."""

    code = "bad_backup_key"
    message = N_("%(what)s is no key of age: it begins with age1 (to close) or AGE-SECRET-KEY-1 (to open).")


def recipients(settings: Settings) -> list[str]:
    """Return for whom backups are closed; the embedded run makes a key in its data folder.

    Raises NoRecipient.
    """
    asked = [one for one in settings.backup_recipients.replace(",", " ").split() if one]
    if asked:
        return asked
    if settings.mode != "embedded":
        raise NoRecipient
    path = identity_path(settings)
    if not path.exists():
        make_identity(path)
    return [str(_identity(line).to_public()) for line in identities(path)]


def identity_path(settings: Settings) -> Path:
    """Return the file of the keys that open backups."""
    return Path(settings.backup_identity_path or Path(settings.data_dir) / "backup-identity")


def make_identity(path: Path) -> str:
    """Write a new key to a file that is not there yet, readable by its owner only, and return its public half.

    Raises FileExistsError.
    """
    from pyrage import x25519  # noqa: PLC0415 costs a start time

    made = x25519.Identity.generate()
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(file, "w", encoding="ascii") as words:
        words.write(f"# public key: {made.to_public()}\n{made}\n")
    return str(made.to_public())


def identities(path: Path) -> list[str]:
    """Return the keys of a file; raises NotRestored when there are none."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise NotRestored(
            N_("The key that opens backups cannot be read from %(path)s (%(reason)s): name its file with --identity."),
            path=str(path),
            reason=reason,
        ) from None
    found = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    if not found:
        raise BadKey(what=path.name)
    return found


def _identity(text: str) -> Any:
    from pyrage import IdentityError, x25519  # noqa: PLC0415 costs a start time

    try:
        return x25519.Identity.from_str(text)
    except IdentityError:
        raise BadKey(what="the identity") from None


def _recipient(text: str) -> Any:
    from pyrage import RecipientError, x25519  # noqa: PLC0415 costs a start time

    try:
        return x25519.Recipient.from_str(text)
    except RecipientError:
        raise BadKey(what=text) from None


class _Pulled:
    """What age reads from: bytes as they are made."""

    def __init__(self, made: Iterator[bytes]) -> None:
        self._made = made
        self._left = memoryview(b"")
        self.failure: BaseException | None = None

    def read(self, size: int = -1) -> bytes:
        try:
            while not self._left:
                self._left = memoryview(next(self._made))
        except StopIteration:
            return b""
        except BaseException as error:
            self.failure = error
            raise
        size = len(self._left) if size < 0 else size
        now, self._left = self._left[:size], self._left[size:]
        return bytes(now)


class _Counted:
    """Where age writes to: the file, counted and hashed. A failure is kept, for age does not pass on each."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.length, self.digest = 0, hashlib.sha256()
        self.failure: OSError | None = None

    def write(self, data: bytes) -> int:
        self.length += len(data)
        self.digest.update(data)
        try:
            return self._file.write(data)
        except OSError as error:
            self.failure = self.failure or error
            raise

    def flush(self) -> None:
        try:
            self._file.flush()
        except OSError as error:
            self.failure = self.failure or error
            raise


def close_to(path: Path, made: Iterator[bytes], *, recipients: list[str]) -> int:
    """Write a closed file, whole or not at all, and return its size in bytes.

    Raises NoRecipient, BadKey, OSError and whatever `made` raises.
    """
    from pyrage import encrypt_io  # noqa: PLC0415 costs a start time

    if not recipients:
        raise NoRecipient
    keys = [_recipient(one) for one in recipients]
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    source = _Pulled(made)
    try:
        with os.fdopen(os.open(draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(first_line(0, "0" * 64))
            sink = _Counted(file)
            try:
                encrypt_io(source, sink, keys)
            except Exception:
                if source.failure is not None:
                    raise source.failure from None
                if sink.failure is not None:
                    raise sink.failure from None
                raise
            if sink.failure is not None:
                raise sink.failure
            file.seek(0)
            file.write(first_line(sink.length, sink.digest.hexdigest()))
            file.flush()
            if os.fstat(file.fileno()).st_size != FIRST_LINE_BYTES + sink.length:
                raise OSError(errno.EIO, "the backup could not be written whole", str(path))
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return FIRST_LINE_BYTES + sink.length


def see_whole(path: Path) -> int:
    """See without any key that a file is whole and return its size in bytes.

    Raises NotABackup, NewerBackup, TruncatedBackup, DamagedBackup.
    """
    with path.open("rb") as file:
        length, digest = read_first_line(file.readline(FIRST_LINE_BYTES + 1))
        there = path.stat().st_size - FIRST_LINE_BYTES
        if there < length:
            raise TruncatedBackup(there=there, said=length)
        if there > length or hashlib.file_digest(file, "sha256").hexdigest() != digest:
            raise DamagedBackup(what="its checksum")
    return FIRST_LINE_BYTES + length


@contextmanager
def opened(path: Path, keys: list[str]) -> Iterator[IO[bytes]]:
    """Open a closed file for reading, decrypted piece by piece; nothing of it is written anywhere.

    Raises WrongKey, DamagedBackup; at the end of the block at the latest.
    """
    readable, writable = os.pipe()
    failure: list[Exception] = []
    mine = [_identity(one) for one in keys]
    thread = threading.Thread(target=_decrypt, args=(path, mine, writable, failure), daemon=True)
    thread.start()
    try:
        with os.fdopen(readable, "rb", buffering=_CHUNK) as file:
            yield file
            while file.read(_CHUNK):
                pass
    except BaseException as error:
        thread.join()
        if failure and isinstance(error, Exception):
            raise failure[0] from None
        raise
    thread.join()
    if failure:
        raise failure[0]


class _Pipe:
    """Where age writes decrypted pieces to; `gone` when nobody reads any more."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.gone = False

    def write(self, data: bytes) -> int:
        left = memoryview(data)
        try:
            while left:
                left = left[os.write(self._descriptor, left) :]
        except BrokenPipeError:
            self.gone = True
            raise
        return len(data)

    def flush(self) -> None:
        """Keep nothing back."""


def _decrypt(path: Path, mine: list[Any], writable: int, failure: list[Exception]) -> None:
    from pyrage import DecryptError, decrypt_io  # noqa: PLC0415 costs a start time

    sink = _Pipe(writable)
    try:
        with path.open("rb") as file:
            file.seek(FIRST_LINE_BYTES)
            decrypt_io(file, sink, mine)
    except (DecryptError, OSError) as error:
        if not sink.gone:
            is_other = isinstance(error, DecryptError) and "No matching keys" in str(error)
            failure.append(WrongKey() if is_other else DamagedBackup(what=str(error)))
    finally:
        os.close(writable)
