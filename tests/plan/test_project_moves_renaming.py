"""Which command may be meant where a directory is lost: nothing is guessed."""

from __future__ import annotations

from kharness.plan.project import rename_hints


def test_where_nothing_is_new_nothing_is_said() -> None:
    assert dict(rename_hints(["web"], [])) == {}
    assert dict(rename_hints([], ["site"])) == {}


def test_the_only_new_directory_is_named_in_the_command() -> None:
    (hint,) = dict(rename_hints(["web"], ["site"])).values()
    assert "if it is site now, 'kharness rename web site' takes" in hint
    assert hint.endswith("if it has ended, 'kharness retire web'")


def test_of_several_a_person_chooses() -> None:
    (hint,) = dict(rename_hints(["web"], ["b", "a"])).values()
    assert "if it is one of a, b now, 'kharness rename web NEW' takes" in hint
    assert list(dict(rename_hints(["z", "y"], ["a"]))) == ["y", "z"]
