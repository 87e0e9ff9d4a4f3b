"""The key by which it is seen that production runs exactly what would be launched."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kharness.plan import labels
from kharness.plan.facts import HealthFacts
from kharness.plan.launch.plan import FIRST, spec_key
from kharness.plan.launch.runspec import Attachment, RunSpec
from kharness.settings.plain import PLAIN, PlainKey
from tests.plan.made import production_plan, subject

IMAGE = f"sha256:{'d' * 64}"
HEALTH = HealthFacts(test=("CMD", "true"), interval=30.0)
SPEC = RunSpec(
    name="db",
    image=IMAGE,
    hostname="db",
    networks=(Attachment(network="bridge"),),
    restart="unless-stopped",
    labels=labels.production("shop", "db", folder="/srv/shop", image=IMAGE),
)

FLEET: dict[str, tuple[str, bool]] = {
    "a directory that says nothing": ("{}", True),
    "an image of others": ("ports: ['80:80']\n", False),
    "a web server": (
        (
            "ports: ['127.0.0.1:8080:80', '[::1]:9000-9001:9000-9001/udp']\nuser: web:www\nworking_dir: /srv\n"
            "hostname: www\ncontainer_name: web-1\nread_only: false\ntmpfs: [/tmp:size=64m]\n"
            "volumes: [./data:/data, thumbs:/thumbs, /spool, '/srv/x:/x:ro']\nlabels: {proxy: on}\n"
            "networks: {front: {ipv4_address: 192.0.2.20, aliases: [w]}, back: {mac_address: '02:42:c0:00:02:14'}}\n"
        ),
        True,
    ),
    "a database with limits": (
        (
            "mem_limit: 1g\nmemswap_limit: 2g\nshm_size: 128m\ncpus: 1.5\npids_limit: 99\nulimits: {nofile: 1024}\n"
            "stop_signal: SIGINT\nstop_grace_period: 2m\ninit: false\nenvironment: {A: '1', B: two}\n"
            "healthcheck: {test: pg_isready, interval: 30s, start_interval: 1s}\nexpose: [5432]\n"
        ),
        True,
    ),
    "a job with few rights": (
        (
            "restart: 'on-failure:3'\ncap_drop: [CHOWN]\ncap_add: [NET_ADMIN]\nsecurity_opt: [seccomp=unconfined]\n"
            "command: run --all\nentrypoint: [/bin/job]\ntty: true\nstdin_open: true\nlogging: {driver: local}\n"
        ),
        True,
    ),
    "a server of names": (
        (
            "dns: [192.0.2.1]\nextra_hosts: {nas: 192.0.2.2}\nsysctls: {net.core.somaxconn: 5}\n"
            "devices: [/dev/null:/dev/x:r]\nnetwork_mode: host\npids_limit: 7\nread_only: true\ninit: true\n"
        ),
        False,
    ),
}
"""The text of a settings file, and whether kharness builds the image."""
KEYS = {
    "a directory that says nothing": "a5872954aff71988",
    "an image of others": "f40b65d0118fbaeb",
    "a web server": "9e8cb103720ff9d9",
    "a database with limits": "a2d85219d0ee46c9",
    "a job with few rights": "51608444164387f8",
    "a server of names": "c4103209f02e202a",
}
"""The labels that production containers of this fleet have today."""


def test_what_version_0_1_0_launched_is_the_same_still() -> None:
    """An upgrade of kharness is no reason to relaunch; the key is what 0.1.0 wrote on such a container."""
    assert spec_key(SPEC) == "de8c9030629a294c"


@pytest.mark.parametrize("name", FLEET)
def test_a_newer_version_does_not_relaunch_the_fleet_of_today(name: str) -> None:
    text, built = FLEET[name]
    assert spec_key(production_plan(subject(text, built=built)).spec) == KEYS[name]


def test_keys_that_came_later_change_nothing_where_they_are_not_said() -> None:
    """The key is what versions wrote that knew neither a start interval nor a MAC address."""
    assert spec_key(replace(SPEC, health=HEALTH)) == "1c3e68fd9876d9f1"


LATER = [row for row in PLAIN if row.key not in FIRST]


@pytest.mark.parametrize("row", LATER, ids=lambda row: row.key)
def test_a_plain_key_that_came_later_changes_the_launch_key_where_it_is_set(row: PlainKey) -> None:
    unset: dict[str, Any] = {row.key: row.unset}
    assert spec_key(replace(SPEC, **unset)) == spec_key(SPEC)
    assert spec_key(replace(SPEC, **{row.key: True})) != spec_key(SPEC)  # type: ignore[arg-type]


def test_a_project_that_is_named_or_moved_needs_no_relaunch() -> None:
    moved = replace(SPEC, labels=labels.production("store", "db", folder="/opt/store", image=IMAGE))
    assert spec_key(moved) == spec_key(SPEC)


def test_whatever_else_differs_is_seen() -> None:
    others = (
        replace(SPEC, restart="no"),
        replace(SPEC, image="sha256:other"),
        replace(SPEC, labels={**SPEC.labels, "proxy": "true"}),
        replace(SPEC, labels={**SPEC.labels, labels.NAME: "other"}),
        replace(SPEC, environment={"A": "1"}),
        replace(SPEC, shm_size=1 << 20),
        replace(SPEC, stdin_once=True),
        replace(SPEC, health=HEALTH),
        replace(SPEC, health=replace(HEALTH, start_interval=2.0)),
        replace(SPEC, networks=(Attachment(network="bridge", mac_address="02:42:c0:00:02:14"),)),
    )
    assert len({spec_key(each) for each in (SPEC, *others)}) == len(others) + 1


def test_a_key_tells_containers_apart_by_everything_but_itself() -> None:
    spec = RunSpec(name="web", image="a", labels={"x": "1"})
    assert spec_key(spec) == spec_key(RunSpec(name="web", image="a", labels={"x": "1", "kharness.inputs": "k"}))
    assert spec_key(spec) != spec_key(RunSpec(name="web", image="b", labels={"x": "1"}))
