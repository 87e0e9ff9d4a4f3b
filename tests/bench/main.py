"""`tox -e bench`: how fast kharness is beside a script over the bare SDK, on this machine, in one run."""

from __future__ import annotations

import sys
from pathlib import Path

# A script finds what lies beside it; the project is two directories up.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.bench.command import main

if __name__ == "__main__":
    sys.exit(main())
