"""A ledger that cannot be read is begun anew, and is good enough for a roll-back."""

from __future__ import annotations

from pathlib import Path

import pytest

from kharness.errors import StateError, UsageError
from kharness.ops.release.recover import rebuild
from kharness.ops.release.rollback import roll_back
from kharness.plan.facts import ImageFacts
from tests.ops.releases import Production, ledger

Running = tuple[Production, ImageFacts]


def database(web: Production) -> Path:
    return web.world.path / "state" / "state.db"


def damage(web: Production) -> None:
    for path in database(web).parent.glob("state.db*"):
        path.unlink()
    database(web).write_bytes(b"not a database at all" * 100)


def test_what_was_live_is_known_again_and_can_be_gone_back_to(running: Running) -> None:
    web, old = running
    new = web.image("3")
    web.launch(new)
    damage(web)
    with pytest.raises(StateError, match="is damaged"):
        web.launch(web.image("4"))
    aside, entries = rebuild(web.world.harness())
    assert aside.read_bytes().startswith(b"not a database")
    assert [entry.image_id for entry in entries][-2:] == [old.id, new.id]
    assert {row[0] for row in ledger(web)} == {"found"}
    done = roll_back(web.world.harness(), web.world.directory("web"), verify=lambda: ())
    assert (done.kind, done.image) == ("launched", old.id)


def test_a_ledger_that_can_be_read_is_left_alone(running: Running) -> None:
    web, _ = running
    before = ledger(web)
    with pytest.raises(UsageError, match="can be read; there is nothing to rebuild"):
        rebuild(web.world.harness())
    assert ledger(web) == before
