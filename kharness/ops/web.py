"""What is needed of httpx, made once a process: importing it and reading the trust store take longer than most tests.

Nothing here is loaded before a test that wants it has been collected.
"""

from __future__ import annotations

import ssl
from functools import cache

import httpx


@cache
def trust() -> ssl.SSLContext:
    """Return the authorities that clients trust; always the same object."""
    return httpx.create_ssl_context(trust_env=False)


def client(base_url: str) -> httpx.Client:
    """Return a client that goes to the container itself, past any proxy."""
    return httpx.Client(base_url=base_url, timeout=10.0, trust_env=False, verify=trust())
