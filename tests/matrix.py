"""`make matrix`: who may do what, as the policies that come with Comptoir decide it, written down to be reviewed.

One line for each permission and kind of resource, one column for each role. A change of the policies shows as a
difference of tests/webapp/access/matrix.txt.
"""

from pathlib import Path

from webapp.access.asker import Asker
from webapp.access.extent import KIND
from webapp.access.guard import permitted, product_rulebook
from webapp.access.permissions import PER_ACCOUNT, Permission, Role
from webapp.access.rulebook import HERE

FILE = Path(__file__).parent / "webapp" / "access" / "matrix.txt"


def matrix() -> str:
    """Return the table as the policies decide it now."""
    may = {HERE.type: {role: permitted(asker=Asker(role)) for role in Role}}
    book = product_rulebook()
    may[KIND] = {role: frozenset(one for one in PER_ACCOUNT if book.extent(one, Asker(role)).is_whole) for role in Role}
    width = max(len(permission.value) for permission in Permission)
    lines = [f"{'permission':{width}}  {'of':9}  {'  '.join(role.value for role in Role)}"]
    for permission in Permission:
        for kind in permission.kinds:
            cells = (("yes" if permission in may[kind][role] else "-").ljust(len(role.value)) for role in Role)
            lines.append(f"{permission.value:{width}}  {kind:9}  {'  '.join(cells)}".rstrip())
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    FILE.write_text(matrix(), encoding="utf-8")
