"""The one reader of the environment. Every setting has a `COMPTOIR_…` variable and a `…_FILE` variant."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from webapp import COMPOSE_REVISION
from webapp.kernel.masters import MasterKeysError, Masters

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
WEAK_SECRETS = frozenset({"", "changeme", "change-me", "secret", "dev", "development", "test", "password", "comptoir"})
SECRET_LENGTH_MIN = 32
SECRET_LETTERS_MIN = 10
"""A secret of fewer different characters was typed, not made."""


class SettingsError(ValueError):
    """A setting that the product refuses to start with; the text names the variable and the way out."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that an installation can choose. Times in seconds, sizes in bytes."""

    database_url: str = field(repr=False, metadata={"help": "PostgreSQL, as the role that owns the schemas"})
    redis_url: str = field(repr=False, metadata={"help": "Valkey or Redis 7.2 or newer"})
    secret_key: str = field(repr=False, metadata={"help": "at least 32 random characters; signs cookies and cursors"})
    master_keys: str = field(
        default="",
        repr=False,
        metadata={"help": "id:base64 of 32 bytes, more parted by commas; the first one seals"},
    )
    master_keys_file: str = field(
        default="", metadata={"help": "the file of these keys, which is read again while a rotation runs"}
    )
    mode: Literal["embedded", "production"] = field(default="production", metadata={"help": "embedded or production"})
    data_dir: str = field(default=".comptoir", metadata={"help": "where mails go in the embedded run"})
    host: str = field(default="127.0.0.1", metadata={"help": "address that web listens on"})
    port: int = field(default=8000, metadata={"help": "port that web listens on"})
    heartbeat_file: str = field(
        default="", metadata={"help": "file that worker and clock touch while they are well; empty: none"}
    )
    metrics_port: int = field(default=0, metadata={"help": "internal port of /metrics; 0 switches it off"})
    base_url: str = field(default="", metadata={"help": "public address: links of mails, the Host that is served"})
    web_threads: int = field(default=8, metadata={"help": "requests that one web process serves at once"})
    database_pool_size: int = field(default=12, metadata={"help": "connections of one web process"})
    database_pooler: bool = field(default=False, metadata={"help": "true behind PgBouncer in transaction mode"})
    tenants_per_connection: int = field(
        default=200, metadata={"help": "a connection is renewed after so many bindings"}
    )
    trusted_proxies: int = field(default=0, metadata={"help": "number of proxies whose X-Forwarded-For is believed"})
    allowed_hosts: str = field(
        default="", metadata={"help": "comma-separated Host names that are served beside that of base_url"}
    )
    session_idle_seconds: int = field(default=3600, metadata={"help": "a session ends after so long without a request"})
    session_absolute_seconds: int = field(
        default=86400, metadata={"help": "a session ends after so long at the latest"}
    )
    upload_bytes_max: int = field(default=64 * 1024 * 1024, metadata={"help": "largest statement file"})
    import_rows_max: int = field(default=500_000, metadata={"help": "most rows in one statement file"})
    api_requests_per_minute: int = field(default=6000, metadata={"help": "calls of one token per minute"})
    evaluations_per_minute: int = field(
        default=0, metadata={"help": "requests of one token to the decision points (AuthZEN) per minute; 0: no limit"}
    )
    pages_per_minute: int = field(
        default=100, metadata={"help": "pages of one person per minute, or of one network before anybody is known"}
    )
    money_moves_per_minute: int = field(
        default=10, metadata={"help": "acts of one person in the browser that move money, per minute"}
    )
    token_money_moves_per_minute: int = field(
        default=600, metadata={"help": "calls of one token that move money, per minute"}
    )
    sign_in_per_5_minutes: int = field(
        default=5,
        metadata={"help": "attempts of one network to sign in as one person in 5 minutes; ten times that over all"},
    )
    sign_in_failures_per_network: int = field(
        default=30, metadata={"help": "failed sign-ins of one network, over all accounts, that lock it for a time"}
    )
    audit_keep_days: int = field(
        default=1096, metadata={"help": "sealed events of the trail are removed after so many days; 0: never"}
    )
    backup_dir: str = field(default="", metadata={"help": "where backups of workspaces lie; empty: in the data folder"})
    backup_recipients: str = field(
        default="",
        metadata={
            "help": "comma-separated public keys of age for which backups are closed; see docs/operations/backups.md"
        },
    )
    backup_identity_path: str = field(
        default="",
        metadata={"help": "file of the key that opens backups, for restores and drills; kept elsewhere else"},
    )
    backup_hour: int = field(
        default=1, metadata={"help": "hour (UTC) from which every workspace is backed up each night; -1: never"}
    )
    backup_keep_days: int = field(default=30, metadata={"help": "backups of workspaces are deleted after so many days"})
    measures_dir: str = field(
        default="",
        metadata={
            "help": "where the backup of the whole installation writes what Prometheus reads; "
            "web shows it to operators; empty: not shown"
        },
    )
    previous_version: str = field(
        default="",
        metadata={"help": "version that ops/rollback can go back to; while it is set, no contract migration runs"},
    )
    compose_revision: str = field(
        default="", metadata={"help": "revision of the compose file; web warns at its start when it is not its own"}
    )
    log_level: str = field(default="INFO", metadata={"help": "DEBUG, INFO, WARNING or ERROR"})
    otlp_endpoint: str = field(default="", metadata={"help": "OpenTelemetry traces go here when set"})
    trace_percent: int = field(
        default=10, metadata={"help": "how many of a hundred traces that begin here are sent; before us nginx decided"}
    )
    sign_in_providers: str = field(
        default="",
        repr=False,
        metadata={
            "help": "JSON list of providers to sign in with, see docs/sign-in.md: "
            '`[{"kind": "google", "client_id": "…", "client_secret": "…"}]`'
        },
    )
    outbound_origins: str = field(
        default="",
        metadata={
            "help": "comma-separated origins (https://sso.internal) that may be called although they are private"
        },
    )
    smtp_url: str = field(
        default="",
        repr=False,
        metadata={"help": "smtp://user@host:port with STARTTLS, or smtps://; empty: mails go to files"},
    )
    smtp_password: str = field(default="", repr=False, metadata={"help": "password of the user of smtp_url"})
    smtp_authorities: str = field(
        default="",
        metadata={"help": "file of the certificates that the mail server's is verified by; empty: the system's"},
    )
    mail_from: str = field(default="Comptoir <comptoir@localhost>", metadata={"help": "sender of mails"})

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] | None = None, **overrides: Any) -> Self:
        """Read `COMPTOIR_*` (or `COMPTOIR_*_FILE`); `overrides` win.

        Raises SettingsError for a missing, malformed or weak setting.
        """
        environ = os.environ if environ is None else environ
        values: dict[str, Any] = {}
        for item in fields(cls):
            name = f"COMPTOIR_{item.name.upper()}"
            text = environ.get(name)
            if path := environ.get(f"{name}_FILE"):
                text = _read_secret(name, path)
            if text is not None:
                values[item.name] = _convert(name, text, item.type)
        values.update(overrides)
        for name in ("database_url", "redis_url", "secret_key"):
            if not values.get(name):
                raise SettingsError(f"COMPTOIR_{name.upper()} is not set. Set it, or start with: comptoir up")
        settings = cls(**values)
        settings.check()
        return settings

    def check(self) -> None:
        """Refuse weak secrets in production, and master keys that are none (SettingsError)."""
        if self.mode not in ("embedded", "production"):
            raise SettingsError("COMPTOIR_MODE must be embedded or production.")
        if self.log_level.upper() not in LOG_LEVELS:
            raise SettingsError(f"COMPTOIR_LOG_LEVEL must be one of {', '.join(LOG_LEVELS)}, not {self.log_level!r}.")
        if self.mode == "production":
            weak = self.secret_key.lower() in WEAK_SECRETS or len(set(self.secret_key)) < SECRET_LETTERS_MIN
            if weak or len(self.secret_key) < SECRET_LENGTH_MIN:
                raise SettingsError(
                    "COMPTOIR_SECRET_KEY is weak or a default. Use at least 32 random characters, for example from: "
                    "openssl rand -base64 48",
                )
            if urlsplit(self.base_url).scheme != "https" or not urlsplit(self.base_url).hostname:
                raise SettingsError(
                    "COMPTOIR_BASE_URL must be the public address, beginning with https://: links of mails and the "
                    "check of the Host header need it. For example: https://books.example"
                )
            if not self.master_keys:
                raise SettingsError(
                    "COMPTOIR_MASTER_KEYS is not set, so nothing could be sealed. Make one, for example by: "
                    'echo "first:$(openssl rand -base64 32)"',
                )
        parts = urlsplit(self.smtp_url)
        if self.smtp_url and (parts.scheme not in {"smtp", "smtps"} or not parts.hostname):
            raise SettingsError("COMPTOIR_SMTP_URL must be smtp://user@host:port or smtps://user@host:port.")
        if self.master_keys:
            try:
                Masters.parse(self.master_keys)
            except MasterKeysError as error:
                raise SettingsError(f"COMPTOIR_MASTER_KEYS cannot be used: {error}.") from None

    def doubts(self, environ: Mapping[str, str] | None = None) -> list[str]:
        """Return what a start should warn of: variables that nothing reads, a compose file of another revision."""
        environ = os.environ if environ is None else environ
        known = {f"COMPTOIR_{item.name.upper()}" for item in fields(self)}
        names = sorted(name for name in environ if name.startswith("COMPTOIR_"))
        found = [
            f"{name} is read by nothing: is it misspelt? docs/settings.md lists what there is"
            for name in names
            if name.removesuffix("_FILE") not in known
        ]
        if self.compose_revision and self.compose_revision != COMPOSE_REVISION:
            found.append(
                f"the compose file is of revision {self.compose_revision}, this version wants {COMPOSE_REVISION}: "
                "fetch docker-compose.production.yml of this version"
            )
        return found

    @property
    def secure(self) -> bool:
        """Whether cookies may only travel over TLS."""
        return self.mode == "production"


def _read_secret(name: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SettingsError(f"{name}_FILE cannot be read: {error.strerror}. Check the path and its rights.") from None


def _convert(name: str, text: str, kind: Any) -> Any:
    if kind is int:
        if not text.strip().lstrip("-").isdecimal():
            raise SettingsError(f"{name} must be a whole number, not {text!r}.")
        return int(text)
    if kind is bool:
        if text.strip().lower() not in {"0", "1", "true", "false", "yes", "no"}:
            raise SettingsError(f"{name} must be true or false, not {text!r}.")
        return text.strip().lower() in {"1", "true", "yes"}
    return text
