"""The production containers that a session must leave as they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kharness.ops.harness import Harness
from kharness.plan import labels
from kharness.plan.facts import ContainerFacts
from kharness.plan.identity import Identity, difference, identity
from kharness.plan.operation import Kind
from kharness.plan.proof import Finding


@dataclass(slots=True)
class _Known:
    """A production container by its name, and the newest entry of its directory in the ledger."""

    container: str
    before: Identity | None
    ledger: int
    of: set[str]


class Productions:
    """What each container directory's production container was. Every method may raise `EngineError`, `StateError`.

    `listed` is always what the engine's list has at that moment.
    """

    def __init__(self, harness: Harness) -> None:
        self._harness = harness
        self._known: dict[str, _Known] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._known

    @property
    def names(self) -> frozenset[str]:
        """The container directories that fail when one of them is not what it was."""
        return frozenset(name for known in self._known.values() for name in known.of)

    def remember(self, name: str, container: str, listed: tuple[ContainerFacts, ...], *, of: str) -> None:
        """Remember a directory's container as it is now, for the tests of the directory `of`."""
        earlier = self._known.get(name)
        self._known[name] = _Known(
            container=container,
            before=self._identity(name, container, listed),
            ledger=next((entry.id for entry in self._harness.state.releases(name, limit=1)), 0),
            of={of, *(earlier.of if earlier else ())},
        )

    def add(self, name: str, *, of: str) -> None:
        """Let one that is remembered be for the tests of another directory, too."""
        self._known[name].of.add(of)

    def findings(self, listed: tuple[ContainerFacts, ...]) -> Iterator[Finding]:
        """Say which are not what they were; what was released meanwhile is nobody's fault."""
        for name, known in self._known.items():
            what = difference(known.before, self._identity(name, known.container, listed))
            if what and self._was_released(name, since=known.ledger):
                yield Finding(f"production's container {known.container} {what}: {name} was released meanwhile")
            elif what:
                text = f"production's container {known.container} {what} during the session"
                yield Finding(text, frozenset(known.of))

    def _identity(self, name: str, container: str, listed: tuple[ContainerFacts, ...]) -> Identity | None:
        found = [each for each in listed if each.name == container]
        # By its labels where `container_name` was changed since it was launched.
        found += [each for each in listed if labels.is_production(each.labels, name)]
        facts = self._harness.engine.container(found[0].id) if found else None
        return identity(facts) if facts else None

    def _was_released(self, name: str, *, since: int) -> bool:
        state = self._harness.state
        newer = (entry for entry in state.releases(name) if entry.id > since)
        return bool(state.operations(name)) or any(entry.kind != Kind.PROMOTE for entry in newer)
