"""Each kind of expectation that settings declare is checked with all that it says."""

from __future__ import annotations

import pytest

from kharness.errors import ExpectationError
from kharness.ops.expect.declared import check
from kharness.ops.session.instance import Instance
from kharness.plan.expect import declared
from kharness.plan.facts import ExecResult
from kharness.settings.model import Settings
from kharness.testing import FakeEngine


@pytest.mark.parametrize(
    ("kind", "said", "wanted"),
    [
        ("http", {"port": 9, "path": "/x", "status": 204, "text": "hi"}, "/x to answer 204 with text matching 'hi'"),
        ("tcp", {"port": 9, "listening": True}, "9/tcp to be listened on"),
        ("dns", {"name": "a.b", "type": "MX", "answers": ["1 c"]}, "a.b MX to be answered with NOERROR, 1 c over udp"),
        ("command", {"command": ["x", "y"], "status": 7, "output": "z"}, "'x y' to exit with 7 with text"),
        ("file", {"path": "/f", "mode": "0600", "owner": "web"}, "/f to exist with mode 600 owned by web"),
        ("process", {"name": "sshd", "running": True}, "the process sshd to run"),
        ("log", {"seen": "ready"}, "a line matching 'ready' in the log"),
    ],
)
def test_an_expectation_that_does_not_hold_is_described(
    fake: FakeEngine, web: Instance, kind: str, said: dict[str, object], wanted: str
) -> None:
    fake.script = lambda _facts, _argv: ExecResult(1, "", "no such thing\n")
    settings = Settings.model_validate({"expect": {kind: [{**said, "timeout": "100ms"}]}})
    (found,) = declared(settings.expect)
    with pytest.raises(ExpectationError, match="expected ") as caught:
        check(web, found.wanted)
    assert wanted in str(caught.value)
