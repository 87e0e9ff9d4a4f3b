"""Forms of keys that Compose reads, and what becomes of them here: the same, or an error that says why not."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from kharness.engine.requests import create_body
from kharness.errors import SettingsError
from kharness.plan.facts import ImageFacts
from kharness.plan.launch.plan import Subject, plan_production_launch
from kharness.settings.catalog import ContainerDir
from kharness.settings.checks import conflicts
from kharness.settings.layers import SettingsLayer, merge_layers
from kharness.settings.load import parse_settings
from kharness.settings.model import Settings

Read = Callable[[str], Settings]
Complain = Callable[..., list[str]]


def asked(settings: Settings) -> dict[str, Any]:
    """Return what an engine is asked for."""
    subject = Subject(name="web", settings=settings, image=ImageFacts(id="i"), built=False)
    body = create_body(plan_production_launch(subject, volume_root=PurePosixPath("/dv")).spec)
    host: dict[str, Any] = body["HostConfig"]
    return {**body, **host}


def bound(port: str, *, ip: str = "", target: str = "80/tcp") -> dict[str, list[dict[str, str]]]:
    return {target: [{"HostIp": ip, "HostPort": port}]}


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ('ports: ["7000-7010:7000"]', "PortBindings", bound("7000-7010", target="7000/tcp")),
        ('ports: [":8443:443"]', "PortBindings", bound("8443", target="443/tcp")),
        ('ports: ["5353:53/UDP"]', "PortBindings", bound("5353", target="53/udp")),
        ('ports: ["127.0.0.1:0:80"]', "PortBindings", bound("", ip="127.0.0.1")),
        ("ports: [{target: 80, published: 0}]", "PortBindings", bound("")),
        ("ports: [{target: 80, published: 8080, mode: host}]", "PortBindings", bound("8080")),
        ('ports: [{target: 80, published: "8080-8090"}]', "PortBindings", bound("8080-8090")),
        ('ports: [{target: 80, published: "8080-8080", protocol: TCP}]', "PortBindings", bound("8080")),
        ('expose: ["53/UDP"]', "ExposedPorts", {"53/udp": {}}),
        ('read_only: "true"', "ReadonlyRootfs", True),
        ('tty: "false"', "Tty", False),
        ("privileged: false", "Privileged", False),
        ('privileged: "true"', "Privileged", True),
        ("oom_score_adj: -500", "OomScoreAdj", -500),
        ("group_add: [video, 998]", "GroupAdd", ["video", "998"]),
        ("mem_reservation: 64m", "MemoryReservation", 64 << 20),
        ("cpu_shares: 512", "CpuShares", 512),
        ("cpuset: 0", "CpusetCpus", "0"),
        ("cpuset: '0,2-3'", "CpusetCpus", "0,2-3"),
        ("domainname: example.org", "Domainname", "example.org"),
        ("dns_search: example.org", "DnsSearch", ["example.org"]),
        ("dns_search: [a.example, .]", "DnsSearch", ["a.example", "."]),
        ("dns_opt: ['ndots:2', use-vc]", "DnsOptions", ["ndots:2", "use-vc"]),
        ("ipc: host", "IpcMode", "host"),
        ("pid: host", "PidMode", "host"),
        ("runtime: runsc", "Runtime", "runsc"),
        (
            "mac_address: 02-42-C0-00-02-15",
            "NetworkingConfig",
            {"EndpointsConfig": {"bridge": {"MacAddress": "02:42:c0:00:02:15"}}},
        ),
        (
            "mac_address: 02:42:c0:00:02:15\nnetworks: [a, b]",
            "NetworkingConfig",
            {"EndpointsConfig": {"a": {"MacAddress": "02:42:c0:00:02:15"}}},
        ),
        ("scale: 1", "Scale", None),
        ("environment: {FEATURE: true}", "Env", ["FEATURE=true"]),
        ("environment: {UMASK: 022}", "Env", ["UMASK=022"]),
        ("cpus: '.5'", "NanoCpus", 500_000_000),
        ("shm_size: 128m", "ShmSize", 128 << 20),
        ("build: .\nshm_size: 1g", "ShmSize", 1 << 30),
        ("network_mode: host", "NetworkMode", "host"),
        ("network_mode: none", "NetworkMode", "none"),
        ("network_mode: bridge", "NetworkMode", "bridge"),
        ("deploy: {resources: {limits: {memory: 256M, cpus: '0.5'}}}", "Memory", 256 << 20),
        ("deploy: {resources: {limits: {memory: 256M, cpus: '0.5'}}}", "NanoCpus", 500_000_000),
        ("deploy: {replicas: 1, resources: {limits: {pids: 7}}}\npids_limit: 7", "PidsLimit", 7),
        (
            "healthcheck: {test: [CMD, a], retries: 0, start_interval: 2s}",
            "Healthcheck",
            {"Test": ["CMD", "a"], "Retries": 0, "StartInterval": 2 * 10**9},
        ),
        ("command: 'app --match \"^\\d+ \\n\"'", "Cmd", ["app", "--match", "^\\d+ \\n"]),
        ('command: \'echo "a && b" c\\;d "|" x&y\'', "Cmd", ["echo", "a && b", "c;d", "|", "x&y"]),
        (
            "volumes: ['/srv/x:/x:ro,U']",
            "Mounts",
            [{"Type": "bind", "Source": "/srv/x", "Target": "/x", "ReadOnly": True}],
        ),
        (
            "volumes: [{type: bind, source: /srv/x, target: /x, bind: {selinux: z}, consistency: cached}]",
            "Mounts",
            [{"Type": "bind", "Source": "/srv/x", "Target": "/x", "ReadOnly": False}],
        ),
        ("volumes: [{type: tmpfs, target: /x, read_only: true}]", "Tmpfs", {"/x": "ro"}),
    ],
)
def test_a_form_asks_the_engine_for_what_compose_would(read: Read, text: str, key: str, value: object) -> None:
    assert asked(read(text)).get(key) == value


def test_an_env_file_need_not_be_there(read: Read) -> None:
    [one, other] = read("env_file: [{path: extra.env, required: false}, base.env]").env_file
    assert (one.path, one.required) == ("extra.env", False)
    assert (other.path, other.required) == ("base.env", True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('ports: ["::1:8080:80"]', "ports[0]: should be a port, or [HOST_IP:][PUBLISHED:]TARGET[/PROTOCOL]"),
        ("read_only: 'yes'", "read_only: should be true or false"),
        (
            "volumes: ['d:/d']",
            "volumes[0]: should have a source that is a path, or a volume's name, which has at least",
        ),
        ("volumes: ['/srv/x:/x:r0']", "volumes[0]: should have options such as ro, rw, nocopy, rslave, not 'r0'"),
        ("volumes: ['/srv/x:/x:noexec']", "volumes[0]: should have options such as ro"),
        ("command: app --serve && echo stopped", "command: should be a list, or have && in quotes, because no shell"),
        ("command: app > /log", "command: should be a list, or have > in quotes"),
        ("command: a; b", "command: should be a list, or have ; in quotes"),
        ("entrypoint: a | b", "entrypoint: should be a list, or have | in quotes"),
    ],
)
def test_what_cannot_be_as_in_compose_is_refused_with_the_reason(complaints: Complain, text: str, message: str) -> None:
    [found] = complaints(text)
    assert found.startswith(message)


def _ports(first: int, last: int) -> str:
    return f'ports: ["{first}-{last}:{first}-{last}/udp"]\n'


def _lines(head: str, line: str) -> Callable[[int], str]:
    return lambda count: head + "".join(line.format(number) + "\n" for number in range(1, count + 1))


LARGE: dict[str, tuple[int, Callable[[int], str]]] = {
    "ports in a range": (10_000, lambda count: _ports(1, count)),
    "ports": (4_000, _lines("ports:\n", "  - {0}:{0}")),
    "ports that are all wrong": (2_000, _lines("ports:\n", "  - x{0}")),
    "ports that are not there": (2_000, _lines("ports:\n", "  -")),
    "one port again and again": (1_000, _lines("ports:\n", "  - 80:80")),
    "variables": (5_000, _lines("environment:\n", "  A{0}: x")),
    "labels of a test": (5_000, _lines("test:\n  labels:\n", "    a{0}: x")),
    "hosts": (4_000, _lines("extra_hosts:\n", "  h{0}: 192.0.2.1")),
    "volumes": (3_000, _lines("volumes:\n", "  - ./a{0}:/a{0}")),
    "secrets": (1_000, _lines("secrets:\n", "  s{0}: /etc/s{0}")),
    "watched paths": (1_000, _lines("volumes: ['./a:/a']\ndrift:\n  watch:\n", "    - /a/a{0}")),
    "watched paths and volumes": (
        600,
        lambda count: (
            _lines("volumes:\n", "  - ./a{0}:/a{0}")(count) + _lines("drift:\n  watch:\n", "    - /b{0}")(count)
        ),
    ),
    "keys said twice": (1_000, _lines("", "user: x")),
    "unknown keys": (400, _lines("", "k{0}: 1")),
}


@pytest.mark.parametrize("what", LARGE)
def test_four_times_as_much_takes_about_four_times_as_long(what: str) -> None:
    count, text = LARGE[what]
    small, large = (_seconds(text(number)) for number in (count // 4, count))
    # A check of each with each takes sixteen times as long; a tenth of a second forgives a busy machine.
    assert large < 9 * small + 0.1


def test_a_media_server_s_ten_thousand_ports_are_read_in_a_moment(read: Read) -> None:
    text = _ports(20_000, 30_000)
    assert len(read(text).ports) == 10_001
    assert _seconds(text) < 0.5


def test_a_fleet_whose_containers_publish_thousands_is_compared_in_a_moment(read: Read) -> None:
    ports = [read(_ports(first, first + 1_999)) for first in range(10_000, 40_000, 2_000)]
    fleet = {ContainerDir(f"c{number}", Path(f"c{number}"), Path("c")): each for number, each in enumerate(ports)}
    began = time.process_time()
    assert conflicts(fleet) == ()
    assert time.process_time() - began < 1.0


def test_defaults_of_thousands_of_names_are_laid_together_in_a_moment() -> None:
    low, high = ({"environment": {f"{name}{number}": "x" for number in range(4_000)}} for name in "AB")
    began = time.process_time()
    merge_layers(
        (
            SettingsLayer(said=low, file=Path("a")),
            SettingsLayer(said=high, file=Path("b")),
            SettingsLayer(said=low, file=Path("c")),
        )
    )
    assert time.process_time() - began < 0.5


def _seconds(text: str) -> float:
    """Return the processor's seconds, which other processes do not lengthen."""
    best = 60.0
    for _ in range(3):
        began = time.process_time()
        with suppress(SettingsError):
            parse_settings(text.encode(), file=Path("web/settings.yaml"), has_dockerfile=True)
        best = min(best, time.process_time() - began)
    return best
