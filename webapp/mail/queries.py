"""Read the letters that the embedded run wrote as files, newest first."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from email.utils import parsedate_to_datetime
from pathlib import Path

FOLDER = "mails"
LIST_MAX = 100
SIZE_MAX = 1024 * 1024
_NAME = re.compile(r"[0-9]{8}T[0-9]{6}-[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class WrittenMail:
    """One letter in the folder of the embedded run."""

    name: str
    to: str
    subject: str
    at: datetime
    text: str


def written_mails(*, data_dir: str) -> list[WrittenMail]:
    """Return the newest letters (at most 100)."""
    folder = Path(data_dir) / FOLDER
    names = sorted((path.stem for path in folder.glob("*.eml")), reverse=True)[:LIST_MAX]
    return list(_read(folder, names))


def written_mail(*, data_dir: str, name: str) -> WrittenMail | None:
    """Return one letter by its name; None for a name that is none, so that no other file can be asked for."""
    if _NAME.fullmatch(name) is None:
        return None
    return next(_read(Path(data_dir) / FOLDER, [name]), None)


def _read(folder: Path, names: list[str]) -> Iterator[WrittenMail]:
    for name in names:
        path = folder / f"{name}.eml"
        if not path.is_file() or path.stat().st_size > SIZE_MAX:
            continue
        message = message_from_bytes(path.read_bytes(), _class=EmailMessage, policy=default)
        yield WrittenMail(
            name=name,
            to=str(message["To"]),
            subject=str(message["Subject"]),
            at=parsedate_to_datetime(str(message["Date"])),
            text=_plain_text(message),
        )


def _plain_text(message: EmailMessage) -> str:
    body = message.get_body(("plain",))
    return "" if body is None else str(body.get_content()).replace("\r\n", "\n")
