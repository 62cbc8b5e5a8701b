"""The words of a letter: a plain-text template, its first line the subject, in the reader's language.

The HTML beside it is made of the very same words, so that the two never say different things.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime, parseaddr
from functools import cache
from typing import Any

from babel import Locale, dates
from babel.support import NullTranslations, Translations
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from webapp.kernel.files import product_files

SUBJECT_LENGTH_MAX = 200


@dataclass(frozen=True, slots=True)
class Letter:
    """What is written: one subject line, a plain text, and the same as HTML."""

    subject: str
    text: str
    html: str = ""


@cache
def _press(language: str, kind: str = "txt") -> Environment:
    templates = product_files("templates")
    environment = Environment(
        loader=FileSystemLoader([templates / "mail", templates]),
        extensions=["jinja2.ext.i18n"],
        autoescape=kind == "html",  # noqa: S701 - the plain text is never shown as HTML
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    words: NullTranslations = Translations.load(str(product_files("translations")), [language])
    environment.install_gettext_translations(words, newstyle=True)  # type: ignore[attr-defined]
    environment.filters["moment"] = lambda text: _moment(datetime.fromisoformat(text), language)
    return environment


def _moment(at: datetime, language: str) -> str:
    """Tell an instant; a letter knows no time zone of its reader, so it names the one that it uses."""
    utc = at.astimezone(UTC)
    return f"{dates.format_date(utc, 'long', locale=language)} {utc:%H:%M} UTC"


def write(letter: str, language: str, values: dict[str, Any], *, home: str = "") -> Letter:
    """Fill a template; raises jinja2 errors for an unknown template or a missing value.

    A value stands in one line, so that nobody's name becomes paragraphs of a letter of ours. `home` is the address of
    the installation, for links to its pages.
    """
    lines = {name: " ".join(value.split()) if isinstance(value, str) else value for name, value in values.items()}
    told = _press(language).get_template(f"{letter}.txt").render({"home": home.rstrip("/"), **lines})
    subject, _, body = told.strip().partition("\n")
    subject = " ".join(subject.split())[:SUBJECT_LENGTH_MAX]
    paragraphs = [part.strip().split("\n") for part in body.split("\n\n") if part.strip()]
    page = _press(language, "html").get_template("frame.html")
    direction = Locale(language).text_direction
    html = page.render(language=language, direction=direction, subject=subject, paragraphs=paragraphs)
    return Letter(subject, "\n\n".join("\n".join(lines) for lines in paragraphs) + "\n", html)


def envelope(letter: Letter, *, sender: str, to: str, at: datetime, message_id: str) -> EmailMessage:
    """Return the message as it leaves, to one address and no other.

    Raises ValueError for an address that is none, that is several, or that would write a header of its own.
    """
    recipient = _recipient(to)
    message = EmailMessage(policy=SMTP if recipient.addr_spec.isascii() else SMTPUTF8)
    message["From"] = sender
    message["To"] = recipient
    message["Subject"] = letter.subject
    message["Date"] = format_datetime(at)
    message["Message-ID"] = f"<{message_id}@{parseaddr(sender)[1].rpartition('@')[2] or 'comptoir'}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(letter.text, charset="utf-8", cte="quoted-printable")
    if letter.html:
        message.add_alternative(letter.html, subtype="html", charset="utf-8", cte="quoted-printable")
    return message


def _recipient(to: str) -> Address:
    """Return an address; its domain in the letters that every mail server reads (RFC 5890)."""
    local, _, domain = to.rpartition("@")
    if not domain.isascii():
        domain = domain.encode("idna").decode()
    try:
        return Address(addr_spec=f"{local}@{domain}")
    except (HeaderParseError, IndexError):
        raise ValueError("no address to write to") from None
