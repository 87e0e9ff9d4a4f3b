"""Production on one engine: containers are swapped by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace

from kharness.engine.api import NetworkRequest
from kharness.errors import ConflictError, KharnessError, LaunchError, StateError
from kharness.ops.harness import Harness
from kharness.ops.host.ports import refuse_taken_ports
from kharness.ops.image.hardening import taken_from
from kharness.ops.launch.deviations import changed_by_hand, remember_launch
from kharness.ops.launch.secrets import give_secrets
from kharness.ops.launch.surroundings import ensure_surroundings, give_files
from kharness.ops.launch.volumes import missing_volumes
from kharness.ops.project.identity import created, is_ours, made_by, refuse_shared_volumes, whose
from kharness.ops.project.production import EngineProduction
from kharness.ops.release.data import give_made, refuse_other_data
from kharness.ops.release.target import Handler, LaunchSurvey, Reasons
from kharness.ops.release.verification import watch
from kharness.ops.release.work import Back, Launching, Work
from kharness.ops.session.causes import with_causes
from kharness.ops.session.readiness import wait_production
from kharness.ops.volumes.mounters import carry_of, record_volumes
from kharness.ops.volumes.root import check_volume_root, record_volume_root, uses_volume_root
from kharness.plan import labels
from kharness.plan.facts import ContainerFacts
from kharness.plan.launch.life import ASIDE, WAITING, state_text
from kharness.plan.launch.plan import LaunchPlan, Subject
from kharness.plan.launch.runspec import left_out, refuse_unknown
from kharness.plan.release.carry import carry_over
from kharness.plan.release.operation import Former, Operation, former_of, retries_of
from kharness.plan.release.steps import Act, Step, Strategy
from kharness.plan.volumes.usage import meets

OWN_NETWORKS = {"bridge", "host", "none", "default"}
"""Networks that every engine has."""


class EngineTarget(EngineProduction):
    """Swaps production containers on the harness's engine.

    The new container is created before anything is stopped, so that a refused create request costs no downtime. The
    old one is stopped and renamed, never removed, until the new one is verified. Two of them never run together.
    """

    def __init__(self, harness: Harness) -> None:
        super().__init__(harness)
        self._harness = harness
        self._engine = harness.engine

    def claim(self, name: str, plan: LaunchPlan) -> ContainerFacts | None:
        """Return what has the name of a plan; see `Target`.

        The two names that are needed while it is replaced must be free as well, or be the directory's own.
        """
        own = plan.spec.name
        found = self._engine.container(own)
        for each in (found, self._engine.container(f"{own}{ASIDE}"), self._engine.container(f"{own}{WAITING}")):
            if each is not None and not is_ours(self._harness, each, name):
                raise ConflictError(_strange(self._harness, each, own))
        return found

    def is_launched(self, found: ContainerFacts, subject: Subject, plan: LaunchPlan) -> bool:
        """Whether what runs is what the plan asks for; see `Target`."""
        if found.image_id != plan.spec.image or found.labels.get(labels.INPUTS) != plan.spec.labels[labels.INPUTS]:
            return False
        if found.state != "running":
            self._harness.report(subject.name, f"production {state_text(found)}, and is replaced")
            return False
        # A launch that was killed before the swap leaves the old one running without its policy, as a hand does.
        if changed := changed_by_hand(self._harness, subject, plan, found):
            self._harness.report(subject.name, f"production {changed}; it is replaced")
        return not changed and found.restart_policy == plan.spec.restart

    def launched(self, operation: Operation) -> ContainerFacts:
        """Return what an operation has launched; see `Target`."""
        return created(self._harness, operation)

    def wait_ready(self, container: str, plan: LaunchPlan) -> float:
        """Wait until a container is ready; see `Target`."""
        return wait_production(self._harness, container, plan)

    def watch(self, container: str, plan: LaunchPlan, *, before: ContainerFacts | None, until: float) -> Reasons:
        """Watch a container until then; see `Target`."""
        return watch(self._engine, plan, container, before=before, until=until)

    def _elsewhere(self, plan: LaunchPlan, *, of: str) -> ContainerFacts | None:
        """Return the directory's production container under another name, `container_name` having been changed."""
        ours = {plan.spec.name, f"{plan.spec.name}{ASIDE}", f"{plan.spec.name}{WAITING}"}
        owned = self.services(of)
        found = [each for each in owned if each.name not in ours]
        if len(found) > 1:
            names = ", ".join(sorted(each.name for each in found))
            raise ConflictError(f"{of}: several production containers of it are there: {names}; remove all but one")
        return self._engine.container(found[0].id) if found else None

    def survey(self, subject: Subject, plan: LaunchPlan) -> LaunchSurvey:
        """Look at the container that is replaced, and at what the new one needs; nothing is stopped.

        Raises `ConflictError` and `HostError` where a network or a mounted directory is missing, the volume root is
        another one, or a name or a port is not free; `UsageError` for what this engine cannot give.
        """
        harness, engine = self._harness, self._engine
        of = subject.name
        refuse_unknown(plan.spec, engine.facts())
        if uses_volume_root(harness, plan.volumes):
            refuse_shared_volumes(harness, of)
            check_volume_root(harness)
            record_volume_root(harness)
        notes = ensure_surroundings(harness, subject.origin) if subject.origin else ()
        self._ensure_networks(plan)
        current, elsewhere = self.claim(of, plan), self._elsewhere(plan, of=of)
        if current is not None and elsewhere is not None:
            raise ConflictError(f"{of}: runs as {current.name}, and {elsewhere.name} is there, too; remove one of them")
        old = current or elsewhere
        former = former_of(old, engine.request_of(old.id)) if old else self._left_aside(plan, of=of)
        if former is not None and old is None:
            old = engine.container(former.id)
        refuse_taken_ports(harness, plan, old)
        carry = carry_of(harness, subject, plan, old)
        if former is not None and engine.image(former.image) is None:
            harness.report(of, "the image of the present container is gone: it can come back, but not be made again")
        return LaunchSurvey(
            former=former,
            fresh=tuple(map(str, missing_volumes(harness, plan.volumes))),
            carried=carry.volumes,
            notes=(*notes, *carry.notes, *left_out(subject.settings, engine.facts())),
        )

    @property
    def strategy(self) -> Strategy:
        """How it launches."""
        return Strategy.RECREATE

    @property
    def handlers(self) -> Mapping[Act, Handler]:
        """How the steps of a launch are done here."""
        return {
            # What was created goes with the way back of the switch: the old one cannot run beside it.
            Act.STAGE: Handler(do=self._stage),
            Act.POLICY: Handler(do=self._take_policy, undo=self._give_policy),
            Act.STOP: Handler(do=self._stop, undo=self._start_again),
            Act.ASIDE: Handler(do=self._put_aside, undo=self._name_again, complete=self._remove_old),
            Act.SWITCH: Handler(do=self._switch, undo=self._remove_new, complete=self._record),
        }

    def _stage(self, work: Launching, _step: Step) -> None:
        operation, plan = work.operation, work.plan
        waiting = f"{operation.container}{WAITING}"
        self._remove_leftover(waiting, of=operation.name)
        given = {**plan.spec.labels, labels.RELEASE: operation.id}
        spec = carry_over(plan.spec, operation.carried)
        with _naming_addresses(plan):
            new = self._engine.create(replace(spec, name=waiting, labels=given))
        if work.subject.origin is not None:
            give_files(self._engine, work.subject.origin, new)
        give_made(work, operation.fresh)
        give_secrets(self._harness, work.subject, plan, new)

    def _take_policy(self, work: Work, _step: Step) -> None:
        # Without a restart policy no daemon restart can bring the old one up beside the new one.
        if (old := work.operation.former) is not None:
            self._engine.set_restart(old.id, "no")

    def _stop(self, work: Work, _step: Step) -> None:
        if (old := work.operation.former) is not None:
            self._engine.stop(old.id)

    def _put_aside(self, work: Work, _step: Step) -> None:
        operation, old = work.operation, work.operation.former
        aside = f"{operation.container}{ASIDE}"
        now = self._engine.container(old.id) if old is not None else None
        if now is not None and now.name != aside:
            self._remove_leftover(aside, of=operation.name)
            self._engine.rename(now.id, aside)

    def _switch(self, work: Launching, _step: Step) -> None:
        new = created(self._harness, work.operation).id
        self._engine.rename(new, work.operation.container)
        try:
            with _naming_addresses(work.plan):
                self._engine.start(new)
        except LaunchError as error:
            raise with_causes(self._engine, new, work.plan.spec, error, taken=taken_from(self._harness)) from error
        remember_launch(self._harness, work.subject, work.plan, new)

    def _record(self, _harness: Harness, operation: Operation, _step: Step) -> tuple[str, ...]:
        record_volumes(self._harness, operation.name, operation.container)
        return ()

    def _remove_old(self, _harness: Harness, operation: Operation, _step: Step) -> tuple[str, ...]:
        """Remove the old container; its volumes stay."""
        old = operation.former
        if old is None:
            return ()
        record_volumes(self._harness, operation.name, old.id)
        try:
            self._engine.remove(old.id, force=True, volumes=False)
        except KharnessError as error:
            aside = f"{operation.container}{ASIDE}"
            return (f"the old container {aside} is stopped and still there: {error}; by hand: docker rm {aside}",)
        return ()

    def _former(self, operation: Operation, former: Former) -> ContainerFacts | None:
        # It may have been pruned as a stopped container, and made again under its name.
        found = self._engine.container(former.id) or self._engine.container(former.name)
        if found is not None and is_ours(self._harness, found, operation.name):
            return found
        if operation.restored:
            # It was not renamed, so that no other step makes it again.
            self._make_again(operation, former)
            return self._engine.container(former.name)
        if self._engine.image(former.image) is None:
            # It cannot be made again, which the step that names it again reports.
            return None
        raise LaunchError(f"the old container {former.name} is gone")

    def _remove_new(self, back: Back, _step: Step) -> None:
        operation = back.operation
        for new in made_by(self._harness, operation):
            try:
                self._engine.remove(new.id, force=True, volumes=self._made_volumes(operation))
            except BaseException:
                # As long as it runs, or comes back by itself, the old one cannot.
                with suppress(KharnessError):
                    self._engine.set_restart(new.id, "no")
                    self._engine.stop(new.id)
                raise

    def _made_volumes(self, operation: Operation) -> bool:
        # Docker removes those that it made for the new container, and nothing that was mounted by its name. Podman asks
        # only whether the name of a volume was made up, which is true of what was carried over.
        return not (operation.carried and self._engine.facts().podman)

    def _remove_leftover(self, name: str, *, of: str) -> None:
        leftover = self._engine.container(name)
        if leftover is not None and is_ours(self._harness, leftover, of):
            # What never ran has nothing in its volumes.
            unused = leftover.state == "created" and not self._engine.facts().podman
            self._engine.remove(leftover.id, force=True, volumes=unused)

    def _left_aside(self, plan: LaunchPlan, *, of: str) -> Former | None:
        """Return the old container that a release left under its other name, where the journal does not know of it.

        What it was is not known any more: it ran, as production does.
        """
        aside = self._engine.container(f"{plan.spec.name}{ASIDE}")
        if aside is None or not is_ours(self._harness, aside, of):
            return None
        found = former_of(aside, self._engine.request_of(aside.id))
        return replace(
            found, name=plan.spec.name, was_up=True, restart=plan.spec.restart, retries=plan.spec.restart_retries
        )

    def _name_again(self, back: Back, _step: Step) -> None:
        former = back.operation.former
        if former is None:
            return
        now = self._engine.container(former.id)
        if now is None:
            self._make_again(back.operation, former)
        elif now.name != former.name:
            self._engine.rename(former.id, former.name)

    def _make_again(self, operation: Operation, former: Former) -> None:
        found = self._engine.container(former.name)
        if found is not None and is_ours(self._harness, found, operation.name):
            return
        if self._engine.image(former.image) is None:
            gone = f"THE OLD CONTAINER {former.name} IS GONE, and so is its image: nothing can make it again"
            self._harness.report(operation.name, f"{gone}; 'kharness run {operation.name}' launches what is live")
            return
        self._engine.create_again(former.name, former.request)
        self._harness.report(operation.name, "the old container was gone, and is made again from its image")

    def _give_policy(self, back: Back, _step: Step) -> None:
        former = back.operation.former
        found = self._former(back.operation, former) if former is not None else None
        if former is None or found is None:
            return
        if (found.restart_policy, retries_of(found)) != (former.restart, former.retries):
            self._engine.set_restart(found.id, former.restart, retries=former.retries)

    def _start_again(self, back: Back, _step: Step) -> None:
        operation, former = back.operation, back.operation.former
        if former is None or not former.was_up:
            return
        for new in made_by(self._harness, operation):
            if new.up:
                raise LaunchError(f"the old container is not started, because the new one, {new.name}, still runs")
        refuse_other_data(self._harness, operation)
        found = self._former(operation, former)
        if found is None:
            return
        if found.running and found.restart_policy == "no" and (back.crashed or former.restart != "no"):
            # Its policy is taken away just before it is stopped, and the engine may still be at that.
            self._engine.stop(found.id)
        elif found.running:
            return
        if any(meets(mount.source, str(self._harness.volume_root)) for mount in found.mounts):
            # A state that cannot be read is no reason to leave production down.
            with suppress(StateError):
                check_volume_root(self._harness)
        self._engine.start(found.id)

    def _ensure_networks(self, plan: LaunchPlan) -> None:
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


def _strange(harness: Harness, found: ContainerFacts, name: str) -> str:
    which = "a container of that name" if found.name == name else f"the container {found.name}, a name needed here,"
    return (
        f"{name}: {which} {whose(harness, found)}, and is left alone; "
        f"rename it ('docker rename {found.name} {found.name}-other') or set 'container_name'"
    )


@contextmanager
def _naming_addresses(plan: LaunchPlan) -> Iterator[None]:
    # The engine does not say which address is meant.
    wanted = [f"{each.ipv4_address} on {each.network}" for each in plan.spec.networks if each.ipv4_address]
    try:
        yield
    except ConflictError as error:
        if not wanted:
            raise
        raise ConflictError(f"{error}; it wants {', '.join(wanted)}") from error
