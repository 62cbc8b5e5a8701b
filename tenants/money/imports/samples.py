"""Statements to try the main job with; the demonstration registers its own, so that this room knows no story."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class Sample:
    """One file to try, and the code of the account that it is of."""

    name: str
    account_code: str
    content: bytes


Samples = Callable[[date], tuple[Sample, ...]]
"""The statements that fit the workspace's figures on a day."""
EXTENSION = "comptoir.samples"
"""Where the composition root registers them."""
