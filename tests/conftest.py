"""The engine that tests run on, and an image for it. Tests that ask for `engine` are marked by that alone."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import NoReturn

import hypothesis
import pytest

from kharness.engine.api import Engine
from kharness.engine.connect import connect
from kharness.errors import EngineUnavailableError
from kharness.host.session.owner import Owner, current_owner, liveness
from kharness.ops.session import library
from kharness.plan import labels
from kharness.plugin.board import PREFIX
from tests.bystanders import OURS, Bystanders
from tests.order import longest_first
from tests.rootfs import archive, is_static

REPOSITORY = "kharness-test"
PATIENCE = 60.0
"""Seconds for what others use to go."""
HURRY = 5.0
"""The same where a person has interrupted the session, and waits for its end."""
BEFORE = pytest.StashKey[set[str]]()
BYSTANDERS = pytest.StashKey[Bystanders]()

# A busy machine is slow, not wrong: the limit of a test is that of pytest-timeout.
hypothesis.settings.register_profile("kharness", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("kharness")


def pytest_configure(config: pytest.Config) -> None:
    """Sessions that tests start have options of their own; a controller leaves them for its workers to read."""
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", default=None):
        os.environ.pop("PYTEST_ADDOPTS", None)
        # Tests change files faster than byte code notices, which looks at seconds and sizes.
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if "engine" in getattr(item, "fixturenames", ()):
            item.add_marker("engine")
    if hasattr(config, "workerinput"):
        items[:] = longest_first(items)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where an engine is required, nothing else may be missing either: a skip would hide it."""
    report = yield
    required = item.config.getoption("require_engine", default=False)
    if required and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"--require-engine allows no skip: {reason}"
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Look at the engine before the first test; in the controller, which alone sees the end of all workers."""
    if hasattr(session.config, "workerinput") or session.config.option.collectonly:
        return
    try:
        found = connect(host=None, environ=os.environ, home=Path.home())
    except EngineUnavailableError:
        return
    session.config.stash[BEFORE] = leftovers(found, alone=is_alone(session.config))
    session.config.stash[BYSTANDERS] = Bystanders.look(found, alone=is_alone(session.config))
    found.close()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a session that leaves something on the engine, or has touched what was there before it."""
    before = session.config.stash.get(BEFORE, None)
    if before is None:
        return
    try:
        found = connect(host=None, environ=os.environ, home=Path.home())
    except EngineUnavailableError as error:
        fail(session, f"the engine answered before the tests, and does not answer after them: {error}")
        return
    alone = is_alone(session.config)
    left = leftovers(found, alone=alone) - before
    interrupted = session.exitstatus == pytest.ExitCode.INTERRUPTED
    deadline = time.monotonic() + (HURRY if interrupted else PATIENCE)
    while left and time.monotonic() < deadline:
        # Another run, or another worker of this one, may be using it at this moment.
        time.sleep(0.5)
        left &= leftovers(found, alone=alone)
    harmed = list(session.config.stash[BYSTANDERS].harmed(Bystanders.look(found, alone=alone)))
    found.close()
    if left:
        fail(session, f"the tests left something on the engine: {', '.join(sorted(left))}")
    for each in harmed:
        fail(session, f"the tests touched what was on the engine before them: {each}")


def fail(session: pytest.Session, reason: str) -> None:
    """Let a session fail, and say why."""
    terminal: pytest.TerminalReporter | None = session.config.pluginmanager.get_plugin("terminalreporter")
    if terminal is not None:
        terminal.write_line(reason, red=True)
    session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """The engine that answers; the session's end sees to it that nothing of the tests' is left on it."""
    try:
        found = connect(host=None, environ=os.environ, home=Path.home())
    except EngineUnavailableError as error:
        no_engine(request, str(error))
    yield found
    found.close()


@pytest.fixture(scope="session")
def busybox(request: pytest.FixtureRequest, engine: Engine) -> Iterator[str]:
    """A reference of an image with busybox and links to all of its applets in /bin; this session's own."""
    program = shutil.which("busybox")
    if program is None or not is_static(Path(program)):
        no_engine(request, "a static busybox makes the tests' image: apt-get install -y busybox-static")
    tag = secrets.token_hex(4)
    reference = f"{REPOSITORY}/busybox:{tag}"
    engine.import_image([archive(Path(program))], reference, changes=['CMD ["sh"]'])
    yield reference
    # The library makes a name from it.
    for name in (f"{library.REPOSITORY}/busybox-{tag}:latest", reference):
        engine.remove_image(name, force=True)


@pytest.fixture
def as_root() -> None:
    """For what only root may do."""
    if os.geteuid() != 0:
        pytest.skip("needs root")


@pytest.fixture
def prefix() -> str:
    """What a test's objects on the engine are named with, so that two runs on one engine do not meet."""
    return f"kharness-test-{secrets.token_hex(4)}"


def no_engine(request: pytest.FixtureRequest, reason: str) -> NoReturn:
    """Skip the test, or fail it where an engine is required."""
    if request.config.getoption("require_engine", default=False):
        pytest.fail(reason)
    pytest.skip(reason)


def is_alone(config: pytest.Config) -> bool:
    """Whether no other test run is on this machine, as where an engine is required."""
    return bool(config.getoption("require_engine", default=False))


def leftovers(engine: Engine, *, alone: bool) -> set[str]:
    """Name what tests made and nobody will remove: an owner of ours that lives is another session at work.

    A production container has no owner, and may be another session's where this one is not `alone` on the machine.
    """
    found = [("container", each.name, each.labels) for each in engine.containers()]
    found += [("network", each.name, each.labels) for each in engine.networks()]
    found += [("volume", each.name, each.labels) for each in engine.volumes()]
    made = {f"{kind} {name}" for kind, name, said in found if name.startswith(OURS) or _is_nobodys(said, alone=alone)}
    return made | _images(engine) | _mounts() | _temporary() if alone else made


def _is_nobodys(said: Mapping[str, str], *, alone: bool) -> bool:
    owner = Owner.from_labels(said)
    if owner is None:
        return alone and labels.NAME in said
    return liveness(owner, current_owner()) == "dead"


def _images(engine: Engine) -> set[str]:
    # An image that has lost its name does not say whose it was.
    names = (name for image in engine.images() for name in image.tags or (image.id,))
    return {f"image {name}" for name in names if name.startswith((*OURS, "sha256:"))}


def _mounts() -> set[str]:
    places = (line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines())
    return {f"mount {place}" for place in places if place.startswith(f"{tempfile.gettempdir()}/")}


def _temporary() -> set[str]:
    found = (path for path in Path(tempfile.gettempdir()).iterdir() if path.name.startswith(OURS))
    # This session's own boards go when its processes end.
    return {f"directory {path}" for path in found if not path.name.startswith(PREFIX)}
