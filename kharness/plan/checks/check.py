"""A check of a container, and the ruling on what it found: a failure, a report, or nothing because it is waived."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from kharness.plan.session.modes import Mode
from kharness.plan.session.untouched import shown
from kharness.settings.policy import Policy, Waiver

Part = TypeVar("Part")
EVERYWHERE = frozenset(Mode)
ON_THIS_HOST = frozenset({Mode.PROD_READY, Mode.IN_PROD})
IN_PRODUCTION = frozenset({Mode.IN_PROD})
CIS = "CIS Docker Benchmark 1.3.1, "
NONE: Mapping[str, Waiver] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Check(Generic[Part]):
    """One claim about a container; `title` completes "a container ...", such as "runs as a non-root user".

    `judge` gets the evidence of the type `part` and the container's `policy:`, and returns a sentence for each fault;
    none means that the claim holds. A check that `gates` depends on image and settings alone, and refuses a promotion;
    other checks depend on the host or the calendar, and are reported. A check `of_host` is about the host alone: it
    runs once a session, and fails only where the host's configuration enforces it. The profile `strict` has all
    checks, the profile `baseline` those that are marked so.
    """

    id: str
    title: str
    part: type[Part]
    judge: Callable[[Part, Policy], Iterable[str]]
    reason: str
    mend: str
    source: str
    gates: bool = True
    of_host: bool = False
    baseline: bool = False
    modes: frozenset[Mode] = EVERYWHERE

    @property
    def name(self) -> str:
        """The name of its item."""
        return f"{self.id} {self.title}"


def check(
    identifier: str,
    title: str,
    part: type[Part],
    *,
    reason: str,
    mend: str,
    source: str,
    gates: bool = True,
    of_host: bool = False,
    baseline: bool = False,
    modes: frozenset[Mode] = EVERYWHERE,
) -> Callable[[Callable[[Part, Policy], Iterable[str]]], Check[Part]]:
    """Make a `Check` of the function that judges; the catalog collects the checks of its modules."""

    def made(judge: Callable[[Part, Policy], Iterable[str]]) -> Check[Part]:
        return Check(
            id=identifier,
            title=title,
            part=part,
            judge=judge,
            reason=reason,
            mend=mend,
            source=source,
            gates=gates,
            of_host=of_host,
            baseline=baseline,
            modes=modes,
        )

    return made


class Ruling(StrEnum):
    """How a check ended."""

    CLEAN = "clean"
    FAILED = "failed"
    """It found faults, and they count in this mode."""
    REPORTED = "reported"
    """It found faults that are only reported in this mode."""
    WAIVED = "waived"
    UNUSED = "unused"
    """It found nothing, although it is waived."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """How a check ended, its findings, and a note about its waiver."""

    ruling: Ruling
    findings: tuple[str, ...] = ()
    note: str = ""


def rule(
    judged: Check[Any],
    findings: Iterable[str],
    policy: Policy,
    *,
    mode: Mode,
    today: date,
    of_host: Mapping[str, Waiver] = NONE,
    enforced: Collection[str] = (),
) -> Judgement:
    """Decide whether findings count. `of_host` are the host's waivers, for checks that do not gate.

    A check that does not gate fails only in production, where its failure blocks no release. So does a check whose
    waiver has expired: the calendar must not keep a mended service from being launched. A check of the host fails
    only if it is among the identifiers that the host's configuration has `enforced`.
    """
    # A path may contain control sequences of terminals.
    found = tuple(dict.fromkeys(map(shown, findings)))
    own = policy.waive.get(judged.id)
    if not found:
        unused = Judgement(Ruling.UNUSED, note=f"policy.waive.{judged.id} is no longer needed: remove it")
        return unused if own else Judgement(Ruling.CLEAN)
    waiver = own or (None if judged.gates else of_host.get(judged.id))
    if waiver and not waiver.expired(today):
        until = f", until {waiver.until}" if waiver.until else ""
        return Judgement(Ruling.WAIVED, found, f"waived{until}: {waiver.reason}")
    over = f"its waiver ended on {waiver.until}: {waiver.reason}" if waiver else ""
    counts = mode is Mode.IN_PROD or (judged.gates and not waiver)
    if judged.of_host and judged.id not in enforced:
        counts = False
    return Judgement(Ruling.FAILED if counts else Ruling.REPORTED, found, over)
