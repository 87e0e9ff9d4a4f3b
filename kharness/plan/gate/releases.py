"""Which services a session may release, in which order, and whether each is launched or only promoted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from kharness.errors import UsageError
from kharness.plan.gate.refusals import GateFacts, TestOutcome, refusals
from kharness.plan.image.build import build_order

LAST_WAVE = 1_000_000
"""The wave of a service that does not start with the host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A service that was tested.

    `bases` are the services that its image is built on, `needs` those that it depends on, `wave` is its number in
    `autostart`, None where it does not start with the host. `only_base`: other images are built on it, and nothing
    starts it. `named`: the user named it alone. `down` says why it stays down, if it was stopped by its name.
    """

    name: str
    bases: frozenset[str] = frozenset()
    needs: tuple[str, ...] = ()
    wave: int | None = None
    only_base: bool = False
    named: bool = False
    down: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRelease:
    """A service in its turn. `after` must not have failed; `note` says why it is promoted where a launch was asked."""

    name: str
    after: tuple[str, ...] = ()
    launch: bool = False
    note: str = ""


def judge_services(
    facts: Mapping[str, GateFacts],
    bases: Mapping[str, frozenset[str]],
    *,
    unproved: Mapping[str, tuple[str, ...]],
) -> dict[str, tuple[str, ...]]:
    """Return the reasons against each service, bases before what is built on them; no reasons mean yes.

    `unproved` has the reasons of those services whose tests did not leave production untouched.
    """
    try:
        order = build_order({name: bases[name] & facts.keys() for name in facts})
    except UsageError as error:
        return {name: (*refusals(facts[name]), str(error)) for name in sorted(facts)}
    reasons: dict[str, tuple[str, ...]] = {}
    for name in order:
        bad = [base for base, why in reasons.items() if why]
        reasons[name] = (*refusals(facts[name]), *refused_bases(name, bases, bad), *unproved.get(name, ()))
    return reasons


def refused_bases(name: str, bases: Mapping[str, Iterable[str]], refused: Iterable[str]) -> tuple[str, ...]:
    """Return the reasons that follow from the bases built in the same session: none of them may be refused."""
    bad = set(refused)
    return tuple(f"its base {base} was refused" for base in sorted(bases.get(name, ())) if base in bad)


def passed(facts: GateFacts, reasons: tuple[str, ...]) -> bool | None:
    """Return whether the service's tests passed, for the record; None where they show neither."""
    if facts.known_good or facts.image is None or not facts.outcomes:
        return None
    if not reasons:
        return True
    # Nothing failed, but not everything ran.
    return None if {TestOutcome.FAILED, TestOutcome.ERROR}.isdisjoint(facts.outcomes.values()) else False


def plan_releases(candidates: Iterable[Candidate], *, launch: bool) -> tuple[PlannedRelease, ...]:
    """Return the releases in their order: bases, then wave by wave, each service after those that it needs.

    The candidates of one wave keep their order.
    """
    all_ = {each.name: each for each in candidates}
    built_on = {base for each in all_.values() for base in each.bases}
    # A base comes first: what is built on it is promoted only if the base is.
    first = sorted(all_.values(), key=lambda each: -1 if each.only_base else _wave(each))
    return tuple(
        _planned(each, launch=launch, is_base=each.only_base or each.name in built_on)
        for each in _after_needs([each.name for each in first], all_)
    )


def held_back(release: PlannedRelease, failed: Iterable[str]) -> tuple[str, ...]:
    """Return the reason against a release that follows from those that failed before it."""
    bad = set(failed)
    found = [name for name in release.after if name in bad]
    return (f"{', '.join(found)}, which it needs, was refused or undone",) if found else ()


def _planned(each: Candidate, *, launch: bool, is_base: bool) -> PlannedRelease:
    note = ""
    if launch and is_base:
        note = "promoted, not launched: other images are built on it"
    elif launch and not each.named and each.down is not None:
        note = f"promoted, not launched: it {each.down}"
    after = (*sorted(each.bases), *each.needs)
    return PlannedRelease(name=each.name, after=after, launch=launch and not note, note=note)


def _wave(each: Candidate) -> int:
    return LAST_WAVE if each.wave is None else each.wave


def _after_needs(names: list[str], candidates: Mapping[str, Candidate]) -> Iterator[Candidate]:
    # A circle of needs is refused by the launch itself.
    placed: dict[str, None] = {}

    def place(name: str, above: frozenset[str]) -> None:
        for need in candidates[name].needs:
            if need in candidates and need not in above and need not in placed:
                place(need, above | {name})
        placed[name] = None

    for name in names:
        place(name, frozenset({name}))
    return (candidates[name] for name in placed)
