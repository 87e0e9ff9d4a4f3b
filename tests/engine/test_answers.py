from __future__ import annotations

import stat
from typing import Any

import pytest

from kharness.engine import answers
from kharness.plan.facts import (
    Change,
    ContainerFacts,
    HealthFacts,
    ImageFacts,
    NetworkFacts,
    PathFacts,
    PortRef,
    ProcessFacts,
    PublishedPort,
    UsageFacts,
)

IMAGE = {
    "Id": "sha256:aa",
    "RepoTags": ["docker.io/ktools/web:live", "docker.io/library/web:1", "<none>:<none>"],
    "RepoDigests": ["<none>@<none>", "web@sha256:bb"],
    "Created": "2026-01-01T00:00:00Z",
    "Size": 7,
    "RootFS": {"Type": "layers", "Layers": ["sha256:cc"]},
    "Config": {
        "Labels": {"a": "b"},
        "User": "5",
        "Entrypoint": ["/init"],
        "Cmd": ["web"],
        "Env": ["A=1"],
        "ExposedPorts": {"80/tcp": {}, "53/udp": {}},
        "Volumes": {"/data": {}},
        "Healthcheck": {"Test": ["CMD", "true"], "Interval": 1_500_000_000, "Timeout": 0, "Retries": 3},
    },
}
CONTAINER = {
    "Id": "ee",
    "Name": "/web",
    "Image": "sha256:aa",
    "Created": "2026-01-01T00:00:00Z",
    "RestartCount": 2,
    "State": {
        "Status": "running",
        "ExitCode": 0,
        "Error": "",
        "OOMKilled": False,
        "Pid": 9,
        "StartedAt": "2026-01-01T00:00:01Z",
        "Health": {"Status": "healthy"},
    },
    "Config": {"Image": "ktools/web:live", "Labels": {"a": "b"}},
    "HostConfig": {"RestartPolicy": {"Name": "always"}},
    "NetworkSettings": {
        "Networks": {"prod": {"IPAddress": "10.0.0.5"}, "stopped": {"IPAddress": ""}, "null": None},
        "Ports": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}], "53/udp": None},
    },
}


def test_an_image_is_read() -> None:
    assert answers.image_facts(IMAGE) == ImageFacts(
        id="sha256:aa",
        tags=("ktools/web:live", "web:1"),
        digests=("web@sha256:bb",),
        created="2026-01-01T00:00:00Z",
        labels={"a": "b"},
        user="5",
        entrypoint=("/init",),
        command=("web",),
        environment=("A=1",),
        exposed=(PortRef(53, "udp"), PortRef(80)),
        health=HealthFacts(test=("CMD", "true"), interval=1.5, retries=3),
        volumes=("/data",),
        size=7,
        layers=("sha256:cc",),
    )


@pytest.mark.parametrize(
    "raw",
    [
        {"Id": "sha256:aa"},
        {"Id": "sha256:aa", "Config": None, "RepoTags": None},
        {"Id": "sha256:aa", "Config": {"Labels": None, "Cmd": None, "Healthcheck": {}}},
    ],
)
def test_what_an_engine_leaves_out_of_an_image_is_empty(raw: dict[str, Any]) -> None:
    assert answers.image_facts(raw) == ImageFacts(id="sha256:aa")


def test_a_listed_image_has_what_the_list_says() -> None:
    raw = {"Id": "sha256:aa", "RepoTags": None, "Created": 1_767_225_600, "Labels": {"a": "b"}, "Size": 7}
    assert answers.listed_image(raw) == ImageFacts(
        id="sha256:aa", created="2026-01-01T00:00:00Z", labels={"a": "b"}, size=7
    )


def test_a_container_is_read() -> None:
    assert answers.container_facts(CONTAINER) == ContainerFacts(
        id="ee",
        name="web",
        image_id="sha256:aa",
        image="ktools/web:live",
        state="running",
        started_at="2026-01-01T00:00:01Z",
        created="2026-01-01T00:00:00Z",
        restart_count=2,
        restart_policy="always",
        health="healthy",
        pid=9,
        labels={"a": "b"},
        addresses={"prod": "10.0.0.5"},
        published=(PublishedPort(port=PortRef(80), host_ip="127.0.0.1", host_port=8080),),
        raw=CONTAINER,
    )


def test_what_an_engine_leaves_out_of_a_container_is_empty() -> None:
    raw = {"Id": "ee", "State": None, "Config": None, "NetworkSettings": None}
    assert answers.container_facts(raw) == ContainerFacts(id="ee", name="", image_id="", raw=raw)


@pytest.mark.parametrize("status", ["", "none", "stopped"])
def test_a_container_without_a_check_has_no_health(status: str) -> None:
    raw = {"Id": "ee", "State": {"Status": "running", "Health": {"Status": status}}}
    assert answers.container_facts(raw).health is None


@pytest.mark.parametrize(
    ("status", "exit_code", "health"),
    [
        ("Up 3 seconds", 0, None),
        ("Up 3 seconds (healthy)", 0, "healthy"),
        ("Up 3 seconds (health: starting)", 0, "starting"),
        ("Up 3 seconds (unhealthy)", 0, "unhealthy"),
        ("Up 3 seconds (Paused)", 0, None),
        ("Exited (137) 2 days ago", 137, None),
        ("Created", 0, None),
    ],
)
def test_a_listed_container_tells_exit_code_and_health_in_its_status(
    status: str, exit_code: int, health: str | None
) -> None:
    facts = answers.listed_container({"Id": "ee", "Names": ["/web"], "Status": status})
    assert (facts.exit_code, facts.health) == (exit_code, health)


def test_a_listed_container_has_what_the_list_says() -> None:
    raw = {
        "Id": "ee",
        "Names": ["/other/alias", "/web"],
        "Image": "ktools/web:live",
        "ImageID": "sha256:aa",
        "State": "running",
        "Created": 1_767_225_600,
        "Labels": {"a": "b"},
        "NetworkSettings": {"Networks": {"prod": {"IPAddress": "10.0.0.5"}}},
        "Ports": [
            {"IP": "127.0.0.1", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"},
            {"PrivatePort": 53, "Type": "udp"},
        ],
    }
    assert answers.listed_container(raw) == ContainerFacts(
        id="ee",
        name="web",
        image_id="sha256:aa",
        image="ktools/web:live",
        state="running",
        created="2026-01-01T00:00:00Z",
        labels={"a": "b"},
        addresses={"prod": "10.0.0.5"},
        published=(PublishedPort(port=PortRef(80), host_ip="127.0.0.1", host_port=8080),),
        raw=raw,
    )


@pytest.mark.parametrize(
    ("options", "driver", "bridge"),
    [
        (None, "bridge", "br-0123456789ab"),
        ({"com.docker.network.bridge.name": "docker0"}, "bridge", "docker0"),
        (None, "overlay", None),
    ],
)
def test_a_networks_bridge_is_named_as_the_host_names_it(
    options: dict[str, str] | None, driver: str, bridge: str | None
) -> None:
    raw: dict[str, Any] = {
        "Id": "0123456789abcdef",
        "Name": "prod",
        "Driver": driver,
        "Options": options,
        "Internal": True,
        "IPAM": {"Config": [{"Subnet": "10.0.0.0/24", "Gateway": "10.0.0.1"}, {}]},
        "Containers": {"ee": {}},
    }
    assert answers.network_facts(raw) == NetworkFacts(
        id="0123456789abcdef",
        name="prod",
        driver=driver,
        internal=True,
        subnets=("10.0.0.0/24",),
        bridge=bridge,
        containers=("ee",),
    )
    assert answers.gateways(raw) == ("10.0.0.1",)


@pytest.mark.parametrize(
    ("pool", "gateway"),
    [
        ({"Subnet": "172.17.0.0/16"}, ("172.17.0.1",)),
        ({"Subnet": "172.17.0.0/16", "Gateway": "172.17.0.9"}, ("172.17.0.9",)),
        ({"Subnet": "fd00:1::/64"}, ("fd00:1::1",)),
        ({"Subnet": "none"}, ()),
        ({}, ()),
    ],
)
def test_a_gateway_that_is_not_named_is_the_first_address(pool: dict[str, str], gateway: tuple[str, ...]) -> None:
    assert answers.gateways({"IPAM": {"Config": [pool]}}) == gateway


@pytest.mark.parametrize("config", [None, []])
def test_a_network_may_have_no_addresses(config: list[Any] | None) -> None:
    raw = {"Id": "0" * 64, "Name": "host", "Driver": "host", "IPAM": {"Config": config}}
    assert answers.network_facts(raw).subnets == ()


def test_changes_are_read_in_order() -> None:
    raw = [{"Kind": 0, "Path": "/etc"}, {"Kind": 1, "Path": "/etc/x"}, {"Kind": 2, "Path": "/etc/y"}]
    assert answers.changes(raw) == (Change("changed", "/etc"), Change("added", "/etc/x"), Change("removed", "/etc/y"))


def test_no_changes_are_null() -> None:
    assert answers.changes(None) == ()


def test_processes_are_read_with_their_whole_command_lines() -> None:
    rows = [["12", "3", "0", "/sbin/docker-init -- sh"], ["13", "12", "200053", "sh", "-c", "x"]]
    assert answers.processes({"Titles": ["PID", "PPID", "UID", "COMMAND"], "Processes": rows}) == (
        ProcessFacts(pid=12, ppid=3, uid="0", command="/sbin/docker-init -- sh"),
        ProcessFacts(pid=13, ppid=12, uid="200053", command="sh -c x"),
    )


def test_no_processes_are_null() -> None:
    assert answers.processes({"Titles": [], "Processes": None}) == ()


@pytest.mark.parametrize(("component", "podman"), [("Engine", False), ("Podman Engine", True)])
def test_podman_is_known_by_its_components(component: str, *, podman: bool) -> None:
    version = {"Version": "4.3", "Components": [{"Name": component}]}
    facts = answers.engine_facts(
        {"ID": "x", "SecurityOptions": ["name=userns"], "NCPU": 2},
        version,
        api_version="1.41",
        local=True,
        endpoint="e",
    )
    assert (facts.podman, facts.userns, facts.version, facts.api_version) == (podman, True, "4.3", "1.41")


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (0o644, stat.S_IFREG | 0o644),
        (1 << 23 | 1 << 22 | 0o755, stat.S_IFREG | 0o6755),
        (1 << 31 | 1 << 20 | 0o777, stat.S_IFDIR | 0o1777),
        (1 << 27 | 0o777, stat.S_IFLNK | 0o777),
        (1 << 26 | 1 << 21 | 0o600, stat.S_IFCHR | 0o600),
        (1 << 26 | 0o600, stat.S_IFBLK | 0o600),
        (1 << 25, stat.S_IFIFO),
        (1 << 24, stat.S_IFSOCK),
    ],
)
def test_a_mode_of_go_s_is_read_as_the_kernel_s(mode: int, expected: int) -> None:
    assert answers.path_facts({"mode": mode, "size": 7, "linkTarget": "x"}) == PathFacts(
        mode=expected, size=7, link="x"
    )


@pytest.mark.parametrize("created", [-62167219200, -(10**14), 10**14, None])
def test_an_image_of_a_time_that_no_calendar_has_is_listed_without_one(created: int | None) -> None:
    assert answers.listed_image({"Id": "sha256:aa", "Created": created}).created == ""


@pytest.mark.parametrize("raw", [None, {}, {"read": "0001-01-01T00:00:00Z", "memory_stats": {}, "cpu_stats": {}}])
def test_a_container_that_does_not_run_uses_nothing(raw: dict[str, Any] | None) -> None:
    assert answers.usage(raw) is None


def test_memory_is_counted_without_files_that_nobody_reads() -> None:
    found = answers.usage(
        {
            "read": "2026-01-01T00:00:00.5Z",
            "memory_stats": {"usage": 10 << 20, "limit": 64 << 20, "stats": {"inactive_file": 4 << 20}},
            "cpu_stats": {"cpu_usage": {"total_usage": 2_500_000_000}},
        }
    )
    assert found == UsageFacts(memory=6 << 20, memory_limit=64 << 20, cpu=2.5, at=1767225600.5)
