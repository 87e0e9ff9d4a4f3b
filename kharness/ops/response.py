"""What is done about containers that changed: evidence first, then removal, then a fresh container."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from kharness.errors import KharnessError, UsageError
from kharness.ops.forensics import save_evidence
from kharness.ops.harness import Harness
from kharness.ops.relaunch import relaunch
from kharness.ops.undrift import remove_drift
from kharness.plan.drift import Done, Scanned
from kharness.plan.facts import short_id
from kharness.plan.untouched import shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was asked for."""

    snapshot: bool = False
    remove: bool = False
    restart: bool = False

    @property
    def acts(self) -> bool:
        """Whether containers are changed."""
        return self.remove or self.restart


def respond(harness: Harness, found: Sequence[Scanned], asked: Asked) -> Iterator[Done]:
    """Do what was asked for about each container that has something left, one after the other.

    What fails for a container ends the rest for it: nothing is removed or replaced of which the evidence is not safe.
    """
    steps: list[Callable[[Harness, Scanned], Iterator[Done]]] = []
    if asked.snapshot:
        steps.append(_snapshot)
    if asked.remove:
        steps.append(_remove)
    if asked.restart:
        steps.append(_restart)
    for each in found:
        if not each.verdict.left:
            continue
        try:
            for step in steps:
                yield from step(harness, each)
        except KharnessError as error:
            yield Done(name=each.name, text=str(error), good=False)


def _snapshot(harness: Harness, found: Scanned) -> Iterator[Done]:
    yield Done(name=found.name, text=f"the evidence is in {save_evidence(harness, found)}")


def _remove(harness: Harness, found: Scanned) -> Iterator[Done]:
    for undone in remove_drift(harness, found):
        if undone.why:
            yield Done(name=found.name, text=f"{shown(undone.path)} stays: {undone.why}", good=False)
        else:
            yield Done(name=found.name, text=f"{shown(undone.path)} is removed")


def _restart(harness: Harness, found: Scanned) -> Iterator[Done]:
    directory = harness.catalog.get(found.name)
    if directory is None:
        raise UsageError(f"{found.name}: there is no container directory of that name here to launch it from")
    new = relaunch(harness, directory)
    yield Done(name=found.name, text=f"runs {short_id(new.image_id)} in a new container")
