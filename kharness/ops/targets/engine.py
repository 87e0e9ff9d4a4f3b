"""Production on one engine: containers are swapped by name."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import partial

from kharness.engine.api import NetworkRequest
from kharness.errors import ConflictError, KharnessError, LaunchError
from kharness.ops.harness import Harness
from kharness.ops.putback import PutBack
from kharness.ops.session import give
from kharness.ops.targets.api import Replacement
from kharness.ops.volumes import ensure_volumes
from kharness.plan import labels
from kharness.plan.facts import ContainerFacts
from kharness.plan.launch import LaunchPlan, Subject

OWN_NETWORKS = {"bridge", "host", "none", "default"}
"""Networks that every engine has."""
ASIDE = ".old"
"""What is appended to the old container's name until the new one is verified."""
SHORT = 12
"""Digits of an id that name a container, and fit into a command that a person pastes."""


class EngineTarget:
    """Swaps production containers on the harness's engine.

    The new container is created before anything is stopped, so that a refused create request costs no downtime. The
    old one is stopped and renamed, never removed, until the new one is verified. Two of them never run together.
    """

    def __init__(self, harness: Harness) -> None:
        self._harness = harness
        self._engine = harness.engine

    def current(self, name: str) -> ContainerFacts | None:
        """Return the production container of that name; `ConflictError` when kharness did not make it."""
        found = self._engine.container(name)
        if found is not None and not _is_production(found):
            raise ConflictError(
                f"{name}: a container of that name was not made by kharness, and is left alone; "
                f"rename it ('docker rename {name} {name}-other') or set 'container_name'"
            )
        return found

    def replace(self, subject: Subject, plan: LaunchPlan) -> Replacement:
        """Put the old one aside and start the new one; whatever fails, the old one runs again.

        Raises `ConflictError` when a container of that name was not made by kharness, `LaunchError` when the new one
        cannot start.
        """
        name = plan.spec.name
        old = self.current(name) or self._left_aside(plan)
        self._ensure_networks(plan)
        with ExitStack() as made:
            fresh = ensure_volumes(self._harness, plan.volumes, stack=made)
            new = self._create(plan)
            swap = Replacement(name=name, new=new, old=old, old_name=f"{name}{ASIDE}" if old else "")
            try:
                give(self._harness, subject, new, fresh)
                if old is not None:
                    self._put_aside(old, swap.old_name)
                self._engine.rename(new, name)
                self._engine.start(new)
            except KharnessError as error:
                said = f"{name}: the new production container cannot start: {error}"
                raise LaunchError("\n".join((said, *self._way_back(swap).run()))) from error
            except BaseException as error:
                for left in self._way_back(swap).run():
                    error.add_note(left)
                raise
            made.pop_all()
        return swap

    def keep(self, replacement: Replacement) -> tuple[str, ...]:
        """Decide for the new one: the old one is removed."""
        if replacement.old is None:
            return ()
        try:
            self._engine.remove(replacement.old.id, force=True, volumes=True)
        except KharnessError as error:
            aside = replacement.old_name
            return (f"the old container {aside} is stopped and still there: {error}; by hand: docker rm {aside}",)
        return ()

    def revert(self, replacement: Replacement) -> None:
        """Decide for the old one: the new one is removed, the old one is what it was."""
        if left := self._way_back(replacement).run():
            raise LaunchError("\n".join(left))

    def _way_back(self, swap: Replacement) -> PutBack:
        name, new, old = swap.name, swap.new, swap.old
        back = PutBack()
        if old is not None:
            short = old.id[:SHORT]
            if _was_up(old):
                back.add(
                    partial(self._start_again, old, new),
                    failed=f"{name}: the old container may not run",
                    by_hand=f"docker start {short}",
                )
            back.add(
                partial(self._set_restart, old),
                failed=f"{name}: the old container may lack its restart policy",
                by_hand=f"docker update --restart {_policy(old)} {short}",
            )
            back.add(
                partial(self._name_again, old, name),
                failed=f"{name}: the old container may have another name",
                by_hand=f"docker rename {short} {name}",
            )
        back.add(
            partial(self._remove_new, new),
            failed=f"{name}: the new container may still be there",
            by_hand=f"docker rm -f {new[:SHORT]}",
        )
        return back

    def _remove_new(self, new: str) -> None:
        try:
            self._engine.remove(new, force=True, volumes=True)
        except BaseException:
            # As long as it runs, or comes back by itself, the old one cannot.
            with suppress(KharnessError):
                self._engine.set_restart(new, "no")
                self._engine.stop(new)
            raise

    def _create(self, plan: LaunchPlan) -> str:
        waiting = f"{plan.spec.name}.new"
        self._remove_leftover(waiting)
        return self._engine.create(replace(plan.spec, name=waiting))

    def _remove_leftover(self, name: str) -> None:
        leftover = self._engine.container(name)
        if leftover is not None and _is_production(leftover):
            self._engine.remove(leftover.id, force=True, volumes=True)

    def _left_aside(self, plan: LaunchPlan) -> ContainerFacts | None:
        # A launch that was killed between its steps leaves the old container stopped, under its other name, and no
        # other. What it was is not known any more: it ran, as production does.
        aside = self._engine.container(f"{plan.spec.name}{ASIDE}")
        if aside is None or not _is_production(aside):
            return None
        return replace(aside, state="running", restart_policy=plan.spec.restart)

    def _put_aside(self, old: ContainerFacts, aside: str) -> None:
        # Without a restart policy no daemon restart can bring the old one up beside the new one.
        self._engine.set_restart(old.id, "no")
        self._engine.stop(old.id)
        if old.name != aside:
            self._remove_leftover(aside)
            self._engine.rename(old.id, aside)

    def _name_again(self, old: ContainerFacts, name: str) -> None:
        now = self._engine.container(old.id)
        if now is None or now.name != name:
            self._engine.rename(old.id, name)

    def _set_restart(self, old: ContainerFacts) -> None:
        self._engine.set_restart(old.id, old.restart_policy, retries=_retries(old))

    def _start_again(self, old: ContainerFacts, new: str) -> None:
        found = self._engine.container(new)
        if found is not None and (found.running or found.state == "restarting"):
            raise LaunchError(f"the old container is not started, because the new one, {found.name}, still runs")
        now = self._engine.container(old.id)
        if now is None or not now.running:
            self._engine.start(old.id)

    def _ensure_networks(self, plan: LaunchPlan) -> None:
        for attachment in plan.spec.networks:
            name = attachment.network
            if name in OWN_NETWORKS or self._engine.network(name) is not None:
                continue
            said = self._harness.host.networks.get(name)
            if said is None:
                raise ConflictError(
                    f"{plan.spec.name}: networks.{name}: there is no such network; declare it in the host's "
                    f"configuration ([networks.{name}]) or create it ('docker network create {name}')"
                )
            self._engine.create_network(
                NetworkRequest(
                    name=name,
                    driver=said.driver,
                    internal=said.internal,
                    subnet=said.subnet,
                    gateway=said.gateway,
                    ip_range=said.ip_range,
                    options=said.options,
                )
            )


def _is_production(found: ContainerFacts) -> bool:
    return found.labels.get(labels.ROLE) == labels.ROLE_PRODUCTION


def _was_up(old: ContainerFacts) -> bool:
    return old.running or old.state == "restarting"


def _retries(old: ContainerFacts) -> int:
    found: int = old.raw.get("HostConfig", {}).get("RestartPolicy", {}).get("MaximumRetryCount", 0)
    return found


def _policy(old: ContainerFacts) -> str:
    return f"{old.restart_policy}:{_retries(old)}" if _retries(old) else old.restart_policy
