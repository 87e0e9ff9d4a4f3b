"""What is read in another way than Compose does is remarked, once for each place."""

from __future__ import annotations

from typing import Any

import pytest

from kharness.settings.compose.forms import words
from kharness.settings.compose.remarks import remarks_of


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        ({"command": "app --serve && echo stopped"}, "no shell reads it: '&&' and the rest are arguments"),
        ({"entrypoint": 'app --match "^\\d+ \\n"'}, "a backslash in double quotes stays"),
        ({"command": ["sh", "-c", "a && b"]}, ""),
        ({"command": 'sh -c "a && b"'}, ""),
        ({"command": 'echo "a \\" b"'}, ""),
    ],
)
def test_a_command_line_is_remarked_where_compose_would_change_it(service: dict[str, Any], expected: str) -> None:
    found = [message for _, message in remarks_of({"services": {"web": service}}, ["web"])]
    assert len(found) == bool(expected)
    assert expected in "".join(found)


def test_all_words_of_a_command_line_are_arguments() -> None:
    assert words("app --serve && echo stopped") == ["app", "--serve", "&&", "echo", "stopped"]
    assert words(r'app --match "^\d+ \n"') == ["app", "--match", r"^\d+ \n"]
