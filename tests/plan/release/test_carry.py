"""Which volumes go over to a new production container, and what is said of the others."""

from __future__ import annotations

import pytest

from kharness.plan.facts import ImageFacts, MountFacts
from kharness.plan.launch.runspec import Mount, MountKind, RunSpec
from kharness.plan.release.carry import Carry, anonymous_volumes, carry_over, plan_carry

OLD, OLDER = "a" * 64, "b" * 64
SPEC = RunSpec(name="web", image="sha256:1")


def image(*volumes: str) -> ImageFacts:
    return ImageFacts(id="sha256:1", volumes=volumes)


def volume(target: str, name: str = OLD) -> MountFacts:
    return MountFacts(kind="volume", source=f"/v/{name}", target=target, writable=True, name=name)


def bind(target: str) -> MountFacts:
    return MountFacts(kind="bind", source="/srv/data", target=target, writable=True)


def spec(*mounts: Mount) -> RunSpec:
    return RunSpec(name="web", image="sha256:1", mounts=mounts)


UNNAMED = Mount(kind=MountKind.VOLUME, source=None, target="/data", read_only=True)
NAMED = Mount(kind=MountKind.VOLUME, source="data", target="/data")
BOUND = Mount(kind=MountKind.BIND, source="/dv/web/data", target="/data")
SHORT = Mount(kind=MountKind.TMPFS, source=None, target="/data")


@pytest.mark.parametrize(
    ("new", "before", "known", "carried", "said"),
    [
        ((SPEC, image("/data")), [volume("/data")], {}, {"/data": OLD}, ""),
        ((SPEC, image("/data/")), [volume("/data")], {}, {"/data": OLD}, ""),
        ((spec(UNNAMED), image()), [volume("/data")], {}, {"/data": OLD}, ""),
        ((SPEC, image("/data")), [volume("/data", "shop_data")], {}, {"/data": "shop_data"}, ""),
        ((SPEC, image("/data")), [volume("/data")], {"/data": OLDER}, {"/data": OLD}, ""),
        ((SPEC, image("/data")), [], {"/data": OLDER}, {"/data": OLDER}, f"anonymous volume {OLDER} again"),
        ((SPEC, image("/data")), [], {}, {}, "no volume has a name for /data"),
        ((SPEC, image("/data")), [bind("/data")], {}, {}, "/data was the directory /srv/data"),
        ((SPEC, image()), [volume("/data")], {}, {}, f"/data is no volume any more; its anonymous volume {OLD} stays"),
        (
            (spec(BOUND), image("/data")),
            [volume("/data")],
            {},
            {},
            f"/data is /dv/web/data now; its anonymous volume {OLD}",
        ),
        ((spec(NAMED), image("/data")), [volume("/data")], {}, {}, f"/data is data now; its anonymous volume {OLD}"),
        ((spec(SHORT), image("/data")), [volume("/data")], {}, {}, f"/data is a tmpfs now; its anonymous volume {OLD}"),
        ((SPEC, image()), [volume("/data", "shop_data"), bind("/x")], {}, {}, ""),
        ((spec(NAMED), image("/data")), [volume("/data", "data")], {"/data": OLDER}, {}, ""),
    ],
)
def test_a_volume_without_a_name_is_the_one_that_was_there_before(
    new: tuple[RunSpec, ImageFacts],
    before: list[MountFacts],
    known: dict[str, str],
    carried: dict[str, str],
    said: str,
) -> None:
    found = plan_carry(*new, before=before, known=known)
    assert dict(found.volumes) == carried
    assert [said in note for note in found.notes] == ([True] if said else [])


def test_a_volume_that_is_carried_over_is_mounted_by_its_name_and_not_filled_from_the_image() -> None:
    found = carry_over(spec(UNNAMED), [("/data", OLD), ("/more", OLDER)])
    assert found.mounts == (
        Mount(kind=MountKind.VOLUME, source=OLD, target="/data", read_only=True, no_copy=True),
        Mount(kind=MountKind.VOLUME, source=OLDER, target="/more", no_copy=True),
    )


def test_nothing_to_carry_changes_nothing() -> None:
    assert plan_carry(SPEC, image(), before=[]) == Carry()
    assert carry_over(SPEC, ()) is SPEC


def test_only_a_name_that_an_engine_made_up_is_anonymous() -> None:
    assert anonymous_volumes([volume("/data/"), volume("/x", "data"), bind("/y")]) == {"/data": OLD}
