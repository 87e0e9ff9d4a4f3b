"""The HTTP client of tests.

Importing httpx and reading the trust store take longer than most tests, so this module is imported only when a test
needs it, and the trust store is read once a process.
"""

from __future__ import annotations

import ssl
import sys
from functools import cache
from typing import Any

# Its command line, which nothing here uses, would load click and rich, and take longer than all of the rest.
if "httpx" not in sys.modules:
    sys.modules["httpx._main"] = None  # type: ignore[assignment]
import httpx

if sys.modules.get("httpx._main", sys) is None:
    del sys.modules["httpx._main"]


class HttpClient(httpx.Client):
    """A client whose failures name the request, and are shown at the test's own line."""

    def request(self, method: str, url: httpx.URL | str, **options: Any) -> httpx.Response:
        """Make a request; see `httpx.Client`."""
        __tracebackhide__ = True
        try:
            return super().request(method, url, **options)
        except httpx.TransportError as error:
            # The frames below this one are those of httpx and httpcore, and say nothing about the test.
            failure = _named(error, method, self._merge_url(url))
        raise failure

    def get(self, url: httpx.URL | str, **options: Any) -> httpx.Response:
        """Make a GET request."""
        __tracebackhide__ = True
        return self.request("GET", url, **options)

    def options(self, url: httpx.URL | str, **options: Any) -> httpx.Response:
        """Make an OPTIONS request."""
        __tracebackhide__ = True
        return self.request("OPTIONS", url, **options)

    def head(self, url: httpx.URL | str, **options: Any) -> httpx.Response:
        """Make a HEAD request."""
        __tracebackhide__ = True
        return self.request("HEAD", url, **options)

    def post(self, url: httpx.URL | str, **options: Any) -> httpx.Response:
        """Make a POST request."""
        __tracebackhide__ = True
        return self.request("POST", url, **options)

    def put(self, url: httpx.URL | str, **options: Any) -> httpx.Response:
        """Make a PUT request."""
        __tracebackhide__ = True
        return self.request("PUT", url, **options)

    def patch(self, url: httpx.URL | str, **options: Any) -> httpx.Response:
        """Make a PATCH request."""
        __tracebackhide__ = True
        return self.request("PATCH", url, **options)

    def delete(self, url: httpx.URL | str, **options: Any) -> httpx.Response:
        """Make a DELETE request."""
        __tracebackhide__ = True
        return self.request("DELETE", url, **options)


@cache
def trust() -> ssl.SSLContext:
    """Return the authorities that clients trust, always the same object."""
    return httpx.create_ssl_context(trust_env=False)


def client(base_url: str) -> HttpClient:
    """Return a client that connects to the container directly, past any proxy."""
    return HttpClient(base_url=base_url, timeout=10.0, trust_env=False, verify=trust())


def _named(error: httpx.TransportError, method: str, url: httpx.URL) -> httpx.TransportError:
    """Return the error again, of its own type, with the request in its text and without its traceback."""
    failure = type(error)(f"{method} {url}: {str(error) or type(error).__name__}")
    failure._request = getattr(error, "_request", None)  # noqa: SLF001 - httpx sets it in the same way
    return failure
