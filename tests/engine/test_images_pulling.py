from __future__ import annotations

from kharness.engine.images import PullLines


def test_a_pull_tells_of_its_layers_in_a_few_lines() -> None:
    lines: list[str] = []
    pull = PullLines(lines.append)
    layers = [f"layer{number}" for number in range(8)]
    pull.take({"status": "Pulling from library/web", "id": "latest"})
    for status in ("Pulling fs layer", "Downloading", "Downloading", "Download complete", "Extracting"):
        for layer in layers:
            pull.take({"status": status, "id": layer, "progressDetail": {"current": 1}})
    for layer in layers:
        pull.take({"status": "Pull complete", "id": layer})
    pull.take({"status": "Digest: sha256:aa"})
    assert lines == [
        "Pulling from library/web (latest)",
        "2 of 8 layers",
        "4 of 8 layers",
        "6 of 8 layers",
        "8 of 8 layers",
        "Digest: sha256:aa",
    ]


def test_a_pull_may_go_unwatched() -> None:
    PullLines(None).take({"status": "Pull complete", "id": "layer"})
