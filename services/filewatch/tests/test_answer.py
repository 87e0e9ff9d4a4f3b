from __future__ import annotations

import pytest
from filewatch.answer import answer
from filewatch.changes import reasons
from filewatch.findings import Scan, State
from filewatch.http1 import Request, Response
from filewatch.monitor import Latest
from filewatch.page import rows
from fw_findings import finding, scan

GOOD = scan(finding("/a"), finding("/b", State.SKIPPED), finding("/c", State.ABSENT))
BAD = scan(finding("/a", State.TOO_OLD, "9 s old, at most 5 s old"), finding("/b"))


def ask(
    result: Scan | None, *, path: str = "/healthz", method: str = "GET", age: float = 1, failure: str = ""
) -> Response:
    latest = (
        Latest(scan=result, rows=rows(result), reasons=reasons(result), began=100, failure=failure) if result else None
    )
    return answer(Request(method, path), latest, now=100 + age, stale_after=60)


def text(response: Response) -> str:
    return b"".join(response.body).decode()


def test_health_is_all_ok_when_every_file_is() -> None:
    response = ask(GOOD)
    assert (response.status, text(response)) == (200, "all ok\n")


def test_health_is_an_error_with_a_reason_for_each_bad_file() -> None:
    response = ask(BAD)
    assert (response.status, text(response)) == (503, "ERROR\n/a: too old: 9 s old, at most 5 s old\n")


def test_many_reasons_are_cut_and_counted() -> None:
    lines = text(ask(scan(*(finding(f"/{number}", State.MISSING) for number in range(50))))).splitlines()
    assert len(lines) == 22
    assert lines[-1] == "... and 30 more"


def test_before_the_first_scan_nothing_is_ok() -> None:
    response = ask(None)
    assert (response.status, text(response)) == (503, "ERROR\nno scan has ended yet\n")
    assert ask(None, path="/").status == 503


@pytest.mark.parametrize(("age", "status"), [(0, 200), (60, 200), (60.5, 503), (1e6, 503)])
def test_a_dead_scanner_does_not_look_healthy(age: float, status: int) -> None:
    assert ask(GOOD, age=age).status == status
    assert ask(GOOD, age=age, path="/").status == status


def test_a_stale_result_is_told_with_its_age_before_what_it_says() -> None:
    assert text(ask(BAD, age=75)).splitlines()[:3] == [
        "ERROR",
        "the last scan began 75 s ago, more than 60 s",
        "/a: too old: 9 s old, at most 5 s old",
    ]


def test_a_failed_scan_is_an_error_at_once() -> None:
    response = ask(GOOD, failure="OSError: surprise")
    assert (response.status, text(response)) == (503, "ERROR\nthe last scan failed: OSError: surprise\n")
    assert "surprise" in text(ask(GOOD, failure="OSError: surprise", path="/"))


@pytest.mark.parametrize("path", ["/", "/table", "/healthz/", "/healthz.html", "*"])
def test_any_other_path_is_the_page_which_is_right_even_about_bad_files(path: str) -> None:
    response = ask(BAD, path=path)
    assert response.status == 200
    assert response.content_type == "text/html; charset=utf-8"
    assert "<h1>filewatch: ERROR</h1>" in text(response)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "get", "X"])
def test_only_get_and_head_are_allowed(method: str) -> None:
    response = ask(GOOD, method=method)
    assert response.status == 405
    assert ("Allow", "GET, HEAD") in response.headers


def test_the_page_has_a_row_of_file_rule_check_state_and_detail_for_each_file() -> None:
    page = text(ask(BAD, path="/"))
    cells = "<td>/a</td><td>/rule</td><td>at most 5 s old</td><td>too old</td><td>9 s old, at most 5 s old</td>"
    assert f'<tr class="bad">{cells}</tr>' in page
    assert page.count("<tr class=") == 2
    assert "2 files as they were 1.0 s ago, at 2001-09-09 01:46:40 UTC; the scan took 0.25 s" in page


def test_the_page_escapes_everything() -> None:
    nasty = finding("/<script>alert('x')&\"\udcff\u202e", State.TEXT_FOUND, "<i>", check="NOT-FOUND:<b>")
    page = text(ask(scan(nasty), path="/"))
    assert "<td>/&lt;script&gt;alert(&#x27;x&#x27;)&amp;&quot;\\xff\\u202e</td>" in page
    assert "<td>NOT-FOUND:&lt;b&gt;</td><td>text found</td><td>&lt;i&gt;</td>" in page


def test_the_page_allows_no_script_and_no_frame() -> None:
    policy = dict(ask(GOOD, path="/").headers)["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "frame-ancestors 'none'" in policy
