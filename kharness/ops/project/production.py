"""The production container of a directory, found by its labels; neither its settings nor its name matter."""

from __future__ import annotations

from pathlib import Path

from kharness.engine.api import Runtime
from kharness.errors import ContainerMissingError, EngineError
from kharness.ops.project.identity import is_ours, whose
from kharness.ops.project.view import View
from kharness.plan import labels
from kharness.plan.facts import ContainerFacts
from kharness.plan.launch.life import ASIDE, WAITING, state_text, why_stuck
from kharness.settings.compose.folder import LABEL
from kharness.settings.project import has_table

COMPOSE = f"{LABEL}service"
"""The label that the containers of a Compose project's services have."""


class EngineProduction:
    """Production on the engine that builds and tests."""

    def __init__(self, view: View) -> None:
        self._view = view

    @property
    def runtime(self) -> Runtime:
        """The engine itself: a container's id is the engine's."""
        return self._view.engine

    def services(self, name: str | None = None) -> tuple[ContainerFacts, ...]:
        """Return the project's production containers as the engine lists them; see `Production`."""
        wanted = {labels.ROLE: labels.ROLE_PRODUCTION} | ({labels.NAME: name} if name is not None else {})
        found = (each for each in self._view.engine.containers(labels=wanted) if is_ours(self._view, each))
        return tuple(each for each in found if self._is_of_this_kind(each))

    def _is_of_this_kind(self, found: ContainerFacts) -> bool:
        # A folder may be two projects of one name: of container directories, and of Compose.
        known = self._view.catalog.get(found.labels.get(labels.NAME, "")) is not None
        if (folder := self._view.catalog.folder) is not None:
            return known or not has_table(folder)
        return known or COMPOSE not in found.labels or not has_table(Path(self._view.project.path))

    def current(self, name: str) -> ContainerFacts | None:
        """Return the production container of a directory; see `Production`.

        What has its own name goes before what a release has put aside.
        """
        facts = (self.runtime.container(each.id) for each in sorted(self.services(name), key=precedence))
        return next((each for each in facts if each is not None), None)


def present(view: View, name: str) -> ContainerFacts | None:
    """Return the production container of a directory, stopped or not, None where there is none; see `Production`."""
    return view.production.current(name)


def precedence(found: ContainerFacts) -> tuple[bool, bool, str]:
    """Return a key that sorts the containers of one directory by preference."""
    return not found.up, found.name.endswith((ASIDE, WAITING)), found.name


def must_be_there(view: View, name: str) -> ContainerFacts:
    """Return the container, stopped or not; raises `ContainerMissingError` with what to do if there is none."""
    found = present(view, name)
    if found is not None:
        return found
    stranger = view.engine.container(name)
    if stranger is not None and not is_ours(view, stranger):
        said = f"the container of that name {whose(view, stranger)}; 'docker' itself reaches it: {stranger.id[:12]}"
        raise ContainerMissingError(f"{name}: there is no container of it; {said}")
    raise ContainerMissingError(f"{name}: there is no container of it; {how_to_launch(view, name)}")


def must_run(view: View, name: str) -> ContainerFacts:
    """Return the container if it runs; raises `ContainerMissingError`, or `EngineError` with its state."""
    found = must_be_there(view, name)
    if found.state == "running":
        return found
    if stuck := why_stuck(found):
        raise EngineError(f"{name}: {stuck}")
    advice = f"'kharness logs {called(view, name)}' shows its output, {how_to_launch(view, name)}"
    raise EngineError(f"{name}: does not run: {state_text(found)}; {advice}")


def how_to_launch(view: View, name: str) -> str:
    """Return the command that launches production, as the end of a sentence."""
    if not _is_live(view, name) and (folder := view.catalog.folder):
        untested = f"'kharness up {called(view, name)} --untested' launches it without a test"
        return f"'pytest {folder} --ready' builds and tests it, {untested}"
    what = "launches what is live" if _is_live(view, name) else "builds, tests and launches it"
    return f"'{launch_command(view, name)}' {what}"


def launch_command(view: View, name: str) -> str:
    """Return the command that launches production; without a live image it has to pass its tests first."""
    return f"kharness {'up' if _is_live(view, name) else 'upgrade'} {called(view, name)}"


def called(view: View, name: str) -> str:
    """Return the name by which commands know a container from anywhere."""
    return f"{view.project.name}/{name}" if view.catalog.folder else name


def _is_live(view: View, name: str) -> bool:
    return view.engine.image(view.tags(name).live) is not None
