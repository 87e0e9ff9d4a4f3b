"""A project's stack: the order of its starts, the names on its networks, and one copy of what two services share."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from kharness.errors import UsageError
from kharness.plan.facts import ImageFacts
from kharness.plan.launch.mounts import Scratch, VolumeAction
from kharness.plan.launch.plan import LaunchPlan, Subject, TestPlace, plan_test_launch
from kharness.plan.launch.runspec import Attachment
from kharness.plan.session.modes import Mode
from kharness.plan.session.stack import (
    Joined,
    has_data,
    in_namespaces,
    joined,
    made_sources,
    needed,
    placed,
    start_order,
)
from kharness.settings.compose.origin import Definition, ServiceOrigin
from kharness.settings.model import Settings

IMAGE = ImageFacts(id="sha256:1")
FRONT = (Attachment(network="front"),)


def settings(**said: Any) -> Settings:
    return Settings.model_validate({"image": "some:1", **said})


def origin(service: str, **networks: str) -> ServiceOrigin:
    return ServiceOrigin(
        project="shop",
        service=service,
        directory=Path("/shop"),
        files=(),
        container=f"shop-{service}-1",
        networks={name: Definition(key=key, name=name) for key, name in networks.items()},
    )


def planned(name: str, found: Settings) -> LaunchPlan:
    place = TestPlace(
        name=f"test-{name}-s1",
        network="n",
        scratch=Scratch(directory=PurePosixPath("/copies") / name, prefix=f"test-{name}"),
        labels={},
    )
    subject = Subject(name=name, settings=found, image=IMAGE, built=False)
    return plan_test_launch(subject, mode=Mode.STANDALONE, place=place, volume_root=PurePosixPath("/dv"))


def test_a_service_starts_after_those_that_it_needs_and_one_that_is_not_enabled_need_not_be_there() -> None:
    services = {
        "web": settings(depends_on={"app": {"condition": "service_healthy"}, "extra": {}}),
        "app": settings(depends_on=["db"]),
        "db": settings(),
    }
    assert start_order(services) == ("db", "app", "web")
    assert needed(services["web"], services) == {"app": "service_healthy"}


def test_a_circle_is_refused_with_its_services() -> None:
    with pytest.raises(UsageError, match=r"circle: (a -> b -> a|b -> a -> b)"):
        start_order({"a": settings(depends_on=["b"]), "b": settings(depends_on=["a"])})


def test_a_service_is_found_by_all_the_names_that_lead_to_it_in_production() -> None:
    found = settings(networks={"shop_front": {"aliases": ["shop", "web"]}}, hostname="www", container_name="proxy")
    assert joined(found, origin("web", front="shop_front")) == (
        Joined(key="front", aliases=("web", "proxy", "shop-web-1", "www", "shop")),
    )


@pytest.mark.parametrize("said", [{}, {"network_mode": "host"}])
def test_a_service_without_networks_of_its_own_is_on_the_default_network(said: dict[str, str]) -> None:
    assert joined(settings(**said), origin("web")) == (Joined(key="default", aliases=("web", "shop-web-1")),)


def test_a_service_without_any_network_joins_none() -> None:
    assert joined(settings(network_mode="none"), origin("web")) == ()


def test_a_volume_that_two_services_share_is_made_once_and_both_see_it() -> None:
    found = settings(volumes=["shop_data:/data", "shop_cache:/cache"])
    first = placed(planned("db", found), networks=FRONT, shared={})
    second = placed(planned("backup", settings(volumes=["shop_data:/in"])), networks=FRONT, shared=made_sources(first))
    assert [mount.source for mount in second.spec.mounts] == ["test-db-0"]
    assert [volume.action for volume in second.volumes] == [VolumeAction.NONE]
    assert made_sources(second) == {}
    assert second.spec.networks == FRONT


def test_what_uses_the_network_of_another_service_has_no_names_or_servers_of_its_own() -> None:
    plan = in_namespaces(placed(planned("vpn", settings()), networks=(), shared={}), {"network": "abc", "ipc": "def"})
    assert plan.spec.networks == (Attachment(network="container:abc"),)
    assert (plan.spec.hostname, plan.spec.dns, plan.spec.ipc) == (None, (), "container:def")


@pytest.mark.parametrize("volume", ["data:/data", "./data:/data"])
def test_what_outlives_the_container_and_can_be_written_is_data(volume: str) -> None:
    assert has_data(settings(volumes=[volume]))


@pytest.mark.parametrize("volumes", [[], ["./conf:/etc/conf:ro"], ["/anonymous"]])
def test_what_is_only_read_or_goes_with_the_container_is_no_data(volumes: list[str]) -> None:
    assert not has_data(settings(volumes=volumes))
