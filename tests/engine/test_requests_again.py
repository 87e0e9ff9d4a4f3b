from __future__ import annotations

from typing import Any

import pytest

from kharness.engine.requests import create_request

RAW: dict[str, Any] = {
    "Id": "abcdef0123456789",
    "Image": "sha256:1",
    "Config": {"Image": "web:live", "Env": ["A=1"], "Volumes": {"/data": {}, "/said": {}}},
    "HostConfig": {"NetworkMode": "lan", "Mounts": [{"Type": "bind", "Source": "/x", "Target": "/said"}]},
    "Mounts": [
        {"Type": "volume", "Name": "f00", "Destination": "/data"},
        {"Type": "bind", "Source": "/x", "Destination": "/said"},
        {"Type": "volume", "Name": "named", "Destination": "/other"},
    ],
    "NetworkSettings": {
        "Networks": {
            "lan": {"IPAMConfig": {"IPv4Address": "10.0.0.5"}, "Aliases": ["web", "abcdef012345"], "IPAddress": "x"},
            "bridge": {"IPAddress": "172.17.0.2"},
        }
    },
}


def test_the_image_is_named_by_its_id_because_its_name_may_move() -> None:
    assert create_request(RAW)["Image"] == "sha256:1"


def test_what_was_said_of_a_network_is_kept_and_what_the_engine_gave_is_not() -> None:
    endpoints = create_request(RAW)["NetworkingConfig"]["EndpointsConfig"]
    assert endpoints == {"lan": {"IPAMConfig": {"IPv4Address": "10.0.0.5"}, "Aliases": ["web"]}}


def test_anonymous_volumes_are_mounted_by_the_names_that_they_have() -> None:
    mounts = create_request(RAW)["HostConfig"]["Mounts"]
    assert mounts == [
        {"Type": "bind", "Source": "/x", "Target": "/said"},
        {"Type": "volume", "Source": "f00", "Target": "/data"},
    ]


def test_a_volume_without_a_source_keeps_the_name_that_the_engine_made_up() -> None:
    raw = {
        "Id": "a",
        "HostConfig": {"Mounts": [{"Type": "volume", "Target": "/data", "ReadOnly": True}]},
        "Mounts": [{"Type": "volume", "Name": "f00", "Destination": "/data"}],
    }
    mounts = create_request(raw)["HostConfig"]["Mounts"]
    assert mounts == [{"Type": "volume", "Source": "f00", "Target": "/data", "ReadOnly": True}]


def test_an_answer_without_mounts_and_networks_is_enough() -> None:
    made = create_request({"Id": "a", "Image": "sha256:1", "Config": {"Cmd": ["x"]}, "HostConfig": {}})
    assert made == {
        "Cmd": ["x"],
        "Image": "sha256:1",
        "HostConfig": {"Mounts": []},
        "NetworkingConfig": {"EndpointsConfig": {}},
    }


@pytest.mark.parametrize(
    ("mac", "addressed", "kept"),
    [
        ("02:42:c0:ff:ee:01", True, "02:42:c0:ff:ee:01"),
        # An engine before 28.0 has made it of the address, which may be another container's by then.
        ("02:42:0a:00:00:05", True, None),
        ("02:42:c0:ff:ee:01", False, None),
        ("", True, None),
    ],
)
def test_an_interface_keeps_a_mac_address_that_was_chosen(mac: str, addressed: bool, kept: str | None) -> None:  # noqa: FBT001
    raw = {
        "Id": "a",
        "Image": "sha256:1",
        "Config": {},
        "HostConfig": {},
        "NetworkSettings": {"Networks": {"lan": {"IPAddress": "10.0.0.5", "MacAddress": mac}}},
    }
    endpoint = create_request(raw, addressed=addressed)["NetworkingConfig"]["EndpointsConfig"]["lan"]
    assert endpoint.get("MacAddress") == kept


def test_podman_s_own_bridge_is_joined_only_where_it_was() -> None:
    said: dict[str, Any] = {"Id": "a", "Image": "sha256:1", "Config": {}, "HostConfig": {"NetworkMode": "bridge"}}
    on_others = create_request({**said, "NetworkSettings": {"Networks": {"lan": {}, "wan": {}}}})
    assert on_others["HostConfig"]["NetworkMode"] == "lan"
    assert on_others["NetworkingConfig"]["EndpointsConfig"] == {"lan": {}, "wan": {}}
    on_its_own = create_request({**said, "NetworkSettings": {"Networks": {"podman": {}}}})
    assert on_its_own["HostConfig"]["NetworkMode"] == "bridge"
    assert on_its_own["NetworkingConfig"]["EndpointsConfig"] == {}
