"""A pool of daemon threads: unlike an executor's, they never keep an interrupted program from ending."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

Task = Callable[[], None]


class DaemonPool:
    """Runs tasks in the order in which they came, `size` at a time. Tasks handle their own exceptions."""

    def __init__(self, size: int) -> None:
        self._tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(size)]
        for thread in self._threads:
            thread.start()

    def submit(self, task: Task) -> None:
        """Let a thread run the task when its turn comes."""
        self._tasks.put(task)

    def join(self) -> None:
        """Wait until everything that was submitted is done; nothing may be submitted afterwards."""
        for _ in self._threads:
            self._tasks.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            task()
