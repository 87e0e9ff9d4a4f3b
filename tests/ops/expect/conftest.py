"""A container of the fake that expectations are about."""

from __future__ import annotations

import pytest

from kharness.ops.session.instance import Instance, InstanceFacts
from kharness.plan.facts import EngineFacts, PortRef
from kharness.plan.launch.runspec import RunSpec
from kharness.plan.session.readiness import ByRunning
from kharness.testing import FakeEngine
from tests.ops.expect.seen import SECRET


@pytest.fixture
def fake() -> FakeEngine:
    # Remote, so that sockets are looked at with what the fake says.
    return FakeEngine(facts=EngineFacts(id="fake", local=False))


@pytest.fixture
def web(fake: FakeEngine) -> Instance:
    labels = {"fake.processes": f"/usr/sbin/httpd -f -p 80 -k {SECRET}\n[old] <defunct>\nnginx: worker process\n-sh"}
    image = fake.put_image("web:1", labels=labels, command=("/sbin/docker-init", "--", "start-httpd"))
    container = fake.create(RunSpec(name="web", image=image.id, expose=(PortRef(80),)))
    fake.start(container)
    facts = InstanceFacts(
        name="web", container="web", id=container, image=image.id, mode="standalone", address="127.0.0.1"
    )
    return Instance(fake, facts, ready=ByRunning, ready_timeout=1.0, secrets=(SECRET,))
