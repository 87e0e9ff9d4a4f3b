"""The two pages, which must be right everywhere; nothing here writes anything, so production may be asked as well."""

from __future__ import annotations

import httpx
import pytest

from kharness import Instance

pytestmark = [pytest.mark.standalone, pytest.mark.prod_ready, pytest.mark.in_prod]


def test_health_is_all_ok_or_an_error_with_reasons(http: httpx.Client) -> None:
    # Production's files may be in trouble while the service that says so is well.
    answer = http.get("/healthz")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    if answer.status_code == httpx.codes.OK:
        assert answer.text == "all ok\n"
    else:
        assert answer.status_code == httpx.codes.SERVICE_UNAVAILABLE
        first, *reasons = answer.text.splitlines()
        assert first == "ERROR"
        assert reasons


def test_the_result_is_fresh(http: httpx.Client) -> None:
    answer = http.get("/healthz")
    assert "no scan has ended yet" not in answer.text
    assert "the last scan" not in answer.text


def test_any_other_path_is_a_table_of_files_rules_and_states(http: httpx.Client) -> None:
    for path in ("/", "/whatever?x=1"):
        answer = http.get(path)
        assert answer.status_code == httpx.codes.OK
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        assert "<th>file</th><th>rule</th><th>check</th><th>state</th>" in answer.text
        assert "<td>/watched" in answer.text


def test_the_page_may_run_no_script(http: httpx.Client) -> None:
    assert http.get("/").headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'sha256-")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_nobody_can_change_anything(http: httpx.Client, method: str) -> None:
    answer = http.request(method, "/healthz", content=b"x" * 1000)
    assert answer.status_code == httpx.codes.METHOD_NOT_ALLOWED
    assert answer.headers["Allow"] == "GET, HEAD"


def test_a_head_request_has_no_body(http: httpx.Client) -> None:
    answer = http.head("/")
    assert answer.content == b""
    assert int(answer.headers["Content-Length"]) > 100


def test_the_probe_of_the_health_check_agrees(container: Instance) -> None:
    result = container.exec("python3", "-m", "filewatch", "--probe", "http://127.0.0.1:8080/")
    assert (result.exit_code, result.stdout) == (0, "200 OK\n")


def test_the_probe_of_a_port_where_nobody_listens_fails(container: Instance) -> None:
    result = container.exec("python3", "-m", "filewatch", "--probe", "http://127.0.0.1:8081/")
    assert result.exit_code == 1
    assert "refused" in result.stderr
