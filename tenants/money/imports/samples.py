"""The statements that come with the product, so that a newcomer can do the main job at once."""

from pathlib import Path

from webapp.kernel.files import product_files

SAMPLE_BYTES_MAX = 1024 * 1024
SAMPLES_MAX = 12


def samples() -> list[str]:
    """Return the names of the bundled statements, none when there are none."""
    folder = product_files("samples")
    if not folder.is_dir():
        return []
    return sorted(path.name for path in folder.iterdir() if _is_statement(path))[:SAMPLES_MAX]


def content(name: str) -> bytes | None:
    """Return a bundled statement; None for any name that is not in the list."""
    return (product_files("samples") / name).read_bytes() if name in samples() else None


def _is_statement(path: Path) -> bool:
    return (
        path.is_file()
        and not path.name.startswith(".")
        and path.suffix != ".md"
        and (path.stat().st_size <= SAMPLE_BYTES_MAX)
    )
