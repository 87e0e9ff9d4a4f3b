"""The output of several containers, merged and sorted by time."""

from __future__ import annotations

import heapq
import queue
import threading
from collections.abc import Iterator, Mapping
from functools import partial

from kharness.errors import KharnessError, UsageError
from kharness.ops.harness import Harness
from kharness.plan.facts import ContainerFacts, LogLine

NamedLine = tuple[str, LogLine]
"""The name of a container directory, and a line of its container's output."""

MOST_OVER_SSH = 4
"""Streams at a time; sshd allows ten sessions, and others use some of them."""


def logs(
    harness: Harness, containers: Mapping[str, ContainerFacts], *, tail: int | None = None, follow: bool = False
) -> Iterator[NamedLine]:
    """Yield the last `tail` lines of each container, and with `follow` further ones until the containers end.

    `containers` are by the names of their directories. Raises `EngineError`, and `UsageError` for more containers than
    can be read at a time. An error while following one container is reported, and the others go on.
    """
    if harness.engine.facts().endpoint.startswith("ssh://") and len(containers) > MOST_OVER_SSH:
        raise UsageError(f"over ssh the output of {MOST_OVER_SSH} containers at most can be read at a time")
    last: dict[str, str] = {}
    for name, line in heapq.merge(
        *(_of(harness, name, facts, tail=tail) for name, facts in containers.items()), key=lambda said: said[1].at
    ):
        last[name] = line.at
        yield name, line
    if follow:
        # Output between the two requests is part of the second.
        yield from _follow(harness, containers, last, tail=0 if tail == 0 else None)


def _of(harness: Harness, name: str, facts: ContainerFacts, *, tail: int | None) -> Iterator[NamedLine]:
    return ((name, line) for line in harness.production.runtime.log_lines(facts.id, tail=tail))


def _follow(
    harness: Harness, containers: Mapping[str, ContainerFacts], last: Mapping[str, str], *, tail: int | None
) -> Iterator[NamedLine]:
    told: queue.Queue[NamedLine | None] = queue.Queue()

    def listen(name: str, container: str) -> None:
        after = last.get(name, "")
        try:
            for line in harness.production.runtime.log_lines(
                container, tail=None if after else tail, after=after, follow=True
            ):
                told.put((name, line))
        except KharnessError as error:
            harness.report(name, str(error))
        finally:
            told.put(None)

    for name, facts in containers.items():
        threading.Thread(target=partial(listen, name, facts.id), daemon=True).start()
    going = len(containers)
    while going:
        said = told.get()
        if said is None:
            going -= 1
        else:
            yield said
