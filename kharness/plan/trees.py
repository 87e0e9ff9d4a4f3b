"""Two trees side by side, as mappings of what is known of each path: pure."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TypeVar

Known = TypeVar("Known")


def compare(
    before: Mapping[str, Known], after: Mapping[str, Known]
) -> Iterator[tuple[str, Known | None, Known | None]]:
    """Yield what differs, in the order of the paths' bytes: the path, what it was and what it is, None for nothing."""
    different = {path for path in before.keys() & after.keys() if before[path] != after[path]}
    for path in sorted(different | (before.keys() ^ after.keys()), key=os.fsencode):
        yield path, before.get(path), after.get(path)
