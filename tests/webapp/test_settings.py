"""Settings come from the environment alone; what is weak, wrong or missing stops the start with a line that helps."""

from dataclasses import fields
from pathlib import Path

import pytest

from webapp.settings import WEAK_SECRETS, Settings, SettingsError

STRONG = "kJ8#vQ2m!xZ7pL4w@Rt9sB6n%Yd3hF5g^Uc1"
MASTER = "first:sAIpsXqAhJw2Gy7tV3Ln7WvRqkMnfA0cJZ9fJ2cX8uE="
NEEDED = {
    "COMPTOIR_DATABASE_URL": "postgresql://comptoir@db/comptoir",
    "COMPTOIR_REDIS_URL": "redis://valkey/0",
    "COMPTOIR_SECRET_KEY": STRONG,
    "COMPTOIR_MASTER_KEYS": MASTER,
    "COMPTOIR_BASE_URL": "https://books.example",
}
NAMED = ("COMPTOIR_DATABASE_URL", "COMPTOIR_REDIS_URL", "COMPTOIR_SECRET_KEY", "COMPTOIR_MASTER_KEYS")


def test_every_setting_is_read_from_its_variable() -> None:
    given = {"COMPTOIR_PORT": "8080", "COMPTOIR_DATABASE_POOLER": "true", "COMPTOIR_BASE_URL": "https://books.example"}
    found = Settings.from_environ(NEEDED | given)
    assert (found.port, found.database_pooler, found.base_url) == (8080, True, "https://books.example")
    assert found.mode == "production", "who says nothing gets the strict mode"


@pytest.mark.parametrize("name", [field.name for field in fields(Settings) if field.type in {str, "str"}])
def test_every_text_can_come_from_a_file(name: str, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    known = {
        "base_url": "https://other.example",
        "log_level": "debug",
        "master_keys": MASTER,
        "smtp_url": "smtp://me@mail.example:587",
    }
    text = known.get(name, STRONG)
    file.write_text(f"{text}\n")
    variable = f"COMPTOIR_{name.upper()}"
    given = {key: value for key, value in NEEDED.items() if key != variable} | {f"{variable}_FILE": str(file)}
    assert getattr(Settings.from_environ(given), name) == text, "the line's end is no part of a secret"


def test_a_file_goes_before_the_variable_itself(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(STRONG[::-1])
    assert Settings.from_environ(NEEDED | {"COMPTOIR_SECRET_KEY_FILE": str(file)}).secret_key == STRONG[::-1]


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="COMPTOIR_SECRET_KEY_FILE cannot be read: No such file"):
        Settings.from_environ(NEEDED | {"COMPTOIR_SECRET_KEY_FILE": str(tmp_path / "nowhere")})


@pytest.mark.parametrize("weak", [*sorted(WEAK_SECRETS - {""}), "a" * 40, "abcabcabc" * 5, STRONG[:31], "CHANGEME"])
def test_production_refuses_a_weak_secret(weak: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"COMPTOIR_SECRET_KEY is weak or a default\..*openssl rand"):
        Settings.from_environ(NEEDED | {"COMPTOIR_SECRET_KEY": weak})
    file = tmp_path / "secret"
    file.write_text(weak)
    with pytest.raises(SettingsError, match="weak"):
        Settings.from_environ(NEEDED | {"COMPTOIR_SECRET_KEY_FILE": str(file)})


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("value", [None, ""])
def test_what_is_needed_and_missing_is_named(name: str, value: str | None) -> None:
    given = {key: text for key, text in NEEDED.items() if key != name} | ({} if value is None else {name: value})
    with pytest.raises(SettingsError, match=f"{name} is not set"):
        Settings.from_environ(given)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("COMPTOIR_PORT", "http", "COMPTOIR_PORT must be a whole number"),
        ("COMPTOIR_DATABASE_POOLER", "maybe", "COMPTOIR_DATABASE_POOLER must be true or false"),
        ("COMPTOIR_BASE_URL", "", "COMPTOIR_BASE_URL must be the public address"),
        ("COMPTOIR_BASE_URL", "http://books.example", "beginning with https://"),
        ("COMPTOIR_MASTER_KEYS", "one:AAAA", "COMPTOIR_MASTER_KEYS cannot be used: the master key one has 3 bytes"),
        ("COMPTOIR_MODE", "debug", "COMPTOIR_MODE must be embedded or production"),
        ("COMPTOIR_LOG_LEVEL", "loud", "COMPTOIR_LOG_LEVEL must be one of DEBUG, INFO"),
    ],
)
def test_what_is_wrong_is_named(name: str, value: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        Settings.from_environ(NEEDED | {name: value})


def test_secrets_are_not_in_what_settings_say_of_themselves() -> None:
    given = NEEDED | {"COMPTOIR_DATABASE_URL": "postgresql://comptoir:do-not-tell@db/comptoir"}
    told = repr(Settings.from_environ(given | {"COMPTOIR_SMTP_URL": "smtp://me:do-not-tell@mail"}))
    assert STRONG not in told
    assert "do-not-tell" not in told


@pytest.mark.parametrize("wrong", ["mail.example", "http://mail.example", "smtp://", "smtp://me@:25"])
def test_a_mail_server_that_is_none_stops_the_start(wrong: str) -> None:
    with pytest.raises(SettingsError, match="COMPTOIR_SMTP_URL must be smtp://"):
        Settings.from_environ(NEEDED | {"COMPTOIR_SMTP_URL": wrong})
