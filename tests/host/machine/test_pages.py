"""Pages are told to this host and nobody else."""

from __future__ import annotations

import httpx
import pytest

from kharness.errors import HostError, UsageError
from kharness.host.machine.pages import Page, serving


@pytest.mark.parametrize("address", ["127.0.0.1:0", "[::1]:0"])
def test_a_page_is_answered_with_its_status(address: str) -> None:
    pages = {"/ok": lambda: Page("odd \udcff\n"), "/bad": lambda: Page("no\n", status=503, kind="text/x")}
    with serving(address, pages) as where:
        good, bad = httpx.get(f"http://{where}/ok?x=1"), httpx.get(f"http://{where}/bad")
        assert (good.status_code, good.text) == (200, "odd \\udcff\n")
        assert (bad.status_code, bad.text, bad.headers["Content-Type"]) == (503, "no\n", "text/x")
        assert httpx.get(f"http://{where}/").status_code == 404
        head = httpx.head(f"http://{where}/ok")
        assert (head.status_code, head.text) == (200, "")
        assert httpx.post(f"http://{where}/ok").status_code == 501
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://{where}/ok")


@pytest.mark.parametrize("address", ["0.0.0.0:9321", "192.0.2.1:80", "[::]:80"])
def test_an_address_that_others_reach_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match="should be a loopback address"), serving(address, {}):
        pass


@pytest.mark.parametrize("address", ["", "9321", "localhost:9321", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:70000"])
def test_what_is_no_address_is_told(address: str) -> None:
    with pytest.raises(UsageError, match="should be an address and a port"), serving(address, {}):
        pass


def test_a_port_that_is_taken_is_told() -> None:
    with (
        serving("127.0.0.1:0", {}) as where,
        pytest.raises(HostError, match=f"{where}: cannot be listened at: Address already in use"),
        serving(where, {}),
    ):
        pass
