"""One view of a plan for production and of a container that exists."""

from __future__ import annotations

import pytest

from kharness.errors import UnseenError
from kharness.plan.checks.launch import Bind, inspected, planned
from kharness.plan.facts import ImageFacts
from kharness.plan.launch.runspec import Mount, MountKind, RunSpec

HOST = {
    **dict.fromkeys(("NetworkMode", "PidMode", "IpcMode", "UTSMode", "UsernsMode"), ""),
    "Privileged": False,
    "ReadonlyRootfs": False,
    "NanoCpus": 0,
    "Memory": 0,
    "PidsLimit": None,
    "RestartPolicy": {"Name": "no"},
    "LogConfig": {"Type": "local"},
}
RAW = {
    "Config": {"User": "web"},
    "HostConfig": HOST | dict.fromkeys(("CapAdd", "CapDrop", "SecurityOpt", "PortBindings")),
    "Mounts": [{"Type": "bind", "Source": "/mnt/", "Destination": "/m", "RW": True, "Propagation": "rshared"}],
}
BIND = Bind("/mnt", "/m", writable=True, propagation="rshared")


def test_a_plan_and_its_container_look_the_same() -> None:
    mount = Mount(kind=MountKind.BIND, source="/mnt/", target="/m", propagation="rshared")
    plan = planned(
        RunSpec(name="web", image="web", user="web", mounts=(mount,), log_driver="local"), ImageFacts(id="x")
    )
    assert plan == inspected(RAW, health=None)
    assert plan.binds == (BIND,)


@pytest.mark.parametrize("key", ["Config", "HostConfig", "Mounts"])
def test_an_answer_without_a_key_is_no_evidence(key: str) -> None:
    with pytest.raises(UnseenError, match=f"no {key}"):
        inspected({name: value for name, value in RAW.items() if name != key}, health=None)


def test_the_image_decides_what_a_plan_leaves_open() -> None:
    plan = planned(RunSpec(name="web", image="web"), ImageFacts(id="x", user="nobody"))
    assert plan.user == "nobody"
