"""`.env.example` is the whole reference: what compose reads, and nothing else."""

import re
from pathlib import Path

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
