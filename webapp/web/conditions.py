"""Conditional requests (AP-6, RFC 9110): versions travel as strong ETags."""

import re

from flask import Response, request

from webapp.kernel.errors import N_, DomainError

_VERSION = re.compile(r'"?v([0-9]{1,10})"?', re.ASCII)


class ConditionMissing(DomainError):
    """A change of a ledger row needs If-Match (RFC 6585, 428)."""

    code = "if_match_missing"
    status = 428
    title = N_("A condition is missing")
    message = N_("Send the ETag that you read as If-Match, so that nobody's change is overwritten unseen.")


class ConditionFailed(DomainError):
    """If-Match does not name a version."""

    code = "if_match_failed"
    status = 412
    title = N_("Changed in the meantime")
    message = N_("If-Match does not name the present version. Read it again and repeat your change.")


def with_etag(response: Response, version: int) -> Response:
    """Mark an answer with its version; a reader who has it already gets 304."""
    response.set_etag(f"v{version}")
    return response.make_conditional(request) if request.method in {"GET", "HEAD"} else response


def check_version() -> int:
    """Return the version that If-Match names.

    Raises ConditionMissing, ConditionFailed.
    """
    given = request.headers.get("If-Match", "").strip()
    if not given:
        raise ConditionMissing
    found = _VERSION.fullmatch(given)
    if found is None:
        raise ConditionFailed
    return int(found[1])
