"""Each check, both ways: evidence that it finds fault with, and the nearest evidence that it does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kharness.plan.evidence.content import Content, Secret
from kharness.plan.evidence.drift import Drift
from kharness.plan.evidence.image import Age, ImageStory, Origin
from kharness.plan.evidence.launch import Bind, Launch, Published
from kharness.plan.evidence.running import Running
from kharness.plan.evidence.standing import Standing
from kharness.plan.facts import EngineFacts, HealthFacts, ImageFacts, PortRef
from kharness.plan.modes import Mode
from kharness.plan.policy.catalog import BY_ID, CHECKS
from kharness.plan.policy.health_check import CHECK as HEALTH
from kharness.plan.policy.published_ports import CHECK as PUBLISHED
from kharness.settings.policy import Allow, Policy

GOOD = Launch(
    user="1000:1000",
    cap_drop=frozenset({"ALL"}),
    security_opt=("no-new-privileges:true",),
    read_only=True,
    memory=1 << 28,
    cpus=1.0,
    pids=100,
    restart="on-failure",
    retries=5,
    health=HealthFacts(test=("CMD", "wget", "-q", "-O", "/dev/null", "http://127.0.0.1/")),
    log_driver="local",
)
PORT = PortRef(80)
RUNS = Running(programs=frozenset({"web"}), started="web", listening=frozenset({PORT}), exposed=frozenset({PORT}))
BUILT = datetime(2026, 3, 1, tzinfo=UTC)
STORY = ImageStory(image=ImageFacts(id="sha256:1", environment=("PATH=/bin",)), history=("COPY files/ /",))
CONTENT = Content(files=9, passwd="web:x:1000:1000::/:/sbin/nologin\n")
STANDING = Standing(runs="sha256:a", live="sha256:a", recorded="sha256:a")

CASES: Mapping[str, tuple[Any, Any]] = {
    "KH101": (replace(GOOD, user="0:1000"), GOOD),
    "KH102": (replace(GOOD, cap_add=frozenset({"SYS_ADMIN"})), replace(GOOD, cap_add=frozenset({"NET_BIND_SERVICE"}))),
    "KH103": (replace(GOOD, security_opt=()), replace(GOOD, security_opt=("no-new-privileges",))),
    "KH104": (replace(GOOD, security_opt=("seccomp=unconfined",)), GOOD),
    "KH105": (replace(GOOD, read_only=False), GOOD),
    "KH106": (replace(GOOD, privileged=True), GOOD),
    "KH107": (replace(GOOD, host_namespaces=("pid",)), GOOD),
    "KH108": (
        replace(GOOD, binds=(Bind("/var/run/docker.sock", "/docker.sock", writable=False),)),
        replace(GOOD, binds=(Bind("/run/postgresql", "/run/postgresql", writable=True),)),
    ),
    "KH109": (
        replace(GOOD, binds=(Bind("/etc/ssl", "/etc/ssl", writable=True),)),
        replace(GOOD, binds=(Bind("/etc/ssl", "/etc/ssl", writable=False), Bind("/srv/x", "/x", writable=True))),
    ),
    "KH110": (replace(GOOD, memory=0), GOOD),
    "KH111": (replace(GOOD, cpus=0.0), GOOD),
    "KH112": (replace(GOOD, pids=0), GOOD),
    "KH113": (replace(GOOD, restart="unless-stopped", retries=0), replace(GOOD, restart="no", retries=0)),
    "KH114": (
        replace(GOOD, published=(Published("0.0.0.0", 8080, PORT),)),
        replace(GOOD, published=(Published("127.0.0.1", 8080, PORT),)),
    ),
    "KH115": (replace(GOOD, health=HealthFacts(test=("CMD-SHELL", "exit 0"))), GOOD),
    "KH116": (
        replace(GOOD, log_driver="json-file"),
        replace(GOOD, log_driver="json-file", log_options={"max-size": "9m"}),
    ),
    "KH117": (replace(GOOD, devices=("/dev/sda1",)), replace(GOOD, devices=("/dev/dri", "/dev/ttyUSB0"))),
    "KH201": (Drift(left=("/bin/x: added, executable, file",)), Drift(left=())),
    "KH301": (replace(CONTENT, passwd="root:x:0:0::/root:/bin/sh\n"), CONTENT),
    "KH302": (Origin(references=("nginx:1.27",)), Origin(references=("nginx:1.27@sha256:" + "a" * 64,))),
    "KH303": (replace(CONTENT, set_uid=("/bin/su",)), CONTENT),
    "KH304": (replace(CONTENT, world_writable=("/data",)), CONTENT),
    "KH305": (replace(CONTENT, managers=("/sbin/apk",)), CONTENT),
    "KH306": (replace(STORY, history=("RUN DB_PASSWORD=hunter2 ./setup",)), STORY),
    "KH307": (replace(CONTENT, lost=(Secret("a private key", "/key"),)), CONTENT),
    "KH308": (replace(RUNS, listening=frozenset({PORT, PortRef(9000)})), RUNS),
    "KH309": (Age(created=BUILT, now=BUILT + timedelta(days=91)), Age(created=BUILT, now=BUILT + timedelta(days=90))),
    "KH310": (replace(RUNS, programs=frozenset({"web", "sh"})), replace(RUNS, started="entrypoint.sh")),
    "KH401": (replace(STANDING, runs="sha256:b"), STANDING),
    "KH402": (replace(STANDING, live="sha256:b"), STANDING),
    "KH403": (EngineFacts(id="x"), EngineFacts(id="x", security_options=("name=userns",))),
}


def found(identifier: str, evidence: Any, policy: Policy | None = None) -> list[str]:
    check = BY_ID[identifier]
    assert isinstance(evidence, check.part)
    return list(check.judge(evidence, policy or Policy()))


def test_every_check_is_tried() -> None:
    assert CASES.keys() == BY_ID.keys()


@pytest.mark.parametrize("identifier", sorted(CASES))
def test_a_check_finds_what_it_is_for_and_nothing_else(identifier: str) -> None:
    bad, good = CASES[identifier]
    assert found(identifier, bad)
    assert found(identifier, good) == []


def test_identifiers_are_told_apart_and_sorted() -> None:
    assert [check.id for check in CHECKS] == sorted({check.id for check in CHECKS})


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_a_check_explains_itself(check: Any) -> None:
    assert check.title[0].islower()
    for text in (check.reason, check.mend, check.source):
        assert text
        assert text == text.strip()


def test_what_depends_on_the_host_or_the_calendar_does_not_gate() -> None:
    assert {check.id for check in CHECKS if not check.gates} == {"KH116", "KH201", "KH309", "KH401", "KH402", "KH403"}
    assert all(check.gates for check in CHECKS if check.part is Launch and check.id != "KH116")


@pytest.mark.parametrize("identifier", ["KH201", "KH401", "KH402"])
def test_what_production_stands_on_is_asked_in_production_alone(identifier: str) -> None:
    assert BY_ID[identifier].modes == {Mode.IN_PROD}


@pytest.mark.parametrize("user", ["", "root", "0", "00", "+0", "-0", ":1000", "root:root", "0:0"])
def test_root_has_many_names(user: str) -> None:
    assert found("KH101", replace(GOOD, user=user))


@pytest.mark.parametrize("user", ["1", "1000", "nobody", "web:0"])
def test_another_user_is_none(user: str) -> None:
    assert found("KH101", replace(GOOD, user=user)) == []


@pytest.mark.parametrize(
    ("source", "writable", "identifiers"),
    [
        ("/", True, {"KH108", "KH109"}),
        ("/", False, {"KH108"}),
        ("/run", False, {"KH108"}),
        ("/var/run", True, {"KH108", "KH109"}),
        ("/run/docker.sock", False, {"KH108"}),
        ("/home/me/.docker/run/docker.sock", True, {"KH108"}),
        ("/var", True, {"KH109"}),
        ("/proc/sys", True, {"KH109"}),
        ("/dev", True, {"KH109"}),
        ("/dev/dri", True, set()),
        ("/etcetera", True, set()),
        ("/home/me/photos", True, set()),
        ("/etc/localtime", False, set()),
        ("/var/lib/kharness/engines", True, {"KH109"}),
        ("/root/.ssh", True, {"KH109"}),
    ],
)
def test_what_of_the_host_is_mounted(source: str, writable: bool, identifiers: set[str]) -> None:  # noqa: FBT001
    launch = replace(GOOD, binds=(Bind(source, "/x", writable=writable),))
    assert {each for each in ("KH108", "KH109") if found(each, launch)} == identifiers


@pytest.mark.parametrize(
    ("published", "allowed", "sentences"),
    [
        (Published("", 8080, PORT), (), ["8080/tcp is open on all addresses of the host"]),
        (Published("::", 8080, PORT), (), ["8080/tcp is open on all addresses of the host"]),
        (Published("", None, PORT), (), ["a port for 80/tcp is open on all addresses of the host"]),
        (Published("127.0.0.1", 80, PORT), (), ["80/tcp is a port of the host below 1024"]),
        (Published("127.0.0.1", 80, PORT), ("80/tcp",), []),
        (Published("", 53, PortRef(53, "udp")), ("53/udp",), []),
        (Published("", 53, PortRef(53, "udp")), ("53/tcp",), ["53/udp is open on all addresses of the host"]),
    ],
)
def test_a_port_is_published_on_purpose(published: Published, allowed: tuple[str, ...], sentences: list[str]) -> None:
    policy = Policy(allow=Allow(published=allowed))
    assert list(PUBLISHED.judge(replace(GOOD, published=(published,)), policy)) == sentences


@pytest.mark.parametrize(
    "test",
    [
        ("CMD", "true"),
        ("CMD", "/bin/true"),
        ("CMD-SHELL", ":"),
        ("CMD-SHELL", "echo ok"),
        ("CMD", "sh", "-c", "exit 0"),
        ("CMD-SHELL", "curl http://localhost || true"),
        ("CMD-SHELL", "curl http://localhost || exit 0"),
        ("CMD-SHELL", "curl http://localhost; exit 0"),
        ("CMD-SHELL", "curl http://localhost || true;"),
        ("CMD-SHELL", "sh -c 'exit 0'"),
        ("CMD-SHELL", ""),
    ],
)
def test_a_health_check_that_cannot_fail_says_nothing(test: tuple[str, ...]) -> None:
    assert list(HEALTH.judge(replace(GOOD, health=HealthFacts(test=test)), Policy()))


@pytest.mark.parametrize(
    "test",
    [
        ("CMD-SHELL", "curl -f http://localhost || exit 1"),
        ("CMD", "pg_isready"),
        ("CMD-SHELL", "test -e /ready"),
        ("CMD", "/app/truecheck"),
        ("CMD-SHELL", "echo > /dev/tcp/127.0.0.1/80"),
        ("CMD-SHELL", "echo PING | nc localhost 1 | grep -q PONG"),
    ],
)
def test_one_that_can_fail_says_something(test: tuple[str, ...]) -> None:
    assert list(HEALTH.judge(replace(GOOD, health=HealthFacts(test=test)), Policy())) == []


@pytest.mark.parametrize(
    ("identifier", "evidence", "allow"),
    [
        ("KH303", replace(CONTENT, set_uid=("/bin/ping",)), Allow(set_uid=("/bin/ping",))),
        ("KH304", replace(CONTENT, world_writable=("/data",)), Allow(world_writable=("/data",))),
        ("KH307", replace(CONTENT, secrets=(Secret("a private key", "/t/a.pem"),)), Allow(secrets=("/t/*.pem",))),
    ],
)
def test_what_is_there_on_purpose_is_declared_by_name(identifier: str, evidence: Content, allow: Allow) -> None:
    assert found(identifier, evidence)
    assert found(identifier, evidence, Policy(allow=allow)) == []


def test_of_very_many_changes_the_first_are_named() -> None:
    told = found("KH201", Drift(left=tuple(f"/{number}: added" for number in range(25))))
    assert len(told) == 21
    assert told[-1] == "and 5 more, which 'kharness cowscan' shows"


def test_declared_programs_are_all_that_run() -> None:
    policy = Policy(processes=("web", "worker"))
    assert found("KH310", RUNS, policy) == ["worker does not run"]
    assert found("KH310", replace(RUNS, programs=frozenset({"web", "worker", "sh"})), policy) == [
        "sh runs, and policy.processes does not name it"
    ]


@pytest.mark.parametrize(
    ("identifier", "launch"),
    [
        ("KH103", replace(GOOD, security_opt=("no-new-privileges:true", "no-new-privileges:false"))),
        ("KH104", replace(GOOD, security_opt=("apparmor=unconfined",))),
        ("KH104", replace(GOOD, unmasked=True)),
        ("KH114", replace(GOOD, publishes_all=True)),
        ("KH114", replace(GOOD, published=(Published("::0", 8080, PORT),))),
        ("KH117", replace(GOOD, devices=("whatever the rule 'a *:* rwm' means",))),
        ("KH117", replace(GOOD, devices=("/dev/",))),
    ],
)
def test_there_are_other_ways_to_say_it(identifier: str, launch: Launch) -> None:
    assert found(identifier, launch)


def test_accounts_in_a_file_that_is_none_are_not_taken_for_none() -> None:
    assert found("KH301", replace(CONTENT, passwd=None)) == ["/etc/passwd is a link, and nobody can say who is in it"]


def test_a_base_that_is_locked_elsewhere_is_pinned() -> None:
    assert found("KH302", Origin(references=("ktools/base:live",), locked=frozenset({"ktools/base:live"}))) == []


def test_an_image_that_does_not_say_when_it_was_made_is_said_not_to() -> None:
    assert found("KH309", Age(created=None, now=BUILT)) == ["the image does not say when it was made"]
