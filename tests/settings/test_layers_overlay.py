"""What a test instance has of production's settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kharness.settings.layers import for_test
from kharness.settings.model import Settings
from kharness.settings.secrets import SecretFile
from kharness.settings.service import EnvFile, ServiceKeys

Read = Callable[[str], Settings]

PRODUCTION = """\
user: web
environment: {A: 1, B: 2}
sysctls: {a.b: 1, a.c: 2}
labels: {proxy: true}
container_name: www
ports: [80:80]
networks: [lan]
env_file: production.env
volumes: [./data:/data, ./log:/log]
tmpfs: [/tmp, /run]
mem_limit: 1g
cap_drop: [ALL]
depends_on: [db]
"""


def test_without_a_test_section_all_but_what_would_collide_is_inherited(read: Read) -> None:
    production, test = read(PRODUCTION), for_test(read(PRODUCTION))
    differing = {key for key in ServiceKeys.model_fields if getattr(production, key) != getattr(test, key)}
    assert differing == {"labels", "container_name", "ports", "networks", "env_file"}
    assert not any(getattr(test, key) for key in differing)


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("user: root", "user", "root"),
        ("mem_limit: 64m", "mem_limit", 64 << 20),
        ("command: []", "command", ()),
        ("cap_drop: []", "cap_drop", ()),
        ("environment: {B: 3, C: 4}", "environment", {"A": "1", "B": "3", "C": "4"}),
        ("sysctls: {a.c: 3}", "sysctls", {"a.b": "1", "a.c": "3"}),
        ("depends_on: []", "depends_on", {}),
        ("labels: {x: y}", "labels", {"x": "y"}),
        ("container_name: other", "container_name", "other"),
        ("env_file: test.env", "env_file", (EnvFile(path="test.env"),)),
        ("same: [env_file]", "env_file", (EnvFile(path="production.env"),)),
        ("same: [env_file]\n  env_file: test.env", "env_file", (EnvFile(path="test.env"),)),
    ],
)
def test_what_the_test_section_says_replaces_production_s(read: Read, section: str, key: str, value: Any) -> None:
    assert getattr(for_test(read(f"{PRODUCTION}test:\n  {section}")), key) == value


@pytest.mark.parametrize(
    ("section", "volumes", "tmpfs"),
    [
        ("user: x", ["./data:/data", "./log:/log"], ["/tmp", "/run"]),
        ("volumes: [./other:/data, ./new:/new]", ["./other:/data", "./log:/log", "./new:/new"], ["/tmp", "/run"]),
        ("volumes: [./other:/run]", ["./data:/data", "./log:/log", "./other:/run"], ["/tmp"]),
        ("volumes: []", ["./data:/data", "./log:/log"], ["/tmp", "/run"]),
        ("tmpfs: [/log]", ["./data:/data"], ["/log"]),
        ("tmpfs: []", ["./data:/data", "./log:/log"], []),
    ],
)
def test_a_mount_of_the_test_section_replaces_what_is_at_its_target(
    read: Read, section: str, volumes: list[str], tmpfs: list[str]
) -> None:
    test = for_test(read(f"{PRODUCTION}test: {{{section}}}"))
    assert [f"{volume.source}:{volume.target}" for volume in test.volumes] == volumes
    assert [mount.target for mount in test.tmpfs or ()] == tmpfs


def test_tmpfs_that_nobody_said_stays_unsaid_so_that_its_default_holds(read: Read) -> None:
    assert for_test(read("{}")).tmpfs is None


def test_the_overlay_leaves_the_settings_alone(read: Read) -> None:
    settings = read(f"{PRODUCTION}test: {{environment: {{A: 9}}}}")
    before = settings.model_copy(deep=True)
    for_test(settings)
    assert settings == before


@pytest.mark.parametrize(
    ("section", "secrets"),
    [
        ("timeout: 1m", {}),
        ("secrets: {a: t/a}", {"a": SecretFile(file="t/a", target="/x", uid=5, mode=0o440)}),
        ("secrets: {a: {file: t/a, uid: 6}}", {"a": SecretFile(file="t/a", target="/x", uid=6, mode=0o440)}),
        ("secrets: {c: t/c}", {"c": SecretFile(file="t/c")}),
        (
            "{same: [secrets], secrets: {b: t/b}}",
            {"a": SecretFile(file="/real/a", target="/x", uid=5, mode=0o440), "b": SecretFile(file="t/b")},
        ),
    ],
)
def test_a_secret_s_test_value_replaces_the_file_and_leaves_the_rest(
    read: Read, section: str, secrets: dict[str, SecretFile]
) -> None:
    production = "secrets: {a: {file: /real/a, target: /x, uid: 5, mode: 0440}, b: /real/b}"
    assert for_test(read(f"{production}\ntest:\n  {section}")).secrets == secrets


def test_a_test_instance_never_has_the_host_s_network(read: Read) -> None:
    production = read("network_mode: host")
    assert (production.network_mode, for_test(production).network_mode) == ("host", None)
