"""What is prepared is told line by line."""

from __future__ import annotations

from pathlib import PurePosixPath

from kharness.plan.volumes.idmap import IdMaps, Moved, Shifted, plan_shift, shifted_map
from kharness.plan.volumes.prepare import Item, ItemKind, Prepared, PreparedState
from kharness.report.volumes import moved_lines, prepared_lines

MAPS = IdMaps(shifted_map(231072, 65536), shifted_map(165536, 65536, what="gid"))
DATA = Item(
    said="data",
    root=PurePosixPath("/dv"),
    relative="web/data",
    kind=ItemKind.DIRECTORY,
    owner=(231173, 165638),
    inside=(101, 102),
    mode=0o755,
    root_owner=(231072, 165536),
)
CONF = Item(
    said="conf/app.conf",
    root=PurePosixPath("/dv"),
    relative="web/conf/app.conf",
    kind=ItemKind.FILE,
    owner=(0, 0),
    inside=(0, 0),
    mode=0o600,
    root_owner=(0, 0),
)


def test_one_aligned_line_an_item() -> None:
    found = (
        Prepared(item=DATA, state=PreparedState.CREATED),
        Prepared(
            item=CONF,
            state=PreparedState.DIFFERS,
            notes=("owner is 7:7, should be 0:0", "mode is 0644, should be 0600"),
        ),
        Prepared(item=CONF, state=PreparedState.AS_DECLARED),
    )
    assert [line.text for line in prepared_lines("web", found, dry_run=False)] == [
        "web: created       data           directory, owner 101:102 (231173:165638 on the host), mode 0755",
        "web: differs       conf/app.conf  owner is 7:7, should be 0:0; mode is 0644, should be 0600",
        "web: as declared   conf/app.conf  file, owner 0:0, mode 0600",
    ]
    assert [line.tone for line in prepared_lines("web", found, dry_run=False)] == ["good", "doubtful", "detail"]


def test_a_dry_run_says_what_would_be() -> None:
    found = (
        Prepared(item=DATA, state=PreparedState.CREATED),
        Prepared(item=CONF, state=PreparedState.FIXED, notes=("x",)),
    )
    assert [line.text.split("  ")[0] for line in prepared_lines("web", found, dry_run=True)] == [
        "web: would create",
        "web: would fix",
    ]


def test_moved_owners_are_counted_and_the_rest_is_said() -> None:
    shift = plan_shift("none", MAPS)
    found = (
        Moved(said="./data", shift=shift, found=Shifted(moved=12, kept=1)),
        Moved(said="cache", shift=shift, found=Shifted(done=3, foreign=2, example="/v/x", left=("/v/m",))),
        Moved(said="/srv/music", shift=shift, why="is not below /dv/web, and may be others', too; move it by hand"),
    )
    assert [line.text for line in moved_lines("web", found, dry_run=False)] == [
        "web: owners, uids 0-65535 -> 231072-296607, gids 0-65535 -> 165536-231071",
        "web: ./data      moved 12, 1 of them with set-id bits or capabilities, which stay; 0 were moved already",
        "web: cache       moved 0; 3 were moved already",
        "web: cache       2 belong to neither mapping, such as /v/x",
        "web: cache       /v/m is a mount point, and was not entered",
        "web: /srv/music  left alone: is not below /dv/web, and may be others', too; move it by hand",
    ]
    assert [each.good for each in found] == [True, False, True]
    [_, line, *_] = moved_lines("web", found, dry_run=True)
    assert "would move 12" in line.text
