"""What is prepared where, for production and for a test instance."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kharness.errors import UsageError
from kharness.plan.launch.mounts import Scratch, VolumePlan, plan_test
from kharness.plan.session.modes import Mode
from kharness.plan.volumes.idmap import IDENTITY, IdMaps, shifted_map
from kharness.plan.volumes.prepare import Item, ItemKind, in_test_instance, needs_names, plan_prepare
from kharness.settings.load import parse_settings
from kharness.settings.model import Settings

DV = PurePosixPath("/dv")
PASSWD = "root:x:0:0::/:/bin/sh\nweb:x:101:102::/:/bin/sh\nold:x:7:8::/:/bin/sh\n"
GROUP = "root:x:0:\nweb:x:102:\nwww:x:33:\n"
REMAPPED = IdMaps(shifted_map(231072, 65536), shifted_map(165536, 65536, what="gid"))
SCRATCH = Scratch(directory=PurePosixPath("/copies/s1/test-web"), prefix="test-web")
PLACES = {"cache": "/engine/cache", "test-web-0": "/engine/test-web-0", "test-web-1": "/engine/test-web-1"}


def settings(text: str) -> Settings:
    return parse_settings(text.encode(), file=Path("web/settings.yaml"), has_dockerfile=True)


def planned(text: str, *, maps: IdMaps = IDENTITY, user: str = "", passwd: str = PASSWD) -> tuple[Item, ...]:
    return plan_prepare(
        settings(text), name="web", user=user, passwd=passwd, group=GROUP, maps=maps, volume_root=DV, places=PLACES
    )


def in_test(text: str, *, mode: Mode = Mode.PROD_READY, originals: frozenset[str] = frozenset()) -> tuple[Item, ...]:
    return in_test_instance(planned(text), volumes(text, mode), originals=originals, places=PLACES)


def volumes(text: str, mode: Mode) -> tuple[VolumePlan, ...]:
    return tuple(
        plan_test(volume, mode=mode, name="web", volume_root=DV, scratch=SCRATCH, index=index)
        for index, volume in enumerate(settings(text).volumes)
    )


def paths(items: tuple[Item, ...]) -> list[str]:
    return [str(item.path) for item in items]


def test_a_path_alone_belongs_to_the_user_that_the_container_runs_as() -> None:
    [item] = planned("prepare: [data]", user="web")
    assert (item.path, item.kind, item.owner, item.mode) == (DV / "web/data", ItemKind.DIRECTORY, (101, 102), 0o755)


@pytest.mark.parametrize(
    ("said", "user", "owner"),
    [
        ("", "", (0, 0)),
        ("", "500:600", (500, 600)),
        ("owner: 1000", "web", (1000, 0)),
        ("owner: 7", "web", (7, 8)),
        ("owner: user/web", "", (101, 102)),
        ("owner: user/web, group: group/www", "", (101, 33)),
        ("group: group/www", "web", (101, 33)),
        ("group: 44", "web", (101, 44)),
        ("owner: 0", "web", (0, 0)),
    ],
)
def test_owners_are_the_image_s_own(said: str, user: str, owner: tuple[int, int]) -> None:
    [item] = planned(f"prepare: [{{path: data, {said}}}]".replace(", }", "}"), user=user)
    assert (item.owner, item.inside) == (owner, owner)


def test_the_engine_s_mapping_is_added() -> None:
    [item] = planned("prepare: [{path: data, owner: user/web}]", maps=REMAPPED)
    assert (item.owner, item.inside, item.root_owner) == ((231173, 165638), (101, 102), (231072, 165536))


@pytest.mark.parametrize(
    ("said", "user", "message"),
    [
        ("owner: user/nobody", "", ".owner: should be a user that the image's /etc/passwd knows, not 'nobody'"),
        ("mode: 0o700", "mail", ".owner: should be a user that the image's /etc/passwd knows, not 'mail'"),
        ("group: group/x", "", ".group: should be a group that the image's /etc/group knows, not 'x'"),
        ("owner: 70000", "", f": uid 70000: should be one that the engine maps: {REMAPPED.uid}"),
    ],
)
def test_who_is_not_there_is_named(said: str, user: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        planned(f"prepare: [{{path: data, {said}}}]", user=user, maps=REMAPPED)
    assert str(caught.value) == f"web: prepare[0]{message}"


@pytest.mark.parametrize(
    ("text", "user", "needed"),
    [
        ("{}", "web", False),
        ("prepare: [data]", "", False),
        ("prepare: [data]", "1000:1000", False),
        ("prepare: [data]", "1000", True),
        ("prepare: [data]", "web", True),
        ("prepare: [{path: d, owner: 1, group: 2}]", "", False),
        ("prepare: [{path: d, owner: 1}]", "", True),
        ("prepare: [{path: d, owner: user/web}]", "", True),
        ("prepare: [{path: d, group: group/web}]", "", True),
        ("prepare: [{path: d, group: 3}]", "", False),
    ],
)
def test_the_image_is_looked_into_only_for_names(text: str, user: str, *, needed: bool) -> None:
    assert needs_names(settings(text), user=user) is needed


def test_modes_have_defaults_and_parents_come_first() -> None:
    items = planned("prepare: [{path: b/c, contents: x}, {path: b, mode: 0o2700}, .]")
    assert [(item.said, item.kind, item.mode) for item in items] == [
        (".", ItemKind.DIRECTORY, 0o755),
        ("b", ItemKind.DIRECTORY, 0o2700),
        ("b/c", ItemKind.FILE, 0o644),
    ]
    assert items[0].path == DV / "web"


def test_what_is_in_a_named_volume_lies_in_the_engine_s_directory() -> None:
    root, below = planned("volumes: [cache:/c]\nprepare: [{path: ., volume: cache}, {path: a/b, volume: cache}]")
    assert (root.path, root.relative, root.said) == (PurePosixPath("/engine/cache"), ".", "cache:.")
    assert (below.path, below.root) == (PurePosixPath("/engine/cache/a/b"), PurePosixPath("/engine/cache"))


def test_a_volume_s_directory_that_is_made_as_a_parent_is_the_container_s() -> None:
    text = (
        "volumes: [./data:/d, ./conf:/c:ro, ./x:/x, /srv:/s]\nprepare: [data/sub, conf/sub, x, {path: x/y, owner: 0}]"
    )
    found = {item.said: (item.owner, item.implied) for item in planned(text, user="web")}
    assert found == {
        "data": ((101, 102), True),
        "data/sub": ((101, 102), False),
        "conf/sub": ((101, 102), False),
        "x": ((101, 102), False),
        "x/y": ((0, 0), False),
    }


def test_a_test_instance_is_prepared_in_its_own_directories() -> None:
    text = "volumes: [./data:/d, ./conf:/c]\nprepare: [data, data/sub, conf/x/y, elsewhere]"
    items = in_test(text)
    assert paths(items) == [
        "/copies/s1/test-web/0",
        "/copies/s1/test-web/0/sub",
        "/copies/s1/test-web/1",
        "/copies/s1/test-web/1/x/y",
    ]
    assert {str(item.root) for item in items} == {"/copies/s1/test-web"}


@pytest.mark.parametrize("mode", [Mode.STANDALONE, Mode.PROD_READY])
@pytest.mark.parametrize("test", ["same", "ro", "copy", "tree", "empty"])
def test_no_real_directory_is_ever_prepared_for_a_test(mode: Mode, test: str) -> None:
    volume = f"{{type: bind, source: ./data, target: /d, test: {test}}}"
    same = "test: {same: [/d]}\n" if test == "same" else ""
    for item in in_test(f"{same}volumes: [{volume}]\nprepare: [., data, data/sub, database]", mode=mode):
        assert item.path.is_relative_to("/copies/s1/test-web/0")


SOURCES = st.sampled_from(["./a", "./a/b", "./a/b/c", ".", "/dv/web/a", "/dv", "/dv/web/a/b", "/srv", "/", "/copies"])
HOW = st.sampled_from(["same", "ro", "copy", "tree", "empty"])
ENTRIES = st.lists(st.sampled_from([".", "a", "a/b", "a/b/c", "b", "ab"]), unique=True)


@given(mounts=st.lists(st.tuples(SOURCES, HOW, st.booleans()), max_size=4), entries=ENTRIES, data=st.data())
def test_whatever_is_mounted_only_a_test_s_own_directories_are_prepared(
    mounts: list[tuple[str, str, bool]], entries: list[str], data: st.DataObject
) -> None:
    listed = [
        f"{{type: bind, source: {source}, target: /t{index}, test: {how}, read_only: {str(read_only).lower()}}}"
        for index, (source, how, read_only) in enumerate(mounts)
    ]
    same = [f"/t{index}" for index, (_, how, _) in enumerate(mounts) if how == "same"]
    text = f"test: {{same: [{', '.join(same)}]}}\nvolumes: [{', '.join(listed)}]\nprepare: [{', '.join(entries)}]"
    found = in_test(text, mode=data.draw(st.sampled_from([Mode.STANDALONE, Mode.PROD_READY])))
    for item in found:
        assert item.root == SCRATCH.directory
        assert item.path.is_relative_to(SCRATCH.directory)
        assert ".." not in item.path.parts


def test_a_file_that_is_mounted_alone_has_a_place_of_its_own() -> None:
    [item] = in_test("volumes: [./app.conf:/etc/app.conf]\nprepare: [{path: app.conf, contents: x}]")
    assert (item.path, item.kind) == (PurePosixPath("/copies/s1/test-web/0"), ItemKind.FILE)


def test_a_named_volume_s_copy_is_prepared() -> None:
    text = "volumes: [cache:/c, ./data:/d]\nprepare: [{path: a, volume: cache}, {path: data/a}]"
    assert paths(in_test(text)) == ["/engine/test-web-0/a", "/copies/s1/test-web/1", "/copies/s1/test-web/1/a"]


def test_only_a_copy_is_left_as_its_original_is() -> None:
    text = "volumes: [./data:/d, ./new:/n, {type: bind, source: ./e, target: /e, test: empty}]\nprepare: [data, new, e]"
    items = in_test(text, originals=frozenset({"/dv/web/data", "/dv/web/e"}))
    assert [item.fresh for item in items] == [False, True, True]
