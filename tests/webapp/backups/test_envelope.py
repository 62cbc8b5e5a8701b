"""A closed file is written whole or not at all, also where the disk ends in the middle of it."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyrage
import pytest

from webapp.backups.envelope import close_to, see_whole

CONTENT = os.urandom(6_000)


@contextmanager
def room(size_bytes: int) -> Iterator[None]:
    """Let no file of this process become larger: the write that would is cut short, the next is refused."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("size_bytes", [50, 104, 500, 4096, 6_200])
def test_what_does_not_fit_is_refused_and_nothing_is_left(tmp_path: Path, size_bytes: int):
    recipient = str(pyrage.x25519.Identity.generate().to_public())
    with room(size_bytes), pytest.raises(OSError, match=r"File too large|whole"):
        close_to(tmp_path / "one", iter([CONTENT]), recipients=[recipient])
    assert not list(tmp_path.iterdir())


def test_what_fits_is_whole(tmp_path: Path):
    recipient = str(pyrage.x25519.Identity.generate().to_public())
    said = close_to(tmp_path / "one", iter([CONTENT]), recipients=[recipient])
    assert said == see_whole(tmp_path / "one") == (tmp_path / "one").stat().st_size
