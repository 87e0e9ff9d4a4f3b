"""Short forms of commands, for fingers that know them: each stands for the words on its right."""

from __future__ import annotations

from difflib import get_close_matches

ALIASES = {
    "0": ("down",),
    "00": ("down-all",),
    "01": ("restart",),
    "1": ("up",),
    "11": ("up-all",),
    "L": ("logs",),
    "b": ("build",),
    "ba": ("build-all",),
    "clean": ("prune",),
    "console": ("attach",),
    "cow": ("cowscan",),
    "e": ("enter",),
    "hup": ("kill", "-s", "HUP"),
    "lA": ("ps", "--all"),
    "la": ("list", "--autostart"),
    "law": ("list", "--waves"),
    "lb": ("list", "--buildable"),
    "list-all": ("ps", "--all"),
    "list-up": ("ps",),
    "ls": ("ps",),
    "lt": ("list", "--testable"),
    "lun": ("list", "--not-up"),
    "qa": ("check-all-up",),
    "ria": ("run-in-all",),
    "t": ("test",),
    "ta": ("test-all",),
    "u": ("upgrade",),
    "ua": ("upgrade-all",),
}
NEAREST = 3
"""How many names an unknown one is answered with."""
ALIKE = 0.6
"""How much of two names is the same before one is taken for a slip of the other; from 0 to 1."""


def expanded(words: list[str]) -> list[str]:
    """Return a command line without its short form."""
    return [*ALIASES.get(words[0], words[:1]), *words[1:]] if words else []


def aliases_of(command: str) -> tuple[str, ...]:
    """Return the short forms that begin with a command."""
    return tuple(alias for alias, words in ALIASES.items() if words[0] == command)


def nearest(word: str, commands: list[str]) -> tuple[str, ...]:
    """Return the commands that were probably meant, the likeliest first: by their names, or by their short forms."""
    found = get_close_matches(word, [*commands, *ALIASES], n=NEAREST, cutoff=ALIKE)
    meant = [name for name in commands if len(word) > 1 and name.startswith(word)]
    return tuple(dict.fromkeys([*meant, *(ALIASES.get(name, (name,))[0] for name in found)]))[:NEAREST]
