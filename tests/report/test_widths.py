"""Every table in terminals of 60, 80 and 160 columns, and in a pipe: no word is cut or broken."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

import pytest

from kharness import report
from kharness.cli import commands
from kharness.cli.commands.release import OF_ALL, OF_ONE
from kharness.report.checks import CHECKS
from kharness.report.fleet import GLANCE, RESULTS
from kharness.report.project import ADDRESSES, DIRECTORIES, EVERYTHING, IMAGES, PRODUCTION
from kharness.report.table import Layout, cell_width, table_rows
from kharness.report.volumes import SNAPSHOTS, VOLUMES

LAYOUTS = {
    "directories": DIRECTORIES,
    "outcomes": RESULTS,
    "checks": CHECKS,
    "addresses": ADDRESSES,
    "everything": EVERYTHING,
    "images": IMAGES,
    "production": PRODUCTION,
    "status": GLANCE,
    "volumes": VOLUMES,
    "snapshots": SNAPSHOTS,
    "history": OF_ALL,
    "history of one": OF_ONE,
}
NAME = "a-container-with-a-name-of-forty-letters"
CELLS = {
    "name": f"{NAME} ({NAME}.old)",
    "container": NAME,
    "source": f"/srv/volumes/{NAME}/var/lib/application/data",
    "target": "/var/lib/application/data",
    "snapshot": "2026-11-30T10-00-00-0a1b2c3d",
    "when": "2026-11-30 10:00",
    "taken": "2026-11-30 10:00:00",
    "made": "2026-11-30 10:00:00",
    "image": "0123456789ab",
    "before": "ba9876543210",
    "before the launch of": "0123456789ab",
    "in place of": "ba9876543210",
    "commit": f"{'0123456789' * 4}+",
    "who": "a-user-of-this-host (sudo)",
    "ports": "192.0.2.100:8080:80 192.0.2.100:8443:443 192.0.2.100:5353:53/udp",
    "state": "runs, changed by hand",
    "address": "192.0.2.100",
    "network": f"{NAME}-network",
    "result": "failed verification and was rolled back: its health command exits with 1",
    "a container ...": "has a health check that asks what it is for, and a limit for the memory that it may use",
    "note": "needs database, which is not up: it exited with 137",
    "owner": "100000:100000 0750",
}
ROWS = {name: tuple(CELLS.get(column, "x") for column in layout.columns) for name, layout in LAYOUTS.items()}


@pytest.mark.parametrize("width", [60, 80, 160])
@pytest.mark.parametrize("name", LAYOUTS)
def test_no_word_is_cut_and_no_line_is_wider(name: str, width: int) -> None:
    layout, row = LAYOUTS[name], ROWS[name]
    heading, lines = table_rows(layout, [row], width=width)
    shown = " ".join(lines).split()
    for column, cell in zip(layout.columns, row, strict=True):
        assert column in layout.dispensable or set(cell.split()) <= set(shown), (column, lines)
        assert column in layout.dispensable or set(column.split()) <= {*" ".join(heading).split()}
    for line in (*heading, *lines):
        # Alone on its line, what is wider than the terminal is left whole.
        assert cell_width(line) <= width or line.strip() in row, line


@pytest.mark.parametrize("name", LAYOUTS)
def test_only_cells_that_may_be_folded_are(name: str) -> None:
    layout, row = LAYOUTS[name], ROWS[name]
    _, lines = table_rows(layout, [row], width=80)
    for column, cell in zip(layout.columns, row, strict=True):
        if column not in {*layout.folded, *layout.dispensable}:
            assert any(cell in line for line in lines), (column, lines)


@pytest.mark.parametrize("name", LAYOUTS)
def test_what_is_piped_is_a_line_with_all_of_it(name: str) -> None:
    heading, (line,) = table_rows(LAYOUTS[name], [ROWS[name]])
    assert heading[0].split() == " ".join(LAYOUTS[name].columns).split()
    assert line.split() == " ".join(ROWS[name]).split()


def test_at_80_columns_usual_tables_are_one_line_a_row() -> None:
    usual = {**CELLS, "name": "filewatchdock", "container": "filewatchdock", "who": "root", "state": "runs"}
    usual |= {"ports": "127.0.0.1:8080:8080", "network": "lan", "commit": "0a1b2c3d4e5f"}
    usual |= {
        "result": "upgraded",
        "note": "",
        "test": "passed 2h",
        "health": "healthy",
        "up": "3 h",
        "drift": "clean 5m",
    }
    for name, layout in LAYOUTS.items():
        if name not in {"volumes", "snapshots", "checks"}:
            row = tuple(usual.get(column, "x") for column in layout.columns)
            for lines in table_rows(layout, [row], width=80):
                assert len(lines) == 1, (name, lines)


def test_every_layout_is_here() -> None:
    modules = [
        import_module(f"{package.__name__}.{found.name}")
        for package in (report, commands)
        for found in iter_modules(package.__path__)
    ]
    found = {each for module in modules for each in vars(module).values() if isinstance(each, Layout)}
    assert found == set(LAYOUTS.values())
