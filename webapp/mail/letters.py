"""The words of a letter: a plain-text template, its first line the subject, in the reader's language."""

from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from functools import cache
from typing import Any

from babel.support import NullTranslations, Translations
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from webapp.kernel.files import product_files

SUBJECT_LENGTH_MAX = 200


@dataclass(frozen=True, slots=True)
class Letter:
    """What is written: one subject line and a plain text."""

    subject: str
    text: str


@cache
def _press(language: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(product_files("templates") / "mail"),
        extensions=["jinja2.ext.i18n"],
        autoescape=False,  # noqa: S701 - plain text, never shown as HTML
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    words: NullTranslations = Translations.load(str(product_files("translations")), [language])
    environment.install_gettext_translations(words, newstyle=True)  # type: ignore[attr-defined]
    return environment


def write(letter: str, language: str, values: dict[str, Any]) -> Letter:
    """Fill a template; raises jinja2 errors for an unknown template or a missing value.

    A value stands in one line, so that nobody's name becomes paragraphs of a letter of ours.
    """
    lines = {name: " ".join(value.split()) if isinstance(value, str) else value for name, value in values.items()}
    text = _press(language).get_template(f"{letter}.txt").render(lines)
    subject, _, body = text.partition("\n")
    return Letter(" ".join(subject.split())[:SUBJECT_LENGTH_MAX], body.strip() + "\n")


def envelope(letter: Letter, *, sender: str, to: str, at: datetime, message_id: str) -> EmailMessage:
    """Return the message as it leaves; an address with a line break is refused by the mail policy (ValueError)."""
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["To"] = to
    message["Subject"] = letter.subject
    message["Date"] = format_datetime(at)
    message["Message-ID"] = f"<{message_id}@comptoir>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(letter.text, charset="utf-8", cte="quoted-printable")
    return message
