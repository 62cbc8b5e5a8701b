"""What is kept of a password: Argon2id with the parameters of the day, and never the password."""

import re
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest
from argon2 import PasswordHasher, Type, extract_parameters
from flask import Flask

from tests.cast import STAGE, newcomer
from tests.hands import submit
from webapp.identity import queries
from webapp.identity.password_rules import LENGTH_MAX, _common, password_problem
from webapp.identity.passwords import set_password
from webapp.kernel.errors import Invalid
from webapp.web.state import KEY

PASSWORD = "näive cafés, 73 bytes and more: the last of them matter as much as the first ✓"


def person(app: Flask, password: str) -> tuple[str, str]:
    """Add a person; return the address and what the database keeps of the password."""
    email = newcomer(app, password)
    with app.extensions[KEY].database.platform() as session:
        stored = queries.password_hash(session=session, email=email)
    assert stored
    return email, stored[1]


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


def test_one_password_in_two_ways_of_writing_it_is_one_password(app: Flask, quick_hashes: None) -> None:
    composed, decomposed = "d\u00e9j\u00e0 vu \u00e0 la plage", "de\u0301ja\u0300 vu a\u0300 la plage"
    assert composed != decomposed
    for kept, typed in ((composed, decomposed), (decomposed, composed)):
        email, _ = person(app, kept)
        assert signs_in(app, email, typed)
        assert signs_in(app, email, kept)
        assert not signs_in(app, email, kept.replace("\u00e9", "e").replace("\u0301", ""))


def test_a_long_password_of_any_characters_is_taken_whole(app: Flask, quick_hashes: None) -> None:
    email, _ = person(app, "🦉 ölpumpe с пробелами و عربي " * 3)
    assert signs_in(app, email, "🦉 ölpumpe с пробелами و عربي " * 3)
    longest = "".join(chr(97 + number * number % 26) + str(number % 7) for number in range(LENGTH_MAX // 2))
    email, _ = person(app, longest)
    assert len(longest) == LENGTH_MAX
    assert signs_in(app, email, longest)
    assert not signs_in(app, email, longest + "x"), "nothing is cut off"


def test_every_common_password_is_refused_at_its_length() -> None:
    assert len(_common()) == 30_000
    taken = [
        one
        for one in _common()
        if (len(one) >= 15 and password_problem(one, email="a@example.org") is None)
        or (len(one) >= 8 and password_problem(one.upper(), email="a@example.org", has_second_factor=True) is None)
    ]
    assert taken == []


@pytest.mark.parametrize(
    ("password", "problem"),
    [
        ("seven77", "password_short"),
        ("owl seas", None),
        ("password", "password_common"),
        ("Password123!", "password_common"),
        ("comptoir1", "password_common"),
        ("vandermeer", "password_common"),
        ("comptoir-vandermeer-2026", "password_common"),
        ("a.vandermeer@books.example", "password_common"),
        ("the comptoir of van der Meer", None),
    ],
)
def test_beside_a_second_factor_eight_characters_do_but_not_the_obvious_ones(
    password: str, problem: str | None
) -> None:
    who = {"email": "a.vandermeer@books.example", "name": "Anna Vandermeer"}
    assert password_problem(password, **who, has_second_factor=True) == problem
    if problem is None and len(password) < 15:
        assert password_problem(password, **who) == "password_short"


def test_who_gives_up_the_second_factor_is_asked_for_a_longer_password(app: Flask, quick_hashes: None) -> None:
    email, client = newcomer(app, "a long one to begin with"), app.test_client()
    with app.extensions[KEY].database.platform() as session:
        found = queries.person_by_email(session=session, email=email)
        set_password(
            session=session,
            actor=STAGE,
            at=datetime.now(UTC),
            person_id=found.id,
            email=email,
            password="owl seas",
            has_second_factor=True,
        )
    answer = submit(client, "/sign-in", "/sign-in", {"email": email, "password": "owl seas"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/profile/password")
    assert "too short to stand alone" in client.get("/profile/password").text


def test_the_list_of_common_passwords_is_loaded_by_the_first_new_password_and_by_no_start() -> None:
    program = "import sys, webapp.identity.passwords; print('zxcvbn' in sys.modules)"
    asked = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert asked.stdout.strip() == "False"
