r"""Recognise secrets in an image: few patterns, each so narrow that ordinary files do not match it.

A pattern is tried only where one of its words occurs: searching for a word is a hundred times faster. The forms of
tokens are those that their issuers publish.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass

_BODY = (
    rb"(?:[ \t\r\n]|\\r|\\n){0,9}(?:[A-Za-z-]+: [^\n\\]*(?:\r?\n|\\n)){0,9}(?:[ \t\r\n]|\\r|\\n){0,9}"
    rb"[A-Za-z0-9+/=]{48,}"
)
"""The body of a key, also inside a JSON string; a program that only contains the words has none."""
ELF = b"\x7fELF"
VARIED = 10
"""The least number of different characters in a token; examples have `xxxxxxxx` and `00000000`."""


@dataclass(frozen=True, slots=True)
class SecretPattern:
    """A kind of secret; the pattern's first group, or all of it, is the secret itself."""

    kind: str
    words: tuple[bytes, ...]
    pattern: re.Pattern[bytes]


def _pattern(kind: str, words: str, pattern: bytes) -> SecretPattern:
    return SecretPattern(kind, tuple(word.encode() for word in words.split(",")), re.compile(pattern))


PATTERNS = (
    _pattern(
        "a private key",
        "PRIVATE KEY-----,PRIVATE KEY BLOCK-----",
        rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----" + _BODY,
    ),
    _pattern("an AWS access key", "AKIA,ASIA", rb"(?<![A-Za-z0-9+/_-])(A[KS]IA[A-Z2-7]{16})(?![A-Za-z0-9+/=_-])"),
    _pattern(
        "an AWS secret key",
        "aws_secret_access_key,AWS_SECRET_ACCESS_KEY",
        rb"(?i)aws_secret_access_key[\"']?\s*[=:]\s*[\"']?([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])",
    ),
    _pattern("a Google API key", "AIza", rb"(?<![A-Za-z0-9_-])(AIza[A-Za-z0-9_-]{35})(?![A-Za-z0-9_-])"),
    _pattern(
        "a GitHub token",
        "ghp_,gho_,ghu_,ghs_,ghr_,github_pat_",
        rb"(?<![A-Za-z0-9_])(gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59})(?![A-Za-z0-9_])",
    ),
    _pattern("a GitLab token", "glpat-", rb"(?<![A-Za-z0-9_-])(glpat-[A-Za-z0-9_.-]{20,})"),
    _pattern("a Slack token", "xox", rb"(?<![A-Za-z0-9])(xox[abprs]-[0-9]{8,}-[A-Za-z0-9-]{20,})"),
    _pattern(
        "a Slack webhook",
        "hooks.slack.com",
        rb"hooks\.slack\.com/services/(T[A-Z0-9]{8,}/B[A-Z0-9]{8,}/[A-Za-z0-9]{24})",
    ),
    _pattern("a Stripe key", "sk_live_,rk_live_", rb"(?<![A-Za-z0-9_])([rs]k_live_[A-Za-z0-9]{24,})"),
    _pattern("an npm token", "npm_", rb"(?<![A-Za-z0-9_])(npm_[A-Za-z0-9]{36})(?![A-Za-z0-9_])"),
    _pattern("a PyPI token", "pypi-AgEI", rb"(pypi-AgEI[A-Za-z0-9_-]{60,})"),
    _pattern("an OpenAI key", "T3BlbkFJ", rb"(sk-[A-Za-z0-9_-]{20,}T3BlbkFJ[A-Za-z0-9_-]{20,})"),
    _pattern("a DigitalOcean token", "dop_v1_", rb"(?<![A-Za-z0-9_])(dop_v1_[a-f0-9]{64})(?![A-Za-z0-9])"),
)

_FILES = {
    ".netrc": (
        "a password for a host",
        re.compile(rb"^\s*(?:machine\s+\S+|default)\b[^#]*?\bpassword\s+(\S+)", re.MULTILINE),
    ),
    ".git-credentials": ("a password for git", re.compile(rb"^https?://[^:\s/]+:([^@\s]+)@", re.MULTILINE)),
    ".pgpass": ("a password for PostgreSQL", re.compile(rb"^[^#\s][^:\n]*(?::[^:\n]*){3}:([^\s:]+)\s*$", re.MULTILINE)),
    ".htpasswd": ("a password's hash", re.compile(rb"^[^:\s#]+:(\$\S{20,}|\{SHA\}\S+)\s*$", re.MULTILINE)),
}
_SHADOW = {
    name: ("a password's hash", re.compile(rb"^[^:\n]+:(\$[^:\n]{8,}):", re.MULTILINE))
    for name in ("/etc/shadow", "/etc/shadow-")
}
_REGISTRY = ("a password for a registry", re.compile(rb"\"auth\"\s*:\s*\"([A-Za-z0-9+/=]{8,})\""))

_NAME = (
    r"[A-Z0-9_]*(?:PASSWORD|PASSWD|PASSPHRASE|PASS|PWD|SECRET|TOKEN|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|"
    r"SECRET_KEY(?:_BASE)?)"
)
VARIABLE = re.compile(rf"(?<![A-Za-z0-9_])({_NAME})=(?:\"([^\"]*)\"|'([^']*)'|([^\s;&|\"']*))", re.IGNORECASE)
NO_SECRET = re.compile(
    r"\$.*|<.*>|/.*|`.*|\*+|x+|true|false|yes|no|on|off|none|null|undefined|dummy|changeit|\d{1,5}[smhd]?",
    re.IGNORECASE | re.DOTALL,
)
"""Values that are not secrets: another variable, a placeholder, a path, a switch, a time."""
TEXT_FILE = re.compile(r"/(?:[^/]*\.env|\.env[^/]*|\.git/config)$")
"""Files of variables, and files that may contain addresses with passwords."""
LIBRARY = re.compile(r"\.so(?:\.[0-9.]+)?$")
EXAMPLE = re.compile(
    r"/(?:site-packages|dist-packages|node_modules|gems|python[0-9.]+)/(?:.*/)?(?:tests?|testing|testdata|examples?|"
    r"certdata|fixtures)/|^/usr/share/doc/|/ssl-cert-snakeoil\.key$"
)
CREDENTIALS = re.compile(
    r"(?<![a-z0-9+.-])[a-z][a-z0-9+.-]{1,20}://[^\s:/@\"'$]{0,200}:([^\s/@\"'$]{1,400})@", re.IGNORECASE
)
BEARER = re.compile(r"Authorization:\s*(?:Bearer|Basic|token)\s+([A-Za-z0-9._~+/=-]{16,})", re.IGNORECASE)


def leaks(content: bytes, *, path: str = "") -> Iterator[str]:
    """Yield the kinds of secrets in a file's content, each once."""
    for each in PATTERNS:
        if any(word in content for word in each.words) and _has_secret(each.pattern, content):
            yield each.kind
    name = posixpath.basename(path)
    special = [found for found in (_FILES.get(name), _SHADOW.get(path)) if found]
    if path.endswith(("/.docker/config.json", "/.dockercfg", "/containers/auth.json")):
        special.append(_REGISTRY)
    if TEXT_FILE.search(path):
        yield from _in_text(content.decode(errors="surrogateescape"))
    for kind, pattern in special:
        if pattern.search(content):
            yield kind


def is_library(start: bytes, path: str) -> bool:
    """Whether a file is a shared library, by its first bytes and its name.

    Libraries for cryptography contain the keys of their self-tests.
    """
    return start.startswith(ELF) and LIBRARY.search(path) is not None


def is_example(path: str) -> bool:
    """Whether a file belongs to a package's own tests or documentation."""
    return EXAMPLE.search(path) is not None


def leaks_in_words(text: str) -> Iterator[str]:
    """Yield the kinds of secrets in a variable `NAME=VALUE` or in the command that made a layer."""
    yield from leaks(text.encode(errors="surrogateescape"))
    yield from _in_text(text)


def _in_text(text: str) -> Iterator[str]:
    for match in VARIABLE.finditer(text):
        value = next((group for group in match.groups()[1:] if group), "")
        if value and not NO_SECRET.fullmatch(value):
            yield f"a value of {match[1]}"
    if any(not NO_SECRET.fullmatch(match[1]) for match in CREDENTIALS.finditer(text)):
        yield "a password in an address"
    if BEARER.search(text):
        yield "an authorization header"


def _has_secret(pattern: re.Pattern[bytes], content: bytes) -> bool:
    for match in pattern.finditer(content):
        secret = match[match.lastindex or 0]
        if len(set(secret)) >= VARIED and b"EXAMPLE" not in secret:
            return True
    return False
