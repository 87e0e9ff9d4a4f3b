"""Each check against what a real engine says: container and image that are all wrong, and such that are all right."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kharness.engine.api import BuildRequest
from kharness.errors import EngineError, KharnessError, UnseenError
from kharness.host.state.state import Entry
from kharness.ops.checks import Inspection, examine, now
from kharness.ops.launch.deviations import plan_of, remember_launch
from kharness.ops.launch.subject import production_subject
from kharness.plan import labels
from kharness.plan.checks.catalog import BY_ID, CHECKS
from kharness.plan.checks.check import Ruling
from kharness.plan.checks.content import Content
from kharness.plan.checks.image import Age, ImageStory, Origin
from kharness.plan.checks.launch import Launch, inspected
from kharness.plan.facts import EngineFacts, ImageFacts
from kharness.plan.session.modes import Mode
from kharness.settings.policy import Policy, Waiver
from tests.ops.site import Site
from tests.plan.checks.test_leaks import TOKENS, pem
from tests.rootfs import context

BAD_IMAGE = """
ENV DB_PASSWORD=hunter2
RUN cp /bin/busybox /bin/su2 && chmod 4755 /bin/su2 && mkdir -m 777 /open && touch /bin/apk
COPY files/ /
RUN rm /key.pem && rm -r /d
RUN API_TOKEN=0a1b2c3d4e true
EXPOSE 80
CMD ["sh", "-c", "httpd -f -p 81 -h /tmp & exec sleep 600"]
"""
GOOD_IMAGE = """
RUN sed -i /^root:/d /etc/passwd
USER 65534:65534
EXPOSE 8080
HEALTHCHECK CMD ["wget", "-q", "-O", "/dev/null", "http://127.0.0.1:8080/"]
CMD ["httpd", "-f", "-p", "8080", "-h", "/tmp"]
"""
BAD_HOST = {
    "CapAdd": ["NET_ADMIN"],
    "SecurityOpt": ["seccomp=unconfined"],
    "IpcMode": "host",
    "Binds": ["/run/docker.sock:/docker.sock:ro", "/usr/share/doc:/doc"],
    "RestartPolicy": {"Name": "always"},
    "Devices": [{"PathOnHost": "/dev/null", "PathInContainer": "/dev/sda", "CgroupPermissions": "r"}],
    "DeviceCgroupRules": ["c 1:3 r"],
    "PortBindings": {"81/tcp": [{"HostIp": "", "HostPort": ""}]},
}
GOOD_HOST = {
    "CapDrop": ["ALL"],
    "SecurityOpt": ["no-new-privileges:true"],
    "ReadonlyRootfs": True,
    "Binds": ["/usr/share/doc:/doc:ro"],
    "Memory": 64 << 20,
    "NanoCpus": 500_000_000,
    "PidsLimit": 50,
    "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3},
    "PortBindings": {"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]},
    "LogConfig": {"Type": "local"},
    "Init": True,
}
STARTABLE = {check.id for check in CHECKS} - {"KH106", "KH118"}
"""Privileged containers do not start where root lacks a capability, nor shared binds where the host's mount is private:
these are inspected as created.
"""


@dataclass
class Pair:
    """Production of two container directories."""

    site: Site
    bad: Inspection
    good: Inspection


@pytest.fixture(scope="module")
def pair(site: Site) -> Pair:
    planted = {
        "files/key.pem": pem("EC PRIVATE KEY"),
        "files/d/deep/token": TOKENS["a GitHub token"],
        "files/etc/cloud.conf": f"key = {TOKENS['an AWS access key']}\n",
    }
    bad = built(site, "bad", BAD_IMAGE, {name: content.encode() for name, content in planted.items()})
    good = built(site, "good", GOOD_IMAGE)
    return Pair(
        site,
        production(site, "bad", bad, BAD_HOST, settings="policy: {max_age: 0}\n", dockerfile=f"FROM {site.busybox}\n"),
        production(site, "good", good, GOOD_HOST, settings="{}\n", dockerfile="FROM scratch\n", recorded=True),
    )


def built(site: Site, tag: str, dockerfile: str, files: dict[str, bytes] | None = None) -> ImageFacts:
    request = BuildRequest(tag=f"{site.prefix}/images:{tag}")
    return site.engine.build([context(f"FROM {site.busybox}\n{dockerfile}", files)], request)


def production(
    site: Site,
    short: str,
    image: ImageFacts,
    host: dict[str, Any],
    *,
    settings: str,
    dockerfile: str,
    recorded: bool = False,
) -> Inspection:
    directory = site.add(short, settings, dockerfile=dockerfile)
    harness = site.harness()
    request = {
        "Image": image.id,
        "Labels": {**site.production(directory.name, image.id), labels.RELEASE: "r1"},
        "HostConfig": host,
        "ExposedPorts": {port: {} for port in host["PortBindings"]},
    }
    container = site.engine.create_again(directory.name, {**request, "NetworkingConfig": {"EndpointsConfig": {}}})
    site.engine.start(container)
    if not recorded:
        assert site.engine.exec(container, ["touch", "/bin/.planted"]).ok
    if recorded:
        site.engine.tag(image.id, harness.tags(directory.name).live)
        harness.state.record_release(entry(directory.name, image.id))
        remembered(site, short, image, container)
    else:
        site.engine.tag(site.busybox, harness.tags(directory.name).live)
        harness.state.record_release(entry(directory.name, "sha256:another"))
    return inspection(site, short, image, container)


def inspection(site: Site, short: str, image: ImageFacts, container: str, mode: Mode = Mode.IN_PROD) -> Inspection:
    harness = site.harness()
    directory = harness.catalog.select(site.name(short), prefix=False)
    return Inspection(
        harness=harness,
        directory=directory,
        settings=harness.settings(directory),
        image=image,
        container=container,
        mode=mode,
        now=now(),
    )


def remembered(site: Site, short: str, image: ImageFacts, container: str) -> None:
    # As a launch does; nothing was asked for, so that all that the engine has is its own.
    harness = site.harness()
    directory = harness.catalog.select(site.name(short), prefix=False)
    subject = production_subject(harness, directory, harness.settings(directory), image)
    found = site.engine.container(container)
    assert found is not None
    remember_launch(harness, subject, plan_of(harness, directory, found), container)


def entry(name: str, image: str) -> Entry:
    return Entry(
        name=name,
        kind="promote",
        image_id=image,
        previous=None,
        digest=None,
        commit=None,
        who="test",
        at=time.time(),
        session="s",
        tests=1,
    )


@contextmanager
def created(site: Site, short: str, host: dict[str, Any]) -> Iterator[Launch]:
    """A container that is never started, as the engine says it would be launched."""
    image = site.engine.image(site.busybox)
    assert image is not None
    request = {"Image": image.id, "HostConfig": host}
    container = site.engine.create_again(site.name(short), {**request, "NetworkingConfig": {"EndpointsConfig": {}}})
    try:
        found = site.engine.container(container)
        assert found is not None
        yield inspected(found.raw, health=found.health_check)
    finally:
        site.engine.remove(container, force=True)


@pytest.mark.parametrize("identifier", sorted(STARTABLE))
def test_a_check_finds_the_fault_of_a_running_container(pair: Pair, identifier: str) -> None:
    found = examine(pair.bad, BY_ID[identifier])
    # What is the host's is reported, unless its owner enforces it.
    assert found.ruling is (Ruling.REPORTED if identifier == "KH403" else Ruling.FAILED)
    assert found.findings


@pytest.mark.parametrize("identifier", sorted(STARTABLE - {"KH403"}))
def test_a_check_finds_nothing_in_a_good_container(pair: Pair, identifier: str) -> None:
    assert examine(pair.good, BY_ID[identifier]).findings == ()


def test_each_fault_is_named(pair: Pair) -> None:
    def found(identifier: str) -> str:
        return "; ".join(examine(pair.bad, BY_ID[identifier]).findings)

    assert "/run/docker.sock is mounted at /docker.sock" in found("KH108")
    assert found("KH109") == "/usr/share/doc is writable at /doc"
    assert found("KH107") == "it shares the host's ipc namespace"
    assert found("KH201").startswith("/bin/.planted: added, hidden")
    assert found("KH303") == "/bin/su2"
    assert found("KH304") == "/open"
    assert found("KH305") == "/bin/apk"
    assert found("KH306").endswith("; the variable DB_PASSWORD has a value of DB_PASSWORD")
    assert "the command of step" in found("KH306")
    assert found("KH307").split("; ") == [
        "/etc/cloud.conf has an AWS access key",
        "/d/deep/token has a GitHub token",
        "a later layer removes or replaces it, and it is still in the image",
        "/key.pem has a private key",
        "a later layer removes or replaces it, and it is still in the image",
    ]
    assert "has a value of API_TOKEN" in found("KH306")
    assert "a program listens on 81/tcp" in found("KH308")
    assert "80/tcp is exposed, and nothing listens on it" in found("KH308")
    assert found("KH310") == "beside sh, which its entry point starts, it runs httpd, sleep"
    assert "hunter2" not in found("KH306")


@pytest.mark.parametrize(
    ("host", "identifier"),
    [
        ({"Privileged": True}, "KH106"),
        ({"Binds": ["/usr/share/doc:/doc:ro,rshared"]}, "KH118"),
        ({"PidMode": "host"}, "KH107"),
        ({"UTSMode": "host"}, "KH107"),
        ({"NetworkMode": "host"}, "KH107"),
    ],
)
def test_a_container_that_may_not_start_is_inspected_as_created(
    site: Site, host: dict[str, Any], identifier: str
) -> None:
    check = BY_ID[identifier]
    with created(site, "odd", host) as launch:
        assert list(check.judge(launch, Policy()))
    with created(site, "plain", {}) as launch:
        assert list(check.judge(launch, Policy())) == []


def test_a_mount_through_a_link_counts_as_its_target(pair: Pair, tmp_path: Path) -> None:
    site = pair.site
    (tmp_path / "link").symlink_to("/usr/share/doc")
    volume = site.name("disguised")
    site.engine.create_volume(volume, options={"type": "none", "o": "bind", "device": "/usr/share/man"})
    host = {"Binds": [f"{tmp_path}/link:/linked", f"{volume}:/volume"]}
    request = {"Image": pair.good.image.id, "HostConfig": host, "NetworkingConfig": {"EndpointsConfig": {}}}
    container = site.engine.create_again(site.name("mounts"), request)
    try:
        site.engine.start(container)
        found = examine(inspection(site, "good", pair.good.image, container), BY_ID["KH109"]).findings
    finally:
        site.engine.remove(container, force=True)
        site.engine.remove_volume(volume)
    assert sorted(found) == ["/usr/share/doc is writable at /linked", "/usr/share/man is writable at /volume"]


def test_a_waived_check_may_lack_evidence(pair: Pair) -> None:
    gone = inspection(pair.site, "good", pair.good.image, "nobody")
    waived = Policy(waive={"KH308": Waiver(reason="it comes and goes")})
    gone.settings = gone.settings.model_copy(update={"policy": waived})
    assert examine(gone, BY_ID["KH308"]).ruling is Ruling.WAIVED
    with pytest.raises(UnseenError):
        examine(gone, BY_ID["KH310"])


def test_nothing_passes_on_a_container_that_does_not_run(pair: Pair) -> None:
    site = pair.site
    container = site.engine.create_again(
        site.name("stopped"),
        {"Image": pair.good.image.id, "HostConfig": {}, "NetworkingConfig": {"EndpointsConfig": {}}},
    )
    stopped = inspection(site, "good", pair.good.image, container)
    for check in CHECKS:
        if check.part not in {Content, ImageStory, Origin, Age, EngineFacts}:
            with pytest.raises(UnseenError, match="created: only a running container can be inspected"):
                examine(stopped, check)
    site.engine.remove(container, force=True)
    with pytest.raises(UnseenError, match="is gone"):
        examine(inspection(site, "good", pair.good.image, container), BY_ID["KH101"])


def test_nothing_passes_on_an_image_that_is_gone(pair: Pair) -> None:
    gone = inspection(pair.site, "good", ImageFacts(id=f"sha256:{'0' * 64}"), pair.good.container)
    for check in CHECKS:
        if check.part in {Content, ImageStory}:
            with pytest.raises(EngineError, match="sha256:0000"):
                examine(gone, check)
        if check.part is Age:
            assert examine(gone, check).findings


@pytest.mark.parametrize("raw", [{}, {"Config": {}}, {"Config": {"User": "x"}, "HostConfig": {}}])
def test_nothing_passes_on_an_incomplete_answer(raw: dict[str, Any]) -> None:
    with pytest.raises(KharnessError, match="the engine's answer"):
        inspected(raw, health=None)


def test_an_image_is_read_once(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    before = examine(inspection(pair.site, "bad", pair.bad.image, pair.bad.container), BY_ID["KH307"])
    monkeypatch.setattr(type(pair.site.engine), "save_image", lambda *_: pytest.fail("it was read again"))
    again = inspection(pair.site, "bad", pair.bad.image, pair.bad.container)
    assert examine(again, BY_ID["KH307"]) == before


@pytest.mark.parametrize("damage", ["", "{", '{"version": 0}', '{"version": 2, "said": {"files": 1}}'])
def test_a_damaged_cache_is_not_used(pair: Pair, damage: str) -> None:
    before = examine(inspection(pair.site, "bad", pair.bad.image, pair.bad.container), BY_ID["KH307"])
    scans = list((pair.site.path / "state" / "scans").glob("*.json"))
    assert scans
    for file in scans:
        file.write_text(damage)
    again = inspection(pair.site, "bad", pair.bad.image, pair.bad.container)
    assert examine(again, BY_ID["KH307"]) == before


def test_before_a_promotion_the_plan_for_production_is_checked(pair: Pair) -> None:
    ready = inspection(pair.site, "bad", pair.bad.image, pair.bad.container, Mode.STANDALONE)
    found = {check.id for check in CHECKS if check.part is Launch and examine(ready, check).findings}
    # What kharness does by itself where nothing is said, is done.
    assert found == {"KH101", "KH110", "KH111", "KH115", "KH116"}
