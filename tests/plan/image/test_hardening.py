from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from kharness.plan.facts import ImageFacts
from kharness.plan.image.hardening import Deed, Hardening, chains, is_report, read_report

LINES = (
    "prep+ a1 begin debian",
    "prep+ a1 off SETUID",
    "prep+ a1 did sbin removed /usr/sbin/c /usr/sbin/a",
    r"prep+ a1 did accounts users\0040removed root",
    "prep+ a1 did sbin removed /usr/sbin/b/",
    "prep+ a1 end 5",
)
WHOLE = Hardening(
    family="debian",
    off=("SETUID",),
    done=(
        Deed(step="sbin", what="removed", names=("/usr/sbin/a", "/usr/sbin/b/", "/usr/sbin/c")),
        Deed(step="accounts", what="users removed", names=("root",)),
    ),
)


def test_a_report_has_a_deed_for_each_step_and_what_it_did() -> None:
    assert read_report(LINES) == WHOLE
    assert all(map(is_report, LINES))


def test_what_people_are_told_is_no_report() -> None:
    assert not any(map(is_report, ("prep: sbin 3 removed: a b c", "prep: debian: done", "", " prep+ a1 end 0")))
    assert read_report(()) is None


@pytest.mark.parametrize(
    ("word", "name"),
    [
        (r"/a\0012b", "/a\nb"),
        (r"/a\0040b\0134n", r"/a b\n"),
        (r"/f\0303\0251", "/fé"),
        (r"/x\0377\0777", r"/x\xff\xff"),
        (r"/x\012", r"/x\012"),
        ("/[a].*+?%s\"'$(x)", "/[a].*+?%s\"'$(x)"),
    ],
)
def test_a_name_is_what_it_is_on_the_disk(word: str, name: str) -> None:
    found = read_report(["prep+ a begin alpine", f"prep+ a did step removed {word}", "prep+ a end 1"])
    assert found == Hardening(family="alpine", done=(Deed(step="step", what="removed", names=(name,)),))


@pytest.mark.parametrize("missing", range(len(LINES)))
def test_a_report_of_which_a_line_is_missing_is_not_whole(missing: int) -> None:
    found = read_report(line for number, line in enumerate(LINES) if number != missing)
    assert found is not None
    assert not found.whole


@pytest.mark.parametrize("cut", range(len("prep+ "), len(LINES[2]) - 1))
def test_a_report_that_a_builder_cut_is_not_whole_wherever_the_cut_is(cut: int) -> None:
    found = read_report([*LINES[:2], f"{LINES[2][:cut]}[output clipped, log limit 100KiB/s reached]"])
    assert found is not None
    assert not found.whole


def test_of_several_reports_that_which_ended_last_counts() -> None:
    other = [line.replace(" a1 ", " b2 ").replace("debian", "alpine") for line in LINES]
    mixed = [line for pair in zip(other, LINES, strict=True) for line in pair]
    assert read_report(mixed) == WHOLE
    assert read_report([*other[:3], *LINES, *other[3:]]) == replace(WHOLE, family="alpine")
    assert read_report([*LINES, *other[:3]]) == WHOLE


def test_what_is_kept_is_read_again() -> None:
    odd = Hardening(family="debian", done=(Deed(step="s", what="w", names=("/a\nb é\udcff",)),), whole=False)
    for each in (WHOLE, odd):
        assert Hardening.from_json(each.to_json()) == each
    for text in ("", "{}", "[]", '{"done": [{"step": "x"}], "off": []}'):
        with pytest.raises((KeyError, TypeError, ValueError)):
            Hardening.from_json(text)


def test_images_have_a_chain_in_common_as_far_as_their_layers_are_the_same() -> None:
    base, child, other = (ImageFacts(id=layers, layers=tuple(layers)) for layers in ("ab", "abc", "xbc"))
    assert chains(child)[1:] == chains(base)
    assert set(chains(child)).isdisjoint(chains(other))
    assert chains(base)[-1] == "a"
    assert chains(base)[0] == "sha256:" + hashlib.sha256(b"a b").hexdigest()
    assert chains(ImageFacts(id="sha256:i")) == ("sha256:i",)
