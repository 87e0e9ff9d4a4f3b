"""Runs jobs in processes to their end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from kharness.host.fleet.children import Children, Ended, Event
from kharness.host.fleet.forked import Job, Work


class Yard:
    """Runs jobs to their end, one log each."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def log(self, name: str) -> str:
        return (self.path / f"{name}.log").read_text()

    def job(self, name: str, work: Work | Sequence[str], *, timeout: float = 20) -> Job:
        return Job(name=name, work=work, log=self.path / f"{name}.log", timeout=timeout)

    def run(
        self, *jobs: Job, grace: float = 10, meanwhile: Callable[[Children], object] = lambda _: None
    ) -> tuple[list[Event], int | None]:
        found: list[Event] = []
        with Children(grace=grace) as children:
            for job in jobs:
                children.start(job)
            while children.running:
                found += children.wait()
                meanwhile(children)
            return found, children.signal

    def one(self, work: Work | Sequence[str], *, timeout: float = 60, grace: float = 10) -> Ended:
        (*_, ended), _ = self.run(self.job("one", work, timeout=timeout), grace=grace)
        assert isinstance(ended, Ended)
        return ended
