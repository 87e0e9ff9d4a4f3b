"""What a test session made for one instance, and how it is removed again."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from pathlib import Path

from kharness.ops.volumes.scratch import remove_scratch


class Belongings:
    """What belongs to one instance: steps to be taken from last to first, and then the directories of its volumes.

    `of` is the container directory whose tests it is for.
    """

    def __init__(self, of: str) -> None:
        self.of = of
        self.stack = ExitStack()
        self.directories: list[Path] = []
        self.creating = threading.Lock()

    def remove(self) -> None:
        """Remove it; again, if a launch that was under way has made more."""
        with self.creating:
            # A container that is being created holds volumes and networks, and must be known to go first.
            pass
        with ExitStack() as last:
            for directory in self.directories:
                last.callback(remove_scratch, directory)
            last.callback(self.stack.close)
