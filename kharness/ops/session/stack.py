"""The services of a Compose project in a test session: built, and launched as one stack on networks of the session."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial

from kharness.errors import KharnessError, LaunchError
from kharness.ops.harness import Harness
from kharness.ops.image.build import Built, bases_of, build
from kharness.ops.launch.subject import hidden_values, instance_subject
from kharness.ops.session.instance import Instance, InstanceFacts
from kharness.ops.session.pipeline import built_already, running_in_production
from kharness.ops.session.readiness import why_not_well
from kharness.ops.session.stack_session import Laid, StackSession, Started
from kharness.ops.volumes.scratch import Together
from kharness.plan.launch.environment import redact
from kharness.plan.launch.plan import LaunchPlan, Subject
from kharness.plan.launch.runspec import Attachment
from kharness.plan.session.readiness import plan_readiness, plan_test_readiness
from kharness.plan.session.stack import (
    in_namespaces,
    joined,
    made_sources,
    namespaces_of,
    needed,
    network_of,
    placed,
    start_order,
)
from kharness.settings.catalog import ContainerDir
from kharness.settings.model import Settings

COMPLETED, HEALTHY = "service_completed_successfully", "service_healthy"


class Stack(Mapping[str, Instance]):
    """The instances of a project by their services; iteration is in the order of their starts."""

    def __init__(self, instances: Mapping[str, Instance]) -> None:
        self._instances = dict(instances)

    def __getitem__(self, service: str) -> Instance:
        return self._instances[service]

    def __iter__(self) -> Iterator[str]:
        return iter(self._instances)

    def __len__(self) -> int:
        return len(self._instances)

    def __repr__(self) -> str:
        return f"<stack of {', '.join(self._instances)}>"


class StackLaunch:
    """Launches a project's services as one stack, and removes them. For one thread."""

    def __init__(self, harness: Harness, session: StackSession, settings: Mapping[str, Settings]) -> None:
        self.built: dict[str, Built] = {}
        self._harness = harness
        self._session = session
        self._settings = settings
        self._networks: dict[str, str] = {}
        self._order: tuple[str, ...] = ()
        self._started: dict[str, Started] = {}
        self._facts: dict[str, InstanceFacts] = {}

    @property
    def doubts(self) -> frozenset[str]:
        """What isolation could not be had, for the session to say."""
        return frozenset(self._session.doubts)

    def launch(self, *, rebuild: bool = False, no_build: bool = False) -> Stack:
        """Build what has to be built, start all in order, and wait until all are ready.

        A service is started when what it depends on is as far as its condition says. Raises `KharnessError`, whose text
        names the service; what was made until then goes with `close`.
        """
        self._order = order = start_order(self._settings)
        for name in order:
            self._build(name, rebuild=rebuild, no_build=no_build)
        laid = self._lay(order)
        for name in order:
            for other, condition in needed(self._settings[name], self._settings).items():
                self._meet(other, condition)
            self._start(name, laid[name])
        return Stack({name: self._instance(name) for name in order})

    def end(self) -> str:
        """Return which instance is not well after the last test, as the end of a sentence; empty where all are."""
        for name in self._order:
            if name not in self._started:
                continue
            started = self._started[name]
            check = plan_test_readiness(self._settings[name], started.subject.image)
            try:
                why = why_not_well(self._harness.engine, started.found.id, check)
            except KharnessError as error:
                why = f"could not be checked: {error}"
            if why:
                text = f"of {name} {why}; a test that stops it needs the fixture private_container"
                return redact(text, started.subject.hidden)
        return ""

    def private(self, name: str, *, suffix: str) -> Instance:
        """Launch a further instance of one service, which no other service finds."""
        subject = self._subject(name)
        attachments = self._attachments(name, subject, aliases=False)
        together = Together()
        laid = self._session.lay(
            subject,
            name=f"{self._name(name)}{suffix}",
            network=_first(attachments),
            change=partial(placed, networks=attachments, shared={}),
            together=together,
        )
        together.make(self._harness)
        started = self._session.start(laid, change=self._in_namespaces(name))
        return self._session.instance(self._session.await_ready(started), subject)

    def remove(self, instance: Instance) -> None:
        """Remove such an instance."""
        self._session.remove(instance.name)

    def close(self) -> None:
        """Remove all, from last to first: those that use another's network or volumes go before it."""
        try:
            for name in reversed(self._order):
                # What cannot be removed now is tried again by the session.
                with suppress(KharnessError):
                    self._session.remove(self._name(name))
        finally:
            self._session.close()

    def _build(self, name: str, *, rebuild: bool, no_build: bool) -> None:
        directory, settings = self._directory(name), self._settings[name]
        if no_build:
            self.built[name] = built_already(self._harness, directory, settings)
            return
        bases = bases_of(self._harness, directory, settings)
        candidates = {base: self.built[base].image.id for base in bases if base in self.built}
        self.built[name] = build(self._harness, directory, settings, rebuild=rebuild, candidates=candidates)

    def _lay(self, order: tuple[str, ...]) -> dict[str, Laid]:
        """Make the volumes of all: each once, and what is copied in one standstill of production."""
        subjects = {name: self._subject(name) for name in order}
        attachments = {name: self._attachments(name, subjects[name], aliases=True) for name in order}
        makers: dict[tuple[str, str], tuple[str, str]] = {}
        for name in order:
            plan = self._session.plan(subjects[name], name=self._name(name), network=_first(attachments[name]))
            for key, source in made_sources(plan).items():
                makers.setdefault(key, (name, source))
        together = Together()
        laid = {}
        for name in order:
            shared = {key: source for key, (maker, source) in makers.items() if maker != name}
            with _named(name, subjects[name]):
                laid[name] = self._session.lay(
                    subjects[name],
                    name=self._name(name),
                    network=_first(attachments[name]),
                    change=partial(placed, networks=attachments[name], shared=shared),
                    together=together,
                )
        together.make(self._harness)
        return laid

    def _start(self, name: str, laid: Laid) -> None:
        self._harness.report(name, "launching a test instance")
        with _named(name, laid.subject):
            self._started[name] = self._session.start(laid, change=self._in_namespaces(name))

    def _name(self, service: str) -> str:
        return f"test-{service}-{self._session.id}"

    def _meet(self, name: str, condition: str) -> None:
        if condition == HEALTHY:
            self._ready(name)
        elif condition == COMPLETED and name not in self._facts:
            started, engine = self._started[name], self._harness.engine
            timeout = self._harness.host.ready_timeout
            try:
                status = engine.wait(started.found.id, timeout=timeout)
            except TimeoutError:
                raise LaunchError(
                    f"{name}: others need it to complete, and it still runs after {timeout:g} s"
                ) from None
            if status != 0:
                said = redact(engine.logs(started.found.id, tail=5).strip(), started.subject.hidden)
                raise LaunchError(
                    f"{name}: others need it to complete successfully, and it exited with {status}\n{said}"
                )
            self._facts[name] = self._session.facts(started)

    def _ready(self, name: str) -> InstanceFacts:
        if name not in self._facts:
            self._facts[name] = facts = self._session.await_ready(self._started[name])
            self._harness.report(name, f"ready after {facts.ready_after:.1f} s")
        return self._facts[name]

    def _instance(self, name: str) -> Instance:
        facts, other = self._ready(name), network_of(self._settings[name])
        if other in self._started:
            # It is reached where the service is whose network it uses.
            facts = replace(facts, address=self._ready(other).address)
        return self._session.instance(facts, self._started[name].subject)

    def _directory(self, name: str) -> ContainerDir:
        return self._harness.catalog.select(name, prefix=False)

    def _subject(self, name: str) -> Subject:
        origin = self._harness.origin(name)
        return instance_subject(self._directory(name), self._settings[name], self.built[name].image, origin=origin)

    def _attachments(self, name: str, subject: Subject, *, aliases: bool) -> tuple[Attachment, ...]:
        if subject.origin is None:
            return ()
        found = [
            Attachment(network=self._network(each.key), aliases=each.aliases if aliases else ())
            for each in joined(subject.settings, subject.origin)
        ]
        egress = subject.settings.test.egress
        if found and egress is not False:
            # A way out of its own: the other services on its networks get none by it.
            own = self._network(f"{name}-out", who=name, egress=egress)
            found.append(Attachment(network=own))
        return tuple(found)

    def _in_namespaces(self, name: str) -> Callable[[LaunchPlan], LaunchPlan]:
        used = namespaces_of(self._settings[name])
        ids = {key: self._started[other].found.id for key, other in used.items() if other in self._started}
        return partial(in_namespaces, namespaces=ids)

    def _network(self, key: str, *, who: str = "", egress: bool | tuple[str, ...] = False) -> str:
        if key not in self._networks:
            name = f"kharness-{self._session.id}-{key}"
            self._networks[key] = self._session.make_network(name, who, egress=egress)
        return self._networks[key]


@contextmanager
def _named(name: str, subject: Subject) -> Iterator[None]:
    try:
        yield
    except KharnessError as error:
        # A container that fails may print all that it was given.
        raise LaunchError(f"{name}: {redact(str(error), subject.hidden)}") from None


def _first(attachments: tuple[Attachment, ...]) -> str:
    return attachments[0].network if attachments else "none"


def production_stack(harness: Harness, settings: Mapping[str, Settings]) -> Stack:
    """Return what runs in production; raises `LaunchError` where a service does not."""
    found = {}
    for name in start_order(settings):
        directory = harness.catalog.select(name, prefix=False)
        facts = running_in_production(harness, directory, settings[name])
        image = harness.engine.image(facts.image)
        if image is None:
            raise LaunchError(f"{name}: the image {facts.image} of the production container is gone")
        found[name] = Instance(
            harness.engine,
            facts,
            ready=partial(plan_readiness, settings[name], image),
            ready_timeout=harness.host.ready_timeout,
            secrets=hidden_values(harness, directory, settings[name], production=True),
            runtime=harness.production.runtime,
        )
    return Stack(found)
