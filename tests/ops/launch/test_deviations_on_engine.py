"""What people change of production by hand, on a real engine: it is named, and told apart from edited settings."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from kharness.engine.api import Engine
from kharness.errors import EngineError, RefusedError
from kharness.ops.checks import Inspection, examine, now
from kharness.ops.fleet.course import Fleet
from kharness.ops.fleet.groups import plan_group, work_on
from kharness.ops.fleet.status import check_up, statuses
from kharness.ops.launch.deviations import RECORDS, changes_of
from kharness.ops.launch.up import run, up
from kharness.ops.release.stopping import down, restart
from kharness.plan.checks.catalog import BY_ID
from kharness.plan.checks.check import Ruling
from kharness.plan.facts import ContainerFacts, ImageFacts
from kharness.plan.session.modes import Mode
from kharness.settings.catalog import ContainerDir
from kharness.settings.host import NetworkDecl
from tests.ops.site import Site

IMAGE = """\
ENV PATH=/bin A=image
VOLUME /kept
EXPOSE 80
HEALTHCHECK --interval=30s CMD ["true"]
CMD ["sleep", "600"]
"""
SETTINGS = """\
networks: {{{lan}: {{ipv4_address: 10.221.{place}.9, aliases: [other]}}, {back}: {{}}}}
volumes: [./data:/data, '{vol}:/named:ro', /anonymous]
tmpfs: ['/run:mode=1777,size=1m', /tmp]
environment: {{SECRET: hunter22, A: mine}}
mem_limit: 64m
cpus: 0.5
ulimits: {{nofile: 1000}}
sysctls: {{net.ipv4.conf.all.forwarding: 1, net.ipv4.ip_unprivileged_port_start: 80}}
cap_add: [net_bind_service]
extra_hosts: {{somewhere: 10.1.2.3}}
dns: [10.1.1.1]
labels: {{team: blue}}
healthcheck: {{timeout: 5s}}
logging: {{driver: json-file, options: {{max-size: 1m}}}}
restart: on-failure:4
stop_grace_period: 1s
release: {{verify_for: 0s}}
"""


def docker(*words: str) -> str:
    return subprocess.run(("docker", *words), check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, engine: Engine, busybox: str) -> Iterator[Site]:
    prefix = f"kharness-test-{busybox.rpartition(':')[2]}-hand"
    found = Site(tmp_path_factory.mktemp("site") / "site", engine, busybox, prefix, place=77)
    found.path.mkdir()
    yield found
    found.remove()


@pytest.fixture(scope="module")
def image(site: Site) -> ImageFacts:
    return site.image("1", IMAGE)


def found(site: Site, directory: ContainerDir) -> ContainerFacts:
    facts = site.engine.container(directory.name)
    assert facts is not None
    return facts


def by_hand(site: Site, directory: ContainerDir) -> list[str]:
    return [str(each) for each in changes_of(site.harness(), directory, found(site, directory)).by_hand]


def test_what_was_changed_by_hand_is_named_everywhere_and_taken_back_by_a_launch(site: Site, image: ImageFacts) -> None:
    lan, back = site.name("lan"), site.name("back")
    networks = {lan: NetworkDecl(subnet=f"10.221.{site.place}.0/24"), back: NetworkDecl()}
    said = SETTINGS.format(lan=lan, back=back, vol=site.name("vol"), place=site.place)
    directory = site.add("web", said, dockerfile="FROM scratch\n")
    web = directory.name
    assert site.launch(directory, image, networks=networks).kind == "launched"
    first = found(site, directory)
    harness = site.harness(networks=networks)

    # With the record of the launch, and without: what is asked for says the same of this engine as what it gave.
    assert by_hand(site, directory) == []
    record = harness.state.fact(f"{RECORDS}{web}")
    assert record is not None
    assert "hunter22" not in record
    harness.state.set_fact(f"{RECORDS}{web}", "")
    assert by_hand(site, directory) == []
    assert site.launch(directory, image, networks=networks).kind == "unchanged"

    docker("update", "--memory", "128m", "--memory-swap", "-1", "--restart", "always", "--pids-limit", "77", web)
    docker("network", "disconnect", lan, web)
    docker("network", "connect", "bridge", web)
    wanted = [
        "mem_limit: wanted 64m, found 128m",
        "memswap_limit: wanted 128m, found unlimited",
        "networks.bridge: wanted nothing, found joined",
        f"networks.{lan}: wanted joined, found nothing",
        "pids_limit: wanted 512, found 77",
        "restart: wanted on-failure:4, found always",
    ]
    assert by_hand(site, directory) == wanted
    harness.state.set_fact(f"{RECORDS}{web}", record)
    assert by_hand(site, directory) == wanted

    text = f"was changed by hand since it was launched: {'; '.join(wanted)}"
    assert text in check_up(harness, web, harness.settings(directory)).reasons
    assert any(text in note for note in up(harness, directory).notes)
    (status,) = statuses(harness, [web], before={}).lines
    assert [str(each) for each in status.changes.by_hand] == wanted
    inspection = Inspection(
        harness=harness,
        directory=directory,
        settings=harness.settings(directory),
        image=image,
        container=first.id,
        mode=Mode.IN_PROD,
        now=now(),
    )
    judged = examine(inspection, BY_ID["KH404"])
    assert (judged.ruling, list(judged.findings)) == (Ruling.FAILED, wanted)

    assert site.launch(directory, image, networks=networks).kind == "launched"
    assert found(site, directory).id != first.id
    assert by_hand(site, directory) == []
    edited = said.replace("mem_limit: 64m", "mem_limit: 96m").replace("hunter22", "hunter33")
    changes = changes_of(harness, site.add("web", edited), found(site, directory))
    assert changes.by_hand == ()
    assert changes.edited_text == (
        "its settings have changed since it was launched: environment.SECRET another value; mem_limit 64m -> 96m"
    )


def test_a_paused_container_is_not_taken_for_one_that_runs(site: Site, image: ImageFacts) -> None:
    directory = site.add("pause", "stop_grace_period: 1s\nrelease: {verify_for: 0s}\n", dockerfile="FROM scratch\n")
    harness = site.harness()
    assert site.launch(directory, image).kind == "launched"
    site.engine.pause(directory.name)
    said = f"is paused; 'docker unpause {directory.name}' lets it go on"
    with pytest.raises(EngineError, match="is paused; 'docker unpause"):
        up(harness, directory)
    assert said in check_up(harness, directory.name, harness.settings(directory)).reasons
    assert f"{directory.name}: {said}" in statuses(harness, [directory.name], before={}).notes
    restart(harness, directory)
    assert found(site, directory).state == "running"
    site.engine.pause(directory.name)
    before = found(site, directory).id
    assert site.launch(directory, image).kind == "launched"
    after = found(site, directory)
    assert (after.state, after.id != before) == ("running", True)
    site.engine.pause(directory.name)
    assert down(harness, directory.name).state.startswith("exited")
    assert "stays down" in work_on("up-all", harness, directory.name)["text"]
    assert found(site, directory).state == "exited"
    assert up(harness, directory).state == "started"
    assert work_on("up-all", harness, directory.name)["text"] == "running"


def test_what_is_needed_is_launched_first_and_has_to_be_healthy(site: Site, image: ImageFacts) -> None:
    quick = "release: {verify_for: 0s}\nstop_grace_period: 1s\n"
    db = site.add("db", quick, dockerfile="FROM scratch\n")
    web = site.add("front", f"{quick}depends_on: {{{db.name}: service_healthy}}\n", dockerfile="FROM scratch\n")
    harness = site.harness()
    assert site.launch(db, image).kind == "launched"
    assert site.launch(web, image).kind == "launched"
    for act in (lambda: up(harness, web), lambda: run(harness, web), lambda: restart(harness, web)):
        site.engine.stop(db.name)
        reasons = check_up(harness, web.name, harness.settings(web)).reasons
        assert f"needs {db.name}, which exited with" in " ".join(reasons)
        act()
        assert found(site, db).state == "running"
    site.engine.stop(db.name)
    refused = site.launch(web, site.image("2", f"{IMAGE}LABEL v=2\n"))
    assert refused.kind == "refused"
    assert f"needs {db.name}, which exited with" in refused.reasons[0]
    down(harness, db.name)
    with pytest.raises(RefusedError, match="stays down"):
        up(harness, web)
    bare = site.image("bare", 'CMD ["sleep", "600"]')
    assert site.launch(db, bare).kind == "launched"
    with pytest.raises(RefusedError, match="has no health check, and 'service_healthy' asks for one"):
        up(harness, web)


def test_a_job_that_is_needed_is_waited_for_until_it_has_ended_well(site: Site) -> None:
    job = site.add("job", 'restart: "no"\nrelease: {verify: none}\n', dockerfile="FROM scratch\n")
    name = f"depends_on: {{{job.name}: service_completed_successfully}}\n"
    web = site.add("after", f"{name}stop_grace_period: 1s\nrelease: {{verify: none}}\n", dockerfile="FROM scratch\n")
    harness = site.harness()
    sleeps = site.image("sleeps", 'CMD ["sleep", "600"]')
    site.engine.tag(site.image("job", 'CMD ["sh", "-c", "sleep 2; exit 0"]').id, harness.tags(job.name).live)
    site.engine.tag(sleeps.id, harness.tags(web.name).live)
    assert up(harness, web).state == "started"
    assert (found(site, job).state, found(site, job).exit_code) == ("exited", 0)
    ran = found(site, job).id
    site.engine.stop(web.name)
    assert up(harness, web).state == "started"
    assert found(site, job).id == ran


def test_what_was_made_live_by_hand_is_refused_without_a_flag(site: Site, image: ImageFacts) -> None:
    directory = site.add("moved", "release: {verify_for: 0s}\nstop_grace_period: 1s\n", dockerfile="FROM scratch\n")
    harness = site.harness()
    assert site.launch(directory, image).kind == "launched"
    other = site.image("moved", f"{IMAGE}LABEL v=moved\n")
    site.engine.tag(other.id, harness.tags(directory.name).live)
    assert any("the tag was moved by hand" in note for note in up(harness, directory).notes)
    assert any("the tag was moved by hand" in note for note in restart(harness, directory).notes)
    with pytest.raises(RefusedError, match=r"the tag was moved by hand.*'docker tag \w+ \S+:live' puts it back"):
        run(harness, directory)
    site.engine.stop(directory.name)
    with pytest.raises(RefusedError, match="moved by hand"):
        up(harness, directory)
    assert found(site, directory).image_id == image.id
    up(harness, directory, untested=True)
    assert found(site, directory).image_id == other.id
    (entry, *_) = harness.state.releases(directory.name)
    assert (entry.kind, entry.note.startswith("untested: ")) == ("relaunch", True)
    assert run(harness, directory).image_id == other.id


def test_what_does_not_start_with_the_host_is_counted(site: Site) -> None:
    harness = site.harness()
    settings, _ = harness.fleet()
    group = plan_group("up-all", Fleet(harness=harness, settings=settings))
    assert group.course.steps == ()
    assert group.nothing.startswith("0 of ")
    assert group.left_out
