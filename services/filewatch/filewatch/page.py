"""The result as an HTML page: a table of every file, its rule and its state."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime
from html import escape

from filewatch.findings import Finding, Scan
from filewatch.health import Health
from filewatch.names import printable

_STYLE = (
    "body{font:15px/1.4 system-ui,sans-serif;margin:2em}table{border-collapse:collapse}"
    "td,th{padding:.2em .8em;text-align:left;border-bottom:1px solid #ccc;overflow-wrap:anywhere}"
    ".good{background:#e6f6e6}.bad{background:#fbdcdc}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
POLICY = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; frame-ancestors 'none'"
"""The Content-Security-Policy: even a name that got past the escaping could load and run nothing."""


def rows(scan: Scan) -> bytes:
    """Return the table's rows, the bad ones first."""
    return b"".join(_row(finding).encode() for finding in scan.findings)


def page(scan: Scan | None, table_rows: bytes, health: Health, *, age: float | None) -> tuple[bytes, ...]:
    """Return the page in parts; `age` in seconds is the result's."""
    title = "filewatch: all ok" if not health.reasons else "filewatch: ERROR"
    trouble = "".join(f'<p class="bad">{escape(line)}</p>' for line in health.trouble)
    head = (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style></head>\n<body><h1>{title}</h1>{trouble}<p>{_when(scan, age)}</p>\n"
        "<table><thead><tr><th>file</th><th>rule</th><th>check</th><th>state</th><th>detail</th></tr></thead><tbody>\n"
    )
    return head.encode(), table_rows, b"</tbody></table></body></html>\n"


def _when(scan: Scan | None, age: float | None) -> str:
    if scan is None or age is None:
        return "not scanned yet"
    at = datetime.fromtimestamp(scan.began_at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return f"{len(scan.findings)} files as they were {age:.1f} s ago, at {at}; the scan took {scan.took:.2f} s"


def _row(finding: Finding) -> str:
    cells = (
        finding.path,
        finding.rule.pattern.text,
        str(finding.rule.check),
        finding.state.value,
        finding.detail,
    )
    tds = "".join(f"<td>{escape(printable(cell))}</td>" for cell in cells)
    return f'<tr class="{"good" if finding.state.good else "bad"}">{tds}</tr>\n'
