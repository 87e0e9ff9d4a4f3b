"""Byte code for the processes that tests start. They write none: tests change files faster than it would notice."""

from __future__ import annotations

import compileall
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import kharness

IMPORTS = """\
import importlib, pkgutil
import httpx, kharness

for module in pkgutil.walk_packages(kharness.__path__, "kharness."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)

def test_nothing():
    pass
"""


@cache
def write_byte_code() -> None:
    """Let python find ours compiled, and pytest find it and other plugins' rewritten: that is half of a session's time.

    pytest rewrites all modules of every distribution that brings a plugin. Where it may not be written, all is slower.
    """
    compileall.compile_dir(Path(kharness.__file__).parent, quiet=2)
    environ = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryDirectory(prefix="byte-code-") as project:
        test = Path(project, "test_imports.py")
        test.write_text(IMPORTS)
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", project, str(test)]
        subprocess.run(command, cwd=project, env=environ, capture_output=True, check=True)
