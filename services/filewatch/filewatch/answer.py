"""What is answered to a request, by the last result alone: no request causes a scan."""

from __future__ import annotations

from http import HTTPStatus

from filewatch.health import health
from filewatch.http1 import Request, Response, plain
from filewatch.monitor import Latest
from filewatch.page import POLICY, page

METHODS = ("GET", "HEAD")
HEALTH_PATH = "/healthz"


def answer(request: Request, latest: Latest | None, *, now: float, stale_after: float) -> Response:
    """Answer `/healthz` with text (503 unless all is ok), any other path with the page (503 unless it is fresh).

    A page about bad files is a good page: so a look at it tells whether filewatch itself works.
    """
    if request.method not in METHODS:
        return plain(HTTPStatus.METHOD_NOT_ALLOWED, headers=(("Allow", ", ".join(METHODS)),))
    state = health(latest, now=now, stale_after=stale_after)
    if request.path == HEALTH_PATH:
        return plain(HTTPStatus.SERVICE_UNAVAILABLE if state.reasons else HTTPStatus.OK, state.text)
    scan = latest.scan if latest else None
    return Response(
        status=HTTPStatus.OK if state.fresh else HTTPStatus.SERVICE_UNAVAILABLE,
        body=page(scan, latest.rows if latest else b"", state, age=now - latest.began if latest else None),
        content_type="text/html; charset=utf-8",
        headers=(("Content-Security-Policy", POLICY),),
    )
