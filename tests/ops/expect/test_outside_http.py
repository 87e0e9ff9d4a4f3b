"""What a web server answers, asked of one on the loopback."""

from __future__ import annotations

import re
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from kharness.errors import ExpectationError
from kharness.ops.expect.outside import expect_http


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
def test_another_page_is_reported(base: str, path: str, wanted: dict[str, object], expected: str, seen: str) -> None:
    with pytest.raises(ExpectationError) as caught:
        expect_http(base + path, timeout=0, **wanted)  # type: ignore[arg-type]
    assert str(caught.value) == f"expected GET {base}{path} to answer {expected} within 0 s\nseen: {seen}"


def test_a_refused_connection_is_reported() -> None:
    with pytest.raises(ExpectationError, match=r"seen: ConnectError: .*refused"):
        expect_http("http://127.0.0.1:1/", timeout=0)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A key and a certificate that it signed itself, of another name than the address, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "web.example")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    plain = serialization.NoEncryption()
    (tmp_path / "pem").write_bytes(
        signed + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    )
    return tmp_path / "pem"


def test_a_certificate_is_checked_or_not(certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        url = f"https://127.0.0.1:{server.server_port}/"
        assert expect_http(url, verify=False, timeout=0).status_code == 200
        with pytest.raises(ExpectationError, match="CERTIFICATE_VERIFY_FAILED"):
            expect_http(url, timeout=0)
        server.shutdown()
