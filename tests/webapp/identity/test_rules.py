"""What is wrong with a person, a choice of looks or a token, found before any database is asked."""

from datetime import timedelta
from typing import Any

import pytest

from webapp.identity.rules import (
    format_token,
    parse_token,
    person_errors,
    preference_errors,
    token_errors,
    token_hash,
)

TOKEN: dict[str, Any] = {
    "name": "books",
    "scopes": {"read"},
    "known_scopes": ("read", "write"),
    "life": timedelta(days=90),
    "networks": ("192.0.2.0/24", "2001:db8::1"),
}


def test_a_token_within_its_bounds_is_made():
    assert token_errors(**TOKEN) == []


@pytest.mark.parametrize(
    ("wrong", "field", "code"),
    [
        ({"name": " "}, "name", "length"),
        ({"name": "n" * 101}, "name", "length"),
        ({"scopes": set()}, "scopes", "choice"),
        ({"scopes": {"read", "everything"}}, "scopes", "choice"),
        ({"life": timedelta(0)}, "days", "range"),
        ({"life": timedelta(days=367)}, "days", "range"),
        ({"networks": ("192.0.2.0/24", "home")}, "networks", "network"),
        ({"networks": ("192.0.2.1",) * 21}, "networks", "many"),
    ],
)
def test_a_token_is_refused_at_the_field_that_is_wrong(wrong: dict[str, Any], field: str, code: str):
    assert [(error.field, error.code) for error in token_errors(**TOKEN | wrong)] == [(field, code)]


def test_the_first_network_that_is_none_is_told():
    errors = token_errors(**TOKEN | {"networks": ("192.0.2.1", "home", "office")})
    assert [error.params for error in errors] == [{"text": "home"}]


@pytest.mark.parametrize("secret", ["a" * 43, "_" * 43, "-_" * 21 + "x"])
def test_what_is_stored_of_a_token_is_what_its_reader_finds(secret: str):
    parts = parse_token(format_token("0123456789abcdef", secret))
    assert parts is not None
    assert parts.secret_hash == token_hash(secret)


@pytest.mark.parametrize(
    "email",
    ["a,victim@example.org", "a;b@example.org", "<a@example.org>", '"a b"@example.org', "a@example.org\nBcc: x"],
)
def test_an_address_is_one_address(email: str):
    assert [error.field for error in person_errors(email=email, name="Pat", password=None)] == ["email"]


def test_a_new_person_may_have_no_password_but_not_a_weak_one():
    assert person_errors(email="pat@example.org", name="Pat", password=None) == []
    errors = person_errors(email="pat", name="", password="short")
    assert [(error.field, error.code) for error in errors] == [
        ("email", "email"),
        ("name", "length"),
        ("password", "password_short"),
    ]


def test_looks_are_chosen_from_what_is_offered():
    looks = {"name": "Pat", "language": "ar", "theme": "dark", "density": "compact"}
    assert preference_errors(**looks) == []
    errors = preference_errors(**looks | {"language": "tlh", "theme": ""})
    assert [error.field for error in errors] == ["language", "theme"]
