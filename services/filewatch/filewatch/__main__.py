"""`python3 -m filewatch`, or `python3 path/to/filewatch`."""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:
    # Run as a script: the first entry is this very directory, whose modules would be found without their package.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from filewatch.cli import main

sys.exit(main(sys.argv[1:]))
