"""`make bench`: measure and print, each number beside its floor of the same run."""

import argparse

from tests.bench import audit, authzen, decisions, imports, posting, register, tenants
from tests.bench.stage import stage

BENCHES = {
    "audit": audit.measure,
    "authzen": authzen.measure,
    "decisions": decisions.measure,
    "imports": imports.measure,
    "posting": posting.measure,
    "register": register.measure,
    "tenants": tenants.measure,
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="which benches; all when none is named: " + " ".join(BENCHES)
    )
    names = parser.parse_args().names or list(BENCHES)
    with stage() as on:
        for name in names:
            BENCHES[name](on)
