from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kharness.engine.api import NetworkRequest
from kharness.engine.requests import (
    CreateRequest,
    create_body,
    endpoint_body,
    fitted,
    health_body,
    label_filters,
    network_body,
    restart_body,
)
from kharness.errors import LaunchError
from kharness.plan.facts import HealthFacts, PortRef
from kharness.plan.launch.runspec import Attachment, Mount, MountKind, Publish, RunSpec

MAC = "02:42:c0:00:02:14"
NETWORK = (Attachment(network="prod"),)


def body(**said: Any) -> dict[str, Any]:
    return create_body(RunSpec(name="web", image="ktools/web:live", **said))


def host(**said: Any) -> dict[str, Any]:
    found: dict[str, Any] = body(**said)["HostConfig"]
    return found


def test_what_is_not_said_is_left_to_the_engine() -> None:
    assert body() == {
        "Image": "ktools/web:live",
        "Env": [],
        "Labels": {},
        "ExposedPorts": {},
        "Tty": False,
        "OpenStdin": False,
        "HostConfig": {
            "NetworkMode": "none",
            "Mounts": [],
            "Tmpfs": {},
            "PortBindings": {},
            "ReadonlyRootfs": False,
            "CapAdd": [],
            "CapDrop": [],
            "SecurityOpt": [],
            "Ulimits": [],
            "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
            "Dns": [],
            "ExtraHosts": [],
            "Devices": [],
            "Sysctls": {},
            "AutoRemove": False,
        },
    }


@pytest.mark.parametrize(
    ("said", "key", "expected"),
    [
        ({"command": ("a", "b")}, "Cmd", ["a", "b"]),
        ({"command": ()}, "Cmd", []),
        ({"entrypoint": ("/bin/x",)}, "Entrypoint", ["/bin/x"]),
        ({"environment": {"A": "1", "B": "x=y"}}, "Env", ["A=1", "B=x=y"]),
        ({"labels": {"a": "b"}}, "Labels", {"a": "b"}),
        ({"hostname": "web"}, "Hostname", "web"),
        ({"user": "5:6"}, "User", "5:6"),
        ({"working_dir": "/srv"}, "WorkingDir", "/srv"),
        ({"expose": (PortRef(80), PortRef(53, "udp"))}, "ExposedPorts", {"80/tcp": {}, "53/udp": {}}),
        ({"publish": (Publish(port=PortRef(80)),)}, "ExposedPorts", {"80/tcp": {}}),
        ({"stop_signal": "SIGHUP"}, "StopSignal", "SIGHUP"),
        ({"stop_grace_period": 2.6}, "StopTimeout", 3),
        ({"stop_grace_period": 0.4}, "StopTimeout", 1),
        ({"stop_grace_period": 0.0}, "StopTimeout", 0),
        ({"tty": True}, "Tty", True),
        ({"stdin_open": True}, "OpenStdin", True),
        ({"stdin_once": True}, "StdinOnce", True),
        ({"health": HealthFacts(test=("NONE",))}, "Healthcheck", {"Test": ["NONE"]}),
    ],
)
def test_what_is_said_of_the_process_is_asked_for(said: dict[str, Any], key: str, expected: object) -> None:
    assert body(**said)[key] == expected


@pytest.mark.parametrize(
    ("said", "key", "expected"),
    [
        ({"read_only": True}, "ReadonlyRootfs", True),
        ({"cap_add": ("NET_ADMIN",)}, "CapAdd", ["NET_ADMIN"]),
        ({"cap_drop": ("ALL",)}, "CapDrop", ["ALL"]),
        ({"security_opt": ("no-new-privileges",)}, "SecurityOpt", ["no-new-privileges"]),
        ({"mem_limit": 1 << 20}, "Memory", 1 << 20),
        ({"memswap_limit": -1}, "MemorySwap", -1),
        ({"cpus": 0.1}, "NanoCpus", 100_000_000),
        ({"pids_limit": 50}, "PidsLimit", 50),
        ({"ulimits": (("nofile", 1, 2),)}, "Ulimits", [{"Name": "nofile", "Soft": 1, "Hard": 2}]),
        ({"init": True}, "Init", True),
        ({"init": False}, "Init", False),
        ({"restart": "always"}, "RestartPolicy", {"Name": "always", "MaximumRetryCount": 0}),
        ({"log_driver": "none"}, "LogConfig", {"Type": "none", "Config": {}}),
        ({"log_options": {"max-size": "1m"}}, "LogConfig", {"Type": "", "Config": {"max-size": "1m"}}),
        ({"dns": ("10.0.0.1",)}, "Dns", ["10.0.0.1"]),
        ({"extra_hosts": (("db", "10.0.0.2"),)}, "ExtraHosts", ["db:10.0.0.2"]),
        (
            {"devices": (("/dev/a", "/dev/b", "rw"),)},
            "Devices",
            [{"PathOnHost": "/dev/a", "PathInContainer": "/dev/b", "CgroupPermissions": "rw"}],
        ),
        ({"sysctls": {"net.core.somaxconn": "9"}}, "Sysctls", {"net.core.somaxconn": "9"}),
        ({"remove": True}, "AutoRemove", True),
        ({"networks": NETWORK}, "NetworkMode", "prod"),
        ({"networks": (Attachment(network="host"),)}, "NetworkMode", "host"),
    ],
)
def test_what_is_said_of_its_surroundings_is_asked_for(said: dict[str, Any], key: str, expected: object) -> None:
    assert host(**said)[key] == expected


def test_a_published_port_may_have_several_bindings() -> None:
    publish = (
        Publish(port=PortRef(80), host_ip="127.0.0.1", host_port=8080),
        Publish(port=PortRef(80)),
        Publish(port=PortRef(53, "udp"), host_port=53),
    )
    assert host(publish=publish)["PortBindings"] == {
        "80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}, {"HostIp": "", "HostPort": ""}],
        "53/udp": [{"HostIp": "", "HostPort": "53"}],
    }


@pytest.mark.parametrize(
    ("mount", "expected"),
    [
        (
            Mount(kind=MountKind.BIND, source="/srv", target="/data", read_only=True, propagation="rslave"),
            {
                "Type": "bind",
                "Source": "/srv",
                "Target": "/data",
                "ReadOnly": True,
                "BindOptions": {"Propagation": "rslave"},
            },
        ),
        (
            Mount(kind=MountKind.BIND, source="/srv", target="/data", non_recursive=True),
            {
                "Type": "bind",
                "Source": "/srv",
                "Target": "/data",
                "ReadOnly": False,
                "BindOptions": {"NonRecursive": True},
            },
        ),
        (
            Mount(kind=MountKind.VOLUME, source="v", target="/data", no_copy=True),
            {
                "Type": "volume",
                "Source": "v",
                "Target": "/data",
                "ReadOnly": False,
                "VolumeOptions": {"NoCopy": True},
            },
        ),
        (
            Mount(kind=MountKind.VOLUME, source=None, target="/data"),
            {"Type": "volume", "Target": "/data", "ReadOnly": False},
        ),
    ],
)
def test_directories_and_volumes_are_mounts_so_that_a_missing_source_is_an_error(
    mount: Mount, expected: dict[str, Any]
) -> None:
    assert host(mounts=(mount,))["Mounts"] == [expected]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, ""),
        ({"size": 1024, "mode": 0o1777}, "size=1024,mode=1777"),
        ({"options": ("noexec", "uid=5"), "mode": 0o700}, "noexec,uid=5,mode=700"),
        ({"read_only": True}, "ro"),
    ],
)
def test_a_tmpfs_is_told_by_its_options(said: dict[str, Any], expected: str) -> None:
    mount = Mount(kind=MountKind.TMPFS, source=None, target="/run", **said)
    assert host(mounts=(mount,))["Tmpfs"] == {"/run": expected}
    assert host(mounts=(mount,))["Mounts"] == []


def test_a_container_is_created_on_its_first_network_alone() -> None:
    networks = (
        Attachment(network="prod", ipv4_address="10.0.0.5", ipv6_address="fd00::5", aliases=("db",)),
        Attachment(network="other"),
    )
    assert body(networks=networks)["NetworkingConfig"] == {
        "EndpointsConfig": {
            "prod": {"IPAMConfig": {"IPv4Address": "10.0.0.5", "IPv6Address": "fd00::5"}, "Aliases": ["db"]}
        }
    }


@pytest.mark.parametrize("name", ["none", "host", "bridge", "default"])
def test_the_engines_own_networks_take_no_endpoint(name: str) -> None:
    assert "NetworkingConfig" not in body(networks=(Attachment(network=name),))


def test_an_endpoint_without_wishes_is_empty() -> None:
    assert endpoint_body(Attachment(network="prod")) == {}


@pytest.mark.parametrize(("said", "nanoseconds"), [(0.1, 100_000_000), (0.0005, 1_000_000), (1e-12, 1_000_000), (0, 0)])
def test_an_interval_is_never_so_short_that_the_engine_takes_its_default(said: float, nanoseconds: int) -> None:
    assert health_body(HealthFacts(test=("CMD", "x"), interval=said))["Interval"] == nanoseconds


def test_times_of_a_health_check_are_nanoseconds() -> None:
    health = HealthFacts(test=("CMD-SHELL", "true"), interval=0.1, timeout=2, start_period=1.5, retries=3)
    assert health_body(health) == {
        "Test": ["CMD-SHELL", "true"],
        "Interval": 100_000_000,
        "Timeout": 2_000_000_000,
        "StartPeriod": 1_500_000_000,
        "Retries": 3,
    }


def test_a_network_asks_that_its_name_is_its_own() -> None:
    request = NetworkRequest(
        name="n", subnet="10.0.0.0/28", gateway="10.0.0.1", ip_range="10.0.0.8/29", internal=True, labels={"a": "b"}
    )
    assert network_body(request) == {
        "Name": "n",
        "CheckDuplicate": True,
        "Driver": "bridge",
        "Internal": True,
        "IPAM": {"Config": [{"Subnet": "10.0.0.0/28", "Gateway": "10.0.0.1", "IPRange": "10.0.0.8/29"}]},
        "Labels": {"a": "b"},
        "Options": {},
    }


@pytest.mark.parametrize(
    ("request_", "key", "expected"),
    [
        (NetworkRequest(name="n", subnet="fd00::/64"), "EnableIPv6", True),
        (NetworkRequest(name="n", driver="overlay"), "Attachable", True),
        (NetworkRequest(name="n"), "IPAM", None),
    ],
)
def test_a_network_is_what_its_request_implies(request_: NetworkRequest, key: str, expected: object) -> None:
    assert network_body(request_).get(key) == expected


@pytest.mark.parametrize(("policy", "count"), [("on-failure", 3), ("always", 0), ("no", 0)])
def test_retries_count_for_on_failure_alone(policy: str, count: int) -> None:
    assert restart_body(policy, retries=3) == {"Name": policy, "MaximumRetryCount": count}


@pytest.mark.parametrize(
    ("labels", "expected"),
    [(None, None), ({}, None), ({"a": None}, '{"label": ["a"]}'), ({"a": "b", "c": ""}, '{"label": ["a=b", "c="]}')],
)
def test_labels_are_a_filter(labels: dict[str, str | None] | None, expected: str | None) -> None:
    assert label_filters(labels) == expected


def request(*networks: Attachment, **said: Any) -> CreateRequest:
    return CreateRequest(
        body=body(networks=networks, **said), further={each.network: endpoint_body(each) for each in networks[1:]}
    )


def test_only_a_request_that_needs_it_is_made_in_a_newer_version() -> None:
    plain = request(Attachment(network="prod"), health=HealthFacts(test=("CMD", "x")))
    assert fitted(plain, "web", newer=True) == fitted(plain, "web", newer=False) == plain
    timed = request(
        Attachment(network="prod"), Attachment(network="o"), health=HealthFacts(test=("CMD", "x"), start_interval=1.0)
    )
    assert fitted(timed, "web", newer=True) == replace(timed, api="1.44")


def test_a_container_with_mac_addresses_is_created_on_all_its_networks() -> None:
    asked = request(Attachment(network="prod"), Attachment(network="other", mac_address=MAC))
    made = fitted(asked, "web", newer=True)
    assert made.body["NetworkingConfig"] == {"EndpointsConfig": {"prod": {}, "other": {"MacAddress": MAC}}}
    assert (made.further, made.api) == ({}, "1.44")


def test_an_older_engine_has_one_mac_address_for_a_container_and_no_start_interval() -> None:
    first = Attachment(network="prod", ipv4_address="10.0.0.5", mac_address=MAC)
    asked = request(first, health=HealthFacts(test=("CMD", "x"), start_interval=1.0))
    made = fitted(asked, "web", newer=False)
    assert made.body["MacAddress"] == MAC
    assert made.body["NetworkingConfig"] == {
        "EndpointsConfig": {"prod": {"IPAMConfig": {"IPv4Address": "10.0.0.5"}}},
    }
    assert made.body["Healthcheck"] == {"Test": ["CMD", "x"]}
    assert made.api is None
    with pytest.raises(LaunchError, match=r"^container web: networks\.other\.mac_address needs Docker Engine 25\.0"):
        fitted(request(first, Attachment(network="other", mac_address=MAC)), "web", newer=False)
