"""What was asked for and what an engine reports, in one form: equal where nothing was changed, named where it was."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kharness.engine.requests import request_body
from kharness.plan.facts import HealthFacts, ImageFacts, PortRef
from kharness.plan.launch.deviations import (
    Changes,
    Deviation,
    LaunchRecord,
    change_notes,
    deviations,
    read_records,
    write_records,
)
from kharness.plan.launch.runspec import Attachment, Mount, MountKind, Publish, RunSpec
from kharness.plan.launch.traits import digest, reported, requested, sealed

IMAGE = ImageFacts(
    id="sha256:" + "a" * 64,
    environment=("PATH=/bin", "A=1"),
    command=("sleep", "600"),
    user="7",
    labels={"made": "here"},
    health=HealthFacts(test=("CMD", "true"), interval=30.0),
)
SPEC = RunSpec(
    name="web",
    image=IMAGE.id,
    environment={"A": "2", "SECRET": "hunter22"},
    labels={"team": "blue", "kharness.name": "web"},
    hostname="web",
    mounts=(
        Mount(kind=MountKind.BIND, source="/srv/x/", target="/data", read_only=True),
        Mount(kind=MountKind.VOLUME, source=None, target="/anonymous"),
        Mount(kind=MountKind.TMPFS, source=None, target="/run", mode=0o1777),
    ),
    publish=(Publish(port=PortRef(80), host_port=8080),),
    networks=(Attachment(network="lan", ipv4_address="10.9.0.5", aliases=("db",)), Attachment(network="two")),
    cap_add=("net_admin",),
    cap_drop=("ALL",),
    security_opt=("no-new-privileges:true",),
    mem_limit=64 << 20,
    cpus=0.5,
    pids_limit=99,
    ulimits=(("nofile", 1, 2),),
    restart="on-failure",
    restart_retries=3,
    sysctls={"net.ipv4.conf.eth0.forwarding": "1", "kernel.msgmax": "9"},
)
RAW: dict[str, Any] = {
    "Id": "0bee0153169100",
    "Name": "/web",
    "Image": IMAGE.id,
    "Config": {
        "Hostname": "web",
        "Domainname": "",
        "User": "7",
        "Env": ["A=2", "SECRET=hunter22", "PATH=/bin"],
        "Cmd": ["sleep", "600"],
        "Entrypoint": None,
        "Labels": {"team": "blue", "made": "here", "kharness.name": "web", "kharness.release": "r1"},
        "Healthcheck": {"Test": ["CMD", "true"], "Interval": 30_000_000_000},
        "Volumes": {"/kept": {}},
    },
    "HostConfig": {
        "NetworkMode": "lan",
        "PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]},
        "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3},
        "LogConfig": {"Type": "json-file", "Config": {}},
        "CapAdd": ["CAP_NET_ADMIN"],
        "CapDrop": ["ALL"],
        "CgroupnsMode": "host",
        "Dns": [],
        "GroupAdd": None,
        "IpcMode": "private",
        "Privileged": False,
        "SecurityOpt": ["no-new-privileges:true"],
        "Tmpfs": {"/run": "mode=1777"},
        "ShmSize": 67108864,
        "Sysctls": {"kernel.msgmax": "9"},
        "Runtime": "runc",
        "Memory": 67108864,
        "MemorySwap": 134217728,
        "MemorySwappiness": None,
        "NanoCpus": 500_000_000,
        "OomKillDisable": False,
        "PidsLimit": 99,
        "Ulimits": [{"Name": "nofile", "Hard": 2, "Soft": 1}, {"Name": "core", "Hard": 0, "Soft": 0}],
        "ReadonlyRootfs": False,
    },
    "Mounts": [
        {"Type": "bind", "Source": "/srv/x", "Destination": "/data", "RW": False, "Propagation": "rprivate"},
        {"Type": "volume", "Name": "f" * 64, "Source": "/v/f", "Destination": "/kept", "RW": True, "Propagation": ""},
        {"Type": "volume", "Name": "0" * 64, "Source": "/v/0", "Destination": "/anonymous", "RW": True},
    ],
    "NetworkSettings": {
        "Networks": {
            "lan": {"IPAMConfig": {"IPv4Address": "10.9.0.5"}, "Aliases": ["db", "0bee01531691"], "IPAddress": "x"},
            "two": {"IPAMConfig": None, "Aliases": ["0bee01531691"]},
        }
    },
}
SALT = "r1"


def named(spec: RunSpec = SPEC, image: ImageFacts | None = IMAGE, **changed: Any) -> list[str]:
    """What differs, `changed` being the fields of HostConfig that the engine reports otherwise."""
    raw = {**RAW, "HostConfig": {**RAW["HostConfig"], **changed}}
    wanted = sealed(requested(request_body(spec), image), salt=SALT)
    return [str(each) for each in deviations(wanted, reported(raw, salt=SALT))]


def without(*fields: str) -> dict[str, Any]:
    return {**RAW, "HostConfig": {key: value for key, value in RAW["HostConfig"].items() if key not in fields}}


def test_what_the_engine_normalises_and_adds_is_no_deviation() -> None:
    assert named() == []
    # Without the image only what was said is wanted.
    assert named(image=None) == ["environment.PATH: set", "labels.made: wanted nothing, found here"]


def test_what_another_version_leaves_out_or_adds_is_no_deviation() -> None:
    wanted = sealed(requested(request_body(SPEC), IMAGE), salt=SALT)
    newer = without("IpcMode", "GroupAdd", "Dns", "OomKillDisable", "Privileged", "Runtime")
    newer["HostConfig"] |= {"Annotations": {"x": "y"}, "MaskedPaths": ["/proc/new"]}
    newer["NetworkSettings"]["Networks"]["lan"]["DNSNames"] = ["web"]
    assert deviations(wanted, reported(newer, salt=SALT)) == ()


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"Memory": 128 << 20}, "mem_limit: wanted 64m, found 128m"),
        ({"MemorySwap": -1}, "memswap_limit: wanted 128m, found unlimited"),
        ({"NanoCpus": 0}, "cpus: wanted 0.5, found nothing"),
        ({"PidsLimit": None}, "pids_limit: wanted 99, found nothing"),
        ({"CpuShares": 512}, "cpu_shares: wanted nothing, found 512"),
        ({"CpusetCpus": "0"}, "cpuset: wanted nothing, found 0"),
        ({"RestartPolicy": {"Name": "always"}}, "restart: wanted on-failure:3, found always"),
        ({"CapAdd": ["CAP_NET_ADMIN", "CAP_SYS_ADMIN"]}, "cap_add: wanted NET_ADMIN, found NET_ADMIN, SYS_ADMIN"),
        ({"CapDrop": None}, "cap_drop: wanted ALL, found nothing"),
        ({"SecurityOpt": None}, "security_opt: wanted no-new-privileges, found nothing"),
        ({"Privileged": True}, "privileged: wanted nothing, found true"),
        ({"PidMode": "host"}, "pid: wanted nothing, found host"),
        ({"IpcMode": "host"}, "ipc: wanted nothing, found host"),
        ({"ReadonlyRootfs": True}, "read_only: wanted nothing, found true"),
        ({"Tmpfs": {"/run": "mode=1777,size=1"}}, "tmpfs./run: wanted mode=1777, found mode=1777, size=1"),
        ({"Ulimits": []}, "ulimits.nofile: wanted 1:2, found nothing"),
        ({"PortBindings": {}}, "ports.80/tcp: wanted 0.0.0.0:8080, found nothing"),
        ({"Sysctls": {}}, "sysctls.kernel.msgmax: wanted 9, found nothing"),
    ],
)
def test_what_was_changed_by_hand_is_named_by_its_key(changed: dict[str, Any], expected: str) -> None:
    assert named(**changed) == [expected]


def test_networks_that_it_left_or_joined_are_named_once_each() -> None:
    left = {**RAW, "NetworkSettings": {"Networks": {"two": {}, "three": {"IPAMConfig": {"IPv4Address": "10.0.0.1"}}}}}
    wanted = sealed(requested(request_body(SPEC), IMAGE), salt=SALT)
    assert [str(each) for each in deviations(wanted, reported(left, salt=SALT))] == [
        "networks.lan: wanted joined, found nothing",
        "networks.three: wanted nothing, found joined",
    ]
    again = {**RAW, "NetworkSettings": {"Networks": {"two": {}, "lan": {}}}}
    assert [each.key for each in deviations(wanted, reported(again, salt=SALT))] == [
        "networks.lan.aliases.db",
        "networks.lan.ipv4_address",
    ]


def test_what_runs_from_another_image_under_another_name_or_with_other_volumes_is_named() -> None:
    other = {
        **RAW,
        "Image": "sha256:" + "b" * 64,
        "Name": "/foo",
        "Mounts": [
            {"Type": "bind", "Source": "/etc", "Destination": "/data", "RW": True},
            {"Type": "volume", "Name": "more", "Destination": "/more", "RW": True},
        ],
    }
    wanted = sealed({**requested(request_body(SPEC), IMAGE), "container_name": "web"}, salt=SALT)
    assert [str(each) for each in deviations(wanted, reported(other, salt=SALT))] == [
        "container_name: wanted web, found foo",
        f"image: wanted {'a' * 12}, found {'b' * 12}",
        "volumes./anonymous: wanted anonymous volume, found nothing",
        "volumes./data: wanted /srv/x (read-only), found /etc",
        "volumes./more: wanted nothing, found more",
    ]


def test_no_value_of_a_variable_is_kept_or_shown() -> None:
    wanted = sealed(requested(request_body(SPEC), IMAGE), salt=SALT)
    found = reported(RAW, salt=SALT)
    assert "hunter22" not in write_records([LaunchRecord(release="r1", asked=wanted, given=found)])
    other = replace(SPEC, environment={"A": "2", "SECRET": "hunter33", "MORE": ""})
    assert named(other) == ["environment.MORE: not set", "environment.SECRET: another value"]
    assert digest("x", salt="1") != digest("x", salt="2")


def test_an_entry_point_of_ones_own_leaves_the_image_s_command_out() -> None:
    assert requested({"Entrypoint": ["/x"]}, IMAGE)["command"] == ""
    assert requested({"Cmd": ["a", "b c"]}, IMAGE)["command"] == "a 'b c'"
    assert requested({}, IMAGE)["command"] == "sleep 600"


def test_a_field_that_nothing_here_knows_is_compared_where_it_was_asked_for() -> None:
    wanted = requested({"HostConfig": {"Future": {"a": 1}}}, None)
    assert wanted["Future"] == "a=1"
    assert [each.key for each in deviations({"Future": "a=1"}, reported({"HostConfig": {"Future": {"a": 2}}}))] == [
        "Future"
    ]


def test_the_latest_launches_are_read_back_and_what_cannot_be_read_is_none() -> None:
    records = tuple(LaunchRecord(release=f"r{number}", asked={"a": "1"}, given={}) for number in range(5))
    assert read_records(write_records(records)) == records[:3]
    for text in ("", "{}", "[1]", '[{"release": "x"}]', '[{"release": "x", "asked": 1, "given": 2}]', "null"):
        assert read_records(text) == ()


def test_what_was_changed_by_hand_is_told_apart_from_edited_settings() -> None:
    limit = Deviation(key="mem_limit", wanted="64m", found="128m")
    assert change_notes(Changes(), name="web") == ()
    assert change_notes(Changes(by_hand=(limit,), edited=(limit,), stale=True), name="web") == (
        f"it was changed by hand since it was launched: {limit}; 'kharness run web' launches it as its settings say",
        "its settings have changed since it was launched: mem_limit 64m -> 128m; 'kharness run web' launches with them",
    )
    assert Changes(by_hand=(limit,), unclear=True).by_hand_text.startswith("differs from its settings: ")
