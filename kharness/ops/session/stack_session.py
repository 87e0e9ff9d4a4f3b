"""A test session for a stack: instances are laid together, started in order, and waited for where others need it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from kharness.ops.session.instance import InstanceFacts, instance_facts
from kharness.ops.session.session import TestSession
from kharness.ops.volumes.scratch import Made, Together, remember_scratch
from kharness.plan.facts import ContainerFacts
from kharness.plan.launch.plan import LaunchPlan, Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Laid:
    """A test instance whose volumes are made, or left for `Together` to make; it is not created yet."""

    subject: Subject
    name: str
    plan: LaunchPlan
    scratch: Made


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A test instance that was started, and is not known to be ready; `notes` say how its volumes were before."""

    subject: Subject
    plan: LaunchPlan
    found: ContainerFacts
    notes: Mapping[str, str]


class StackSession(TestSession):
    """Launches the services of one project. Safe to use from threads."""

    def make_network(self, name: str, who: str = "", *, egress: bool | tuple[str, ...] = False) -> str:
        """Make a network that stays until the session ends, and return its name."""
        with self._lock:
            self._refuse_when_closed()
            return self._make_network(name, who, egress=egress, stack=self._shared)

    def lay(
        self,
        subject: Subject,
        *,
        name: str,
        network: str,
        change: Callable[[LaunchPlan], LaunchPlan],
        together: Together,
    ) -> Laid:
        """Plan a test instance of a stack, and make its volumes; `change` puts it into its place in the stack.

        What has to be copied is left for `together`, which makes the copies of all in one standstill.
        """
        with self._making(subject, name) as made:
            plan = change(self._planned(subject, name=name, network=network))
            scratch = self._make_volumes(subject, plan, made, name=name, together=together)
            return Laid(subject=subject, name=name, plan=plan, scratch=scratch)

    def start(self, laid: Laid, *, change: Callable[[LaunchPlan], LaunchPlan]) -> Started:
        """Start an instance whose volumes are made, and do not wait for it; `change` has the last word.

        Raises what `launch` does.
        """
        with self._lock:
            self._refuse_when_closed()
            made = self._launched[laid.name]
        with self._removing_late(made):
            created = self._create_planned(laid.subject, change(laid.plan), laid.scratch, made=made)
            notes = remember_scratch(created.scratch)
            found = self._start(laid.subject, created.id, created.plan)
            return Started(subject=laid.subject, plan=created.plan, found=found, notes=notes)

    def await_ready(self, started: Started) -> InstanceFacts:
        """Wait until an instance that was started is ready; raises `LaunchError`."""
        timeout = self.harness.host.ready_timeout
        took = self._wait_ready(started.subject, started.found, started.plan, timeout=timeout)
        return self.facts(started, ready_after=took)

    def facts(self, started: Started, *, ready_after: float = 0.0) -> InstanceFacts:
        """Return what tests must know of an instance that was started."""
        return instance_facts(
            started.subject, started.plan, started.found, mode=self.mode, ready_after=ready_after, notes=started.notes
        )
