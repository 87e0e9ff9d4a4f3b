"""The Compose of Debian 14 answers as is committed, refuses what is refused here, and agrees on generated projects."""

from __future__ import annotations

import pytest

from tests.hosts.conftest import FULL, SUITE, Checkout
from tests.hosts.recipe import FORKY

pytestmark = pytest.mark.hosts

BINARY = "/usr/libexec/docker/cli-plugins/docker-compose"
EXAMPLES = 2000 if FULL else 200


class TestCompose:
    recipe = FORKY

    @pytest.mark.timeout(2400)
    def test_projects_are_read_as_compose_reads_them(self, checkout: Checkout) -> None:
        checkout.pytest(
            *SUITE,
            "tests/settings/compose/test_load_oracle.py",
            timeout=2000,
            KHARNESS_COMPOSE=BINARY,
            KHARNESS_COMPOSE_EXAMPLES=str(EXAMPLES),
        )
