"""What became of the directories and files that a container directory declares, as lines."""

from __future__ import annotations

from collections.abc import Iterator

from kharness.plan.prepare import Prepared, State
from kharness.plan.shift import Moved
from kharness.report.released import Line

TONES = {State.CREATED: "good", State.FIXED: "good", State.DIFFERS: "doubtful", State.REFUSED: "bad"}
WOULD = {State.CREATED: "would create", State.FIXED: "would fix"}


def prepared_lines(name: str, found: tuple[Prepared, ...], *, dry_run: bool) -> Iterator[Line]:
    """Yield one line an item, aligned: the container, what became of it, its path, and why or how."""
    width = max((len(each.item.said) for each in found), default=0)
    for each in found:
        state = WOULD.get(each.state, each.state.value) if dry_run else each.state.value
        about = "; ".join(each.notes) or _declared(each)
        yield Line(f"{name}: {state:<12}  {each.item.said:<{width}}  {about}", TONES.get(each.state, "detail"))


def _declared(found: Prepared) -> str:
    item = found.item
    mapped = "" if item.inside == item.owner else f" ({item.owner[0]}:{item.owner[1]} on the host)"
    return f"{item.kind}, owner {item.inside[0]}:{item.inside[1]}{mapped}, mode {item.mode:04o}"


def moved_lines(name: str, found: tuple[Moved, ...], *, dry_run: bool) -> Iterator[Line]:
    """Yield a line for the mappings, then lines a volume: how many owners were moved, and what of the others."""
    width = max((len(each.said) for each in found), default=0)
    for each in found[:1]:
        yield Line(f"{name}: owners, {each.shift.uid}, {each.shift.gid}")
    for each in found:
        begin = f"{name}: {each.said:<{width}}"
        if each.found is None:
            yield Line(f"{begin}  left alone: {each.why}", "doubtful")
            continue
        counts = each.found
        moved = f"{'would move' if dry_run else 'moved'} {counts.moved}"
        kept = f", {counts.kept} of them with set-id bits or capabilities, which stay" if counts.kept else ""
        yield Line(f"{begin}  {moved}{kept}; {counts.done} were moved already", "good" if counts.moved else "detail")
        if counts.foreign:
            yield Line(f"{begin}  {counts.foreign} belong to neither mapping, such as {counts.example}", "doubtful")
        for place in counts.left:
            yield Line(f"{begin}  {place} is a mount point, and was not entered", "doubtful")
