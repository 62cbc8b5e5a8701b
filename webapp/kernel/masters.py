"""Master keys: they wrap the data keys and lie outside the database, so that a backup of it opens nothing."""

import base64
import binascii
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

KEY_BYTES = 32
NONCE_BYTES = 12
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,31}", re.ASCII)


class MasterKeysError(ValueError):
    """The master keys as they were given cannot be used; the text says why, never what they are."""


@dataclass(frozen=True, slots=True)
class Masters:
    """The master keys of an installation, the current one first. None of them is ever shown."""

    keys: Mapping[str, bytes] = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `id:base64` pairs, parted by commas or line ends; the first one is current.

        Raises MasterKeysError.
        """
        found: dict[str, bytes] = {}
        for pair in re.split(r"[\s,]+", text.strip()):
            name, _, written = pair.partition(":")
            if not _ID.fullmatch(name):
                raise MasterKeysError(
                    "a master key is written id:base64, its id of lower case letters, digits and hyphens"
                )
            try:
                key = base64.b64decode(written, validate=True)
            except (binascii.Error, ValueError):
                raise MasterKeysError(f"the master key {name} is not base64") from None
            if len(key) != KEY_BYTES:
                raise MasterKeysError(f"the master key {name} has {len(key)} bytes instead of {KEY_BYTES}")
            if len(set(key)) < KEY_BYTES // 4:
                raise MasterKeysError(f"the master key {name} was typed, not made")
            if name in found:
                raise MasterKeysError(f"the master key {name} is there twice")
            found[name] = key
        return cls(found)

    @property
    def current(self) -> str:
        """Return the id of the key that wraps from now on."""
        return next(iter(self.keys))

    def written(self) -> str:
        """Return the keys as a file holds them."""
        return "".join(f"{name}:{base64.b64encode(key).decode()}\n" for name, key in self.keys.items())

    def led_by(self, name: str, key: bytes) -> "Masters":
        """Return these keys behind a new current one."""
        return Masters({name: key, **self.keys})

    def without(self, name: str) -> "Masters":
        """Return these keys without one."""
        return Masters({one: key for one, key in self.keys.items() if one != name})

    def wrap(self, key: bytes, *, about: bytes) -> tuple[str, bytes]:
        """Return the current master's id and a data key sealed by it; `about` is authenticated along."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 costs a start time

        nonce = os.urandom(NONCE_BYTES)
        return self.current, nonce + AESGCM(self.keys[self.current]).encrypt(nonce, key, about)

    def unwrap(self, name: str, wrapped: bytes, *, about: bytes) -> bytes:
        """Return a data key; raises KeyError for an unknown master, InvalidTag for one that did not wrap it."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 costs a start time

        return AESGCM(self.keys[name]).decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], about)


class MasterSource:
    """Where the master keys come from: a text, or a file that is read again when it names a key we do not know."""

    def __init__(self, text: str, path: str = "") -> None:
        self.path = Path(path) if path else None
        self._masters = Masters.parse(text) if text else Masters({})

    def all(self) -> Masters:
        """Return the keys as they were last read; raises MasterKeysError when there are none."""
        if not self._masters.keys:
            raise MasterKeysError("COMPTOIR_MASTER_KEYS is not set: nothing can be sealed or opened")
        return self._masters

    def knowing(self, name: str) -> Masters:
        """Return the keys, read again if this one is not among them."""
        if name not in self._masters.keys:
            self.read_again()
        return self.all()

    def keep(self, masters: Masters) -> None:
        """Write the keys to their file, whole or not at all, readable by its owner only.

        Raises MasterKeysError when they do not lie in a file, or it cannot be written.
        """
        if self.path is None:
            raise MasterKeysError("the master keys come from COMPTOIR_MASTER_KEYS itself, not from a file")
        draft = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        try:
            draft.unlink(missing_ok=True)
            file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(file, "w", encoding="utf-8") as words:
                words.write(masters.written())
                words.flush()
                os.fsync(words.fileno())
            draft.replace(self.path)
        except OSError as error:
            raise MasterKeysError(f"{self.path} cannot be written ({error.strerror})") from None
        self._masters = masters

    def read_again(self) -> Masters:
        """Read the file once more, if the keys lie in one."""
        if self.path is not None:
            self._masters = Masters.parse(self.path.read_text(encoding="utf-8"))
        return self.all()
