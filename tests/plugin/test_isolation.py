"""A test instance can hurt nobody: what each kind reaches, beside a container that nobody restrains."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from kharness.engine.api import Engine
from kharness.ops.opening import open_harness
from kharness.ops.session.session import TestSession
from kharness.plan.launch.plan import Subject
from kharness.plan.session.modes import Mode
from kharness.settings.model import Settings
from tests.plugin.neighbours import GREETING, Target, host_addresses, ordinary, outside, probe, production, server
from tests.projects import Project

pytestmark = pytest.mark.engine

SETTINGS = """\
    image: {busybox}
    command: [httpd, -f, -p, "8080", -h, /etc]
    expose: [8080]
    init: true
    restart: unless-stopped
    labels:
      traefik.enable: "true"
      com.example.from: settings
    test: {test}
"""
DOCKERFILE = """\
    FROM {busybox}
    LABEL traefik.http.routers.x.rule=Host org.opencontainers.image.title=probe com.example.empty=""
"""
TESTS = """\
    import ipaddress, json, os, pathlib

    GIVEN = json.loads(pathlib.Path(os.environ["GIVEN"]).read_text())

    def report(container, name, found):
        text = json.dumps({"reached": found, "labels": container.inspect()["Config"]["Labels"]})
        (pathlib.Path(os.environ["FOUND"]) / f"{name}.json").write_text(text)

    def gateway(container):
        found = next(iter(container.inspect()["NetworkSettings"]["Networks"].values()))
        return str(ipaddress.ip_interface(f"{container.address}/{found['IPPrefixLen']}").network[1])

    def script(container):
        return GIVEN["probe"].replace("OWN-GATEWAY", gateway(container))

    def test_what_it_reaches(container):
        result = container.exec("sh", "-c", script(container), timeout=60)
        assert result.ok, result
        report(container, os.path.basename(os.path.dirname(__file__)), result.stdout.split())

    def test_the_host_reaches_it(http):
        assert "nobody" in http.get("/passwd").text
"""
ROUTED = """\

    def test_what_it_reaches_by_a_route_of_its_own(container):
        line = f"ip route replace default via {gateway(container)} && ip route && " + script(container)
        result = container.exec("sh", "-c", line, timeout=60)
        assert "default via" in result.stdout, result
        report(container, "routed", result.stdout.split())
"""


@dataclass(frozen=True)
class Found:
    """What was tried, who reached which of it, and the labels of each test instance."""

    tried: frozenset[str]
    reached: dict[str, frozenset[str]]
    labels: dict[str, dict[str, str]]
    output: str


@pytest.fixture(scope="module")
def found(shared_project: Project, engine: Engine, busybox: str) -> Found:
    """Run one session with an instance of each kind, amid everything that they must not reach."""
    if os.geteuid() != 0 or not shutil.which("ip") or not engine.facts().local:
        pytest.skip("a host beyond this one is made with ip-netns(8), as root, beside a local engine")
    with ExitStack() as stack:
        beyond, elsewhere, near_end = stack.enter_context(outside())
        on_host = stack.enter_context(server())
        bridged, published = stack.enter_context(production(engine, busybox, shared_project.name("prod")))
        targets = {"outside": beyond, "outside-too": elsewhere, "production": bridged, "published": published}
        targets |= {f"host-{address}": Target(address, on_host) for address in (near_end, *host_addresses())}
        for egress in (False, True):
            other = stack.enter_context(another_session(shared_project, engine, busybox, egress=egress))
            targets[f"other-session-{'open' if egress else 'closed'}"] = other
        return look(shared_project, engine, busybox, targets, own=Target("OWN-GATEWAY", on_host))


def look(project: Project, engine: Engine, busybox: str, targets: dict[str, Target], *, own: Target) -> Found:
    kinds = {
        "closed": "{cap_add: [NET_ADMIN]}",
        "open": "{egress: true}",
        "listed": f"{{egress: [{targets['outside'].address}]}}",
    }
    for kind, said in kinds.items():
        tests = TESTS + (ROUTED if kind == "closed" else "")
        project.add(kind, {"settings.yaml": SETTINGS.format(busybox=busybox, test=said), "test_it.py": tests})
    settings = SETTINGS.partition("\n")[2].format(test="{labels: {com.example.test: 'yes'}}")
    dockerfile = DOCKERFILE.format(busybox=busybox)
    project.add("built", {"Dockerfile": dockerfile, "settings.yaml": settings, "test_it.py": TESTS})
    given, results = project.path / "given.json", project.path / "found"
    given.write_text(json.dumps({"probe": probe({**targets, "own-gateway": own}, seconds=1)}))
    results.mkdir()
    session = project.pytest("containers", "--ready", "-n", "2", environ={"GIVEN": str(given), "FOUND": str(results)})
    assert session.status == 0, session.output
    told: dict[str, Any] = {
        path.stem.removeprefix(project.prefix): json.loads(path.read_text()) for path in results.iterdir()
    }
    reached = {name: frozenset(what["reached"]) & {*targets, "own-gateway"} for name, what in told.items()}
    reached["host"] = frozenset(name for name, target in targets.items() if target.answers_us)
    plain = {name: target for name, target in targets.items() if not is_other(name)}
    unrestrained = ordinary(engine, busybox, project.name("ordinary"), probe(plain, seconds=5))
    reached["ordinary"] = frozenset(unrestrained.split())
    labels = {name: what["labels"] for name, what in told.items()}
    return Found(frozenset(targets), reached, labels, session.output)


@contextmanager
def another_session(project: Project, engine: Engine, busybox: str, *, egress: bool) -> Iterator[Target]:
    harness = open_harness(folder=project.path, environ=project.environ, engine=engine)
    said = {
        "image": busybox,
        "command": ["nc", "-ll", "-p", "7000", "-e", "echo", GREETING],
        "expose": [7000],
        "init": True,
        "test": {"egress": egress},
    }
    image = engine.image(busybox)
    assert image is not None
    settings = Settings.model_validate(said)
    session = TestSession(harness, session=secrets.token_hex(4), mode=Mode.STANDALONE)
    try:
        subject = Subject(name=project.name("other"), settings=settings, image=image, built=False)
        yield Target(session.launch(subject).address, 7000)
    finally:
        session.close()


def is_other(name: str) -> bool:
    """Whether it is an instance of another session, which only the host reaches."""
    return name.startswith("other-session")


def test_the_probe_sees_what_can_be_reached(found: Found) -> None:
    # Without this, every claim below would hold of a probe that sees nothing.
    assert found.reached["host"] == found.tried
    assert found.reached["ordinary"] == {name for name in found.tried if not is_other(name)}


def test_a_test_instance_reaches_nothing(found: Found) -> None:
    assert found.reached["closed"] == frozenset()
    assert found.reached["built"] == frozenset()


def test_not_even_by_a_route_of_its_own_making(found: Found) -> None:
    assert found.reached["routed"] == frozenset()


def test_egress_opens_the_way_out_but_not_to_the_host_or_to_other_containers(found: Found) -> None:
    assert found.reached["open"] == {"outside", "outside-too"}


def test_an_egress_list_opens_only_what_it_names(found: Found) -> None:
    assert found.reached["listed"] == {"outside"}


def test_the_session_has_no_doubt_about_it(found: Found) -> None:
    assert "may reach" not in found.output


@pytest.mark.parametrize("kind", ["closed", "open", "listed", "built"])
def test_no_label_of_settings_or_image_attracts_a_reverse_proxy(found: Found, kind: str) -> None:
    said = {key for key, value in found.labels[kind].items() if value}
    ours = {key for key in said if key.startswith(("kharness.", "org.opencontainers."))}
    allowed = {"com.example.test"} if kind == "built" else set()
    assert said - ours == allowed
    assert "kharness.session" in ours


def test_labels_of_the_image_are_silenced_not_forgotten(found: Found) -> None:
    assert found.labels["built"]["traefik.http.routers.x.rule"] == ""
    assert found.labels["built"]["org.opencontainers.image.title"] == "probe"
    assert found.labels["built"]["com.example.test"] == "yes"
