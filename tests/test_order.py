from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from tests.order import LONGEST, TESTS, longest_first


@dataclass
class Item:
    path: Path
    name: str = ""


def test_the_longest_files_come_first_and_their_tests_stay_in_order() -> None:
    first, second = (TESTS / name for name in LONGEST[:2])
    other = TESTS / "test_order.py"
    items = [Item(other), Item(second), Item(first, "b"), Item(TESTS / "a.py"), Item(first, "a")]
    ordered = [(item.path, item.name) for item in longest_first(cast("list[pytest.Item]", items))]
    assert ordered == [(first, "b"), (first, "a"), (second, ""), (other, ""), (TESTS / "a.py", "")]


def test_every_file_that_is_named_is_there() -> None:
    assert [name for name in LONGEST if not (TESTS / name).is_file()] == []
