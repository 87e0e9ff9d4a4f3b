"""What one would write without kharness: launch containers with the Docker SDK, four at a time, until each is healthy.

Usage: bare_launch.py IMAGE PREFIX COUNT PORT
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor

import docker

THREADS = 4
POLL = 0.05
PATIENCE = 60.0


def main(image: str, prefix: str, count: int, port: int) -> None:
    client = docker.from_env()
    health = ["wget", "-q", "-O", "/dev/null", f"http://127.0.0.1:{port}/"]

    def launch(number: int) -> None:
        container = client.containers.run(
            image,
            command=["httpd", "-f", "-p", str(port), "-h", "/www"],
            name=f"{prefix}-{number}",
            healthcheck={"test": ["CMD", *health]},
            detach=True,
        )
        deadline = time.monotonic() + PATIENCE
        # The engine itself asks for the first time after half a minute.
        while container.exec_run(health).exit_code:
            if time.monotonic() > deadline:
                raise SystemExit(f"{container.name} does not become healthy")
            time.sleep(POLL)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(launch, range(count)))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
