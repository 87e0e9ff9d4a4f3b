from __future__ import annotations

from typing import Any

import pytest

from kharness.settings.compose.merge import merged, unique
from kharness.settings.compose.scalars import Faults
from kharness.settings.section import Loc


@pytest.mark.parametrize(
    ("base", "over", "expected"),
    [
        ({"command": ["a", "b"]}, {"command": ["c"]}, {"command": ["c"]}),
        ({"cap_add": ["A"]}, {"cap_add": ["B"]}, {"cap_add": ["A", "B"]}),
        ({"environment": {"A": 1}}, {"environment": ["B=2", "C"]}, {"environment": {"A": 1, "B": "2", "C": None}}),
        ({"dns": "a"}, {"dns": ["b"]}, {"dns": ["a", "b"]}),
        ({"build": "."}, {"build": {"target": "t"}}, {"build": {"context": ".", "target": "t"}}),
        (
            {"logging": {"driver": "a", "options": {"x": 1}}},
            {"logging": {"driver": "b"}},
            {"logging": {"driver": "b"}},
        ),
        ({"networks": ["a"]}, {"networks": {"b": {}}}, {"networks": {"a": None, "b": {}}}),
        ({"image": "a"}, {"image": None}, {"image": "a"}),
    ],
)
def test_a_later_file_is_merged_by_the_key(base: Any, over: Any, expected: Any) -> None:
    faults: Faults = []
    assert merged({"services": {"web": base}}, {"services": {"web": over}}, faults) == {"services": {"web": expected}}
    assert not faults


def test_a_merge_of_the_wrong_kind_is_a_fault_of_its_place() -> None:
    faults: Faults = []
    merged({"services": {"web": {"ports": []}}}, {"services": {"web": {"ports": {}}}}, faults)
    assert faults == [(("services", "web", "ports"), "should be a list, as in the file that it is merged over")]


def test_tags_take_away_and_replace() -> None:
    place: Loc = ("services", "web")
    base = {"services": {"web": {"ports": ["1"], "dns": ["a"], "image": "i"}}}
    over = {"services": {"web": {"ports": None, "dns": ["b"], "tty": None}}}
    tags = {(*place, "ports"): "!reset", (*place, "dns"): "!override", (*place, "tty"): "!reset"}
    assert merged(base, over, [], (), tags) == {"services": {"web": {"dns": ["b"], "image": "i"}}}
    assert merged({}, over, [], (), tags) == {"services": {"web": {"dns": ["b"]}}}


def test_lists_have_the_last_item_of_each_key() -> None:
    service: dict[str, Any] = {
        "volumes": ["a:/x", "b:/y", {"type": "bind", "source": "/c", "target": "/x"}],
        "ports": ["80", 80],
    }
    assert unique(service) == {"volumes": [service["volumes"][2], "b:/y"], "ports": [80]}
