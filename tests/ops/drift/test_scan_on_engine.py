"""What containers of a real engine changed, by both ways to see it."""

from __future__ import annotations

from datetime import date

import pytest

from kharness.host.drift.layers import why_blind
from kharness.ops.drift.scan import ScanTarget, drift_of, scan
from kharness.ops.drift.scanner import ENGINE, LAYER, Seen, open_scanner
from kharness.plan.drift.changes import Drifted, ScanResult, flags
from kharness.plan.facts import ContainerFacts
from kharness.plan.launch.runspec import Mount, MountKind, RunSpec
from tests.ops.site import Site

pytestmark = pytest.mark.skipif(bool(why_blind()), reason=f"layers cannot be read: {why_blind()}")

TODAY = date(2027, 3, 1)
LAYERS = """\
RUN mkdir -p /app/d/sub /app/rep /app/l /app/chmodded /app/chowned && cd /app && \
    for f in a b c own gone f2d opened timed; do echo $f >$f; done && echo x >d/x && echo y >d/sub/y && \
    echo z >rep/z && echo k >rep/keep && echo q >l/q && ln -s /nowhere broken && ln -s app /liblink && chmod 755 c
RUN rm /app/b && echo c2 >/app/c && chmod 755 /app/c
"""
CHANGES = """\
cd /app
echo n >new; echo more >>a; echo b >b; chmod 4755 c; chown 5 own; rm gone
rm d/x; rm -rf d/sub; mkdir /newdir; echo 1 >/newdir/one; mv timed renamed
rm -rf rep; mkdir rep; echo zz >rep/z; echo n >rep/new
rm -rf l; ln -s /etc l; rm broken; echo file >broken; rm /liblink; mkdir /liblink; echo m >/liblink/m
rm f2d; mkdir f2d; : >>opened; echo x >fleeting; rm fleeting
chmod 700 chmodded; echo x >chmodded/x; chown 7 chowned
printf x >'line
break'; printf x >.hidden; printf x >"$(printf 'bad\\377name')"; mkfifo fifo; touch /etc/passwd
mkdir many; cd many; seq 1 10000 | xargs touch
"""
ADDED = {
    *("/app/new", "/app/b", "/newdir", "/newdir/one", "/app/renamed", "/app/rep/new", "/liblink/m", "/app/chmodded/x"),
    *("/app/line\nbreak", "/app/.hidden", "/app/fifo", "/app/many", *(f"/app/many/{n}" for n in range(1, 10001))),
}
REMOVED = {"/app/gone", "/app/d/x", "/app/d/sub", "/app/timed", "/app/rep/keep"}
CHANGED = {"/app/a", "/app/rep/z", "/app/l", "/app/broken", "/liblink", "/app/f2d", "/etc/passwd"}
MODE, OWNER = {"/app/c", "/app/chmodded"}, {"/app/own", "/app/chowned"}


@pytest.fixture(scope="module")
def changed(site: Site) -> ContainerFacts:
    """A container with volumes of every kind that changed everything."""
    volume = site.path / "volume"
    volume.mkdir()
    mounts = (
        Mount(kind=MountKind.BIND, source=str(volume), target="/data/in"),
        Mount(kind=MountKind.BIND, source="/etc/hostname", target="/opt/site/name", read_only=True),
        Mount(kind=MountKind.VOLUME, source=site.name("named"), target="/srv/named"),
        Mount(kind=MountKind.TMPFS, source=None, target="/run/mine"),
    )
    found = launched(site, "changed", site.image("changed", LAYERS).id, mounts=mounts)
    done = site.engine.exec(found.id, ["sh", "-c", f"{CHANGES}\necho x >/data/in/x"])
    assert done.ok, done.stderr
    return found


def launched(
    site: Site, short: str, image: str, mounts: tuple[Mount, ...] = (), *, directory: str | None = None
) -> ContainerFacts:
    name = site.name(short)
    spec = RunSpec(
        name=name,
        image=image,
        command=("sleep", "600"),
        init=True,
        mounts=mounts,
        working_dir=directory,
        labels=site.production(name, image),
    )
    container = site.engine.create(spec)
    site.engine.start(container)
    facts = site.engine.container(container)
    assert facts is not None
    return facts


def seen(site: Site, found: ContainerFacts, *, layers: bool) -> Seen:
    with open_scanner(site.harness(), layers=layers) as scanner:
        looked = scanner.look(found.id)
        assert scanner.why_blind(looked.by) == ""
    return looked


def names(found: tuple[Drifted, ...], *kinds: str) -> set[str]:
    utf8 = (each for each in found if "\udcff" not in each.path and "\ufffd" not in each.path)
    return {each.path for each in utf8 if each.kind in kinds}


def test_every_change_is_seen_in_the_layer_and_none_is_invented(site: Site, changed: ContainerFacts) -> None:
    looked = seen(site, changed, layers=True)
    assert (looked.by, looked.note) == (LAYER, "")
    by_path = {each.path: each for each in looked.drifted}
    kinds = {"added": ADDED, "removed": REMOVED, "changed": CHANGED, "mode": MODE, "owner": OWNER}
    for kind, expected in kinds.items():
        assert names(looked.drifted, kind) == expected, kind
    assert by_path["/app/bad\udcffname"].kind == "added"
    assert len(by_path) == len(looked.drifted) == sum(map(len, kinds.values())) + 1
    assert flags(by_path["/app/c"]) == ("set-uid", "executable")
    assert flags(by_path["/app/.hidden"]) == ("hidden",)
    assert by_path["/app/l"].what == "directory -> link"
    assert by_path["/app/chowned"].what == "owner 0:0 -> 7:0"


def test_the_engine_s_diff_gives_the_same_names(site: Site, changed: ContainerFacts) -> None:
    looked = seen(site, changed, layers=False)
    assert looked.by == ENGINE
    assert names(looked.drifted, "added") == ADDED
    assert names(looked.drifted, "removed") == REMOVED
    assert names(looked.drifted, "changed", "mode", "owner") == CHANGED | MODE | OWNER
    assert [each.kind for each in looked.drifted if "\ufffd" in each.path] == ["added"]
    by_path = {each.path: each for each in looked.drifted}
    assert len(by_path) == len(looked.drifted)
    assert flags(by_path["/app/c"]) == ("set-uid", "executable")
    assert (by_path["/app/chmodded"].kind, by_path["/app/chowned"].kind) == ("mode", "owner")


def test_a_container_that_changed_nothing_is_clean_by_both(site: Site) -> None:
    tmpfs = Mount(kind=MountKind.TMPFS, source=None, target="/run/not/there")
    # What the image does not have the engine makes in the layer.
    found = launched(site, "clean", site.busybox, (tmpfs,), directory="/srv/not/there")
    assert seen(site, found, layers=True).drifted == ()
    assert seen(site, found, layers=False).drifted == ()


def test_a_scan_is_judged_by_the_settings_and_leaves_nothing_behind(site: Site) -> None:
    directory = site.add("judged", "image: x\ndrift: {expect: [/etc/**]}\n")
    found = launched(site, "judged", site.busybox)
    site.engine.write_file(found.id, "/etc/expected", b"x")
    targets = (ScanTarget(container=found, name=directory.name),)
    for layers in (True, False):
        [clean] = scan(site.harness(), targets, layers=layers)
        assert (clean.ok, len(clean.verdict.expected), clean.by) == (True, 1, LAYER if layers else ENGINE)
    site.engine.write_file(found.id, "/bin/evil", b"x", mode=0o4755)
    [dirty] = scan(site.harness(), targets)
    assert told(dirty) == ["/bin/evil: added, set-uid, executable, file, mode 4755, owner 0:0, 1 bytes"]
    settings = site.harness().settings(directory)
    assert drift_of(site.harness(), directory.name, settings, found, today=TODAY) == tuple(told(dirty))
    helpers = [
        each.name for each in site.engine.containers() if each.name.startswith(("kharness-token", "kharness-un"))
    ]
    assert helpers == []


def told(found: ScanResult) -> list[str]:
    return [str(each) for each in found.verdict.left]


def test_the_init_of_an_engine_is_no_drift_where_sbin_is_a_link(site: Site) -> None:
    # As in Debian: the engine makes the place for its init where the link leads.
    merged = "RUN mkdir -p /usr/sbin && { [ ! -d /sbin ] || mv /sbin /usr/sbin.before; } && ln -s usr/sbin /sbin"
    found = launched(site, "merged", site.image("merged", merged).id)
    assert "/usr/sbin/docker-init" in {change.path for change in site.engine.diff(found.id)}
    assert seen(site, found, layers=True).drifted == ()
    assert seen(site, found, layers=False).drifted == ()
