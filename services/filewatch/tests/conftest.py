"""Put the service and the tests' own helper on the path, wherever pytest was started from."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from filewatch.config import ScanConfig  # noqa: E402
from filewatch.rules import parse_rule  # noqa: E402
from filewatch.scan import Scanner  # noqa: E402
from fw_running import Running, start  # noqa: E402

NOBODY = 65534


@pytest.fixture
def scanner(tmp_path: Path) -> Callable[..., Scanner]:
    """Make a scanner of rules whose paths are below tmp_path."""

    def make(rules: dict[str, object], **options: float) -> Scanner:
        config = ScanConfig(**options)  # type: ignore[arg-type]
        return Scanner([parse_rule(f"{tmp_path}/{path}", said) for path, said in rules.items()], config)

    return make


@pytest.fixture
def look(tmp_path: Path, scanner: Callable[..., Scanner]) -> Callable[..., dict[str, str]]:
    """Scan once by such rules: a path relative to tmp_path -> the state's text."""

    def scan(rules: dict[str, object], **options: float) -> dict[str, str]:
        found = scanner(rules, **options).scan().findings
        return {os.path.relpath(finding.path, tmp_path): finding.state.value for finding in found}

    return scan


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Start filewatch as a process on a port of its own; the text is TOML in which `@` is tmp_path."""
    with ExitStack() as stack:

        def begin(text: str) -> Running:
            return stack.enter_context(start(text, tmp_path))

        yield begin


@pytest.fixture
def unprivileged(tmp_path: Path) -> Callable[[], AbstractContextManager[None]]:
    """Be nobody for a while where the tests run as root, whom no mode stops."""

    @contextmanager
    def be() -> Iterator[None]:
        root = os.geteuid() == 0
        for directory in tmp_path.parents if root else ():
            if directory.stat().st_uid == 0 and not directory.stat().st_mode & 0o001:
                directory.chmod(0o711)
        tmp_path.chmod(0o755)
        if root:
            os.seteuid(NOBODY)
        try:
            yield
        finally:
            if root:
                os.seteuid(0)

    return be
