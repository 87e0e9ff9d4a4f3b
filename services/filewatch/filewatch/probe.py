"""Ask a running filewatch, as a HEALTHCHECK in an image without curl does."""

from __future__ import annotations

from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

_SHOWN = 2000


def probe(url: str, *, timeout: float) -> tuple[bool, str]:
    """GET an `http://` URL: whether the answer is 200, and what to tell about it. ValueError for another URL.

    No proxy is used and no redirection followed: the question is whether this very address answers.
    """
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError(f"should be http://HOST[:PORT]/PATH, not {url!r}")
    connection = HTTPConnection(parts.hostname, parts.port or 80, timeout=timeout)
    try:
        connection.request("GET", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))
        response = connection.getresponse()
        text = response.read(_SHOWN).decode(errors="replace")
    except (OSError, HTTPException) as error:
        return False, f"{url}: {error}\n"
    finally:
        connection.close()
    shown = text if response.headers.get_content_type() == "text/plain" else ""
    return response.status == HTTPStatus.OK, shown or f"{response.status} {response.reason}\n"
