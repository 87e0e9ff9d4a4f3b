"""What Compose adds to a merged model, and what it finds does not go together."""

from __future__ import annotations

from typing import Any

import pytest

from kharness.settings.compose.finish import canonical_model, finished
from kharness.settings.compose.scalars import Faults


def made(services: dict[str, Any], **more: Any) -> tuple[dict[str, Any], list[str]]:
    faults: Faults = []
    model = finished(canonical_model({"services": services, **more}, faults), project="shop", faults=faults)
    return model, [f"{'.'.join(map(str, loc))}: {message}" for loc, message in faults]


def test_a_service_without_networks_joins_the_projects_own() -> None:
    model, faults = made({"a": {"image": "i"}, "b": {"image": "i", "network_mode": "host"}})
    assert not faults
    assert model["services"]["a"]["networks"] == {"default": None}
    assert "networks" not in model["services"]["b"]
    assert model["networks"] == {"default": {"name": "shop_default", "ipam": {}}}


def test_names_on_the_engine_are_the_projects_or_said_or_external() -> None:
    volumes = {"a": None, "b": {"name": "mine"}, "c": {"external": True}, "d": {"external": {"name": "old"}}, "e": {}}
    mounts = [f"{name}:/{name}" for name in "abcd"]
    volumes = {name * 2: said for name, said in volumes.items()}
    mounts = [f"{name * 2}:/{name}" for name in "abcd"]
    model, faults = made({"s": {"image": "i", "volumes": mounts}}, volumes=volumes)
    assert not faults
    assert [said["name"] for said in model["volumes"].values()] == ["shop_aa", "mine", "cc", "old"]


def test_dependencies_follow_from_namespaces_links_and_volumes() -> None:
    service = {"image": "i", "network_mode": "service:a", "links": ["b:x"], "volumes_from": ["c:ro"]}
    model, faults = made({"s": service, **{name: {"image": "i"} for name in "abc"}})
    assert not faults
    needs = model["services"]["s"]["depends_on"]
    assert {name: need.get("restart", False) for name, need in needs.items()} == {"b": True, "a": True, "c": False}


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        ({"init": True}, "services.s: should have an image or a build"),
        ({"image": "i", "networks": ["gone"]}, "services.s.networks: should name what is defined at the top"),
        ({"image": "i", "volumes": ["gone:/x"]}, "services.s.volumes: should name what is defined at the top"),
        ({"image": "i", "secrets": ["gone"]}, "services.s.secrets: should name what is defined at the top"),
        (
            {"image": "i", "network_mode": "host", "networks": ["default"]},
            "services.s.network_mode: should not be set beside networks",
        ),
        (
            {"image": "i", "cpus": 1, "deploy": {"resources": {"limits": {"cpus": "2"}}}},
            "services.s.cpus: should be the same as deploy.resources.limits.cpus",
        ),
        ({"image": "i", "prots": []}, "services.s.prots: unknown key, did you mean 'ports'?"),
        ({"image": "i", "container_name": "cc", "scale": 2}, "services.s.container_name: should not be set"),
    ],
)
def test_what_does_not_go_together_is_a_fault(service: dict[str, Any], expected: str) -> None:
    _, faults = made({"s": service})
    assert len(faults) == 1
    assert faults[0].startswith(expected)


def test_two_services_cannot_have_one_host_port_or_one_name() -> None:
    service = {"image": "i", "ports": ["80:80"], "container_name": "cc"}
    _, faults = made({"a": service, "b": service})
    assert faults == [
        "services.b.container_name: should be another than that of a",
        "services.b.ports: should not publish port 80, which a publishes",
    ]
