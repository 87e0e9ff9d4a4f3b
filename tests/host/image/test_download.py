from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from kharness.errors import HostError
from kharness.host.image.download import fetch

CONTENT = b"a program" * 100_000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        match self.path:
            case "/ok":
                self._answer(200, len(CONTENT), CONTENT)
            case "/short":
                self._answer(200, len(CONTENT) + 5, CONTENT)
            case "/moved":
                self.send_response(302)
                self.send_header("Location", "/ok")
                self.end_headers()
            case _:
                self._answer(404, 0, b"")

    def _answer(self, status: int, length: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def asked() -> list[str]:
    return []


@pytest.fixture
def url(asked: list[str]) -> Iterator[str]:
    handler = type("Mine", (Handler,), {"asked": asked})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def test_a_file_is_fetched_once(url: str, cache: Path, asked: list[str]) -> None:
    lines: list[str] = []
    path = fetch(f"{url}/ok", SHA256, cache=cache, progress=lines.append)
    assert path.read_bytes() == CONTENT
    assert fetch(f"{url}/elsewhere", SHA256.upper(), cache=cache, progress=None) == path
    assert asked == ["/ok"]
    assert lines == [f"downloading {url}/ok"]
    assert [entry.name for entry in cache.iterdir()] == [SHA256]


def test_a_damaged_file_of_the_cache_is_fetched_again(url: str, cache: Path, asked: list[str]) -> None:
    path = fetch(f"{url}/ok", SHA256, cache=cache, progress=None)
    path.write_bytes(b"damaged")
    assert fetch(f"{url}/ok", SHA256, cache=cache, progress=None).read_bytes() == CONTENT
    assert asked == ["/ok", "/ok"]


def test_a_redirection_is_followed(url: str, cache: Path) -> None:
    assert fetch(f"{url}/moved", SHA256, cache=cache, progress=None).read_bytes() == CONTENT


def test_another_sum_is_refused_with_both_shown(url: str, cache: Path) -> None:
    with pytest.raises(HostError, match=f"/ok: its sha256 should be {'0' * 64}, not {SHA256}"):
        fetch(f"{url}/ok", "0" * 64, cache=cache, progress=None)
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("/gone", "cannot be downloaded: the server answers 404 Not Found"),
        ("/short", "ended after 900000 of 900005 bytes"),
    ],
)
def test_what_does_not_arrive_is_named(url: str, cache: Path, path: str, problem: str) -> None:
    with pytest.raises(HostError, match=f"{path}: {problem}"):
        fetch(f"{url}{path}", SHA256, cache=cache, progress=None)
    assert list(cache.iterdir()) == []


def test_a_server_that_is_not_there_is_named(cache: Path) -> None:
    with pytest.raises(HostError, match=r"http://127\.0\.0\.1:1/x: cannot be downloaded: .*Connection refused"):
        fetch("http://127.0.0.1:1/x", SHA256, cache=cache, progress=None)


def test_a_local_file_is_taken(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "with space").write_bytes(CONTENT)
    url = (tmp_path / "with space").as_uri()
    assert fetch(url, SHA256, cache=cache, progress=None).read_bytes() == CONTENT
    with pytest.raises(HostError, match=r"cannot be downloaded: .*No such file"):
        fetch("file:///nonexistent", "0" * 64, cache=cache, progress=None)


def test_other_schemes_and_sums_are_refused(cache: Path) -> None:
    with pytest.raises(HostError, match="should be a URL of http, https, file"):
        fetch("ftp://example.org/x", SHA256, cache=cache, progress=None)
    with pytest.raises(HostError, match="its sha256 should be 64 hexadecimal digits, not 'abc'"):
        fetch("http://example.org/x", "abc", cache=cache, progress=None)


def test_a_cache_that_cannot_be_made_is_named(url: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(HostError, match=r"file/cache: downloads cannot be kept there"):
        fetch(f"{url}/ok", SHA256, cache=tmp_path / "file" / "cache", progress=None)
