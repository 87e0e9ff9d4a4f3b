"""What a web server answers, asked of one on the loopback."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from kharness.errors import ExpectationError
from kharness.ops.expect.http import expect_http


class Handler(BaseHTTPRequestHandler):
    """Answers `hello`, or 404; `/old` leads to `/`."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        status = {"/": 200, "/old": 301}.get(self.path, 404)
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        if status == 301:
            self.send_header("Location", "/")
        self.send_header("Content-Length", "12")
        self.end_headers()
        self.wfile.write(b"hello\nworld\n")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/", {}),
        ("/never", {"status": 404}),
        ("/old", {"status": 301, "header": {"location": "/"}}),
        ("/", {"texts": ("hello", re.compile("^w.rld$", re.MULTILINE))}),
        ("/", {"header": {"content-type": re.compile("^text/plain"), "Content-Length": "12"}}),
    ],
)
def test_a_page_is_as_expected(base: str, path: str, wanted: dict[str, object]) -> None:
    assert expect_http(base + path, timeout=0, **wanted).text  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("path", "wanted", "expected", "seen"),
    [
        ("/never", {}, "200", "status 404: hello\nworld"),
        ("/", {"status": 404}, "404", "status 200: hello\nworld"),
        ("/", {"texts": ("hello", "zebra")}, "200 with text 'hello' with text 'zebra'", "the text hello\nworld"),
        ("/", {"header": {"X": "y"}}, "200 with header X 'y'", "header X: None"),
        (
            "/",
            {"header": {"Content-Type": "text/plain"}},
            "200 with header Content-Type 'text/plain'",
            "header Content-Type: 'text/plain; charset=utf-8'",
        ),
    ],
)
def test_what_a_page_is_instead_is_told(
    base: str, path: str, wanted: dict[str, object], expected: str, seen: str
) -> None:
    with pytest.raises(ExpectationError) as caught:
        expect_http(base + path, timeout=0, **wanted)  # type: ignore[arg-type]
    assert str(caught.value) == f"expected GET {base}{path} to answer {expected} within 0 s\nseen: {seen}"


def test_nobody_there_is_told() -> None:
    with pytest.raises(ExpectationError, match=r"seen: ConnectError: .*refused"):
        expect_http("http://127.0.0.1:1/", timeout=0)
