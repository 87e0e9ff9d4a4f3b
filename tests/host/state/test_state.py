from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from kharness.errors import StateError
from kharness.host.state import database
from kharness.host.state.state import BuildRecord, Entry, HardeningRecord, Release, State, Verdict
from kharness.plan.image.hardening import Deed, Hardening
from kharness.plan.image.tags import Tags
from kharness.plan.release.operation import Former, Kind, Operation, Provenance

VERDICT: dict[str, Any] = {
    "name": "web",
    "mode": "standalone",
    "inputs": "sha256:i",
    "image_id": "sha256:a",
    "outcome": "passed",
    "tests": 7,
    "at": 1.5,
    "session": "s1",
}
RELEASE: dict[str, Any] = {
    "name": "web",
    "kind": "promote",
    "image_id": "sha256:a",
    "previous": None,
    "digest": "d",
    "commit": None,
    "who": "anna",
    "at": 2.5,
    "session": "s1",
    "tests": 7,
    "note": "",
}
LATER = RELEASE | {"kind": "launch", "previous": "sha256:0", "commit": "c", "note": "n"}
WRITER = """\
import sys
from pathlib import Path
from kharness.host.state.state import State
state = State(Path(sys.argv[1]), project="shop")
for number in range(50):
    state.record_build(name=sys.argv[2], image_id=str(number), digest="d", base="b", at=float(number))
    assert state.builds(sys.argv[2], 1)[0].image_id == str(number)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "engines" / "e" / "state.db"


@pytest.fixture
def state(path: Path) -> State:
    return State(path, project="shop")


def test_nothing_is_made_before_something_is_asked(state: State, path: Path) -> None:
    assert not path.parent.exists()
    assert state.fact("x") is None
    assert path.exists()


def test_the_latest_verdict_for_exactly_these_inputs_is_remembered(state: State, path: Path) -> None:
    state.record_verdicts([Verdict(**VERDICT)])
    state.record_verdicts(
        [Verdict(**VERDICT | {"outcome": "failed", "at": 2.0}), Verdict(**VERDICT | {"inputs": "other"})]
    )
    state.record_verdicts([])
    found = State(path, project="shop").verdict("web", "standalone", "sha256:i")
    assert found == Verdict(**VERDICT | {"outcome": "failed", "at": 2.0})
    assert not found.passed
    assert state.verdict("web", "prod-ready", "sha256:i") is None
    assert state.verdict("db", "standalone", "sha256:i") is None


def test_the_ledger_has_the_newest_first_and_growing_numbers(state: State) -> None:
    first = state.record_release(Entry(**RELEASE))
    second = state.record_release(Entry(**LATER))
    third = state.record_release(Entry(**RELEASE | {"name": "db"}))
    assert first < second < third
    assert state.releases("web") == (
        Release(id=second, **LATER),
        Release(id=first, **RELEASE),
    )
    assert [release.name for release in state.releases(limit=2)] == ["db", "web"]


def test_builds_are_remembered(state: State) -> None:
    state.record_build(name="web", image_id="i", digest="d", base="b", at=1.0)
    assert state.builds("web") == (BuildRecord(name="web", image_id="i", digest="d", base="b", at=1.0),)
    assert state.builds("db") == ()


def hardened(chain: str, *names: str, at: float = 1.0) -> HardeningRecord:
    said = Hardening(family="debian", done=(Deed(step="sbin", what="removed", names=names),))
    return HardeningRecord(chain=chain, name="web", image_id="i", at=at, hardening=said)


def test_of_several_chains_of_layers_the_first_that_is_known_counts(state: State) -> None:
    for record in (hardened("a", "/x\n\udcff"), hardened("b", "/y"), hardened("b", "/z", at=2.0)):
        state.record_hardening(record)
    assert state.hardening(["never", "b", "a"]) == hardened("b", "/z", at=2.0)
    assert state.hardening(["a"]) == hardened("a", "/x\n\udcff")
    assert state.hardening(["never"]) is None
    assert state.hardened() == {"a", "b"}
    state.forget_hardening(["b", "never"])
    state.forget_hardening([])
    assert state.hardened() == {"a"}


def test_what_was_done_to_an_image_and_cannot_be_read_is_named(state: State, path: Path) -> None:
    state.record_hardening(hardened("a"))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE hardening SET body = '[]'")
        connection.commit()
    with pytest.raises(StateError, match=r"state\.db: what was done to i cannot be read: TypeError"):
        state.hardening(["a"])


def test_a_fact_replaces_an_earlier_one(state: State) -> None:
    state.set_fact("dv", "/rw/dv")
    state.set_fact("dv", "/srv/dv")
    assert state.fact("dv") == "/srv/dv"


def test_an_operation_that_is_over_leaves_nothing_of_its_request_on_the_disk(state: State, path: Path) -> None:
    """It has the variables of a container, and among them what an env_file said."""
    request = {"Env": ["TOKEN=hunter2"], "Labels": {"long": "x" * 10_000}}
    former = Former(id="f", name="web", image="i", was_up=True, restart="no", request=request)
    operation = Operation(
        id="o",
        kind=Kind.LAUNCH,
        name="web",
        image="i",
        live=None,
        prev=None,
        tags=Tags("ktools", "web"),
        evidence=Provenance(session="", tests=0),
        at=0.0,
        former=former,
    )
    state.begin(operation)
    assert [entry.operation for entry in state.operations()] == [operation]
    state.end("o")
    assert not [file for file in path.parent.iterdir() if b"hunter2" in file.read_bytes()]


def test_text_that_is_not_utf8_is_kept_escaped(state: State) -> None:
    state.set_fact("who", os.fsdecode(b"M\xfcller"))
    assert state.fact("who") == "M\\udcfcller"


def test_eight_processes_write_fifty_times_each(path: Path) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, path, f"w{number}"]) for number in range(8)]
    assert [writer.wait(120) for writer in writers] == [0] * 8
    state = State(path, project="shop")
    for number in range(8):
        written = [build.image_id for build in state.builds(f"w{number}", 100)]
        assert written == [str(count) for count in reversed(range(50))]


def test_threads_share_a_state(state: State) -> None:
    def work(name: str) -> None:
        for number in range(20):
            state.set_fact(f"{name}-{number}", name)

    threads = [threading.Thread(target=work, args=(f"t{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(state.fact(f"t{name}-{number}") for name in range(6) for number in range(20))


def test_a_killed_writer_leaves_whole_rows(path: Path) -> None:
    for _ in range(5):
        with subprocess.Popen([sys.executable, "-c", WRITER, path, "w"]) as writer:
            threading.Timer(0.25, writer.kill).start()
    state = State(path, project="shop")
    state.set_fact("still", "works")
    assert state.fact("still") == "works"


def test_the_database_has_a_write_ahead_log_and_says_its_version(state: State, path: Path) -> None:
    state.set_fact("a", "b")
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA user_version").fetchone() == (len(database.MIGRATIONS),)


def test_an_older_database_is_migrated_and_keeps_its_rows(
    state: State, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state.set_fact("dv", "/rw/dv")
    more = (*database.MIGRATIONS, ("ALTER TABLE fact ADD COLUMN since REAL", "CREATE TABLE journal (id INTEGER)"))
    monkeypatch.setattr(database, "MIGRATIONS", more)
    newer = State(path, project="shop")
    assert newer.fact("dv") == "/rw/dv"
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT since FROM fact").fetchone() == (None,)
        assert connection.execute("PRAGMA user_version").fetchone() == (len(more),)


def test_a_migration_that_fails_leaves_everything_as_it_was(
    state: State, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state.set_fact("dv", "/rw/dv")
    monkeypatch.setattr(database, "MIGRATIONS", (*database.MIGRATIONS, ("CREATE TABLE a (x)", "CREATE TABLE a (x)")))
    with pytest.raises(StateError, match=r"state\.db: cannot be used \(table a already exists\)"):
        State(path, project="shop").fact("dv")
    monkeypatch.undo()
    assert State(path, project="shop").fact("dv") == "/rw/dv"


def test_a_newer_database_is_refused_and_not_changed(state: State, path: Path) -> None:
    state.set_fact("a", "b")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    before = path.read_bytes()
    with pytest.raises(StateError, match=r"state\.db: is from a newer kharness \(schema 99, this one knows \d+\)"):
        State(path, project="shop").set_fact("a", "c")
    assert path.read_bytes() == before


def test_another_programs_database_is_refused(path: Path) -> None:
    path.parent.mkdir(parents=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    before = path.read_bytes()
    with pytest.raises(StateError, match="should be kharness's state database, not another SQLite file"):
        State(path, project="shop").fact("x")
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_named_and_kept(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not a database" * 1000)
    with pytest.raises(StateError, match=r"state\.db: is damaged; move it away or restore it"):
        State(path, project="shop").fact("x")
    assert path.read_bytes() == b"not a database" * 1000


def test_overwritten_pages_are_damage(state: State, path: Path) -> None:
    for number in range(200):
        state.set_fact(f"key {number}", "x" * 200)
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(StateError, match=r"state\.db: is damaged"):
        State(path, project="shop").fact("key 7")


def test_a_missing_table_is_damage(state: State, path: Path) -> None:
    state.set_fact("a", "b")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE release")
    with pytest.raises(StateError, match=r"is damaged, a part of its schema is missing"):
        state.releases()


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StateError, match=r"its directory cannot be made"):
        State(tmp_path / "file" / "state.db", project="shop").fact("x")


@pytest.mark.usefixtures("as_root")
def test_a_database_of_another_user_is_not_writable(state: State, path: Path, home: Path) -> None:
    state.set_fact("a", "b")
    assert home in path.parents
    code = f"""if True:
        import os, sys
        from pathlib import Path
        from kharness.errors import StateError
        from kharness.host.state.state import State
        os.setgroups([]); os.setgid(65534); os.setuid(65534)
        try:
            State(Path({str(path)!r}), project="shop").set_fact("a", "c")
        except StateError as error:
            print(error)
    """
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert f"{path}: cannot be " in said
    assert state.fact("a") == "b"


def test_a_writer_that_never_ends_is_named(state: State, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state.set_fact("a", "b")
    monkeypatch.setattr(database, "BUSY_TIMEOUT", 0.05)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StateError, match="another process has been writing for more than"):
            state.set_fact("a", "c")
        assert state.fact("a") == "b"


def test_the_last_verdict_of_each_directory_is_one_answer(state: State) -> None:
    first, second = Verdict(**VERDICT), Verdict(**{**VERDICT, "mode": "prod-ready", "at": 2.5, "outcome": "failed"})
    state.record_verdicts([second, Verdict(**{**VERDICT, "name": "db"}), first])
    assert state.last_verdicts() == {"web": first, "db": Verdict(**{**VERDICT, "name": "db"})}


def test_facts_are_found_by_the_beginning_of_their_keys(state: State) -> None:
    state.set_facts({"scan:web": "1", "scan:a%b": "2"})
    state.set_facts({})
    state.set_fact("scan", "3")
    assert state.facts("scan:") == {"web": "1", "a%b": "2"}
    assert state.facts("never:") == {}
