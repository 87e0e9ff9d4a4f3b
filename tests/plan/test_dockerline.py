from __future__ import annotations

import shlex
from dataclasses import replace

import pytest

from kharness.plan.dockerline import docker_line
from kharness.plan.facts import HealthFacts, PortRef
from kharness.plan.runspec import Attachment, Limits, Mount, MountKind, Publish, RunSpec

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
        ({"limits": Limits(memory=1024, cpus=0.5, pids=7)}, "--memory 1024 --cpus 0.5 --pids-limit 7"),
        ({"limits": Limits(ulimits=(("nofile", 1, 2),))}, "--ulimit nofile=1:2"),
        ({"stop_timeout": 2.0}, "--stop-timeout 2"),
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
            {"health": HealthFacts(test=("CMD-SHELL", "a | b"), interval=0.5)},
            "--health-cmd 'a | b' --health-interval 0.5s",
        ),
        ({"health": HealthFacts(test=("NONE",))}, "--no-healthcheck"),
    ],
)
def test_each_setting_is_said_as_docker_says_it(change: dict[str, object], words: str) -> None:
    assert words in line(replace(BARE, **change))  # type: ignore[arg-type]


def test_an_entry_point_of_several_words_keeps_all_of_them() -> None:
    spec = replace(BARE, entrypoint=("sh", "-c"), command=("echo a; echo b",))
    assert shlex.split(line(spec))[-5:] == ["--entrypoint", "sh", "ktools/web:live", "-c", "echo a; echo b"]


def test_a_second_network_follows_as_a_command_of_its_own() -> None:
    spec = replace(BARE, networks=(*BARE.networks, Attachment(network="back", ipv4_address="10.0.0.2", aliases=("w",))))
    assert line(spec).splitlines()[1] == "docker network connect --ip 10.0.0.2 --alias w back web"


def test_hidden_values_are_not_shown() -> None:
    spec = replace(BARE, environment={"PASSWORD": "hunter2", "A": "b"})
    shown = docker_line(spec, hide=frozenset({"PASSWORD"}), multiline=False)
    assert "hunter2" not in shown
    assert "--env 'PASSWORD=***' --env A=b" in shown
