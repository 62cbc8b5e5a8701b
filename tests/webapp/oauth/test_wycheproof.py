"""Wycheproof's signatures: every right one of our algorithms is seen to be right, and every other one is refused."""

import json
from base64 import urlsafe_b64decode
from pathlib import Path
from typing import Any

import pytest
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from webapp.oauth import signing
from webapp.sso.rules import ALGORITHMS

VECTORS = json.loads((Path(__file__).parents[2] / "data" / "wycheproof_jws.json").read_text())
GROUPS = VECTORS["groups"]
NAMES = [f"{place} {one['comment']}" for place, one in enumerate(GROUPS)]


def relied_on(text: str, key: dict[str, Any]) -> bool:
    """Tell whether the relying party of single sign-on believes a signature."""
    keys = KeySet.import_key_set({"keys": [key]})
    try:
        jws.deserialize_compact(text, keys, algorithms=list(ALGORITHMS))
    except (JoseError, ValueError, KeyError, TypeError):
        # What webapp/sso/relying.py takes for no signature.
        return False
    return True


def ours(text: str, key: dict[str, Any]) -> bool:
    """Tell whether the parts by which access tokens are verified let a signature pass, whatever it signs.

    There is no key of ours that is for anything but signing.
    """
    if key["kty"] != "RSA" or key.get("use") == "enc" or "encrypt" in key.get("key_ops", ()):
        return False
    parts = signing._PARTS.fullmatch(text)
    header, mark = (signing._object(parts[1]), signing._read(parts[3])) if parts else (None, None)
    if parts is None or header is None or mark is None or header.get("alg") != "RS256":
        return False
    return signing._holds("RS256", signing._load_public(key), mark, f"{parts[1]}.{parts[2]}".encode())


def algorithm(text: str) -> str:
    """Return what a token says of itself; empty when it says nothing readable."""
    head = text.partition(".")[0]
    try:
        return str(json.loads(urlsafe_b64decode(head + "=" * (-len(head) % 4)))["alg"])
    except (ValueError, KeyError, TypeError):
        return ""


@pytest.mark.parametrize("group", GROUPS, ids=NAMES)
def test_every_vector_is_settled(group: dict[str, Any]) -> None:
    for test in group["tests"]:
        is_valid, said = test["result"] == "valid", algorithm(test["jws"])
        wanted = is_valid and said in ALGORITHMS
        assert relied_on(test["jws"], group["key"]) is wanted, test
        # Ours is stricter by one: what says nothing is no token.
        wanted = is_valid and said == "RS256" and bool(test["jws"].split(".")[1])
        assert ours(test["jws"], group["key"]) is wanted, test


def test_the_vectors_are_those_that_were_published_and_try_something() -> None:
    results = [test["result"] for group in GROUPS for test in group["tests"]]
    assert (results.count("valid"), results.count("invalid")) == (19, 324)
    assert VECTORS["version"] and VECTORS["licence"].startswith("Apache-2.0")
