from __future__ import annotations

import pytest

from kharness.errors import HostError
from kharness.host.session.firewall import Destination, resolve


@pytest.mark.parametrize(
    ("text", "network", "version", "port"),
    [
        ("10.1.2.3", "10.1.2.3/32", 4, None),
        ("10.1.2.3:53", "10.1.2.3/32", 4, 53),
        ("10.0.0.0/8:443", "10.0.0.0/8", 4, 443),
        ("10.1.2.3/8", "10.0.0.0/8", 4, None),
        ("2001:db8::1", "2001:db8::1/128", 6, None),
        ("[2001:db8::1]:25", "2001:db8::1/128", 6, 25),
        ("2001:db8::/32", "2001:db8::/32", 6, None),
    ],
)
def test_addresses_and_networks_are_read(text: str, network: str, version: int, port: int | None) -> None:
    (found,) = resolve(text)
    assert (found.network, found.version, found.port, found.name) == (network, version, port, None)


def test_a_name_is_resolved_to_its_addresses() -> None:
    found = resolve("localhost:25")
    assert Destination(network="127.0.0.1/32", version=4, port=25, name="localhost") in found
    assert len({destination.network for destination in found}) == len(found)


@pytest.mark.parametrize(
    "text", ["", ":25", "a b", "host:", "host:x", "host:0", "host:65536", "-x", "1.2.3", "a/b", "$(id)"]
)
def test_what_is_no_destination_is_named(text: str) -> None:
    with pytest.raises(HostError, match="should be an address, a network or a name"):
        resolve(text)


def test_a_name_that_does_not_exist_is_named() -> None:
    with pytest.raises(HostError, match=r"nothing\.invalid: cannot be resolved"):
        resolve("nothing.invalid:25")
