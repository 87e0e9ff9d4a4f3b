"""The result of a session, as the lines of its summary and as properties of a JUnit file."""

from __future__ import annotations

from collections.abc import Iterator

from kharness.plan.facts import short_id
from kharness.plan.gate.result import ServiceResult, ServiceVerdict, SessionResult
from kharness.plan.session.modes import Mode
from kharness.report.release import Line, reason_lines, released_lines


def session_lines(result: SessionResult) -> Iterator[Line]:
    """Return the summary: how each service fared, and what to do next. Production's tests speak for themselves."""
    if result.mode == Mode.IN_PROD:
        return
    for service in result.services:
        yield from _service(service, asked=bool(result.asked))
    yield from (Line(f"note: {doubt}", "doubtful") for doubt in result.doubts)
    for container in (each for service in result.services for each in service.kept):
        yield Line(
            f"kept: {container}; enter it with 'docker exec -it {container} sh', remove it with 'kharness reap --kept'"
        )
    if proof := result.proof:
        what = f"{proof.directories} director{'y' if proof.directories == 1 else 'ies'}"
        what += f", {proof.entries:,} entr{'y' if proof.entries == 1 else 'ies'}"
        how = ", with contents" if proof.how == "content" else ""
        yield Line(f"production untouched: {what}{how}, {proof.seconds * 1000:,.0f} ms")


def junit_properties(result: SessionResult) -> Iterator[tuple[str, str]]:
    """Return names and values: `kharness.SERVICE.verdict`, and for what is known its image, release and reasons."""
    yield "kharness.session", result.session
    yield "kharness.mode", result.mode
    for service in result.services:
        release = service.release
        found = {
            "verdict": service.verdict.value,
            "image": service.image or "",
            "release": release.kind if release else "",
            "reasons": "\n".join((*service.reasons, *(release.reasons if release else ()))),
            "notes": "\n".join(service.notes),
        }
        yield from ((f"kharness.{service.name}.{key}", value) for key, value in found.items() if value)


def _service(service: ServiceResult, *, asked: bool) -> Iterator[Line]:
    name = service.name
    match service.verdict:
        case ServiceVerdict.BROKEN:
            yield Line(f"{name}: its settings cannot be used; nothing was built", "bad")
        case ServiceVerdict.INTERRUPTED:
            yield Line(f"{name}: interrupted; what is live and in production is what it was before", "doubtful")
        case _ if service.reasons:
            yield Line(f"{name}: {'refused' if asked else 'not ready for promotion'}", "bad")
            yield from reason_lines(_shown(service, reason) for reason in service.reasons)
        case _ if service.release is not None:
            yield from released_lines(service.release)
        case _ if service.images:
            images = ", ".join(f"{each} {short_id(image)}" for each, image in sorted(service.images.items()))
            yield Line(f"{name}: {_passed(service)} as one stack; images: {images}", "good")
        case _:
            how = "unchanged since it passed" if service.unchanged else _passed(service)
            next_ = "it is live" if service.live else "--promote would make it live"
            yield Line(f"{name}: {how}, image {short_id(service.image)}; {next_}", "good")
    for remark in service.remarks:
        if not any(reason.startswith(remark) for reason in service.reasons):
            yield Line(f"  note: {remark}", "doubtful")


def _shown(service: ServiceResult, reason: str) -> str:
    first, _, rest = reason.partition("\n")
    return f"{first} (the first test's report has all of it)" if rest and reason == service.reported else reason


def _passed(service: ServiceResult) -> str:
    tests, checks = len(service.tests), len(service.checks)
    said = f"passed {tests} test{'' if tests == 1 else 's'}"
    return f"{said} and {checks} check{'' if checks == 1 else 's'}" if checks else said
