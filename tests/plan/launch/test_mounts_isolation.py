"""No test instance gets a writable path to what is production's: of every combination of settings and modes."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kharness.plan.launch.runspec import MountKind
from kharness.plan.session.modes import Mode
from kharness.settings.volumes import CopyStrategy, TestMount
from tests.plan.made import SCRATCH, subject, trial_plan

TARGETS = ("/data", "/data/in", "/conf", "/x", "/y")
SOURCES = ("./data", "data/in", ".", "/rw/dv/web/data", "/rw", "/", "/srv/x", "/rw/dv/../dv/web")
FORMS = [*({"mount": how.value} for how in TestMount), *(how.value for how in TestMount), None]
STRATEGIES = [{"mount": "copy", "strategy": strategy.value} for strategy in CopyStrategy]


@st.composite
def volume(draw: st.DrawFn, target: str) -> dict[str, Any]:
    kind = draw(st.sampled_from(["bind", "bind", "volume", "tmpfs"]))
    said: dict[str, Any] = {"type": kind, "target": target, "read_only": draw(st.booleans())}
    if kind == "bind":
        said["source"] = draw(st.sampled_from(SOURCES))
        said["bind"] = {"propagation": draw(st.sampled_from(["rprivate", "rshared", "slave"]))}
    elif kind == "volume" and draw(st.booleans()):
        said["source"] = draw(st.sampled_from(["production-data", "other-data"]))
    if kind != "tmpfs" and (test := draw(st.sampled_from([*FORMS, *STRATEGIES]))) is not None:
        said["test"] = test
    return said


@st.composite
def settings(draw: st.DrawFn) -> dict[str, Any]:
    def some() -> list[dict[str, Any]]:
        targets = draw(st.lists(st.sampled_from(TARGETS), unique=True, max_size=4))
        return [draw(volume(target)) for target in targets]

    real, test = some(), some()
    meant = {each["target"] for each in (*real, *test) if each.get("test") in ("same", {"mount": "same"})}
    return {"volumes": real, "test": {"volumes": test, "same": sorted(meant)}}


@given(said=settings(), mode=st.sampled_from([Mode.STANDALONE, Mode.PROD_READY]))
def test_whatever_is_writable_is_the_instance_s_own_or_was_meant(said: dict[str, Any], mode: Mode) -> None:
    plan = trial_plan(subject(said), mode=mode)
    meant = set(said["test"]["same"]) if mode is Mode.PROD_READY else set()
    by_target = {each["target"]: each for each in (*said["volumes"], *said["test"]["volumes"])}
    for mount in plan.spec.mounts:
        if mount.read_only or mount.source is None or mount.kind is MountKind.TMPFS:
            continue
        own = mount.source.startswith((f"{SCRATCH.directory}/", f"{SCRATCH.prefix}-"))
        assert own or mount.target in meant
        if not own:
            assert by_target[mount.target].get("test") in ("same", {"mount": "same"})


@given(said=settings(), mode=st.sampled_from([Mode.STANDALONE, Mode.PROD_READY]))
def test_a_real_directory_comes_without_what_is_mounted_below_it(said: dict[str, Any], mode: Mode) -> None:
    for each in trial_plan(subject(said), mode=mode).volumes:
        bind = each.mount.kind is MountKind.BIND
        if bind and each.mount.read_only and not each.scratch and each.mount.source == each.real and not each.said:
            assert each.mount.non_recursive
            assert each.mount.propagation is None
