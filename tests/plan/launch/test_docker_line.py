from __future__ import annotations

import shlex
from dataclasses import replace

import pytest

from kharness.plan.facts import HealthFacts, PortRef
from kharness.plan.launch.docker_line import docker_commands, docker_line, docker_words, go_duration
from kharness.plan.launch.runspec import Attachment, Mount, MountKind, Publish, RunSpec
from kharness.settings.portrange import PortRange

BARE = RunSpec(name="web", image="ktools/web:live", networks=(Attachment(network="bridge"),))


def line(spec: RunSpec) -> str:
    return docker_line(spec, multiline=False)


def test_a_bare_specification_is_a_short_line() -> None:
    assert line(BARE) == "docker run --detach --name web --network bridge ktools/web:live"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"networks": ()}, "--network none"),
        ({"read_only": True}, "--read-only"),
        ({"cap_drop": ("ALL",), "cap_add": ("CHOWN",)}, "--cap-drop ALL --cap-add CHOWN"),
        ({"restart": "on-failure", "restart_retries": 3}, "--restart on-failure:3"),
        (
            {"publish": (Publish(port=PortRef(80), host_ip="127.0.0.1", host_port=8080),)},
            "--publish 127.0.0.1:8080:80/tcp",
        ),
        ({"publish": (Publish(port=PortRef(53, "udp"), host_ip="::1", host_port=53),)}, "--publish '[::1]:53:53/udp'"),
        ({"publish": (Publish(port=PortRef(80)),)}, "--publish 80/tcp"),
        ({"environment": {"A": "b c"}}, "--env 'A=b c'"),
        ({"mem_limit": 1024, "cpus": 0.5, "pids_limit": 7}, "--memory 1024 --cpus 0.5 --pids-limit 7"),
        ({"ulimits": (("nofile", 1, 2),)}, "--ulimit nofile=1:2"),
        ({"shm_size": 1 << 20}, "--shm-size 1048576"),
        ({"publish": (Publish(port=PortRef(80), host_port=PortRange(8080, 8090)),)}, "--publish 8080-8090:80/tcp"),
        (
            {"mounts": (Mount(kind=MountKind.TMPFS, source=None, target="/x", read_only=True),)},
            "--tmpfs /x:ro",
        ),
        ({"stop_grace_period": 2.0}, "--stop-timeout 2"),
        ({"stop_grace_period": 0.4}, "--stop-timeout 1"),
        (
            {"mounts": (Mount(kind=MountKind.TMPFS, source=None, target="/tmp", size=5, mode=0o1777),)},
            "--tmpfs /tmp:size=5,mode=1777",
        ),
        (
            {"mounts": (Mount(kind=MountKind.BIND, source="/d", target="/data", non_recursive=True),)},
            "--mount type=bind,source=/d,target=/data,bind-nonrecursive",
        ),
        (
            {"mounts": (Mount(kind=MountKind.BIND, source="/d", target="/data", read_only=True),)},
            "--mount type=bind,source=/d,target=/data,readonly",
        ),
        (
            {"mounts": (Mount(kind=MountKind.BIND, source="/a,b", target='/c"d'),)},
            """--mount 'type=bind,"source=/a,b","target=/c""d"'""",
        ),
        (
            {"health": HealthFacts(test=("CMD-SHELL", "a | b"), interval=0.5)},
            "--health-cmd 'a | b' --health-interval 500ms",
        ),
        ({"health": HealthFacts(test=("NONE",))}, "--no-healthcheck"),
    ],
)
def test_each_setting_is_said_as_docker_says_it(change: dict[str, object], words: str) -> None:
    assert words in line(replace(BARE, **change))  # type: ignore[arg-type]


def test_an_entry_point_of_several_words_keeps_all_of_them() -> None:
    spec = replace(BARE, entrypoint=("sh", "-c"), command=("echo a; echo b",))
    assert shlex.split(line(spec))[-5:] == ["--entrypoint", "sh", "ktools/web:live", "-c", "echo a; echo b"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1_036_800.0, "288h"),
        (90.0, "1m30s"),
        (0.5, "500ms"),
        (1.25, "1s250ms"),
        (0.0, "0s"),
        (3661.000001, "1h1m1s1us"),
    ],
)
def test_durations_are_go_s(seconds: float, text: str) -> None:
    assert go_duration(seconds) == text


def test_a_second_network_follows_as_a_command_of_its_own() -> None:
    spec = replace(BARE, networks=(*BARE.networks, Attachment(network="back", ipv4_address="10.0.0.2", aliases=("w",))))
    assert line(spec).splitlines()[1] == "docker network connect --ip 10.0.0.2 --alias w back web"
    spec = replace(BARE, networks=(*BARE.networks, Attachment(network="back", ipv6_address="2001:db8::9")))
    assert line(spec).splitlines()[1] == "docker network connect --ip6 2001:db8::9 back web"


def test_in_the_foreground_it_joins_further_networks_before_it_is_started() -> None:
    assert docker_commands(BARE) == (docker_words(BARE),)
    wide = replace(BARE, networks=(*BARE.networks, Attachment(network="back", aliases=("w",))))
    create, connect, start = docker_commands(wide)
    assert create == ("create", *docker_words(BARE)[1:])
    assert connect == ("network", "connect", "--alias", "w", "back", "web")
    assert start == ("start", "--attach", "web")
    assert docker_commands(replace(wide, stdin_open=True))[-1] == ("start", "--attach", "--interactive", "web")


def test_a_mac_address_is_in_the_line_itself() -> None:
    one = Attachment(network="front", mac_address="02:42:c0:00:02:14")
    two = Attachment(network="back", ipv4_address="10.0.0.2", aliases=("w",), mac_address="02:42:c0:00:02:15")
    (only,) = line(replace(BARE, networks=(one, two))).splitlines()
    assert "--network front --mac-address 02:42:c0:00:02:14 " in only
    assert "--network name=back,ip=10.0.0.2,alias=w,mac-address=02:42:c0:00:02:15 " in only


def test_hidden_values_are_not_shown() -> None:
    spec = replace(BARE, environment={"PASSWORD": "hunter2", "A": "b"})
    shown = docker_line(spec, hide=frozenset({"PASSWORD"}), multiline=False)
    assert "hunter2" not in shown
    assert "--env 'PASSWORD=***' --env A=b" in shown
