"""`.env.example` is the whole reference: what compose reads, and nothing else."""

import re
from pathlib import Path

import yaml

from webapp import COMPOSE_REVISION
from webapp.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / ".env.example").read_text(encoding="utf-8")
OF_COMPOSE_ITSELF = {"COMPOSE_FILE", "COMPOSE_PROFILES"}
OF_SET_UP = {"COMPTOIR_DOMAIN"}


def test_every_setting_of_compose_is_in_the_reference_and_none_that_nothing_reads():
    read = set(re.findall(r"\$\{([A-Z][A-Z_]+)", (ROOT / "docker-compose.production.yml").read_text(encoding="utf-8")))
    told = set(re.findall(r"(?m)^(?:# )?([A-Z][A-Z_]+)=", TEXT))
    assert told == read | OF_COMPOSE_ITSELF | OF_SET_UP


def test_at_most_ten_settings_are_needed():
    assert 1 <= len(re.findall(r"(?m)^[A-Z][A-Z_]+=", TEXT)) <= 10


def test_no_secret_is_a_line_of_it():
    assert not re.search(r"(?m)^(?:# )?[A-Z_]*(PASSWORD|SECRET|_KEY)[A-Z_]*=", TEXT)


def test_compose_file_image_and_product_are_of_one_revision():
    compose = yaml.safe_load((ROOT / "docker-compose.production.yml").read_text(encoding="utf-8"))
    recipe = (ROOT / "ops/image/Dockerfile").read_text(encoding="utf-8")
    assert compose["x-product"]["environment"]["COMPTOIR_COMPOSE_REVISION"] == COMPOSE_REVISION
    assert f'org.comptoir.compose-revision="{COMPOSE_REVISION}"' in recipe


def test_a_start_warns_of_what_nothing_reads_and_of_a_compose_file_of_another_revision():
    given = {"COMPTOIR_SMTP_URL": "", "COMPTOIR_SMTP_PASSWORD_FILE": "", "COMPTOIR_SMPT_URL": "x", "PATH": ""}
    servers = {"database_url": "postgresql://x@y/z", "redis_url": "redis://y", "secret_key": "s", "mode": "embedded"}
    settings = Settings(**servers, compose_revision=COMPOSE_REVISION)
    assert [line.partition(" ")[0] for line in settings.doubts(given)] == ["COMPTOIR_SMPT_URL"]
    other = Settings(**servers, compose_revision="0")
    assert [line[:35] for line in other.doubts({})] == ["the compose file is of revision 0, "]
