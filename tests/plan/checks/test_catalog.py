"""Each check, both ways: evidence that it finds fault with, and the nearest evidence that it does not."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import kharness.plan.checks.catalog
from kharness.errors import UsageError
from kharness.plan.checks.catalog import BY_ID, CHECKS, checks_of, find_check, profile_of, unknown_waivers
from kharness.plan.checks.content import LeakedSecret
from kharness.plan.checks.image import Age, Origin
from kharness.plan.checks.launch import Bind, Launch, Published
from kharness.plan.checks.production import ManualChanges, UnexpectedChanges
from kharness.plan.facts import EngineFacts, HealthFacts, PortRef
from kharness.plan.launch.deviations import Deviation
from kharness.plan.session.modes import Mode
from kharness.settings.model import Settings
from kharness.settings.policy import Policy, Waiver
from tests.plan.checks.given import BUILT, CONTENT, GOOD, LIVE_IMAGE, PORT, RUNS, STORY, found

FOLDER = Path(kharness.plan.checks.catalog.__file__).parent
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
    "KH113": (replace(GOOD, restart="always", retries=0), replace(GOOD, restart="unless-stopped", retries=0)),
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
    "KH118": (
        replace(GOOD, binds=(Bind("/mnt", "/mnt", writable=True, propagation="rshared"),)),
        replace(GOOD, binds=(Bind("/mnt", "/mnt", writable=True, propagation="rslave"),)),
    ),
    "KH201": (UnexpectedChanges(left=("/bin/x: added, executable, file",)), UnexpectedChanges(left=())),
    "KH301": (replace(CONTENT, passwd="root:x:0:0::/root:/bin/sh\n"), CONTENT),
    "KH302": (Origin(references=("nginx:1.27",)), Origin(references=("nginx:1.27@sha256:" + "a" * 64,))),
    "KH303": (replace(CONTENT, set_uid=("/bin/su",)), CONTENT),
    "KH304": (replace(CONTENT, world_writable=("/data",)), CONTENT),
    "KH305": (replace(CONTENT, managers=("/sbin/apk",)), CONTENT),
    "KH306": (replace(STORY, history=("RUN DB_PASSWORD=hunter2 ./setup",)), STORY),
    "KH307": (replace(CONTENT, lost=(LeakedSecret("a private key", "/key"),)), CONTENT),
    "KH308": (replace(RUNS, listening=frozenset({PORT, PortRef(9000)})), RUNS),
    "KH309": (Age(created=BUILT, now=BUILT + timedelta(days=91)), Age(created=BUILT, now=BUILT + timedelta(days=90))),
    "KH310": (replace(RUNS, programs=frozenset({"web", "sh"})), replace(RUNS, started="entrypoint.sh")),
    "KH401": (replace(LIVE_IMAGE, runs="sha256:b"), LIVE_IMAGE),
    "KH402": (replace(LIVE_IMAGE, live="sha256:b"), LIVE_IMAGE),
    "KH404": (
        ManualChanges(changes=(Deviation(key="mem_limit", wanted="64m", found="128m"),)),
        ManualChanges(changes=()),
    ),
    "KH403": (EngineFacts(id="x"), EngineFacts(id="x", security_options=("name=userns",))),
}


def test_every_check_is_tried() -> None:
    assert CASES.keys() == BY_ID.keys()


@pytest.mark.parametrize("identifier", sorted(CASES))
def test_a_check_finds_its_fault_and_no_other(identifier: str) -> None:
    bad, good = CASES[identifier]
    assert found(identifier, bad)
    assert found(identifier, good) == []


def test_identifiers_are_unique_and_sorted() -> None:
    assert [check.id for check in CHECKS] == sorted({check.id for check in CHECKS})


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_a_check_explains_itself(check: Any) -> None:
    assert check.title[0].islower()
    for text in (check.reason, check.mend, check.source):
        assert text
        assert text == text.strip()


def test_checks_of_the_host_or_the_calendar_do_not_gate() -> None:
    reported = {"KH116", "KH201", "KH309", "KH401", "KH402", "KH403", "KH404"}
    assert {check.id for check in CHECKS if not check.gates} == reported
    assert all(check.gates for check in CHECKS if check.part is Launch and check.id != "KH116")


@pytest.mark.parametrize("identifier", ["KH201", "KH401", "KH402", "KH404"])
def test_checks_of_production_run_only_in_production(identifier: str) -> None:
    assert BY_ID[identifier].modes == {Mode.IN_PROD}


@pytest.mark.parametrize(
    ("said", "default", "profile"),
    [
        ({}, None, "strict"),
        ({"image": "nginx:1"}, None, "baseline"),
        ({}, "baseline", "baseline"),
        ({"image": "nginx:1"}, "strict", "strict"),
        ({"policy": {"profile": "strict"}}, "none", "strict"),
    ],
)
def test_a_profile_comes_from_the_settings_the_host_or_the_image(
    said: dict[str, object], default: str | None, profile: str
) -> None:
    assert profile_of(Settings.model_validate(said), default=default) == profile  # type: ignore[arg-type]


def test_each_profile_has_its_checks() -> None:
    assert checks_of("strict") == CHECKS
    assert {check.id for check in checks_of("baseline")} == {
        "KH104", "KH106", "KH107", "KH108", "KH109", "KH117", "KH118", "KH201", "KH306", "KH307", "KH401", "KH402",
        "KH404",
    }  # fmt: skip
    assert checks_of("none") == ()


def test_a_waiver_of_an_unknown_check_is_named() -> None:
    policy = Policy(waive={"KH999": Waiver(reason="x"), "KH110": Waiver(reason="x")})
    assert unknown_waivers(policy) == ("KH999",)


def test_a_check_is_found_by_its_identifier() -> None:
    assert find_check("kh110") is BY_ID["KH110"]
    with pytest.raises(UsageError, match="KH999: no such check"):
        find_check("KH999")


def test_every_check_of_the_folder_is_in_the_catalog() -> None:
    defined = {each for path in FOLDER.glob("*.py") for each in re.findall(r'@check\(\s*"(KH\d+)"', path.read_text())}
    assert defined == {*BY_ID}, "checks stand in a module that kharness.plan.checks.catalog.MODULES lists"
