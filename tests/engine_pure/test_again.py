from __future__ import annotations

from typing import Any

from kharness.engine.again import create_request

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


def test_an_answer_without_mounts_and_networks_is_enough() -> None:
    made = create_request({"Id": "a", "Image": "sha256:1", "Config": {"Cmd": ["x"]}, "HostConfig": {}})
    assert made == {
        "Cmd": ["x"],
        "Image": "sha256:1",
        "HostConfig": {"Mounts": []},
        "NetworkingConfig": {"EndpointsConfig": {}},
    }
