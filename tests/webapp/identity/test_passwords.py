"""What is kept of a password: Argon2id with the parameters of the day, and never the password."""

import re
from typing import Any

import pytest
from argon2 import PasswordHasher, Type, extract_parameters
from flask import Flask
from sqlalchemy import text

from tests.cast import newcomer
from tests.hands import submit
from webapp.identity.rules import password_problem
from webapp.kernel.errors import Invalid
from webapp.web.state import KEY

PASSWORD = "näive cafés, 73 bytes and more: the last of them matter as much as the first ✓"


def person(app: Flask, password: str) -> tuple[str, str]:
    """Add a person; return the address and what the database keeps of the password."""
    email = newcomer(app, password)
    with app.extensions[KEY].database.platform() as session:
        stored = session.scalar(text("SELECT password_hash FROM person WHERE email = :email"), {"email": email})
    return email, str(stored)


def signs_in(app: Flask, email: str, password: str) -> bool:
    """Tell whether somebody gets in with a password."""
    answer: Any = submit(app.test_client(), "/sign-in", "/sign-in", {"email": email, "password": password})
    return bool(answer.status_code == 303)


def test_a_password_is_kept_with_argon2id_and_a_salt_of_its_own(app: Flask) -> None:
    stored, again = person(app, PASSWORD)[1], person(app, PASSWORD)[1]
    assert re.fullmatch(r"\$argon2id\$v=19\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}", stored)
    found = extract_parameters(stored)
    assert found.type is Type.ID
    # RFC 9106, second recommended option: 64 MiB, 3 passes, 4 lanes.
    assert (found.memory_cost, found.time_cost, found.parallelism) == (65_536, 3, 4)
    assert (found.hash_len, found.salt_len) == (32, 16)
    assert stored != again, "two people with one password cannot be told to have one"
    assert PASSWORD not in stored
    assert PasswordHasher().verify(stored, PASSWORD)


def test_every_byte_of_a_long_password_matters(app: Flask) -> None:
    email, _ = person(app, PASSWORD)
    assert signs_in(app, email, PASSWORD)
    assert not signs_in(app, email, PASSWORD[:-1])
    assert not signs_in(app, email, PASSWORD[:-1] + "x")


@pytest.mark.parametrize(
    ("password", "problem"),
    [
        ("fourteen chars", "password_short"),
        ("fifteen letters", None),
        ("x" * 15, "password_common"),
        ("somebody@example.org", "password_common"),
        ("Somebody@Example.org", "password_common"),
        ("passwordpassword", "password_common"),
        ("1234567890123456", "password_common"),
        ("qwertyuiopasdfgh", "password_common"),
        ("aaaaabbbbbcccccdddddeeeee", "password_common"),
        ("password1password2", "password_common"),
        ("letmeinletmeinletmein", "password_common"),
        ("correct horse battery staple", None),
        ("mein Haus am See hat 3 Zimmer", None),
        ("x7#" + "y" * 12, "password_common"),
        ("a b c d e f g h " * 70, "password_long"),
    ],
)
def test_what_is_easy_to_guess_is_refused(password: str, problem: str | None) -> None:
    assert password_problem(password, email="somebody@example.org") == problem


def test_a_password_that_is_refused_is_told_at_its_field(app: Flask) -> None:
    with pytest.raises(Invalid) as refused:
        person(app, "passwordpassword")
    assert [error.field for error in refused.value.errors] == ["password"]
