"""`make bench`: measure and print, each number beside its floor of the same run."""

import argparse

from tests.bench import posting
from tests.bench.stage import stage

BENCHES = {"posting": posting.measure}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *BENCHES], help="which benches; all when none is named")
    names = parser.parse_args().names or list(BENCHES)
    with stage() as on:
        for name in names:
            BENCHES[name](on)
