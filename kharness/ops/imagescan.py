"""What is in an image: its layers are read once, and what was seen is kept in the state directory."""

from __future__ import annotations

from kharness.errors import UnseenError
from kharness.host.layers import read_layers
from kharness.host.scans import Scans
from kharness.ops.harness import Harness
from kharness.plan.evidence.content import Content, content_of


def image_content(harness: Harness, image: str) -> Content:
    """Return what is in the image of that id; `UnseenError` where it cannot be read, `EngineError`."""
    scans = scans_of(harness)
    digest = image.removeprefix("sha256:")
    content = scans.content(digest)
    if content is None:
        content = content_of(read_layers(harness.engine.save_image(image), known=scans))
        if not content.files:
            raise UnseenError(f"the image {image} has no file")
        scans.keep_content(digest, content)
    return content


def scans_of(harness: Harness) -> Scans:
    """Return what is kept of images."""
    return Scans(harness.state_dir / "scans")
