"""User, mounts, ports and devices of a launch, in all their spellings."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kharness.plan.checks.launch import Bind, Launch, Published
from kharness.plan.facts import PortRef
from kharness.settings.policy import Allow, Policy
from tests.plan.checks.given import GOOD, PORT, found


@pytest.mark.parametrize("user", ["", "root", "0", "00", "+0", "-0", ":1000", "root:root", "0:0"])
def test_root_has_many_names(user: str) -> None:
    assert found("KH101", replace(GOOD, user=user))


@pytest.mark.parametrize("user", ["1", "1000", "nobody", "web:0"])
def test_other_users_are_not_root(user: str) -> None:
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
def test_sensitive_mounts_of_the_host_are_found(source: str, writable: bool, identifiers: set[str]) -> None:  # noqa: FBT001
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
def test_a_published_port_is_on_one_address_or_declared(
    published: Published, allowed: tuple[str, ...], sentences: list[str]
) -> None:
    policy = Policy(allow=Allow(published=allowed))
    assert found("KH114", replace(GOOD, published=(published,)), policy) == sentences


@pytest.mark.parametrize(
    ("identifier", "launch"),
    [
        ("KH103", replace(GOOD, security_opt=("no-new-privileges:true", "no-new-privileges:false"))),
        ("KH104", replace(GOOD, security_opt=("apparmor=unconfined",))),
        ("KH104", replace(GOOD, unmasked=True)),
        ("KH114", replace(GOOD, publishes_all=True)),
        ("KH114", replace(GOOD, published=(Published("::0", 8080, PORT),))),
        ("KH117", replace(GOOD, devices=("rule 'a *:* rwm'",))),
        ("KH117", replace(GOOD, devices=("/dev/",))),
    ],
)
def test_other_spellings_are_found_too(identifier: str, launch: Launch) -> None:
    assert found(identifier, launch)
