"""Files of any age, and what it is to look at them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

Look = Callable[..., dict[str, str]]
"""The fixture `look`."""


def put(path: Path, text: str = "x", *, age: float = 0) -> Path:
    """Write a file that was modified `age` seconds ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (time.time() - age,) * 2)
    return path
