"""The database alone: what stands in tests/SERVICE/ is about that service, and has its fixtures."""

from __future__ import annotations

import pytest

from kharness import Instance

QUERY = ("psql", "--host=/tmp", "--username=shop", "--dbname=postgres", "--tuples-only", "--no-align")


@pytest.mark.standalone
@pytest.mark.prod_ready
@pytest.mark.in_prod
def test_passwords_are_stored_as_scram(container: Instance) -> None:
    hosts = [line.split() for line in container.exec("cat", "/data/pg_hba.conf").stdout.splitlines()]
    methods = {words[-1] for words in hosts if words and not words[0].startswith("#")}
    assert methods == {"scram-sha-256"}


def test_nobody_comes_in_without_the_password(container: Instance) -> None:
    refused = container.exec(*QUERY, "--no-password", "--command=SELECT 1")
    assert not refused.ok
    assert "password" in refused.stderr
