"""Production on one engine: containers are swapped by name."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from kharness.engine.api import NetworkRequest
from kharness.errors import ConflictError, KharnessError, LaunchError, StateError
from kharness.ops.data import (
    by_hand,
    make_directory,
    prepare_data,
    put_data_back,
    refuse_other_data,
    take_data,
)
from kharness.ops.giving import give
from kharness.ops.harness import Harness
from kharness.ops.prepare import prepare_launch
from kharness.ops.putback import PutBack
from kharness.ops.secrets import give_secrets, place_secrets
from kharness.ops.snapshots import retire_data, tidy_data
from kharness.ops.volumeroot import check_volume_root, record_volume_root
from kharness.ops.volumes import create_volumes, missing_volumes
from kharness.plan import labels
from kharness.plan.facts import ContainerFacts
from kharness.plan.identity import ASIDE, WAITING
from kharness.plan.launch import LaunchPlan, Subject
from kharness.plan.mounters import meets
from kharness.plan.operation import Former, Operation, former_of, retries_of

OWN_NETWORKS = {"bridge", "host", "none", "default"}
"""Networks that every engine has."""
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

    def current(self, name: str, *, of: str) -> ContainerFacts | None:
        """Return the production container of that name; `ConflictError` when it is not the directory's own.

        So is whatever has one of the two names that are needed while it is replaced.
        """
        found = self._engine.container(name)
        for each in (found, self._engine.container(f"{name}{ASIDE}"), self._engine.container(f"{name}{WAITING}")):
            if each is not None and not labels.is_production(each.labels, of):
                raise ConflictError(_strange(each, name))
        return found

    def elsewhere(self, plan: LaunchPlan, *, of: str) -> ContainerFacts | None:
        """Return the directory's production container under another name, `container_name` having been changed."""
        ours = {plan.spec.name, f"{plan.spec.name}{ASIDE}", f"{plan.spec.name}{WAITING}"}
        owned = self._engine.containers(labels=labels.of_production(of))
        found = [each for each in owned if each.name not in ours]
        if len(found) > 1:
            names = ", ".join(sorted(each.name for each in found))
            raise ConflictError(f"{of}: several production containers of it are there: {names}; remove all but one")
        return self._engine.container(found[0].id) if found else None

    def replace(self, operation: Operation, subject: Subject, plan: LaunchPlan) -> str:
        """Put the old one aside, start the new one and return its id."""
        make_directory(operation)
        create_volumes(self._harness, map(Path, operation.fresh))
        if operation.fresh:
            record_volume_root(self._harness)
        prepare_data(self._harness, operation)
        place_secrets(self._harness, plan, who=operation.name)
        new = self._create(operation, plan)
        give(self._harness, subject, new, _writable(operation.fresh, plan))
        give_secrets(self._harness, subject, plan, new)
        if operation.former is not None:
            self._put_aside(operation, operation.former)
        take_data(self._harness, operation)
        if operation.data is not None and operation.data.restore:
            # Older data may lack what the settings have now.
            missing = missing_volumes(self._harness, plan.volumes)
            create_volumes(self._harness, missing)
            give(self._harness, subject, new, _writable(map(str, missing), plan))
            prepare_launch(self._harness, subject)
        self._engine.rename(new, operation.container)
        self._engine.start(new)
        return new

    def keep(self, operation: Operation) -> tuple[str, ...]:
        """Decide for the new one: the old one is removed."""
        retire_data(self._harness, operation)
        if operation.former is None:
            return ()
        try:
            self._engine.remove(operation.former.id, force=True, volumes=True)
        except KharnessError as error:
            aside = f"{operation.container}{ASIDE}"
            return (f"the old container {aside} is stopped and still there: {error}; by hand: docker rm {aside}",)
        return ()

    def undo(self, operation: Operation, back: PutBack, *, crashed: bool) -> None:
        """Add the steps after which the new one is gone and the old one is what it was."""
        name, former, data = operation.container, operation.former, operation.data
        if data is not None:
            back.add(partial(tidy_data, self._harness, operation))
        if former is not None:
            short = former.id[:SHORT]
            back.add(
                partial(self._set_restart, operation, former),
                failed=f"{name}: the old container may lack its restart policy",
                by_hand=f"docker update --restart {_policy(former)} {short}",
            )
            if former.was_up:
                back.add(
                    partial(self._start_again, operation, former, crashed=crashed),
                    failed=f"{name}: the old container may not run",
                    by_hand=f"docker start {short}",
                )
            back.add(
                partial(self._name_again, operation, former),
                failed=f"{name}: the old container may have another name",
                by_hand=f"docker rename {short} {former.name}",
            )
        if data is not None:
            back.add(
                partial(put_data_back, self._harness, operation),
                failed=f"{name}: the data may not be what they were",
                by_hand=by_hand(operation, data),
            )
        filter_ = f"--filter label={labels.RELEASE}={operation.id}"
        back.add(
            partial(self._remove_new, operation),
            failed=f"{name}: the new container may still be there",
            by_hand=f"docker ps -aq {filter_} | xargs -r docker rm -f",
        )

    def _made_by(self, operation: Operation) -> tuple[ContainerFacts, ...]:
        return self._engine.containers(labels={labels.RELEASE: operation.id})

    def _former(self, operation: Operation, former: Former) -> ContainerFacts | None:
        # Somebody who pruned stopped containers took it; then it was made again, under its name.
        found = self._engine.container(former.id) or self._engine.container(former.name)
        if found is not None and labels.is_production(found.labels, operation.name):
            return found
        if self._engine.image(former.image) is None:
            # Nobody can do anything about that; what has this step's place is said once, when it is named again.
            return None
        raise LaunchError(f"the old container {former.name} is gone")

    def _remove_new(self, operation: Operation) -> None:
        for new in self._made_by(operation):
            try:
                self._engine.remove(new.id, force=True, volumes=True)
            except BaseException:
                # As long as it runs, or comes back by itself, the old one cannot.
                with suppress(KharnessError):
                    self._engine.set_restart(new.id, "no")
                    self._engine.stop(new.id)
                raise

    def _create(self, operation: Operation, plan: LaunchPlan) -> str:
        waiting = f"{operation.container}{WAITING}"
        self._remove_leftover(waiting, of=operation.name)
        said = {**plan.spec.labels, labels.RELEASE: operation.id}
        return self._engine.create(replace(plan.spec, name=waiting, labels=said))

    def _remove_leftover(self, name: str, *, of: str) -> None:
        leftover = self._engine.container(name)
        if leftover is not None and labels.is_production(leftover.labels, of):
            self._engine.remove(leftover.id, force=True, volumes=True)

    def left_aside(self, plan: LaunchPlan, *, of: str) -> Former | None:
        """Return the old container that a release left under its other name, where the journal does not know of it.

        What it was is not known any more: it ran, as production does.
        """
        aside = self._engine.container(f"{plan.spec.name}{ASIDE}")
        if aside is None or not labels.is_production(aside.labels, of):
            return None
        found = former_of(aside, self._engine.request_of(aside.id))
        return replace(
            found, name=plan.spec.name, was_up=True, restart=plan.spec.restart, retries=plan.spec.restart_retries
        )

    def _put_aside(self, operation: Operation, old: Former) -> None:
        aside = f"{operation.container}{ASIDE}"
        # Without a restart policy no daemon restart can bring the old one up beside the new one.
        self._engine.set_restart(old.id, "no")
        self._engine.stop(old.id)
        now = self._engine.container(old.id)
        if now is not None and now.name != aside:
            self._remove_leftover(aside, of=operation.name)
            self._engine.rename(old.id, aside)

    def _name_again(self, operation: Operation, former: Former) -> None:
        now = self._engine.container(former.id)
        if now is None:
            self._make_again(operation, former)
        elif now.name != former.name:
            self._engine.rename(former.id, former.name)

    def _make_again(self, operation: Operation, former: Former) -> None:
        found = self._engine.container(former.name)
        if found is not None and labels.is_production(found.labels, operation.name):
            return
        if self._engine.image(former.image) is None:
            gone = f"THE OLD CONTAINER {former.name} IS GONE, and so is its image: nothing can make it again"
            self._harness.report(operation.name, f"{gone}; 'kharness run {operation.name}' launches what is live")
            return
        self._engine.create_again(former.name, former.request)
        self._harness.report(operation.name, "the old container was gone, and is made again from its image")

    def _set_restart(self, operation: Operation, former: Former) -> None:
        found = self._former(operation, former)
        if found is not None and (found.restart_policy, retries_of(found)) != (former.restart, former.retries):
            self._engine.set_restart(found.id, former.restart, retries=former.retries)

    def _start_again(self, operation: Operation, former: Former, *, crashed: bool) -> None:
        for new in self._made_by(operation):
            if new.up:
                raise LaunchError(f"the old container is not started, because the new one, {new.name}, still runs")
        refuse_other_data(self._harness, operation)
        found = self._former(operation, former)
        if found is None:
            return
        if found.running and found.restart_policy == "no" and (crashed or former.restart != "no"):
            # Its policy is taken away just before it is stopped, and the engine may still be at that.
            self._engine.stop(found.id)
        elif found.running:
            return
        if any(meets(mount.source, str(self._harness.volume_root)) for mount in found.mounts):
            # A state that cannot be read is no reason to leave production down.
            with suppress(StateError):
                check_volume_root(self._harness)
        self._engine.start(found.id)

    def ensure_networks(self, plan: LaunchPlan) -> None:
        """Create the declared networks that are not there; `ConflictError` where one is not declared."""
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


def _strange(found: ContainerFacts, name: str) -> str:
    if found.labels.get(labels.ROLE) == labels.ROLE_PRODUCTION:
        whose = f"belongs to {found.labels.get(labels.NAME, 'another directory')}"
    else:
        whose = "was not made by kharness"
    which = "a container of that name" if found.name == name else f"the container {found.name}, a name needed here,"
    return (
        f"{name}: {which} {whose}, and is left alone; "
        f"rename it ('docker rename {found.name} {found.name}-other') or set 'container_name'"
    )


def _writable(made: Iterable[str], plan: LaunchPlan) -> tuple[Path, ...]:
    fresh = {*made}
    sources = (volume.mount.source for volume in plan.volumes if not volume.mount.read_only)
    return tuple(Path(source) for source in sources if source in fresh)


def _policy(former: Former) -> str:
    return f"{former.restart}:{former.retries}" if former.retries else former.restart
