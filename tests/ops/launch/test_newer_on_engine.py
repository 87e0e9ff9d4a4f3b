"""Keys that newer engines alone know, from the settings to production."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from kharness.engine.api import Engine
from kharness.errors import UsageError
from kharness.ops.launch.deviations import changes_of
from kharness.plan.launch.deviations import Changes
from kharness.plan.launch.runspec import API
from tests.ops.site import Site

pytestmark = pytest.mark.engine

MAC = "02:42:c0:ff:ee:03"


@pytest.fixture
def site(tmp_path: Path, engine: Engine, busybox: str, prefix: str) -> Iterator[Site]:
    found = Site(tmp_path, engine, busybox, prefix, place=secrets.randbelow(256))
    yield found
    found.remove()


def networks(site: Site) -> dict[str, dict[str, str]]:
    return {
        site.name("one"): {"subnet": f"10.217.{site.place}.0/28"},
        site.name("two"): {"subnet": f"10.218.{site.place}.0/28"},
    }


def settings(first: str, second: str) -> str:
    return f"""\
        image: x
        command: sleep 600
        healthcheck: {{test: "true", interval: 20s, start_period: 5s, start_interval: 500ms}}
        networks:
          {first}
          {second}
        release: {{verify_for: 0s}}
    """


def test_what_an_older_engine_does_not_know_is_said_and_left_out(site: Site) -> None:
    one = f"{site.name('one')}: {{mac_address: '{MAC}'}}"
    directory = site.add("web", settings(one, ""))
    done = site.launch(directory, site.image("1", 'CMD ["sleep", "600"]'), networks=networks(site))
    assert (done.kind, done.reasons) == ("launched", ())
    facts = site.engine.facts()
    lacks = "healthcheck.start_interval is left out: it needs Docker Engine 25.0 or newer, and this is Docker Engine"
    assert [note for note in done.notes if "start_interval" in note] == (
        [] if facts.serves(API) else [f"{lacks} {facts.version}"]
    )
    found = site.engine.container(directory.name)
    assert found is not None
    assert found.raw["NetworkSettings"]["Networks"][site.name("one")]["MacAddress"] == MAC
    assert found.raw["Config"]["Healthcheck"].get("StartInterval") == (500_000_000 if facts.serves(API) else None)
    assert changes_of(site.harness(networks=networks(site)), directory, found) == Changes()
    site.engine.stop(found.id, timeout=0)
    stopped = site.engine.container(directory.name)
    assert stopped is not None
    assert changes_of(site.harness(networks=networks(site)), directory, stopped) == Changes()


def test_a_mac_address_that_cannot_be_given_is_refused_before_anything_is_stopped(site: Site) -> None:
    image = site.image("1", 'CMD ["sleep", "600"]')
    one, two = site.name("one"), site.name("two")
    directory = site.add("web", settings(f"{one}:", ""))
    assert site.launch(directory, image, networks=networks(site)).kind == "launched"
    before = site.engine.container(directory.name)
    site.add("web", settings(f"{one}:", f"{two}: {{mac_address: '{MAC}'}}"))
    if site.engine.facts().serves(API):
        assert site.launch(directory, image, networks=networks(site)).kind == "launched"
        after = site.engine.container(directory.name)
        assert after is not None
        assert after.raw["NetworkSettings"]["Networks"][two]["MacAddress"] == MAC
        return
    version = site.engine.facts().version
    reason = (
        f"container {directory.name}: networks.{two}.mac_address needs Docker Engine 25.0 or newer, and this is Docker "
        f"Engine {version}: it gives a MAC address on the first network alone"
    )
    with pytest.raises(UsageError) as refused:
        site.launch(directory, image, networks=networks(site))
    assert str(refused.value) == reason
    after = site.engine.container(directory.name)
    assert after is not None
    assert before is not None
    assert (after.id, after.started_at) == (before.id, before.started_at)
