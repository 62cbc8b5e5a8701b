"""What changed between two versions of a text, line by line."""

from difflib import SequenceMatcher

CONTEXT = 3
LINES_MAX = 2_000
"""Of longer texts only so many lines are compared."""

Lines = list[tuple[str, int, int, str]]
"""Mark (`+`, `-`, space, or `…` for what is left out), number in the old text, in the new one, and the line."""


def difference(before: str, after: str) -> Lines:
    """Return the lines that changed with three around each; line numbers begin with 1, 0 where there is none."""
    old, new = before.splitlines()[:LINES_MAX], after.splitlines()[:LINES_MAX]
    found: Lines = []
    for group in SequenceMatcher(None, old, new, autojunk=False).get_grouped_opcodes(CONTEXT):
        if found:
            found.append(("…", 0, 0, ""))
        for tag, old_from, old_to, new_from, new_to in group:
            if tag == "equal":
                found += [
                    (" ", old_from + n + 1, new_from + n + 1, line) for n, line in enumerate(old[old_from:old_to])
                ]
                continue
            found += [("-", old_from + n + 1, 0, line) for n, line in enumerate(old[old_from:old_to])]
            found += [("+", 0, new_from + n + 1, line) for n, line in enumerate(new[new_from:new_to])]
    return found
