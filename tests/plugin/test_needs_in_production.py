"""A session launches what others need first, leaves down what a person stopped, and refuses what could not work."""

from __future__ import annotations

import pytest

from kharness.engine.api import Engine
from tests.plugin.conftest import add_web
from tests.projects import Project


@pytest.mark.engine
def test_what_is_needed_is_launched_first_and_what_was_stopped_stays_down(
    project: Project, engine: Engine, busybox: str
) -> None:
    """One test, because each session stands on the one before."""
    for short, wave in (("api", 1), ("db", 2)):
        settings = add_web(project, busybox, name=short) / "settings.yaml"
        needs = f"depends_on: {{{project.name('db')}: service_healthy}}\n" if short == "api" else ""
        settings.write_text(f"{settings.read_text()}autostart: {wave}\n{needs}")
    api, db = project.name("api"), project.name("db")
    # A test instance runs beside what is live of its needs.
    assert project.pytest(f"containers/{db}", "--ready", "--promote").status == 0
    launched = project.pytest("containers", "--ready", "--launch")
    assert launched.status == 0, launched.output
    first, second = (launched.output.index(f"{name}: relaunching production") for name in (db, api))
    assert first < second

    assert project.kharness("down", db).status == 0
    again = project.pytest("containers", "--ready", "--launch")
    assert again.status == 1, again.output
    assert f"{db}: promoted, not launched: it stays down: " in again.output
    assert f"needs {db}, which exited with" in again.output
    production = engine.container(db)
    assert production is not None
    assert production.state == "exited"

    # It is named itself: that is a command about it.
    named = project.pytest(f"containers/{db}", "--ready", "--launch")
    assert named.status == 0, named.output
    assert project.kharness("check-all-up").output.endswith("all ok\n")
    engine.pause(db)
    paused = project.pytest(f"containers/{db}", "--in-prod")
    assert paused.status == 1, paused.output
    assert f"{db}: production does not run: it is paused; 'docker unpause {db}' lets it go on" in paused.output
    assert project.kharness("is-up", db).status == 1
    checked = project.kharness("check-all-up")
    assert (checked.status, f"{api}: needs {db}, which is paused" in checked.output) == (1, True)
