"""What was typed when a session ended: signed, carried past the sign-in, opened again for the same person only.

Every form says whose it is: the token against forgery that it carries was made for the person who opened the page.
"""

import hmac
import secrets
from dataclasses import asdict, dataclass
from hashlib import sha256
from uuid import UUID

from flask import current_app, g, request, session
from itsdangerous import BadData, URLSafeTimedSerializer
from werkzeug.urls import iri_to_uri

from webapp.web.state import services

FORM_TOKEN = "csrf_token"  # noqa: S105 - the name of a field
FIELDS_MAX = 2000
LENGTH_MAX = 256 * 1024
"""So many characters are carried at most, names and values together."""
LIFE_SECONDS = 12 * 3600
NEVER_CARRIED = frozenset({FORM_TOKEN, "parcel", "password", "current"})


@dataclass(frozen=True, slots=True)
class Parcel:
    """A form as it was sent: where to, its fields in their order, and the names of the fields that held a file."""

    path: str
    fields: tuple[tuple[str, str], ...]
    files: tuple[str, ...]


def is_secret(name: str) -> bool:
    """Tell whether a field is never carried."""
    return name in NEVER_CARRIED or "password" in name or "secret" in name or name.startswith("confirm_")


def holds_password() -> bool:
    """Tell whether this request's form has a password in it: such an act begins anew."""
    return any(is_secret(name) and name not in {FORM_TOKEN, "parcel"} for name in request.form)


def collect() -> Parcel | None:
    """Return what this request's form carries, without passwords and files; None when that is nothing, or too much."""
    fields = tuple((name, value) for name, value in request.form.items(multi=True) if not is_secret(name))
    files = tuple(sorted(name for name, file in request.files.items() if file.filename))
    path = iri_to_uri(request.full_path.rstrip("?"))
    length = sum(len(name) + len(value) for name, value in fields)
    is_ours = request.url_rule is not None and path.startswith("/") and not path.startswith(("//", "/\\"))
    if not is_ours or not (fields or files) or len(fields) > FIELDS_MAX or length > LENGTH_MAX:
        return None
    return Parcel(path, fields, files)


def seal(parcel: Parcel, owner: str) -> str:
    """Write a parcel for a hidden field of the sign-in form."""
    return _seals().dumps({**asdict(parcel), "owner": owner})


def unseal(text: str, person_id: UUID) -> Parcel | None:
    """Read a parcel of this person; None when it is somebody else's, too old, or not ours."""
    try:
        found = _seals().loads(text, max_age=LIFE_SECONDS)
    except BadData:
        return None
    if not hmac.compare_digest(found["owner"], mark_of(person_id)):
        return None
    return Parcel(found["path"], tuple((name, value) for name, value in found["fields"]), tuple(found["files"]))


def _seals() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(services().settings.secret_key, salt="parcel")


def mark_of(person_id: UUID) -> str:
    """Return the mark of a person's forms, which does not tell who it is."""
    key = services().settings.secret_key.encode()
    return hmac.new(key, b"forms of " + person_id.bytes, sha256).hexdigest()[:32]


def claim_forms(person_id: UUID) -> None:
    """Let the forms that this browser opens from now on be this person's; those of somebody before are refused."""
    mark = mark_of(person_id)
    if not str(session.get(FORM_TOKEN, "")).endswith(f".{mark}"):
        session[FORM_TOKEN] = f"{secrets.token_hex(20)}.{mark}"
        g.pop(FORM_TOKEN, None)


def form_owner() -> str | None:
    """Return the mark of the person who opened the form of this request.

    An empty text when nobody was signed in then, None when the form is not ours. Its token need not be valid here and
    now: the cookie that it belongs to may be gone.
    """
    # The serializer of Flask-WTF, whose token it is.
    tokens = URLSafeTimedSerializer(str(current_app.secret_key), salt="wtf-csrf-token")
    try:
        value = str(tokens.loads(request.form.get(FORM_TOKEN, "")))
    except BadData:
        return None
    return value.partition(".")[2]
