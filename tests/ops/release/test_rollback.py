"""Back to what was live before: the image that the ledger names, and no other."""

from __future__ import annotations

import pytest

from kharness.errors import RefusedError, UsageError
from kharness.ops.release.relaunch import relaunch
from kharness.ops.release.rollback import choose, earlier, roll_back, would_roll_back
from kharness.ops.release.work import Tests
from kharness.plan.facts import ImageFacts, short_id
from kharness.plan.release.operation import Released
from tests.ops.releases import SETTINGS, Production, exits, ledger

Running = tuple[Production, ImageFacts]


def back(web: Production, to: str | None = None, verify: Tests = lambda: ()) -> Released:
    return roll_back(web.world.harness(), web.world.directory("web"), to=to, verify=verify)


def forget(web: Production, image: ImageFacts) -> None:
    """Let nothing name or use an image."""
    found = web.engine.image(image.id)
    assert found is not None
    for tag in found.tags:
        web.engine.untag(tag)


def test_the_image_that_was_live_before_is_launched_again_and_becomes_live(running: Running) -> None:
    web, old = running
    new = web.image("3")
    web.launch(new)
    done = back(web)
    assert (done.kind, done.image, done.previous) == ("launched", old.id, new.id)
    assert (web.snapshot().live, web.snapshot().prev) == (old.id, new.id)
    (found,) = web.snapshot().containers
    assert found[:3] == ("web", old.id, "running")
    assert ledger(web)[-1][:3] == ("rollback", old.id, new.id)


def test_a_second_way_back_must_say_where_to(running: Running) -> None:
    web, old = running
    new = web.image("3")
    web.launch(new)
    assert back(web).image == old.id
    again = r"the last release was a roll-back already; say with --to where to; .*still"
    with pytest.raises(UsageError, match=again):
        back(web)
    # As after each start of the host.
    relaunch(web.world.harness(), web.world.directory("web"))
    assert ledger(web)[-1][0] == "relaunch"
    with pytest.raises(UsageError, match=again):
        back(web)
    assert back(web, new.id).image == new.id


def test_the_ledger_knows_the_image_and_not_the_sources_as_they_are_now(running: Running) -> None:
    web, _ = running
    web.launch(web.image("3"))
    back(web)
    row = web.world.harness().state.releases("web")[0]
    assert (row.kind, row.commit) == ("rollback", "c1")


@pytest.mark.parametrize("digits", [4, 12, 64])
def test_an_image_can_be_meant_by_the_beginning_of_its_id(running: Running, digits: int) -> None:
    web, old = running
    web.launch(web.image("3"))
    web.launch(web.image("4"))
    assert back(web, old.id.removeprefix("sha256:")[:digits]).image == old.id


def test_an_image_can_be_meant_by_the_tag_that_keeps_it(running: Running) -> None:
    web, old = running
    web.launch(web.image("3"))
    found = web.engine.image(old.id)
    assert found is not None
    (tag,) = [tag.rpartition(":")[2] for tag in found.tags if ":release-" in tag]
    assert back(web, tag).image == old.id


def test_what_is_not_fit_any_more_leaves_what_runs_now(running: Running) -> None:
    web, _ = running
    web.launch(web.image("3"))
    before = web.snapshot()
    done = back(web, verify=lambda: ("it cannot read the new data",))
    assert done.kind == "undone"
    assert web.snapshot() == before


def test_an_image_that_is_gone_is_refused_and_no_other_is_taken(running: Running) -> None:
    web, old = running
    web.launch(web.image("3"))
    forget(web, old)
    before = web.snapshot()
    with pytest.raises(RefusedError, match=r"is gone; .*'docker system prune -a' takes everything") as caught:
        back(web)
    assert f"the image {short_id(old.id)} is gone" in str(caught.value)
    assert "what was live and is still here: " in str(caught.value)
    assert web.snapshot() == before


@pytest.mark.parametrize(
    ("to", "said"),
    [
        ("abc", "should be at least 4 digits"),
        ("0000", "no earlier release of an image 0000; what was live and is still here: "),
        ("release-20200101-000000-000", "there is no image web:release-20200101"),
    ],
)
def test_what_means_no_image_is_told_with_what_there_is(running: Running, to: str, said: str) -> None:
    web, _ = running
    with pytest.raises(UsageError, match=said):
        back(web, to)


def test_without_an_earlier_release_there_is_no_way_back(web: Production) -> None:
    web.launch(web.image("1"))
    with pytest.raises(UsageError, match="no earlier release; nothing that was live before is still here"):
        back(web)


def test_what_was_undone_was_never_live(running: Running) -> None:
    web, _ = running
    bad = exits(web)
    assert web.launch(bad).kind == "undone"
    assert bad.id not in {each.image for each in earlier(web.world.harness(), "web")}


def test_what_is_only_built_on_goes_back_by_its_tags_alone(running: Running) -> None:
    web, old = running
    web.world.add("child", dockerfile="FROM ktools/web:live\n")
    new = web.image("3")
    web.launch(new)
    before = web.snapshot().containers
    done = back(web)
    assert (done.kind, done.image) == ("promoted", old.id)
    assert web.snapshot().live == old.id
    assert web.snapshot().containers == before
    assert ledger(web)[-1][0] == "rollback"


def test_a_dry_run_lists_the_steps_and_takes_none(running: Running) -> None:
    web, live = running
    harness, directory = web.world.harness(), web.world.directory("web")
    web.forget()
    earlier_image = choose(harness, "web", None)
    assert would_roll_back(harness, directory, earlier_image) == (
        f"tag {short_id(live.id)} as ktools/web:prev",
        f"tag {short_id(earlier_image.id)} as ktools/web:live",
        "create the new container as web.new",
        "stop web",
        "rename the old container to web.old, where it stays until the new one is verified",
        "start the new container as web",
        "verify it in place; where that fails, all of this is undone",
    )
    assert web.changes() == ()


def test_a_dry_run_is_refused_as_the_roll_back_would_be(running: Running) -> None:
    web, _ = running
    web.world.add("web", SETTINGS.replace("release: {", "release: {data: snapshot, "))
    directory = web.world.volume_root / "web"
    directory.rename(web.world.path / "elsewhere")
    directory.symlink_to(web.world.path / "elsewhere")
    harness = web.world.harness()
    with pytest.raises(RefusedError, match="should be a directory for its snapshots, not a symbolic link"):
        would_roll_back(harness, web.world.directory("web"), choose(harness, "web", None))
