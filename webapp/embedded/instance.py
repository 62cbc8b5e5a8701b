"""One data directory and the servers that belong to it, for every command."""

import contextlib
import fcntl
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from webapp.embedded.process import POLL_SECONDS, EmbeddedError
from webapp.kernel.masters import KEY_BYTES, Masters

if TYPE_CHECKING:
    from webapp.embedded.postgres import EmbeddedPostgres
    from webapp.embedded.valkey import EmbeddedValkey
    from webapp.settings import Settings

DATA_FORMAT = 1
"""Raised when an older Comptoir could no longer use the directory."""
SECRET_BYTES = 48
OTHER_INSTANCE_TIMEOUT_SECONDS = 60
WAY_OUT = "or choose another folder with --data-dir"
_OF_A_START = frozenset({"VERSION", "secret", "master-keys", "instance.lock"})
"""What lies in a data directory before its servers start."""


class DataDirUnusable(EmbeddedError):
    """The data directory cannot be read or written."""


class DataDirEmpty(EmbeddedError):
    """Nobody has made an installation in the data directory."""


class DataDirInUse(EmbeddedError):
    """Another instance holds the data directory."""


class DataDirNewer(EmbeddedError):
    """A newer Comptoir wrote the data directory."""


def given(environ: Mapping[str, str], name: str) -> bool:
    """Tell whether a setting comes from the environment, itself or as a file."""
    return bool(environ.get(f"COMPTOIR_{name}") or environ.get(f"COMPTOIR_{name}_FILE"))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise DataDirUnusable(f"{path} cannot be read ({error.strerror}): correct its rights, {WAY_OUT}") from None


class Instance:
    """A data directory with its lock, its format, its secret and its servers."""

    def __init__(self, data_dir: Path | str, environ: Mapping[str, str] | None = None) -> None:
        self.data_dir = Path(os.path.abspath(data_dir))  # noqa: PTH100 resolve() would follow a link the person chose
        self.environ = os.environ if environ is None else environ
        self.has_own_postgres = not given(self.environ, "DATABASE_URL")
        self.has_own_valkey = not given(self.environ, "REDIS_URL")
        self.lock_file: int | None = None
        self._made: list[Path] = []

    @property
    def postgres(self) -> "EmbeddedPostgres":
        """The PostgreSQL of this directory, running or not."""
        from webapp.embedded.postgres import EmbeddedPostgres  # noqa: PLC0415 costs time that few commands need

        return EmbeddedPostgres(self.data_dir)

    @property
    def valkey(self) -> "EmbeddedValkey":
        """The Valkey of this directory, running or not."""
        from webapp.embedded.valkey import EmbeddedValkey  # noqa: PLC0415 costs time that few commands need

        return EmbeddedValkey(self.data_dir)

    def prepare(self) -> None:
        """Make the directory if need be and see that this version can use it.

        Raises DataDirUnusable, DataDirNewer.
        """
        if self.data_dir.exists() and not self.data_dir.is_dir():
            raise DataDirUnusable(
                f"the data folder {self.data_dir} cannot be used (it is a file): choose another folder with --data-dir"
            )
        self._made = [one for one in (self.data_dir, *self.data_dir.parents) if not one.exists()]
        try:
            self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            version = self.data_dir / "VERSION"
            if not version.exists():
                self._write_private(version, f"{DATA_FORMAT}\n")
            told = version.read_text(encoding="utf-8").strip()
            if not os.access(self.data_dir, os.R_OK | os.W_OK | os.X_OK):
                raise PermissionError(13, "Permission denied")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "its VERSION file is damaged"
            raise DataDirUnusable(
                f"the data folder {self.data_dir} cannot be used ({reason}): correct its rights, {WAY_OUT}"
            ) from None
        if not told.isdecimal():
            raise DataDirUnusable(
                f"the data folder {self.data_dir} cannot be used (its VERSION file is damaged): "
                f"write {DATA_FORMAT} into it, {WAY_OUT}"
            )
        if int(told) > DATA_FORMAT:
            raise DataDirNewer(
                f"the data folder {self.data_dir} is from a newer Comptoir (data format {told}, this one knows "
                f"{DATA_FORMAT}): upgrade Comptoir, {WAY_OUT}"
            )

    def exists(self) -> bool:
        """Tell whether a start has made this installation; a database given by address is one."""
        return not self.has_own_postgres or (self.data_dir / "VERSION").exists()

    def require(self) -> None:
        """See that there is an installation, before a command makes one by a slip; raises DataDirEmpty."""
        if not self.exists() and (self.data_dir.is_dir() or not self.data_dir.exists()):
            raise DataDirEmpty(
                f"there is no installation in {self.data_dir}: name its folder with --data-dir, or make one with "
                "comptoir up"
            )

    def discard(self) -> None:
        """Take the folders back that `prepare` made for a start that was refused before anything ran."""
        with contextlib.suppress(OSError):
            if self._made and {one.name for one in self.data_dir.iterdir()} <= _OF_A_START:
                for one in self.data_dir.iterdir():
                    one.unlink()
                for folder in self._made:
                    folder.rmdir()

    def lock(self) -> None:
        """Take the directory for this process; raises DataDirInUse."""
        path = self.data_dir / "instance.lock"
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise DataDirUnusable(
                f"the data folder {self.data_dir} cannot be used ({error.strerror}): correct its rights, {WAY_OUT}"
            ) from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(file, 20, 0).decode(errors="replace").strip() or "unknown"
            os.close(file)
            raise DataDirInUse(
                f"the data folder {self.data_dir} is in use by another instance (process {holder}): stop it, {WAY_OUT}"
            ) from None
        os.ftruncate(file, 0)
        os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
        self.lock_file = file

    def unlock(self) -> None:
        """Give the directory free again."""
        if self.lock_file is not None:
            os.close(self.lock_file)
            self.lock_file = None

    def secret_key(self) -> str:
        """Return the directory's secret, made at first use and readable by its owner only."""
        path = self.data_dir / "secret"
        with contextlib.suppress(FileExistsError):
            self._write_private(path, secrets.token_urlsafe(SECRET_BYTES))
        return _read(path)

    def master_keys(self) -> Path:
        """Return the file of the directory's master keys, made at first use and readable by its owner only.

        A copy of the database alone opens no sealed field: this file is the other half.
        """
        path = self.data_dir / "master-keys"
        if not path.exists():
            made = Masters({}).led_by("first", os.urandom(KEY_BYTES))
            with contextlib.suppress(FileExistsError):
                self._write_private(path, made.written())
        return path

    def settings(self, *, database_url: str | None, redis_url: str | None, **overrides: object) -> "Settings":
        """Read the settings of this instance; None means that the address comes from the environment."""
        from webapp.settings import Settings  # noqa: PLC0415 imported while the servers start

        chosen: dict[str, object] = {"data_dir": str(self.data_dir), "mode": "embedded", **overrides}
        if database_url is not None:
            chosen["database_url"] = database_url
        if redis_url is not None:
            chosen["redis_url"] = redis_url
        if not given(self.environ, "SECRET_KEY"):
            chosen["secret_key"] = self.secret_key()
        if not given(self.environ, "MASTER_KEYS"):
            path = self.master_keys()
            chosen |= {"master_keys": _read(path), "master_keys_file": str(path)}
        return Settings.from_environ(self.environ, **chosen)

    def check_given_servers(self, settings: "Settings") -> None:
        """See that the servers that were given by address answer; raises EmbeddedError."""
        from webapp.embedded.external import check_database, check_valkey  # noqa: PLC0415 for given servers only

        if not self.has_own_postgres:
            check_database(settings.database_url)
        if not self.has_own_valkey:
            check_valkey(settings.redis_url)

    @contextlib.contextmanager
    def servers(self, *, valkey: bool = False) -> Iterator["Settings"]:
        """Yield the settings of a running instance's servers, or start PostgreSQL for the time of a command.

        `valkey` starts that too. A cluster that is made here is migrated. Raises EmbeddedError.
        """
        self.prepare()
        if not self.has_own_postgres and not (valkey and self.has_own_valkey):
            settings = self.settings(database_url=None, redis_url=self._own_redis_url())
            self.check_given_servers(settings)
            yield settings
            return
        end = time.monotonic() + OTHER_INSTANCE_TIMEOUT_SECONDS
        while True:
            running = self._running_settings()
            if running is not None:
                yield running
                return
            try:
                self.lock()
                break
            except DataDirInUse:
                # Another process starts or stops its servers at this moment.
                if time.monotonic() > end:
                    raise
                time.sleep(POLL_SECONDS)
        try:
            with self._started(valkey=valkey) as settings:
                yield settings
        finally:
            self.unlock()

    def _own_redis_url(self) -> str | None:
        """Return the address of our own Valkey, running or not; None when one was given."""
        if not self.has_own_valkey:
            return None
        return self.valkey.running_url() or f"unix://{self.data_dir / 'valkey' / 'not-started'}"

    def _running_settings(self) -> "Settings | None":
        dsn = self.postgres.running_dsn() if self.has_own_postgres else None
        if dsn is None:
            return None
        return self.settings(database_url=dsn, redis_url=self._own_redis_url(), **self._told_address())

    def tell_address(self, base_url: str) -> None:
        """Note where the running instance is opened, for the links that commands print."""
        (self.data_dir / "address").write_text(base_url, encoding="utf-8")

    def forget_address(self) -> None:
        """Forget where the instance was opened."""
        (self.data_dir / "address").unlink(missing_ok=True)

    def _told_address(self) -> dict[str, str]:
        if given(self.environ, "BASE_URL"):
            return {}
        with contextlib.suppress(OSError):
            return {"base_url": (self.data_dir / "address").read_text(encoding="utf-8")}
        return {}

    @contextlib.contextmanager
    def _started(self, *, valkey: bool) -> Iterator["Settings"]:
        postgres, queue = self.postgres, self.valkey
        is_new = self.has_own_postgres and not postgres.cluster.exists()
        dsn = redis_url = None
        try:
            if self.has_own_postgres:
                dsn = postgres.start()
            redis_url = queue.start() if valkey and self.has_own_valkey else self._own_redis_url()
            settings = self.settings(database_url=dsn, redis_url=redis_url)
            if is_new:
                from webapp.tenancy.migrations import migrate  # noqa: PLC0415 for a new cluster only

                migrate(settings)
            yield settings
        finally:
            if valkey and self.has_own_valkey:
                queue.stop()
            if self.has_own_postgres:
                postgres.stop()

    @staticmethod
    def _write_private(path: Path, text: str) -> None:
        """Write a new file that only its owner reads, whole or not at all; raises FileExistsError."""
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        draft.unlink(missing_ok=True)
        file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(file, "w", encoding="utf-8") as words:
                words.write(text)
            os.link(draft, path)
        finally:
            draft.unlink()
