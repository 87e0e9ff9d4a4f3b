"""The failure bundle: what a person would ask the engine next, in the report of the failing test."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pytest

from kharness.errors import KharnessError, visible
from kharness.ops.session.instance import Instance
from kharness.ops.session.stack import Stack
from kharness.plan.launch.environment import redact
from kharness.plan.text import READ, last_lines
from kharness.plugin.attach import ATTACHED
from kharness.plugin.declared import CheckItem
from kharness.plugin.stash import LIBRARY, NAME

LOG_LINES = 50
CHANGES = 30
PROBES = 3
LONG = 8
"""Characters of a secret that is hidden in what a test itself compares and prints; a shorter one may be any word."""
SECRETS = pytest.StashKey[set[str]]()
TOLD = pytest.StashKey[dict[str, dict[str, tuple[str, str]]]]()
"""Of each container, by the headings of its sections: the text that was told, and in which test's report."""


def complete(item: pytest.Item, report: pytest.TestReport) -> None:
    """Hide the secrets of each container that a test worked with, and of a failed one add what there is to say."""
    found = {instance.id: instance for instance in _instances(item)}
    # The last report tells the output of all phases, and by then a test's own containers may be gone.
    secrets = item.stash.setdefault(SECRETS, set())
    secrets |= {secret for instance in found.values() for secret in instance.secrets if len(secret) >= LONG}
    _hide(report, secrets)
    # A check says itself what it found, and nothing in a log would say more.
    told = item.config.stash.setdefault(TOLD, {})
    for instance in found.values() if report.failed and not isinstance(item, CheckItem) else ():
        report.sections.extend(_news(bundle(instance), told.setdefault(instance.id, {}), where=report.nodeid))


def bundle(instance: Instance) -> tuple[tuple[str, str], ...]:
    """Return headed sections about a container, without its secrets; what cannot be asked any more is left out."""
    return tuple((heading, visible(redact(text, instance.secrets))) for heading, text in _sections(instance))


def _news(
    sections: Iterable[tuple[str, str]], told: dict[str, tuple[str, str]], *, where: str
) -> Iterator[tuple[str, str]]:
    # Of several tests that fail the first one's report has the log and the line, the others what has come since.
    for heading, text in sections:
        before, first = told.get(heading, ("", ""))
        if first and text == before:
            yield heading, f"(as in the report of {first})"
        elif first and text.startswith(f"{before}\n"):
            yield heading, f"(as in the report of {first}, and since then)\n{text.removeprefix(before).lstrip()}"
        else:
            told[heading] = (text, where)
            yield heading, text


def _hide(report: pytest.TestReport, secrets: set[str]) -> None:
    # A test may have printed what the container wrote; the colours that it prints itself are its own.
    report.sections = [(heading, visible(redact(text, secrets), style=True)) for heading, text in report.sections]
    if report.failed and (shown := visible(redact(told := str(report.longrepr), secrets))) != told:
        report.longrepr = shown


def _instances(item: pytest.Item) -> Iterator[Instance]:
    attached = item.config.stash.get(ATTACHED, {}).get(item.stash.get(NAME, ""))
    if attached is not None and "instance" in vars(attached):
        yield attached.instance
    given = getattr(item, "funcargs", {}).values()
    yield from (value for value in given if isinstance(value, Instance))
    for stack in (value for value in given if isinstance(value, Stack)):
        yield from stack.values()
    # A test may have it through another fixture.
    living = item.config.stash.get(LIBRARY, {})
    yield from (living[name] for name in getattr(item, "fixturenames", ()) if name in living)


def _sections(instance: Instance) -> Iterator[tuple[str, str]]:
    name = instance.name
    try:
        logs = last_lines(instance.logs(tail=LOG_LINES * READ), LOG_LINES)
        yield f"log of {name} (last {LOG_LINES} lines)", "\n".join(logs) or "(empty)"
    except KharnessError as error:
        yield f"log of {name}", f"cannot be read: {error}"
    try:
        yield f"state of {name}", _state(instance)
        changes = instance.diff()
        if changes:
            shown = [f"{change.kind:8} {change.path}" for change in changes[:CHANGES]]
            more = [f"... and {len(changes) - CHANGES} more"] if len(changes) > CHANGES else []
            yield f"changes in {name} since launch", "\n".join(shown + more)
    except KharnessError:
        pass
    if instance.facts.line:
        yield f"{name} was launched as", instance.facts.line


def _state(instance: Instance) -> str:
    raw = instance.inspect()
    state = dict(raw.get("State", {}))
    health = state.pop("Health", None)
    known = {key: state.get(key) for key in ("Status", "ExitCode", "Error", "OOMKilled", "StartedAt", "FinishedAt")}
    lines = [f"{key}: {value}" for key, value in known.items() if value not in {"", None, False}]
    lines.append(f"RestartCount: {raw.get('RestartCount', 0)}")
    if health:
        lines.append(f"Health: {health.get('Status')}")
        lines += [
            # Before it is shortened and escaped, either of which would make a secret another text.
            f"  probe exited with {probe.get('ExitCode')}: {json.dumps(_shown(instance, probe)[-300:])}"
            for probe in (health.get("Log") or [])[-PROBES:]
        ]
    return "\n".join(lines)


def _shown(instance: Instance, probe: Mapping[str, Any]) -> str:
    return redact(probe.get("Output", ""), instance.secrets)
