"""The way out: a mail server, or files in the embedded run. Knows no job and no database."""

import smtplib
import ssl
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import unquote, urlsplit

SMTP_TIMEOUT_SECONDS = 20
SMTP_PORT = 25


def deliver(message: EmailMessage, *, smtp_url: str, folder: Path, name: str) -> None:
    """Send the message, or write it as `<name>.eml` when there is no mail server.

    Raises OSError and smtplib.SMTPException; the job is then tried again.
    """
    if smtp_url:
        _post(message, smtp_url)
    else:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        written = folder / f".{name}.part"
        written.write_bytes(message.as_bytes())
        written.chmod(0o600)
        written.replace(folder / f"{name}.eml")


def _post(message: EmailMessage, smtp_url: str) -> None:
    """Speak to smtp://user:password@host:port, with TLS from the start for smtps://, and whenever it is offered."""
    parts = urlsplit(smtp_url)
    host, port = parts.hostname or "localhost", parts.port or SMTP_PORT
    trusted = ssl.create_default_context()
    if parts.scheme == "smtps":
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=SMTP_TIMEOUT_SECONDS, context=trusted)
    else:
        server = smtplib.SMTP(host, port, timeout=SMTP_TIMEOUT_SECONDS)
    with server:
        server.ehlo()
        if parts.scheme != "smtps" and server.has_extn("starttls"):
            server.starttls(context=trusted)
            server.ehlo()
        if parts.username:
            server.login(unquote(parts.username), unquote(parts.password or ""))
        server.send_message(message)
