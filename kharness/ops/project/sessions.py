"""Sessions over a whole Compose project, as processes of their own: their flags, and the verdict on them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kharness.plan.gate.result import DONE, NO_VERDICT, ServiceVerdict, SessionResult, SessionVerdict, judge
from kharness.plan.session.modes import PROD_READY, READY
from kharness.plan.session.stack import has_data
from kharness.settings.model import Settings


def project_flags(services: Iterable[Settings], flags: Sequence[str]) -> tuple[str, ...]:
    """Return the flags of a session whose mode was not given: prod-ready, with copies, where any service has data."""
    if not any(map(has_data, services)):
        return tuple(flags)
    return tuple(PROD_READY if flag == READY else flag for flag in flags)


def judge_project(status: int, result: SessionResult | None, *, launch: bool) -> SessionVerdict:
    """Return the verdict on a session over a project, as `judge` does on one over a service.

    Where a `launch` was asked for, each service that was tested must have been released, or be live already.
    """
    if status != 0 or result is None or result.status != 0 or not launch:
        found = judge("", status, result, launch=False)
        return found if result is not None or status != 0 else SessionVerdict(status=1, text=NO_VERDICT)
    left = [each.name for each in result.services if not each.ok or each.release is None]
    notes = tuple(f"{each.name}: {note}" for each in result.services for note in each.notes)
    if left or not result.services:
        missing = ", ".join(left)
        return SessionVerdict(status=1, text=f"nothing was released{f' of {missing}' if missing else ''}", notes=notes)
    done = {each.release.kind: None for each in result.services if each.release}
    text = ", ".join(dict.fromkeys(DONE.get(kind, ServiceVerdict.PASSED.value) for kind in done))
    return SessionVerdict(status=0, text=text, notes=notes)
