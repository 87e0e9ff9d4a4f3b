"""Which settings have a say in a launch by hand; what has none is refused, because silence would look like a yes."""

from __future__ import annotations

from collections.abc import Iterable

from kharness.settings.laid import Source

NOTHING_BUILT = "what runs is an image that is there already; 'kharness build' makes one, by what the file says"
GATE = "it belongs to tests and checks, and a launch by hand has none"
NEITHER = {
    "autostart": "it is for the start of the host",
    "build": NOTHING_BUILT,
    "drift": GATE,
    "expect": GATE,
    "gate": GATE,
    "image": NOTHING_BUILT,
    "policy": GATE,
}
"""Keys that say nothing about one launch, and why."""
PRODUCTION = {
    **NEITHER,
    "depends_on": "production is launched alone; 'kharness up-all' knows the order",
    "test": "it is for test instances, and -D makes one",
}
APART = "a development instance is alone on a network of its own, and is reached by its address"
DEVELOPMENT = {
    **NEITHER,
    "container_name": "a development instance has a name of its own",
    "logging": "the output of a development instance goes to the terminal alone",
    "networks": APART,
    "ports": APART,
    "release": "nothing is released",
    "restart": "a development instance is never restarted",
}
IN_PLACE = dict.fromkeys(("command", "entrypoint", "healthcheck"), "a shell runs in place of its program")
BESIDE = dict.fromkeys(
    (
        *("container_name", "devices", "env_file", "expose", "hostname", "labels", "logging", "ports", "prepare"),
        *("release", "restart", "secrets", "volumes"),
    ),
    "the container of a shell beside production has none of production's",
)


def refusals(sources: Iterable[Source], *, development: bool, with_shell: bool = False) -> tuple[str, ...]:
    """Return why what is said for one launch has no say in it: of production, or for development, or of a shell."""
    silent = DEVELOPMENT if development else PRODUCTION
    if with_shell:
        silent = {**silent, **IN_PLACE, **({} if development else BESIDE)}
    return tuple(
        f"{source.names[key]}: has no say in this launch: {silent[key]}"
        for source in sources
        for key in source.names
        if key in silent
    )


def laid_over(sources: Iterable[Source]) -> tuple[str, ...]:
    """Return what is said for one launch, as it was said, with the names that maps have, and without values."""
    return tuple(text for source in sources for key, name in source.names.items() if (text := _text(source, key, name)))


def _text(source: Source, key: str, name: str) -> str:
    said = source.said.get(key)
    return f"{name} {','.join(said)}" if isinstance(said, dict) and said else name
