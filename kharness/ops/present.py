"""The production container that a directory has now, by its labels: neither its settings nor its name are asked."""

from __future__ import annotations

from kharness.errors import ContainerMissingError, EngineError
from kharness.ops.view import View
from kharness.plan import labels
from kharness.plan.facts import ContainerFacts
from kharness.plan.identity import ASIDE, WAITING
from kharness.plan.life import state_text


def present(view: View, name: str) -> ContainerFacts | None:
    """Return it, stopped or not, None where there is none. Raises `EngineError`.

    What runs goes before what does not, and what has its own name before what a release has put aside.
    """
    owned = view.engine.containers(labels=labels.of_production(name))
    facts = (view.engine.container(each.id) for each in sorted(owned, key=precedence))
    return next((each for each in facts if each is not None), None)


def precedence(found: ContainerFacts) -> tuple[bool, bool, str]:
    """Return what sorts the containers of one directory; the first is the one that people mean."""
    return not found.up, found.name.endswith((ASIDE, WAITING)), found.name


def must_be_there(view: View, name: str) -> ContainerFacts:
    """Return it, stopped or not; `ContainerMissingError` says what to do where there is none."""
    found = present(view, name)
    if found is not None:
        return found
    stranger = view.engine.container(name)
    if stranger is not None and stranger.labels.get(labels.ROLE) != labels.ROLE_PRODUCTION:
        said = f"the container of that name was not made by kharness; 'docker' itself reaches it: {stranger.id[:12]}"
        raise ContainerMissingError(f"{name}: there is no container of it; {said}")
    raise ContainerMissingError(f"{name}: there is no container of it; 'kharness up {name}' launches what is live")


def must_run(view: View, name: str) -> ContainerFacts:
    """Return it where it runs; raises `ContainerMissingError`, or `EngineError` that says how it stands."""
    found = must_be_there(view, name)
    if found.state == "running":
        return found
    if found.state == "paused":
        raise EngineError(f"{name}: is paused; 'docker unpause {found.name}' lets it go on")
    advice = f"'kharness logs {name}' shows what it said, 'kharness up {name}' launches what is live"
    raise EngineError(f"{name}: does not run: {state_text(found)}; {advice}")
