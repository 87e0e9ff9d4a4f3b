"""What is done about a container that changed, on a real engine."""

from __future__ import annotations

import json
import stat
import tarfile
from pathlib import Path

import pytest

from kharness.ops.drift.scan import chosen, scan
from kharness.ops.drift.watch import ResponseOptions, respond
from kharness.plan.drift.changes import Action, ScanResult
from kharness.plan.facts import ContainerFacts
from kharness.settings.catalog import ContainerDir
from tests.ops.site import Site

EVIL = """\
echo evil >/bin/evil; chmod 4755 /bin/evil; mkdir -p /opt/x/y; echo >/opt/x/y/z
echo >>/etc/passwd; rm /etc/group; ln -s /data /opt/link
mkdir /opt/kept; echo >/opt/kept/expected
"""


@pytest.fixture(scope="module")
def web(site: Site) -> ContainerDir:
    """Production that runs, and that somebody was in."""
    settings = """\
        volumes: [./data:/data]
        read_only: false
        init: true
        restart: "no"
        drift: {expect: [/opt/kept/expected]}
        release: {verify_for: 100ms, verify: none}
        """
    directory = site.add("web", settings, dockerfile="FROM scratch\n")
    assert site.launch(directory, site.image("web", "CMD sleep 600")).kind == "launched"
    done = site.engine.exec(production(site, directory).id, ["sh", "-c", EVIL], user="0")
    assert done.ok, done.stderr
    return directory


def production(site: Site, directory: ContainerDir) -> ContainerFacts:
    found = site.engine.container(directory.name)
    assert found is not None
    return found


def scanned(site: Site, directory: ContainerDir) -> tuple[ScanResult, ...]:
    harness = site.harness()
    return scan(harness, chosen(harness, [directory.name]))


def responded(site: Site, directory: ContainerDir, **asked: bool) -> list[Action]:
    return list(respond(site.harness(), scanned(site, directory), ResponseOptions(**asked)))


def test_evidence_comes_first_then_removal_then_a_new_container(site: Site, web: ContainerDir) -> None:
    before = production(site, web)
    [left] = scanned(site, web)
    paths = {each.path for each in left.verdict.left}
    changed = {"/etc/passwd", "/etc/group"}
    added = {"/bin/evil", "/opt", "/opt/x", "/opt/x/y", "/opt/x/y/z", "/opt/link", "/opt/kept"}
    assert paths - {"/opt"} == (changed | added) - {"/opt"}
    assert left.verdict.left[0].path == "/bin/evil"
    (site.path / "dv" / web.name / "data" / "mine").write_text("x")

    snapshot, *removals = responded(site, web, snapshot=True, remove=True)
    evidence = Path(snapshot.text.removeprefix("the evidence is in "))
    assert stat.S_IMODE(evidence.stat().st_mode) == 0o700
    with tarfile.open(evidence / "changed.tar") as archive:
        assert {"bin/evil", "opt/kept/expected", "etc/passwd"} <= set(archive.getnames())
    assert "sleep 600" in (evidence / "processes.txt").read_text()
    assert json.loads((evidence / "inspect.json").read_text())["Id"] == before.id
    assert "removed /etc/group" in (evidence / "diff.txt").read_text()
    [kept] = json.loads((evidence / "drift.json").read_text())["containers"]
    assert [each["path"] for each in kept["expected"]] == ["/opt/kept/expected"]
    assert (evidence / "logs.txt").exists()

    stays = {done.text for done in removals if not done.good}
    restored = "what the image had there cannot be restored in place"
    assert {f"{path} stays: {restored}" for path in changed} | {"/opt/kept stays: Directory not empty"} <= stays
    [after] = scanned(site, web)
    assert {each.path for each in after.verdict.left} - {"/opt"} == changed | {"/opt/kept"}
    # The link was removed, not what it led to.
    assert (site.path / "dv" / web.name / "data" / "mine").exists()

    [restarted] = responded(site, web, restart=True)
    assert restarted.good, restarted.text
    assert production(site, web).id != before.id
    [fresh] = scanned(site, web)
    assert fresh.ok, fresh
    assert responded(site, web, snapshot=True, remove=True, restart=True) == []


def test_without_its_evidence_nothing_is_removed_or_replaced(site: Site, web: ContainerDir) -> None:
    container = production(site, web)
    site.engine.write_file(container.id, "/bin/again", b"x")
    store = site.path / "state" / "evidence"
    aside = store.rename(store.with_name("aside")) if store.exists() else None
    store.write_text("in the way")
    try:
        [failed] = responded(site, web, snapshot=True, remove=True, restart=True)
        assert not failed.good
        assert "cannot be made" in failed.text
        assert production(site, web).id == container.id
        assert "/bin/again" in {each.path for each in scanned(site, web)[0].verdict.left}
    finally:
        store.unlink()
        if aside:
            aside.rename(store)
