"""Sealed fields open only where they belong, blind marks find equals, and keys outlive their rotation."""

import base64
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cast import Cast
from webapp.kernel.crypto import (
    OVERHEAD_BYTES,
    REFRESH_SECONDS,
    KeyRing,
    Unopenable,
    new_ring,
    of_person,
    of_platform,
    of_tenant,
    sealed_by,
)
from webapp.kernel.data_keys import PURPOSES, Wrapped
from webapp.kernel.masters import MasterKeysError, Masters, MasterSource
from webapp.web.state import KEY

ONE, TWO = (f"{name}:{base64.b64encode(bytes(range(n, n + 32))).decode()}" for name, n in (("one", 1), ("two", 99)))
ACME, BRAVO = UUID(int=1), UUID(int=2)
IBAN = of_tenant("account.iban", ACME)


class Shelf:
    """The table of data keys, without a database."""

    def __init__(self) -> None:
        self.rows: list[Wrapped] = []
        self.reads = 0

    def read(self, tenant_id: UUID | None) -> list[Wrapped]:
        self.reads += 1
        return [one for one in self.rows if one.tenant_id == tenant_id]

    def add(self, keys: list[Wrapped]) -> list[Wrapped]:
        self.rows += [
            Wrapped(len(self.rows) + n, one.tenant_id, one.purpose, one.master_id, one.wrapped)
            for n, one in enumerate(keys, 1)
        ]
        return [one for one in self.rows if one.tenant_id == keys[0].tenant_id]


def ring(shelf: Any, masters: str = ONE, monotonic: Callable[[], float] = lambda: 0.0) -> KeyRing:
    return KeyRing(MasterSource(masters), shelf, monotonic=monotonic)


SHELF = Shelf()
RING = ring(SHELF)


@given(plain=st.binary(max_size=300))
@settings(max_examples=60)
def test_whatever_is_sealed_opens_again_and_never_looks_the_same_twice(plain: bytes) -> None:
    first, second = (RING.seal(plain, context=IBAN) for _ in range(2))
    assert RING.open(first, context=IBAN) == RING.open(second, context=IBAN) == plain
    assert first != second
    assert len(first) == len(plain) + OVERHEAD_BYTES


@pytest.mark.parametrize(
    "elsewhere",
    [
        of_tenant("account.iban", BRAVO),
        of_tenant("account.number", ACME),
        of_person("account.iban", ACME),
        of_platform("account.iban"),
        f"{IBAN}/7",
    ],
)
def test_a_value_that_was_moved_does_not_open(elsewhere: str) -> None:
    with pytest.raises(Unopenable):
        RING.open(RING.seal(b"FR14", context=IBAN), context=elsewhere)


def test_a_value_with_one_changed_bit_does_not_open() -> None:
    sealed = RING.seal(b"FR1420041010050500013M02606", context=IBAN)
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(Unopenable):
            RING.open(bytes(changed), context=IBAN)
    for short in (b"", sealed[:20], sealed[:-1]):
        with pytest.raises(Unopenable):
            RING.open(short, context=IBAN)


def test_a_context_that_names_no_scope_is_a_fault_of_ours() -> None:
    for wrong in ("iban", "account.iban", "account.iban/tenant/acme", "account.iban/team/1"):
        with pytest.raises(ValueError, match="no context"):
            RING.seal(b"", context=wrong)


def test_a_blind_mark_finds_equals_of_one_workspace_and_one_column_only() -> None:
    mark = RING.blind("FR14 2004 1010 0505 0001 3M02 606", context=IBAN)
    assert mark == RING.blind("fr1420041010050500013m02606", context=IBAN)
    assert mark not in {
        RING.blind("FR1420041010050500013M02607", context=IBAN),
        RING.blind("FR1420041010050500013M02606", context=of_tenant("account.iban", BRAVO)),
        RING.blind("FR1420041010050500013M02606", context=of_tenant("account.number", ACME)),
    }


def test_a_backup_is_closed_without_the_master_key_and_with_another_one() -> None:
    shelf = Shelf()
    sealed = ring(shelf).seal(b"FR14", context=IBAN)
    assert ring(shelf).open(sealed, context=IBAN) == b"FR14", "a restart loses no key"
    for other in (TWO, TWO.replace("two", "one")):
        with pytest.raises(Unopenable, match="master key one"):
            ring(shelf, other).open(sealed, context=IBAN)


def test_a_rewrapped_key_opens_what_it_sealed_before_and_needs_the_old_master_no_more() -> None:
    shelf = Shelf()
    sealed = ring(shelf).seal(b"FR14", context=IBAN)
    both = ring(shelf, f"{TWO},{ONE}")
    shelf.rows = [both.rewrapped(one) for one in shelf.rows]
    assert {one.master_id for one in shelf.rows} == {"two"}
    assert ring(shelf, TWO).open(sealed, context=IBAN) == b"FR14"


def test_after_a_rotation_old_values_open_and_every_process_soon_seals_with_the_new_key() -> None:
    shelf, now = Shelf(), [0.0]
    old, other = ring(shelf, monotonic=lambda: now[0]), ring(shelf)
    sealed, mark = old.seal(b"FR14", context=IBAN), old.blind("FR14", context=IBAN)
    shelf.add([old.wrapped_key(ACME, purpose) for purpose in PURPOSES])
    other.forget()
    newest = other.seal(b"FR15", context=IBAN)
    assert sealed_by(newest) > sealed_by(sealed)
    assert old.open(newest, context=IBAN) == b"FR15", "an unknown key is looked up at once"
    assert other.open(sealed, context=IBAN) == b"FR14"
    assert mark in other.blinds("FR14", context=IBAN) and other.blind("FR14", context=IBAN) != mark
    third = shelf.add([old.wrapped_key(ACME, purpose) for purpose in PURPOSES])[-2].id
    now[0] = REFRESH_SECONDS + 1
    assert sealed_by(old.seal(b"", context=IBAN)) == third


def test_the_database_is_asked_once_for_each_scope() -> None:
    shelf = Shelf()
    one = ring(shelf)
    for _ in range(20):
        one.open(one.seal(b"x", context=IBAN), context=IBAN)
        one.seal(b"x", context=of_person("totp.secret", uuid4()))
    assert shelf.reads == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("one", "has 0 bytes"),
        ("one:AAAA", "has 3 bytes"),
        ("one:!!!", "not base64"),
        ("One:AAAA", "lower case"),
        (f"{ONE},{ONE}", "twice"),
        ("one:" + base64.b64encode(bytes(32)).decode(), "typed, not made"),
    ],
)
def test_a_master_key_that_is_none_is_refused_and_not_repeated(text: str, said: str) -> None:
    with pytest.raises(MasterKeysError, match=said) as refused:
        Masters.parse(text)
    assert "AAAA" not in str(refused.value)


def test_masters_are_written_as_they_are_read_and_show_nothing() -> None:
    read = Masters.parse(f"{TWO},\n{ONE}")
    assert read.current == "two"
    assert Masters.parse(read.written()) == read
    assert ONE.partition(":")[2] not in repr(read)


def test_two_processes_that_make_the_first_key_of_a_workspace_end_with_one(cast: Cast) -> None:

    services = cast.app.extensions[KEY]
    context = of_tenant("account.iban", cast.acme.ref.id)
    first, second = new_ring(services.settings), new_ring(services.settings)
    with services.database.platform() as session:
        # What a transaction has not committed cannot be seen, and the pool's connection is in use meanwhile.
        assert session.info["database"].keys is services.keys
        sealed = first.seal(b"FR14", context=context)
    made = second._data_keys.add([second.wrapped_key(cast.acme.ref.id, purpose) for purpose in PURPOSES])
    assert len(made) == 2
    assert second.open(sealed, context=context) == b"FR14"
    assert services.keys.open(sealed, context=context) == b"FR14"
