"""What a test instance gets in place of production's volumes."""

from __future__ import annotations

import json
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kharness.plan.launch.mounts import VolumeAction, VolumePlan, plan_production, plan_test, resolve_source
from kharness.plan.launch.runspec import Mount, MountKind
from kharness.plan.session.modes import Mode
from kharness.settings.volumes import TestMount, Volume
from tests.plan.made import ROOT, SCRATCH, settings

READY_MODES = (Mode.STANDALONE, Mode.PROD_READY)
ALLOWED = "\ntest: {same: [/data]}"
COPY_DIR, VOLUME_COPY = f"{SCRATCH.directory}/0", f"{SCRATCH.prefix}-0"


def read(text: str) -> Volume:
    (volume,) = settings(f"volumes: [{text}]{ALLOWED if ': same' in text.replace(chr(34), '') else ''}").volumes
    return volume


def trial(text: str, mode: Mode) -> VolumePlan:
    return plan_test(read(text), mode=mode, name="web", volume_root=ROOT, scratch=SCRATCH, index=0)


def long(source: str, test: str, *, kind: str = "bind", more: str = "") -> str:
    return f"{{type: {kind}, source: {source}, target: /data, test: {test}{more}}}"


@pytest.mark.parametrize(
    ("text", "mode", "source", "read_only", "action"),
    [
        ("./d:/data", Mode.STANDALONE, COPY_DIR, False, VolumeAction.EMPTY),
        ("./d:/data:ro", Mode.STANDALONE, COPY_DIR, True, VolumeAction.EMPTY),
        ("/srv/x:/data", Mode.STANDALONE, COPY_DIR, False, VolumeAction.EMPTY),
        ("/srv/x:/data:ro", Mode.STANDALONE, COPY_DIR, True, VolumeAction.EMPTY),
        ("named:/data", Mode.STANDALONE, VOLUME_COPY, False, VolumeAction.EMPTY),
        *((long("./d", test), Mode.STANDALONE, COPY_DIR, False, VolumeAction.EMPTY) for test in TestMount),
        *((long("n1", t, kind="volume"), Mode.STANDALONE, VOLUME_COPY, False, VolumeAction.EMPTY) for t in TestMount),
        (long("/srv/x", "same"), Mode.STANDALONE, "/srv/x", True, VolumeAction.NONE),
        (long("/srv/x", "ro"), Mode.STANDALONE, "/srv/x", True, VolumeAction.NONE),
        (long("/srv/x", "copy"), Mode.STANDALONE, COPY_DIR, False, VolumeAction.EMPTY),
        ("./d:/data", Mode.PROD_READY, COPY_DIR, False, VolumeAction.COPY),
        ("./d:/data:ro", Mode.PROD_READY, "/rw/dv/web/d", True, VolumeAction.NONE),
        ("/srv/x:/data:ro", Mode.PROD_READY, "/srv/x", True, VolumeAction.NONE),
        ("named:/data", Mode.PROD_READY, VOLUME_COPY, False, VolumeAction.COPY),
        ("named:/data:ro", Mode.PROD_READY, "named", True, VolumeAction.NONE),
        (long("./d", "same"), Mode.PROD_READY, "/rw/dv/web/d", False, VolumeAction.NONE),
        (long("./d", "ro"), Mode.PROD_READY, "/rw/dv/web/d", True, VolumeAction.NONE),
        (long("./d", "copy"), Mode.PROD_READY, COPY_DIR, False, VolumeAction.COPY),
        (long("./d", "tree"), Mode.PROD_READY, COPY_DIR, False, VolumeAction.TREE),
        (long("./d", "empty"), Mode.PROD_READY, COPY_DIR, False, VolumeAction.EMPTY),
        (long("n1", "tree", kind="volume"), Mode.PROD_READY, VOLUME_COPY, False, VolumeAction.TREE),
        (long("./d", "copy", more=", read_only: true"), Mode.PROD_READY, COPY_DIR, True, VolumeAction.COPY),
    ],
)
def test_a_test_instance_gets_what_its_mode_and_the_settings_say(
    text: str, mode: Mode, source: str, *, read_only: bool, action: VolumeAction
) -> None:
    plan = trial(text, mode)
    assert (plan.mount.source, plan.mount.read_only, plan.action) == (source, read_only, action)


@pytest.mark.parametrize("mode", READY_MODES)
def test_what_has_no_source_is_new_in_every_container(mode: Mode) -> None:
    anonymous, memory = (
        trial(text, mode) for text in ("/cache", "{type: tmpfs, target: /t, tmpfs: {size: 1k, mode: 700}}")
    )
    assert anonymous == VolumePlan(mount=Mount(kind=MountKind.VOLUME, source=None, target="/cache"))
    assert memory.mount == Mount(kind=MountKind.TMPFS, source=None, target="/t", size=1024, mode=0o700)
    assert not anonymous.scratch
    assert not memory.scratch


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ("d", "/rw/dv/web/d"),
        ("./d", "/rw/dv/web/d"),
        (".", "/rw/dv/web"),
        ("./a/../b", "/rw/dv/web/b"),
        ("/srv/x", "/srv/x"),
        ("/srv/x/", "/srv/x"),
        ("//srv/x", "/srv/x"),
        ("/rw/../rw/dv/x", "/rw/dv/x"),
        ("/", "/"),
    ],
)
def test_a_source_is_the_path_that_the_engine_makes_of_it(source: str, path: str) -> None:
    assert resolve_source(source, name="web", volume_root=ROOT) == path


@pytest.mark.parametrize(
    ("text", "source", "action"),
    [
        ("./d:/data", "/rw/dv/web/d", VolumeAction.ENSURE),
        ("/rw/dv/shared:/data", "/rw/dv/shared", VolumeAction.ENSURE),
        (
            "{type: bind, source: ./d, target: /data, bind: {create_host_path: false}}",
            "/rw/dv/web/d",
            VolumeAction.NONE,
        ),
        ("/srv/x:/data", "/srv/x", VolumeAction.NONE),
        ("/rw/dvx:/data", "/rw/dvx", VolumeAction.NONE),
        ("/rw/dv/../x:/data", "/rw/x", VolumeAction.NONE),
        ("named:/data", "named", VolumeAction.NONE),
    ],
)
def test_production_mounts_the_real_thing_and_makes_only_what_is_below_the_volume_root(
    text: str, source: str, action: VolumeAction
) -> None:
    plan = plan_production(read(text), name="web", volume_root=ROOT)
    assert (plan.mount.source, plan.real, plan.action) == (source, source, action)


def test_what_is_mounted_on_either_side_of_a_test_instance_s_volume_does_not_appear_on_the_other() -> None:
    volume = "{type: bind, source: ./d, target: /data, read_only: true, bind: {propagation: rshared}}"
    assert plan_production(read(volume), name="web", volume_root=ROOT).mount.propagation == "rshared"
    shown = trial(volume, Mode.PROD_READY).mount
    assert (shown.propagation, shown.non_recursive) == (None, True)
    assert trial(volume, Mode.STANDALONE).mount.propagation is None


def test_a_plan_says_whether_somebody_chose_what_a_test_gets() -> None:
    assert trial(long("./d", "ro"), Mode.PROD_READY).said
    assert not trial("./d:/data:ro", Mode.PROD_READY).said


PARTS = st.sampled_from(["rw", "dv", "web", "data", "dvx", "srv", "..", ".", ""])
ABSOLUTE = st.lists(PARTS, max_size=7).map(lambda parts: "/" + "/".join(parts))
RELATIVE = st.sampled_from([".", "./data", "data/x", "./a/../b", ".hidden"])
PROPAGATION = st.sampled_from([None, "rprivate", "rslave", "shared", "rshared"])


@st.composite
def volumes(draw: st.DrawFn) -> Volume:
    kind = draw(st.sampled_from(["bind", "volume", "tmpfs"]))
    said: dict[str, object] = {"type": kind, "target": "/data", "read_only": draw(st.booleans())}
    if kind == "bind":
        said["source"] = draw(ABSOLUTE | RELATIVE)
        if propagation := draw(PROPAGATION):
            said["bind"] = {"propagation": propagation}
    elif kind == "volume" and draw(st.booleans()):
        said["source"] = "production-data"
    if kind != "tmpfs" and (test := draw(st.sampled_from([None, *TestMount]))):
        said["test"] = test.value
    return read(json.dumps(said))


def walked(source: str, *, start: PurePosixPath) -> tuple[str, ...]:
    """Return the place that a path leads to, step by step."""
    steps = [] if source.startswith("/") else list(start.parts[1:])
    for step in source.split("/"):
        if step == "..":
            del steps[-1:]
        elif step not in {"", "."}:
            steps.append(step)
    return tuple(steps)


def shows_the_volume_root(place: tuple[str, ...]) -> bool:
    root = ROOT.parts[1:]
    return place[: len(root)] == root or root[: len(place)] == place


@given(volume=volumes(), mode=st.sampled_from(READY_MODES))
def test_no_test_instance_may_write_what_is_production_s_unless_the_settings_say_same(
    volume: Volume, mode: Mode
) -> None:
    plan = plan_test(volume, mode=mode, name="web", volume_root=ROOT, scratch=SCRATCH, index=3)
    real = plan.mount.source is not None and plan.mount.source not in {f"{SCRATCH.directory}/3", "test-web-s1-3"}
    allowed = volume.test is TestMount.SAME and mode is Mode.PROD_READY
    assert not real or plan.mount.read_only or allowed
    assert plan.scratch is not real or plan.mount.source is None
    assert volume.read_only <= plan.mount.read_only, "what production only reads, a test instance only reads"
    assert real or plan.mount.propagation in {None, volume.propagation if plan.mount.source is None else None}


@given(volume=volumes())
def test_a_stand_alone_instance_has_nothing_that_shows_the_volume_root(volume: Volume) -> None:
    plan = plan_test(volume, mode=Mode.STANDALONE, name="web", volume_root=ROOT, scratch=SCRATCH, index=0)
    if plan.mount.kind is MountKind.VOLUME:
        assert plan.mount.source in {None, VOLUME_COPY}
    elif plan.mount.kind is MountKind.BIND and plan.mount.source != COPY_DIR:
        assert not shows_the_volume_root(walked(volume.source or "", start=ROOT / "web"))
        assert plan.mount.read_only


@given(volume=volumes(), mode=st.sampled_from(READY_MODES))
def test_only_a_copy_takes_contents_and_only_of_the_volume_itself(volume: Volume, mode: Mode) -> None:
    plan = plan_test(volume, mode=mode, name="web", volume_root=ROOT, scratch=SCRATCH, index=0)
    production = plan_production(volume, name="web", volume_root=ROOT)
    assert plan.real in {None, production.mount.source}
    if mode is Mode.STANDALONE:
        assert plan.action in {VolumeAction.NONE, VolumeAction.EMPTY}


@pytest.mark.parametrize("text", ["./d:/data:ro", long("./d", "ro"), long("./d", "same")])
def test_a_directory_that_a_launch_would_make_is_an_empty_one_in_a_test(text: str) -> None:
    missing = {f"{ROOT}/web/d"}
    common = {"mode": Mode.PROD_READY, "name": "web", "volume_root": ROOT, "scratch": SCRATCH, "index": 0}
    plan = plan_test(read(text), **common, missing=missing)  # type: ignore[arg-type]
    assert (plan.action, plan.mount.source, plan.real) == (VolumeAction.EMPTY, COPY_DIR, f"{ROOT}/web/d")
    assert plan.mount.read_only is read(text).read_only
    elsewhere = plan_test(read(text.replace("./d", "/srv/x")), **common, missing=missing)  # type: ignore[arg-type]
    assert elsewhere.action is VolumeAction.NONE
