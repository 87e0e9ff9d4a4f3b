"""What is a secret, and fifty things that only look like one. The secrets here are made up as the tests run."""

from __future__ import annotations

import base64
import random
import string
import time

import pytest

from kharness.plan.checks.leaks import is_library, leaks, leaks_in_words

DICE = random.Random(1)
UPPER, LOWER, DIGITS = string.ascii_uppercase, string.ascii_lowercase, string.digits
WORDS = UPPER + LOWER + DIGITS


def some(count: int, alphabet: str = WORDS) -> str:
    return "".join(DICE.choice(alphabet) for _ in range(count))


def pem(kind: str) -> str:
    body = base64.b64encode(DICE.randbytes(300)).decode()
    lines = "\n".join(body[at : at + 64] for at in range(0, len(body), 64))
    return f"-----BEGIN {kind}-----\n{lines}\n-----END {kind}-----\n"


KEYS = ("PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "OPENSSH PRIVATE KEY", "ENCRYPTED PRIVATE KEY",
        "PGP PRIVATE KEY BLOCK")  # fmt: skip
TOKENS = {
    "an AWS access key": "AKIA" + some(16, UPPER + "234567"),
    "an AWS secret key": "aws_secret_access_key = " + some(40),
    "a Google API key": "AIza" + some(35),
    "a GitHub token": "ghp_" + some(36),
    "a GitLab token": "glpat-" + some(20),
    "a Slack token": "xoxb-" + some(12, DIGITS) + "-" + some(24),
    "a Slack webhook": f"https://hooks.slack.com/services/T{some(9, UPPER)}/B{some(9, UPPER)}/{some(24)}",
    "a Stripe key": "sk_live_" + some(24),
    "an npm token": "npm_" + some(36),
    "a PyPI token": "pypi-AgEI" + some(80),
    "an OpenAI key": "sk-" + some(24) + "T3BlbkFJ" + some(24),
    "a DigitalOcean token": "dop_v1_" + some(64, "0123456789abcdef"),
}


@pytest.mark.parametrize("kind", KEYS)
def test_a_private_key_is_found_in_any_place(kind: str) -> None:
    key = pem(kind)
    for content in (key, f"\0\0{key}\0", key.replace("\n", "\r\n"), '{"key": "' + key.replace("\n", "\\n") + '"}'):
        assert list(leaks(content.encode())) == ["a private key"]


def test_a_key_with_headers_is_found() -> None:
    key = pem("RSA PRIVATE KEY").replace("-----\n", "-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,AB\n\n", 1)
    assert list(leaks(key.encode())) == ["a private key"]


@pytest.mark.parametrize("kind", TOKENS)
def test_a_token_is_found_by_its_form(kind: str) -> None:
    for content in (TOKENS[kind], f'token = "{TOKENS[kind]}"\n', f"\x7fELF\0{TOKENS[kind]}\0"):
        assert list(leaks(content.encode())) == [kind]


@pytest.mark.parametrize(
    ("path", "content", "kind"),
    [
        ("/root/.netrc", "machine example.org login me password hunter2\n", "a password for a host"),
        ("/root/.git-credentials", "https://me:hunter2@example.org\n", "a password for git"),
        ("/root/.pgpass", "db:5432:*:me:hunter2\n", "a password for PostgreSQL"),
        ("/root/.docker/config.json", '{"auths": {"x": {"auth": "bWU6aHVudGVyMg=="}}}', "a password for a registry"),
        ("/etc/nginx/.htpasswd", "me:$apr1$abcdefgh$0123456789abcdefghijkl\n", "a password's hash"),
        ("/app/.env", "DB_PASSWORD=hunter2\n", "a value of DB_PASSWORD"),
        ("/app/.git/config", "url = https://me:hunter2@example.org/x.git\n", "a password in an address"),
        ("/etc/shadow-", "me:$6$salt$hashhashhashhash:19000:0:99999:7:::\n", "a password's hash"),
        ("/etc/shadow", "me:$6$salt$hashhashhashhash:19000:0:99999:7:::\n", "a password's hash"),
    ],
)
def test_some_files_are_there_for_secrets(path: str, content: str, kind: str) -> None:
    assert list(leaks(content.encode(), path=path)) == [kind]


@pytest.mark.parametrize(
    ("words", "kinds"),
    [
        ("DB_PASSWORD=hunter2", ["a value of DB_PASSWORD"]),
        ("MYSQL_PWD=hunter2", ["a value of MYSQL_PWD"]),
        ("CACHE=redis://:hunter2@cache", ["a password in an address"]),
        ("AWS_ACCESS_KEY_ID=" + TOKENS["an AWS access key"], ["an AWS access key"]),
        ("POSTGRES_PASSWORD=changeme", ["a value of POSTGRES_PASSWORD"]),
        ('RUN API_TOKEN="abc def" ./setup', ["a value of API_TOKEN"]),
        ("|1 SECRET_KEY=s3cr3t /bin/sh -c make", ["a value of SECRET_KEY"]),
        ("RUN git clone https://me:hunter2@example.org/x.git", ["a password in an address"]),
        ("DATABASE_URL=postgres://app:hunter2@db/app", ["a password in an address"]),
        ("RUN curl -H 'Authorization: Bearer abcdefghijklmnop1234' https://x", ["an authorization header"]),
        (f"RUN echo {TOKENS['a GitHub token']}", ["a GitHub token"]),
    ],
)
def test_secrets_in_commands_and_variables_are_found(words: str, kinds: list[str]) -> None:
    assert list(leaks_in_words(words)) == kinds


ORDINARY_FILES = (
    ("/usr/lib/libssl.so", "-----BEGIN PRIVATE KEY-----\0-----BEGIN RSA PRIVATE KEY-----\0-----END PRIVATE KEY-----"),
    ("/usr/share/doc/README", "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----\n"),
    ("/usr/share/doc/howto", "Paste everything from -----BEGIN RSA PRIVATE KEY----- to the end.\n" + "word " * 40),
    ("/app/parse.py", 'HEAD = "-----BEGIN OPENSSH PRIVATE KEY-----"\nTAIL = "-----END OPENSSH PRIVATE KEY-----"\n'),
    ("/etc/ssl/certs/ca.pem", pem("CERTIFICATE")),
    ("/etc/ssh/ssh_host_key.pub", pem("PUBLIC KEY")),
    ("/usr/share/keyrings/x.asc", pem("PGP PUBLIC KEY BLOCK")),
    ("/etc/ssl/dh.pem", pem("DH PARAMETERS")),
    ("/app/x.csr", pem("CERTIFICATE REQUEST")),
    ("/home/me/.ssh/authorized_keys", "ssh-ed25519 " + some(68) + " me@example\n"),
    ("/usr/share/doc/aws", "AKIAIOSFODNN7EXAMPLE"),
    ("/usr/share/doc/aws2", "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
    ("/usr/share/doc/aws3", "aws_secret_access_key = <your key>"),
    ("/usr/share/dict/words", "AKIAS\nASIAN\nASIATIC\n"),
    ("/app/blob.b64", some(30) + "AKIA" + some(60)),
    ("/app/x", "AKIAAAAAAAAAAAAAAAAA"),
    ("/app/test.js", 'const fake = "ghp_' + "x" * 36 + '"'),
    ("/app/short.js", "ghp_abc"),
    ("/app/long.js", "ghp_" + some(80)),
    ("/app/prefix.c", "int ghs_register(void); int gho_free(void);"),
    ("/usr/share/doc/gitlab", "glpat-XXXXXXXXXXXXXXXXXXXX"),
    ("/usr/share/doc/google", "AIza" + "0" * 35),
    ("/app/stripe", "sk_test_" + some(24)),
    ("/app/stripe2", "sk_live_" + "0" * 24),
    ("/app/slack", "xoxo, and see you"),
    ("/app/hooks", "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX"),
    ("/app/npmrc", "//registry.example.org/:_authToken=${NPM_TOKEN}"),
    ("/app/npm.js", "npm_config_registry npm_package_name npm_lifecycle_event"),
    ("/app/lock.json", '"integrity": "sha512-' + some(86) + '=="'),
    ("/app/go.sum", "example.org/x v1.0.0 h1:" + some(43) + "=\n"),
    ("/app/requirements.txt", "x==1 --hash=sha256:" + some(64, "0123456789abcdef")),
    ("/app/uuid", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
    ("/app/jwt.md", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.x"),
    ("/etc/passwd", "me:x:1000:1000::/home/me:/bin/sh\n"),
    ("/etc/shadow", "root:*:19000:0:99999:7:::\nme:!:19000:0:99999:7:::\ndaemon:!!:19000::::::\n"),
    ("/etc/nginx/.htpasswd", "# user:password\n"),
    ("/root/.netrc", "# machine example.org login me password secret\n"),
    ("/root/.netrc", "machine example.org login me\n"),
    ("/root/.pgpass", "# host:port:db:user:password\n"),
    ("/root/.docker/config.json", '{"auths": {"x": {}}, "credsStore": "desktop"}'),
    ("/app/config.json", '{"auth": "bWU6aHVudGVyMg=="}'),
    ("/app/git", "https://example.org/me:you/x"),
)
ORDINARY_WORDS = (
    "POSTGRES_PASSWORD_FILE=/run/secrets/password",
    "DB_PASSWORD=",
    "DB_PASSWORD=$DB_PASSWORD",
    "DB_PASSWORD=/run/secrets/db",
    "API_TOKEN=<token>",
    "ALLOW_EMPTY_PASSWORD=yes",
    "TOKEN_LIFETIME=3600",
    "GPG_KEY=E3FF2839C048B25C084DEBE9B26995E310250568",
    "PYTHON_SHA256=0123456789abcdef0123456789abcdef",
    "USE_SECRET=true",
    "RUN curl https://example.org:8443/a@b",
    "RUN curl https://$USER:$PASSWORD@example.org",
    "RUN curl -H 'Authorization: Bearer $TOKEN' https://x",
    'CMD ["--password-file", "/run/secrets/x"]',
    "REFRESH_TOKEN=30d",
    "TOKEN=`cat /run/secrets/t`",
    "MYSQL_RANDOM_ROOT_PASSWORD=on",
    "JAVA_trustStorePassword=changeit",
    "OLDPWD=/root",
)


@pytest.mark.parametrize(
    ("path", "start", "library"),
    [
        ("/usr/lib/libgnutls.so.30", b"\x7fELF\2", True),
        ("/usr/lib/python3/_ssl.cpython-311.so", b"\x7fELF\2", True),
        ("/usr/lib/libgnutls.so.30", b"-----BEGIN", False),
        ("/usr/bin/x", b"\x7fELF\2", False),
        ("/app/some.things/x", b"\x7fELF\2", False),
        ("/app/web.social", b"\x7fELF\2", False),
    ],
)
def test_a_shared_library_is_recognized_by_name_and_content(path: str, start: bytes, library: bool) -> None:  # noqa: FBT001
    assert is_library(start, path) is library


def test_long_runs_of_letters_take_no_long_time() -> None:
    began = time.monotonic()
    assert list(leaks_in_words("a1" * 100_000)) == []
    assert list(leaks(b"-----BEGIN PRIVATE KEY-----" + b"\n" * 200_000)) == []
    # Where it is quadratic this takes minutes.
    assert time.monotonic() - began < 20


def test_there_are_fifty_of_them() -> None:
    assert len(ORDINARY_FILES) + len(ORDINARY_WORDS) >= 50


@pytest.mark.parametrize(("path", "content"), ORDINARY_FILES)
def test_an_ordinary_file_is_not_flagged(path: str, content: str) -> None:
    assert list(leaks(content.encode(), path=path)) == []


@pytest.mark.parametrize("words", ORDINARY_WORDS)
def test_ordinary_words_are_not_flagged(words: str) -> None:
    assert list(leaks_in_words(words)) == []
