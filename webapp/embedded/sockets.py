"""Short private directories for unix sockets, whose paths may have at most 107 bytes."""

import contextlib
import os
import shutil
import stat
import tempfile
from pathlib import Path

from webapp.embedded.launch import ordinary_account

RECORD = "socket_directory"
PATH_LIMIT_BYTES = 80


def _short_parent() -> str | None:
    chosen = tempfile.gettempdir()
    return chosen if len(os.fsencode(chosen)) <= PATH_LIMIT_BYTES and " " not in chosen else "/tmp"  # noqa: S108 mkdtemp makes a private directory there


def _is_ours(directory: Path) -> bool:
    """Tell whether the directory is real, private and ours (as root also of the account that PostgreSQL runs under)."""
    try:
        seen = directory.lstat()
    except OSError:
        return False
    owners = {os.geteuid(), ordinary_account()[0]} if os.geteuid() == 0 else {os.geteuid()}
    return stat.S_ISDIR(seen.st_mode) and seen.st_uid in owners and not seen.st_mode & 0o077


def recorded(home: Path) -> Path | None:
    """Find the directory that the server of `home` uses, for a second process or a restart."""
    try:
        directory = Path((home / RECORD).read_text(encoding="utf-8"))
    except OSError:
        return None
    return directory if _is_ours(directory) else None


def take(home: Path) -> Path:
    """Return the recorded directory of `home`, else make a new one and record it."""
    directory = recorded(home)
    if directory is None:
        directory = Path(tempfile.mkdtemp(prefix="comptoir-", dir=_short_parent()))
        (home / RECORD).write_text(str(directory), encoding="utf-8")
    return directory


def release(home: Path) -> None:
    """Remove the directory of `home` and its record."""
    directory = recorded(home)
    if directory is not None:
        shutil.rmtree(directory, ignore_errors=True)
    with contextlib.suppress(OSError):
        (home / RECORD).unlink()
