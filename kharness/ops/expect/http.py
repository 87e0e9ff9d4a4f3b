"""A web page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import httpx

from kharness.ops.expect.until import until
from kharness.ops.waiting import NotYetError
from kharness.ops.web import trust
from kharness.plan.expected import Text, is_, lacks, told, with_texts


def expect_http(
    url: str,
    *,
    status: int = 200,
    texts: Sequence[Text] = (),
    header: Mapping[str, Text] | None = None,
    method: str = "GET",
    verify: bool = True,
    timeout: float,
    hidden: Iterable[str] = (),
) -> httpx.Response:
    """Expect a status, all the texts in the body, and headers; returns the response. Redirections are not followed.

    `verify` says whether a certificate is checked. Raises `ExpectationError`.
    """
    headers = dict(header or {})

    def look(left: float) -> httpx.Response:
        try:
            response = httpx.request(method, url, timeout=left, trust_env=False, verify=trust() if verify else False)
        except httpx.HTTPError as error:
            raise NotYetError(f"{type(error).__name__}: {error}") from error
        if response.status_code != status:
            raise NotYetError(f"status {response.status_code}: {response.text}")
        for name, value in headers.items():
            found = response.headers.get(name)
            if found is None or not is_(found, value):
                raise NotYetError(f"header {name}: {found!r}")
        if lacks(response.text, texts):
            raise NotYetError(f"the text {response.text}")
        return response

    wanted = f"{method} {url} to answer {status}{with_texts(texts)}"
    wanted += "".join(f" with header {name} {told(value)}" for name, value in headers.items())
    return until(look, wanted=wanted, timeout=timeout, hidden=hidden)
