"""What depends on how a real engine behaves: swaps, health commands, volumes, networks."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kharness.engine.api import Engine, NetworkRequest
from kharness.errors import ConflictError, EngineError, LaunchError
from kharness.host.session.owner import current_owner
from kharness.ops.image.build import build
from kharness.ops.launch.subject import instance_subject
from kharness.ops.session.readiness import wait_ready
from kharness.ops.session.reap import reap
from kharness.ops.session.session import TestSession
from kharness.plan import labels
from kharness.plan.facts import ContainerFacts, ImageFacts, PortRef
from kharness.plan.launch.life import is_finished_job
from kharness.plan.launch.runspec import Mount, MountKind, RunSpec
from kharness.plan.session.modes import Mode
from kharness.plan.session.readiness import ByHealth, ByPorts, ByRunning, ReadyCheck
from kharness.settings.catalog import ContainerDir
from kharness.settings.host import NetworkDecl
from tests.ops.site import Site

SLEEPS = "CMD sleep 600"
FAILS = 'CMD echo "no database" >&2; exit 3'


@pytest.fixture
def site(tmp_path: Path, engine: Engine, busybox: str, prefix: str) -> Iterator[Site]:
    found = Site(tmp_path / "site", engine, busybox, prefix, place=secrets.randbelow(256))
    found.path.mkdir()
    yield found
    found.remove()


def production(site: Site, directory: ContainerDir) -> ContainerFacts:
    found = site.engine.container(directory.name)
    assert found is not None
    return found


def port() -> int:
    return 20000 + secrets.randbelow(10000)


def test_production_is_swapped_under_its_address_and_port_and_comes_back_with_its_policy(site: Site) -> None:
    lan = site.name("lan")
    address, published = f"10.220.{site.place}.9", port()
    directory = site.add(
        "web",
        f"""\
        networks: {{{lan}: {{ipv4_address: {address}}}}}
        ports: [{published}:8080]
        volumes: [./data:/data]
        restart: on-failure:4
        stop_grace_period: 1s
        release: {{verify_for: 300ms}}
        """,
        dockerfile="FROM scratch\n",
    )
    networks = {lan: NetworkDecl(subnet=f"10.220.{site.place}.0/24")}
    serves = "CMD exec httpd -f -p 8080 -h /tmp"
    one, two, bad = site.image("1", serves), site.image("2", f"LABEL v=2\n{serves}"), site.image("bad", FAILS)
    assert site.launch(directory, one, networks=networks).kind == "launched"
    first = production(site, directory)
    assert first.addresses == {lan: address}

    done = site.launch(directory, bad, networks=networks)
    assert done.kind == "undone"
    assert "no database" in done.reasons[0]
    back = production(site, directory)
    assert (back.id, back.running, back.addresses) == (first.id, True, {lan: address})
    assert back.raw["HostConfig"]["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 4}
    assert {found.host_port for found in back.published} == {published}

    assert site.launch(directory, one, networks=networks).kind == "unchanged"
    assert site.launch(directory, two, networks=networks).kind == "launched"
    second = production(site, directory)
    assert (second.image_id, second.addresses) == (two.id, {lan: address})
    assert site.engine.container(first.id) is None
    names = {found.name for found in site.engine.containers() if site.prefix in found.name}
    assert names == {directory.name}
    tags = site.harness().tags(directory.name)
    for ref, image in ((tags.live, two), (tags.prev, one)):
        found = site.engine.image(ref)
        assert found is not None
        assert found.id == image.id


def test_an_address_that_somebody_took_while_production_was_down_is_named(site: Site) -> None:
    lan, address = site.name("lan"), f"10.220.{site.place}.9"
    fixed = f"networks: {{{lan}: {{ipv4_address: {address}}}}}\nstop_grace_period: 1s\nrelease: {{verify_for: 0s}}\n"
    directory = site.add("web", fixed, dockerfile="FROM scratch\n")
    holder = site.add("holder", fixed, dockerfile="FROM scratch\n")
    networks = {lan: NetworkDecl(subnet=f"10.220.{site.place}.0/24")}
    one, two = site.image("1", SLEEPS), site.image("2", f"LABEL v=2\n{SLEEPS}")
    assert site.launch(directory, one, networks=networks).kind == "launched"
    site.engine.stop(directory.name, timeout=0)
    before = production(site, directory)
    assert site.launch(holder, one, networks=networks).kind == "launched"
    done = site.launch(directory, two, networks=networks)
    assert done.kind == "undone"
    assert f"its address is in use (Address already in use); it wants {address} on {lan}" in done.reasons[0]
    after = production(site, directory)
    assert (after.id, after.state, after.image_id) == (before.id, before.state, one.id)
    assert production(site, holder).running
    site.engine.remove(holder.name, force=True)
    assert site.launch(directory, two, networks=networks).kind == "launched"


def test_a_port_that_something_else_has_is_named_before_production_is_stopped(site: Site) -> None:
    taken = port()
    directory = site.add("web", f"ports: [{taken}:80]\n", dockerfile="FROM scratch\n")
    holder = site.add("holder", f"ports: [{taken}:80]\nrelease: {{verify_for: 0s}}\n", dockerfile="FROM scratch\n")
    serves = site.image("1", "CMD exec httpd -f -p 80 -h /tmp")
    assert site.launch(holder, serves).kind == "launched"
    with pytest.raises(ConflictError, match=f"port {taken}/tcp is published by the container {holder.name}"):
        site.launch(directory, serves)
    assert site.engine.container(directory.name) is None
    assert site.engine.image(site.harness().tags(directory.name).live) is None
    before = production(site, holder)
    # Its own port is none that another has, and a process has the one that is new.
    with socket.socket() as process:
        process.bind(("0.0.0.0", 0))
        process.listen()
        also = process.getsockname()[1]
        settings = f"ports: [{taken}:80, {also}:80]\nrelease: {{verify_for: 0s}}\n"
        site.add("holder", settings, dockerfile="FROM scratch\n")
        with pytest.raises(ConflictError, match=rf"port {also}/tcp is in use by \S+ \(pid {os.getpid()}\)"):
            site.launch(holder, serves)
    assert production(site, holder).started_at == before.started_at
    assert site.launch(holder, serves).kind == "launched"


def test_a_container_that_crashes_while_it_is_watched_is_replaced_by_the_old_one(site: Site) -> None:
    settings = "restart: always\nstop_grace_period: 1s\nrelease: {{verify_for: {}}}\n"
    directory = site.add("web", settings.format("0s"), dockerfile="FROM scratch\n")
    assert site.launch(directory, site.image("1", SLEEPS)).kind == "launched"
    before = production(site, directory)
    site.add("web", settings.format("5s"))
    done = site.launch(directory, site.image("2", 'CMD sleep 0.7; echo "out of luck"; exit 1'))
    assert done.kind == "undone"
    assert "did not keep running in production" in done.reasons[0]
    assert "out of luck" in done.reasons[0]
    after = production(site, directory)
    assert (after.id, after.running, after.restart_policy) == (before.id, True, "always")


def test_a_container_that_becomes_unhealthy_while_it_is_watched_is_replaced_by_the_old_one(site: Site) -> None:
    directory = site.add("web", "stop_grace_period: 1s\nrelease: {verify_for: 0s}\n", dockerfile="FROM scratch\n")
    assert site.launch(directory, site.image("1", SLEEPS)).kind == "launched"
    before = production(site, directory)
    site.add("web", "stop_grace_period: 1s\n")
    # By the engine's defaults it would be unhealthy after a minute and a half.
    fails_late = "HEALTHCHECK CMD test ! -e /tmp/late\nCMD sleep 2; touch /tmp/late; exec sleep 600"
    done = site.launch(directory, site.image("2", fails_late))
    assert done.kind == "undone"
    assert "became unhealthy in production: its health command" in done.reasons[0]
    after = production(site, directory)
    assert (after.id, after.running) == (before.id, True)


def test_a_job_that_ends_with_0_is_launched_and_one_that_ends_with_3_is_not(site: Site) -> None:
    settings = 'restart: "no"\nrelease: {verify_for: 3s}\n'
    directory = site.add("job", settings, dockerfile="FROM scratch\n")
    done = site.image("1", "HEALTHCHECK CMD false\nCMD sleep 0.5; echo done")
    assert site.launch(directory, done).kind == "launched"
    assert is_finished_job(production(site, directory))
    failed = site.launch(directory, site.image("2", "CMD sleep 1.5; exit 3"))
    assert failed.kind == "undone"
    assert "it exited with 3" in failed.reasons[0]
    assert production(site, directory).image_id == done.id


def started(site: Site, image: ImageFacts, **more: object) -> tuple[str, RunSpec]:
    spec = replace(RunSpec(name=site.name(secrets.token_hex(3)), image=image.id), **more)  # type: ignore[arg-type]
    container = site.engine.create(spec)
    site.engine.start(container)
    return container, spec


def waited(site: Site, dockerfile: str, check: ReadyCheck, *, timeout: float = 60.0) -> float:
    container, spec = started(site, site.image("x", dockerfile))
    return wait_ready(site.engine, container, check, spec=spec, timeout=timeout)


def test_a_service_is_seen_as_soon_as_its_health_command_says_so(site: Site) -> None:
    check = ByHealth(("test", "-e", "/tmp/ready"))
    assert 0.5 < waited(site, "CMD sleep 0.6; touch /tmp/ready; sleep 600", check) < 30


def test_a_health_command_that_is_not_in_the_image_ends_the_wait(site: Site) -> None:
    with pytest.raises(LaunchError, match=r"can never be ready: .*nosuch") as caught:
        waited(site, SLEEPS, ByHealth(("/bin/nosuch",)), timeout=60.0)
    assert "it cannot run in this image" in str(caught.value)


def test_a_health_command_that_hangs_does_not_outlast_the_wait(site: Site) -> None:
    with pytest.raises(LaunchError, match=r"was not ready after 1 s: its health command did not answer"):
        waited(site, SLEEPS, ByHealth(("sleep", "60")), timeout=1.0)


def test_a_port_is_seen_when_it_listens_for_others_and_not_before(site: Site) -> None:
    check = ByPorts((PortRef(8080),))
    assert waited(site, "CMD sleep 0.6; exec httpd -f -p 8080 -h /tmp", check) > 0.5
    with pytest.raises(LaunchError, match="nothing listens on 8080/tcp"):
        waited(site, "CMD exec httpd -f -p 127.0.0.1:8080 -h /tmp", check, timeout=1.0)


def test_an_exit_is_seen_at_once_with_what_was_said_last(site: Site) -> None:
    with pytest.raises(LaunchError, match=r"exited with 3(.|\n)*no database"):
        waited(site, FAILS, ByPorts((PortRef(80),)), timeout=60.0)
    assert waited(site, "CMD true", ByRunning(may_exit=True)) < 30


def test_a_default_that_stops_a_container_is_named_with_the_key_that_relaxes_it(site: Site) -> None:
    image = site.image("x", "CMD touch /var/x && sleep 600")
    container, spec = started(site, image, read_only=True)
    with pytest.raises(LaunchError, match="read_only: false"):
        wait_ready(site.engine, container, ByPorts((PortRef(80),)), spec=spec, timeout=60.0)


def session(site: Site, mode: Mode, **host: object) -> TestSession:
    return TestSession(site.harness(**host), session=secrets.token_hex(4), mode=mode)


def test_a_copy_has_production_s_owners_and_goes_without_a_trace(site: Site) -> None:
    directory = site.add("web", "volumes: [./data:/data, ./new:/new]\nuser: nobody\n", dockerfile="FROM scratch\n")
    data = site.path / "dv" / directory.name / "data"
    data.mkdir(parents=True)
    (data / "real").write_text("of customers")
    if os.geteuid() == 0:
        os.chown(data, 65534, 65534)
        os.chown(data / "real", 65534, 65534)
    trial = session(site, Mode.PROD_READY)
    subject = instance_subject(directory, site.harness().settings(directory), site.image("1", SLEEPS))
    instance = trial.instance(trial.launch(subject), subject)
    try:
        assert (
            instance.exec("sh", "-c", "cat /data/real; echo of a test >/data/real; touch /new/x").stdout
            == "of customers"
        )
        assert instance.volume("/data").read_text("real") == "of a test\n"
        assert instance.volume("./new").path.joinpath("x").stat().st_uid == 65534
    finally:
        trial.close()
    assert (data / "real").read_text() == "of customers"
    assert not list((site.path / "state").glob("copies/*"))
    assert not (data.parent / "new").exists()


def test_a_named_volume_is_copied_and_the_copy_removed(site: Site) -> None:
    directory = site.add("web", f"volumes: ['{site.name('vol')}:/data']\n", dockerfile="FROM scratch\n")
    site.engine.create_volume(site.name("vol"))
    image = site.image("1", SLEEPS)
    mount = Mount(kind=MountKind.VOLUME, source=site.name("vol"), target="/data")
    container, _ = started(site, image, mounts=(mount,), command=("sh", "-c", "echo real >/data/x"))
    site.engine.wait(container, timeout=60)
    trial = session(site, Mode.PROD_READY)
    subject = instance_subject(directory, site.harness().settings(directory), image)
    try:
        instance = trial.instance(trial.launch(subject), subject)
        assert instance.exec("sh", "-c", "cat /data/x; rm /data/x").stdout == "real\n"
    finally:
        trial.close()
    assert [found.name for found in site.engine.volumes() if site.prefix in found.name] == [site.name("vol")]
    container, _ = started(site, image, mounts=(mount,), command=("cat", "/data/x"))
    site.engine.wait(container, timeout=60)
    assert site.engine.logs(container) == "real\n"


def test_a_subnet_that_another_network_has_is_passed_over(site: Site) -> None:
    directory = site.add("web", "{}", dockerfile="FROM scratch\n")
    taken = [f"10.219.{site.place}.{start}/26" for start in (0, 64, 128)]
    for number, subnet in enumerate(taken):
        site.engine.create_network(NetworkRequest(name=site.name(f"taken-{number}"), subnet=subnet, internal=True))
    subject = instance_subject(directory, site.harness().settings(directory), site.image("1", SLEEPS))
    trial = session(site, Mode.STANDALONE)
    try:
        assert trial.launch(subject).address.startswith(f"10.219.{site.place}.")
    finally:
        trial.close()
    site.engine.create_network(
        NetworkRequest(name=site.name("last"), subnet=f"10.219.{site.place}.192/26", internal=True)
    )
    trial = session(site, Mode.STANDALONE)
    with pytest.raises(EngineError, match=r"4 of 10\.219.*were tried and all overlap"):
        trial.launch(subject)
    trial.close()


def test_a_dependency_answers_under_its_own_name_and_only_there(site: Site) -> None:
    need = site.add("db", "expose: [8080]\n", dockerfile="FROM scratch\n")
    directory = site.add("web", f"depends_on: [{need.name}]\n", dockerfile="FROM scratch\n")
    serves = site.image("db", "CMD echo hello >/tmp/index.html; exec httpd -f -p 8080 -h /tmp")
    site.engine.tag(serves.id, site.harness().tags(need.name).live)
    subject = instance_subject(directory, site.harness().settings(directory), site.image("1", SLEEPS))
    trial = session(site, Mode.STANDALONE)
    try:
        instance = trial.instance(trial.launch(subject, needs=trial.needs(subject.settings)), subject)
        assert instance.exec("wget", "-q", "-O", "-", f"http://{need.name}:8080/").stdout == "hello\n"
    finally:
        trial.close()
    assert not [found.name for found in site.engine.containers() if site.prefix in found.name]


def test_a_session_that_was_killed_is_cleaned_up_after(site: Site) -> None:
    directory = site.add("web", "volumes: [./data:/data, cache:/cache]\n", dockerfile="FROM scratch\n")
    subject = instance_subject(directory, site.harness().settings(directory), site.image("1", SLEEPS))
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    # On a machine of its own, whose dead no other test's session takes away.
    here = replace(current_owner(), machine=secrets.token_hex(16))
    killed = replace(site.harness(), owner=replace(here, pid=int(gone.stdout)))
    TestSession(killed, session=secrets.token_hex(4), mode=Mode.STANDALONE).launch(subject)
    mine = [
        found
        for found in reap(replace(site.harness(), owner=here))
        if site.prefix in found.name or str(site.path) in found.name
    ]
    assert {found.kind for found in mine} == {"container", "volume", "copies"}
    assert not [each.name for each in site.engine.containers() if site.prefix in each.name]
    assert not list((site.path / "state").glob("copies/*"))


def test_a_child_of_a_candidate_is_found_unchanged_once_the_candidate_is_live(site: Site) -> None:
    base = site.add("base", "{}", dockerfile=f"FROM {site.busybox}\nCOPY files/ /\n", files={"b": "1"})
    child = site.add("web", "{}", dockerfile=f"FROM {site.prefix}/{base.name}:live\nCOPY files/ /\n", files={"c": "1"})
    harness = site.harness()
    candidate = build(harness, base, harness.settings(base))
    first = build(harness, child, harness.settings(child), candidates={base.name: candidate.image.id})
    assert first.image.layers[: len(candidate.image.layers)] == candidate.image.layers
    site.engine.tag(candidate.image.id, harness.tags(base.name).live)
    again = build(harness, child, harness.settings(child))
    assert (again.fresh, again.image.id, again.digest) == (False, first.image.id, first.digest)
    assert first.image.labels[labels.BASE] == candidate.image.id
