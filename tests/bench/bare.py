"""What one would write without kharness: launch, wait, ask and remove containers with the Docker SDK, one by one.

Usage: bare.py IMAGE COUNT PORT
"""

from __future__ import annotations

import sys
import time
import urllib.request

import docker

POLL = 0.05
PATIENCE = 60.0


def main(image: str, count: int, port: int) -> None:
    client = docker.from_env()
    prefix = image.partition("/")[0]
    network = client.networks.create(f"{prefix}-bare", internal=True)
    try:
        for number in range(count):
            container = client.containers.run(
                image,
                ["httpd", "-f", "-p", str(port), "-h", "/www"],
                name=f"{prefix}-bare-{number}",
                network=network.name,
                healthcheck={"test": ["CMD", "wget", "-q", "-O", "/dev/null", f"http://127.0.0.1:{port}/"]},
                detach=True,
            )
            try:
                container.reload()
                address = container.attrs["NetworkSettings"]["Networks"][network.name]["IPAddress"]
                text = ask(f"http://{address}:{port}/")
                if text != "hello\n":
                    raise SystemExit(f"{container.name} said {text!r}")
            finally:
                container.remove(force=True)
    finally:
        network.remove()


def ask(url: str) -> str:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return str(answer.read().decode())
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(POLL)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
