"""A client whose failures are read at the test's own line."""

from __future__ import annotations

import traceback

import httpx
import pytest

from kharness.ops.host.web import client

VERBS = ("get", "options", "head", "post", "put", "patch", "delete")


@pytest.mark.parametrize("verb", VERBS)
def test_a_failure_names_the_request_and_shows_no_frame_of_the_library(verb: str) -> None:
    url = "http://127.0.0.1:9/"
    with client(url) as http, pytest.raises(httpx.ConnectError) as found:
        getattr(http, verb)("/x?y=1")
    assert str(found.value).startswith(f"{verb.upper()} {url}x?y=1: ")
    assert found.value.request.url == f"{url}x?y=1"
    assert (found.value.__cause__, found.value.__context__) == (None, None)
    files = {frame.filename.rpartition("/")[2] for frame in traceback.extract_tb(found.value.__traceback__)}
    assert files == {"test_web.py", "web.py"}
    hidden = [entry.frame.f_locals.get("__tracebackhide__") for entry in found.traceback]
    assert hidden == [None, True, True]
