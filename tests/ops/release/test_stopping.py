"""Production is restarted as it is: the same container, waited for."""

from __future__ import annotations

import pytest

from kharness.errors import ContainerMissingError, LaunchError, SettingsError
from kharness.ops.release.stopping import Restarted, restart
from kharness.plan.facts import ExecResult, ImageFacts
from tests.ops.releases import SETTINGS, Production

Running = tuple[Production, ImageFacts]


def restarted(web: Production, *, dry_run: bool = False) -> Restarted:
    return restart(web.world.harness(), web.world.directory("web"), dry_run=dry_run)


def test_it_is_the_same_container_that_starts_again(running: Running) -> None:
    web, _ = running
    before = web.engine.container("web")
    found = restarted(web)
    after = web.engine.container("web")
    assert before
    assert after
    assert (after.id, after.running, after.started_at > before.started_at) == (before.id, True, True)
    assert found.seconds is not None
    assert found.notes == ()
    assert web.changes() == ("restart web",)


def test_a_dry_run_changes_nothing(running: Running) -> None:
    web, _ = running
    assert restarted(web, dry_run=True).seconds is None
    assert web.changes() == ()


def test_what_it_does_not_have_is_told(running: Running) -> None:
    web, _ = running
    web.world.add("web", f"{SETTINGS}    environment: {{A: b}}\n")
    settings = (
        "its settings have changed since it was launched: environment.A set; 'kharness run web' launches with them"
    )
    assert restarted(web, dry_run=True).notes == (settings,)
    one, three = web.world.tagged("ktools/web:live"), web.image("3").id
    assert one
    web.engine.tag(three, "ktools/web:live")
    moved = f"{three[7:19]} is live, and {one[7:19]} was released last: the tag was moved by hand"
    refused = "'kharness run web' refuses it, with --untested it launches it"
    assert restarted(web).notes == (f"{moved}; {refused}", settings)


def test_a_changed_default_of_the_host_is_a_changed_setting(running: Running) -> None:
    web, _ = running
    changed = restart(web.world.harness(defaults={"mem_limit": "1g"}), web.world.directory("web"), dry_run=True)
    said = "its settings have changed since it was launched: mem_limit nothing -> 1g"
    assert changed.notes == (f"{said}; 'kharness run web' launches with them",)


def test_settings_that_cannot_be_read_stop_nothing(running: Running) -> None:
    web, _ = running
    web.world.add("web", "[broken")
    with pytest.raises(SettingsError):
        restarted(web)
    assert web.changes() == ()


def test_what_does_not_become_ready_is_told_with_its_log(running: Running) -> None:
    web, _ = running
    web.engine.say("web", "no disk")
    web.engine.script = lambda *_: ExecResult(0, "", "")
    with pytest.raises(LaunchError, match=r"was not ready after(.|\n)*no disk"):
        restarted(web)
    assert web.engine.running == {"web"}


def test_where_nothing_is_there_nothing_can_be_restarted(web: Production) -> None:
    """The advice is a command that works: 'up' where something is live, else what makes it so."""
    with pytest.raises(ContainerMissingError, match="'kharness upgrade web' builds, tests and launches it"):
        restarted(web)
    web.world.engine.put_image("ktools/web:live")
    with pytest.raises(ContainerMissingError, match="'kharness up web' launches what is live"):
        restarted(web)
