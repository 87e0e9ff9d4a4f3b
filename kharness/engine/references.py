"""Image references, `repository:tag` or `repository@sha256:...`. Pure."""

from __future__ import annotations


def split_reference(ref: str) -> tuple[str, str]:
    """Split `host:5000/name:tag` or `name@sha256:...` into name and tag (`latest` when not said) or digest."""
    name, at, digest = ref.partition("@")
    if at:
        return name, digest
    head, colon, tag = ref.rpartition(":")
    return (head, tag) if colon and "/" not in tag else (ref, "latest")


def full_reference(ref: str) -> str:
    """Return the reference with its tag, as the engine lists it."""
    name, tag = split_reference(ref)
    return f"{name}{'@' if '@' in ref else ':'}{tag}"
