"""Where the product's own files lie: in the repository, or inside the installed package."""

from functools import cache
from pathlib import Path


@cache
def product_files(name: str) -> Path:
    """Return the folder `static`, `templates`, `migrations` or `translations`."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "_files" / name
    return inside if inside.is_dir() else package.parent / name
