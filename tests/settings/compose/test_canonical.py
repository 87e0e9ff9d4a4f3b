"""Each key of a service and of a definition in its long form, and what is no value of it."""

from __future__ import annotations

from typing import Any

import pytest

from kharness.settings.compose.canonical import canonical_service
from kharness.settings.compose.definitions import canonical_definition
from kharness.settings.compose.scalars import Faults


def service(**keys: Any) -> dict[str, Any]:
    faults: Faults = []
    found = canonical_service(keys, (), faults)
    assert not faults
    return found


@pytest.mark.parametrize(
    ("key", "said", "expected"),
    [
        ("environment", ["A=1", "B"], {"A": "1", "B": None}),
        ("environment", {"A": 1, "B": True, "C": None}, {"A": "1", "B": "true", "C": None}),
        ("labels", {"a": None, "b": 2}, {"a": "", "b": "2"}),
        ("command", "sh -c 'echo hi'", ["sh", "-c", "echo hi"]),
        ("dns", "1.1.1.1", ["1.1.1.1"]),
        ("expose", [80, "53/udp"], ["80", "53/udp"]),
        ("extra_hosts", ["a:1.2.3.4", "b=[::1]"], ["a=1.2.3.4", "b=::1"]),
        ("extra_hosts", {"a": ["1.1.1.1", "2.2.2.2"]}, ["a=1.1.1.1", "a=2.2.2.2"]),
        ("ulimits", {"nofile": 5}, {"nofile": 5}),
        ("build", ".", {"context": ".", "dockerfile": "Dockerfile"}),
        ("gpus", "all", [{"count": -1}]),
        ("networks", ["a"], {"a": None}),
        ("depends_on", ["db"], {"db": {"condition": "service_started", "required": True}}),
        ("healthcheck", {"test": "true", "interval": "90s"}, {"test": ["CMD-SHELL", "true"], "interval": "1m30s"}),
        ("env_file", "a.env", [{"path": "a.env", "required": True}]),
        ("mem_limit", "64m", "67108864"),
        ("blkio_config", {"device_read_bps": [{"path": "/d", "rate": "1m"}]}, None),
        ("x-any", {"a": 1}, {"a": 1}),
    ],
)
def test_a_key_has_one_form(key: str, said: Any, expected: Any) -> None:
    found = service(**{key: said})[key]
    if key == "blkio_config":
        expected = {"device_read_bps": [{"Path": "/d", "Rate": "1048576"}]}
    assert found == expected


def test_deploy_has_its_parts() -> None:
    said = {"resources": {"reservations": {"devices": [{"driver": "nvidia", "capabilities": ["gpu"]}]}}}
    device = {"driver": "nvidia", "capabilities": ["gpu"], "count": -1}
    assert service(deploy=said)["deploy"] == {"resources": {"reservations": {"devices": [device]}}, "placement": {}}


@pytest.mark.parametrize(
    ("key", "said", "expected"),
    [
        ("user", 1000, "should be text in quotes, not 1000"),
        ("command", 5, "should be a command line"),
        ("command", "echo 'x", "should be a command line whose quotes are closed"),
        ("ports", "80", "should be a list"),
        ("environment", {"A": []}, "should be text, a number, true or false"),
        ("depends_on", {"a": {"condition": "ready"}}, "should be one of service_started"),
        ("healthcheck", {"test": ["curl"]}, "should begin with CMD, CMD-SHELL or NONE"),
        ("ulimits", {"nofile": {"soft": 1}}, "is required"),
        ("deploy", {"resources": {"limit": {}}}, "unknown key, did you mean 'limits'?"),
        ("extra_hosts", ["a"], "should be NAME=ADDRESS"),
        ("build", {"contxt": "."}, "unknown key, did you mean 'context'?"),
    ],
)
def test_what_is_no_value_of_a_key_is_a_fault(key: str, said: Any, expected: str) -> None:
    faults: Faults = []
    canonical_service({key: said}, (), faults)
    assert expected in faults[0][1]


def test_an_external_definition_has_a_name_alone() -> None:
    faults: Faults = []
    assert canonical_definition("networks", {"external": True}, (), faults) == {"external": True, "ipam": {}}
    assert not faults
    canonical_definition("volumes", {"external": True, "driver": "local"}, ("volumes", "a"), faults)
    canonical_definition("secrets", {}, ("secrets", "s"), faults)
    assert faults == [
        (("volumes", "a"), "is external, and should not have driver"),
        (("secrets", "s"), "should have one of file, environment, content or external"),
    ]
