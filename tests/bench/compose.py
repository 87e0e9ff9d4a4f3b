"""Reading Compose files, beside what libyaml alone takes for the same text."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from kharness.settings.compose.load import load_compose
from tests.bench.figure import Figure
from tests.bench.timing import Series

FILES, SERVICES = 300, 10
TIMES = 3
"""How many times as long as libyaml's reading the whole reading may take, and half a millisecond a service besides."""
SERVICE = """\
  s{0}:
    image: registry.example/app{0}:1.{0}
    restart: unless-stopped
    environment: {{MODE: "${{MODE:-production}}", WORKERS: 4, DEBUG: false}}
    ports: ["80{0:02}:80"]
    volumes: ["data{0}:/data", "./conf{0}:/etc/app:ro"]
    networks: [front, back]
    healthcheck: {{test: [CMD, curl, -f, "http://localhost"], interval: 30s, timeout: 3s, retries: 3}}
    deploy: {{resources: {{limits: {{memory: 256M, cpus: "0.5"}}}}}}
    labels: [traefik.enable=true, com.example.team=shop]
"""


def compose(*, rounds: int) -> Figure:
    """Measure the CPU time of reading 300 files of ten services; `value` is a part of what it may be."""
    with TemporaryDirectory(prefix="kharness-bench-") as scratch:
        folders = [_folder(Path(scratch, f"p{number}")) for number in range(FILES)]
        texts = [(folder / "compose.yaml").read_bytes() for folder in folders]
        plain, whole = [], []
        for _ in range(rounds):
            plain.append(_timed(lambda: [yaml.load(text, yaml.CSafeLoader) for text in texts]))
            whole.append(_timed(lambda: [load_compose(folder, environ={}) for folder in folders]))
    libyaml, ours = Series(tuple(plain)), Series(tuple(whole))
    allowed = TIMES * libyaml.median + FILES * SERVICES * 0.0005
    return Figure(
        title=f"CPU of reading {FILES} Compose files, to what is allowed",
        value=ours.median / allowed,
        bound=1.0,
        unit="x",
        parts=(("load_compose", ours), ("yaml.CSafeLoader", libyaml)),
    )


def _folder(path: Path) -> Path:
    path.mkdir()
    services = "".join(SERVICE.format(number) for number in range(SERVICES))
    volumes = "".join(f"  data{number}:\n" for number in range(SERVICES))
    text = f"services:\n{services}networks: {{front: , back: {{internal: true}}}}\nvolumes:\n{volumes}"
    (path / "compose.yaml").write_text(text)
    return path


def _timed(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began
