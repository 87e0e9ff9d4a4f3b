"""Every plain key reaches the engine by API 1.41, with the example of docs/settings.yaml."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kharness.engine.api import Engine
from kharness.engine.connect import API_VERSION
from kharness.engine.requests import request_body
from kharness.plan.launch.runspec import RunSpec
from kharness.plan.launch.traits import reported, requested
from kharness.settings.plain import PLAIN, PlainKey
from kharness.settings.yaml12 import read_yaml
from tests.plan.made import production_plan, subject

pytestmark = pytest.mark.engine

EXAMPLES = read_yaml((Path(__file__).parents[2] / "docs/settings.yaml").read_bytes()).value
OTHERS: Mapping[str, Mapping[str, Any]] = {
    "memswap_limit": {"mem_limit": EXAMPLES["mem_limit"]},
    "pid": {"pid": "host"},
    "privileged": {"privileged": True},
    "read_only": {"read_only": True},
    "stdin_open": {"stdin_open": True},
    "tty": {"tty": True},
}
"""What a key needs beside its example, or in place of one that changes nothing."""


def made(busybox: str, prefix: str, said: Mapping[str, Any]) -> RunSpec:
    spec = production_plan(subject(json.dumps(said), built=False)).spec
    return replace(spec, name=prefix, image=busybox, labels={}, networks=(), restart="no", command=("sleep", "60"))


@pytest.mark.parametrize("row", PLAIN, ids=lambda row: row.key)
def test_the_engine_has_a_plain_key_as_it_was_asked(engine: Engine, busybox: str, prefix: str, row: PlainKey) -> None:
    assert API_VERSION == "1.41"
    example = {row.key: EXAMPLES[row.key]} if row.key in EXAMPLES else {}
    spec = made(busybox, prefix, {**example, **OTHERS.get(row.key, {})})
    container = engine.create(spec)
    try:
        facts = engine.container(container)
    finally:
        engine.remove(container, force=True)
    assert facts is not None
    found: Any = facts.raw["Config"] if len(row.place) == 1 else facts.raw["HostConfig"]
    assert found[row.place[-1]]
    asked, has = requested(request_body(spec), engine.image(busybox)), reported(facts.raw)
    keys = [key for key in asked if key == row.key or key.startswith(f"{row.key}.")]
    assert keys
    assert {key: has.get(key) for key in keys} == {key: asked[key] for key in keys}


def test_the_kernel_does_what_the_keys_say(engine: Engine, busybox: str, prefix: str) -> None:
    said = {
        "oom_score_adj": 321,
        "group_add": [4321],
        "shm_size": "8m",
        "domainname": "example.org",
        "hostname": "web",
        "dns_search": "example.net",
        "pid": "host",
        "ipc": "private",
        "cpuset": "0",
    }
    container = engine.create(replace(made(busybox, prefix, said), user="1000"))
    script = """
        cat /proc/self/oom_score_adj; id -G; df -m /dev/shm | awk 'NR == 2 {print $2}'; cat /etc/hostname
        grep -c '^search example.net' /etc/resolv.conf; grep Cpus_allowed_list /proc/self/status | cut -f2
        test $$ -gt 1 && echo many
        """
    try:
        engine.start(container)
        lines = engine.exec(container, ["sh", "-c", script]).stdout.split("\n")
    finally:
        engine.remove(container, force=True)
    assert lines == ["321", "0 4321", "8", "web", "1", "0", "many", ""]


def test_a_mac_address_of_the_service_is_that_on_its_first_network(engine: Engine, busybox: str, prefix: str) -> None:
    spec = production_plan(subject('{"mac_address": "02:42:c0:00:02:15"}', built=False)).spec
    spec = replace(spec, name=prefix, image=busybox, labels={}, restart="no", command=("sleep", "60"))
    container = engine.create(spec)
    try:
        engine.start(container)
        facts = engine.container(container)
        address = engine.exec(container, ["cat", "/sys/class/net/eth0/address"]).stdout.strip()
        request = engine.request_of(container)
        engine.remove(container, force=True)
        container = engine.create_again(prefix, request)
        engine.start(container)
        again = engine.exec(container, ["cat", "/sys/class/net/eth0/address"]).stdout.strip()
    finally:
        engine.remove(container, force=True)
    assert (address, again) == ("02:42:c0:00:02:15", "02:42:c0:00:02:15")
    assert facts is not None
    asked = requested(request_body(spec), engine.image(busybox))
    key = "networks.bridge.mac_address"
    assert (asked[key], reported(facts.raw)[key]) == (address, address)
