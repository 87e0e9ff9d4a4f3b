"""Production as a table."""

from __future__ import annotations

from typing import Any

import pytest

from kharness.plan.facts import ContainerFacts, PortRef, PublishedPort
from kharness.plan.project import Listed, ListedImage
from kharness.report.project import address_rows, image_row, life_text, listed_row, listed_value, wave_text
from kharness.report.table import time_text

NOW = 10_000.0
STARTED = "1970-01-01T00:00:00Z"


def facts(**said: Any) -> ContainerFacts:
    known: dict[str, Any] = {"id": "c1", "name": "web", "image_id": "sha256:aa", "state": "running"}
    return ContainerFacts(**{**known, "started_at": STARTED, **said})


def listed(found: ContainerFacts | None, **said: Any) -> Listed:
    return Listed(**{"name": "web", "facts": found, "live": "sha256:aa", **said})


def port(host_ip: str, host_port: int, text: str) -> PublishedPort:
    return PublishedPort(port=PortRef.parse(text), host_ip=host_ip, host_port=host_port)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (listed(facts(health="healthy")), ("web", "runs", "healthy", "2 h", "aa", "")),
        (listed(facts(state="exited", exit_code=3, health="unhealthy")), ("web", "exited with 3", "", "", "aa", "")),
        (listed(facts(name="web.old"), live="sha256:bb"), ("web (web.old)", "runs", "", "2 h", "aa (not live)", "")),
        (listed(None), ("web", "no container", "", "", "aa is live", "")),
        (listed(None, live=None), ("web", "no container", "", "", "", "")),
        (
            listed(
                facts(
                    published=(
                        port("0.0.0.0", 8080, "80/tcp"),
                        port("::", 8080, "80/tcp"),
                        port("127.0.0.1", 53, "53/udp"),
                        port("::1", 53, "53/udp"),
                    )
                )
            ),
            ("web", "runs", "", "2 h", "aa", "8080:80 127.0.0.1:53:53/udp [::1]:53:53/udp"),
        ),
    ],
)
def test_a_row_of_the_table(found: Listed, expected: tuple[str, ...]) -> None:
    assert listed_row(found, now=NOW) == expected


def test_the_wave_is_shown_where_there_is_one() -> None:
    assert (wave_text(listed(None, wave=0)), wave_text(listed(None))) == ("0", "")


def test_programs_get_whole_ids_and_numbers() -> None:
    assert listed_value(listed(None, known=False), now=NOW) == {
        "name": "web",
        "known": False,
        "wave": None,
        "live": "sha256:aa",
        "container": None,
    }
    value = listed_value(listed(facts(addresses={"front": "10.0.0.2"})), now=NOW)["container"]
    expected = {"id": "c1", "image": "sha256:aa", "up": NOW, "exit_code": None, "addresses": {"front": "10.0.0.2"}}
    assert expected.items() <= value.items()


def test_one_line_about_a_container() -> None:
    assert life_text(facts(health="healthy"), now=NOW) == "runs, healthy, for 2 h"
    assert life_text(facts(state="exited", health="unhealthy"), now=NOW) == "exited with 0"


def test_a_row_of_the_table_of_images() -> None:
    found = ListedImage(name="web", tag="live", image="sha256:aa", created=STARTED, size=2_100_000, used=True)
    assert image_row(found) == ("web", "live", "aa", time_text(0), "2.1 MB", "runs")


def test_each_network_has_a_row_of_its_own() -> None:
    found = listed(facts(addresses={"front": "10.0.0.2", "back": "10.1.0.2"}))
    assert list(address_rows([found, listed(None)])) == [("web", "back", "10.1.0.2"), ("web", "front", "10.0.0.2")]
