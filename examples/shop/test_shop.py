"""What must be true of the shop as a whole: orders arrive in the database, through the proxy, over TLS."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping

import httpx
import pytest

from kharness import Instance

pytestmark = [pytest.mark.standalone, pytest.mark.prod_ready]


@pytest.fixture(scope="session")
def shop(stack: Mapping[str, Instance]) -> Iterator[httpx.Client]:
    """A visitor of the shop, who trusts the certificate that the proxy has made."""
    made = stack["proxy"].exec("cat", "/certificate/certificate.pem").stdout
    trusted = ssl.create_default_context(cadata=made)
    # The certificate names the host that visitors type, and a test instance has an address alone.
    trusted.check_hostname = False
    with httpx.Client(base_url=stack["proxy"].url(scheme="https"), verify=trusted) as client:
        yield client


def test_an_order_is_listed(shop: httpx.Client) -> None:
    placed = shop.post("/", content="a lamp")
    assert placed.status_code == httpx.codes.CREATED
    assert placed.json() in shop.get("/").json()["orders"]


def test_an_order_of_nothing_is_refused(shop: httpx.Client) -> None:
    assert shop.post("/").status_code == httpx.codes.BAD_REQUEST


def test_visits_are_counted_in_the_cache(shop: httpx.Client, stack: Mapping[str, Instance]) -> None:
    shop.get("/")
    before = int(stack["cache"].exec("redis-cli", "get", "visits").stdout)
    shop.get("/")
    assert int(stack["cache"].exec("redis-cli", "get", "visits").stdout) == before + 1


@pytest.mark.in_prod
def test_database_and_cache_answer_through_the_proxy(shop: httpx.Client) -> None:
    answer = shop.get("/health")
    assert answer.status_code == httpx.codes.OK
    assert answer.json()["cache"] is True


def test_the_proxy_does_not_know_the_database(stack: Mapping[str, Instance]) -> None:
    assert stack["proxy"].exec("getent", "hosts", "app").ok
    assert not stack["proxy"].exec("getent", "hosts", "db").ok
