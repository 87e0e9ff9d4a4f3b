from __future__ import annotations

from http import HTTPStatus

import pytest
from filewatch.http1 import Request, parse_request, plain


@pytest.mark.parametrize(
    ("line", "request_"),
    [
        ("GET / HTTP/1.1", Request("GET", "/")),
        ("HEAD /healthz HTTP/1.0", Request("HEAD", "/healthz")),
        ("GET /healthz?full=1 HTTP/1.1", Request("GET", "/healthz")),
        ("GET http://any.example:80/healthz?x HTTP/1.1", Request("GET", "/healthz")),
        ("GET http://any.example HTTP/1.1", Request("GET", "/")),
        ("OPTIONS * HTTP/1.1", Request("OPTIONS", "*")),
        ("GET /\xff HTTP/1.1", Request("GET", "/\xff")),
    ],
)
def test_a_request_is_a_method_and_a_path(line: str, request_: Request) -> None:
    assert parse_request(f"{line}\r\nHost: x\r\n\r\n".encode("latin-1")) == request_


@pytest.mark.parametrize(
    "line",
    ["", "GET", "GET /", "GET / HTTP/2.0", "GET / HTTP/1.1 ", " GET / HTTP/1.1", "G@T / HTTP/1.1", "GET / x HTTP/1.1"],
)
def test_what_is_no_request_is_none(line: str) -> None:
    assert parse_request(f"{line}\r\n\r\n".encode()) is None


def test_a_response_tells_its_length_and_ends_its_connection() -> None:
    head = plain(HTTPStatus.NOT_FOUND, "größe", headers=(("Allow", "GET"),)).head()
    lines = head.decode("ascii").split("\r\n")
    assert lines[0] == "HTTP/1.1 404 Not Found"
    assert lines[-2:] == ["", ""]
    assert {"Content-Length: 7", "Connection: close", "Cache-Control: no-store", "Allow: GET"} <= set(lines)
