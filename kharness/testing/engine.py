"""FakeEngine: an engine in memory."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from kharness.errors import ConflictError, ContainerMissingError, EngineError, ImageMissingError
from kharness.plan.facts import ContainerFacts, EngineFacts, ImageFacts, MountFacts, NetworkFacts
from kharness.plan.launch.runspec import Attachment, Mount, MountKind, RunSpec
from kharness.testing.container import FakeContainer
from kharness.testing.images import FakeImages, matches
from kharness.testing.life import FakeLife
from kharness.testing.networks import SPECIAL, FakeNetworks, FakeVolumes
from kharness.testing.recording import recorded


class FakeEngine(FakeLife, FakeImages, FakeNetworks, FakeVolumes):
    """An `Engine` without an engine: images, containers, networks and volumes as values.

    It refuses what an engine refuses: names, addresses, ports and subnets that are taken, images and containers that
    are not there, the removal of what is in use. Calls are recorded and can be made to fail, see `Recorder`; labels of
    an image tell its containers how to behave, see `kharness.testing.container`; `script` answers executed commands.

        engine = FakeEngine()
        engine.put_image("ktools/web:live", labels={"fake.health": "unhealthy"})
        launch(spec, engine)
        assert engine.running == {"web"}
    """

    def __init__(self, *, root: Path | None = None, facts: EngineFacts | None = None) -> None:
        """Take a directory for the contents of volumes, if they shall have any, and the engine's own facts."""
        super().__init__()
        self.root = root
        self._facts_said = facts or EngineFacts(id="fake", name="fake", version="0", root_dir=str(root or "/fake"))
        self._ids = 0
        self._requests: list[RunSpec] = []

    @property
    def running(self) -> set[str]:
        """The names of the containers that run."""
        return {box.name for box in self.boxes.values() if box.running}

    @recorded
    def facts(self) -> EngineFacts:
        """See `Engine`."""
        return self._facts_said

    @recorded
    def container(self, ref: str) -> ContainerFacts | None:
        """See `Engine`."""
        box = self._find(ref)
        return box.facts() if box else None

    @recorded
    def containers(self, *, labels: Mapping[str, str | None] | None = None) -> tuple[ContainerFacts, ...]:
        """See `Engine`."""
        found = [box.facts() for box in self.boxes.values()]
        return tuple(facts for facts in found if matches(facts.labels, labels))

    @recorded
    def create(self, spec: RunSpec) -> str:
        """See `Engine`."""
        return self._create(spec)

    def _create(self, spec: RunSpec) -> str:
        image = self.store.find(spec.image)
        if image is None:
            raise ImageMissingError(f"there is no image {spec.image}")
        self._claim(spec.name)
        for mount in spec.mounts:
            if mount.kind is MountKind.BIND and not Path(mount.source or "").exists():
                raise EngineError(f"container {spec.name}: bind source path does not exist: {mount.source}")
            if mount.kind is MountKind.VOLUME and mount.source and mount.source not in self.vols:
                self._make_volume(mount.source, {})
        self._ids += 1
        full, made = self._with_anonymous(spec, image)
        container = hashlib.sha256(f"container {self._ids}".encode()).hexdigest()
        self.boxes[container] = FakeContainer(
            id=container,
            name=spec.name,
            spec=spec,
            image=image,
            files=dict(self.store.files[image.id]),
            created=self._now(),
            restart=spec.restart,
            retries=spec.restart_retries,
            joined={attachment.network: attachment for attachment in spec.networks},
            mounts=tuple(self._mount(mount) for mount in full.mounts if mount.kind is not MountKind.TMPFS),
            made=made,
        )
        return container

    def _with_anonymous(self, spec: RunSpec, image: ImageFacts) -> tuple[RunSpec, frozenset[str]]:
        taken = {posixpath.normpath(mount.target) for mount in spec.mounts}
        more = (Mount(kind=MountKind.VOLUME, source=None, target=path) for path in image.volumes)
        mounts, made = [], []
        for mount in (*spec.mounts, *(each for each in more if posixpath.normpath(each.target) not in taken)):
            if mount.kind is MountKind.VOLUME and not mount.source:
                made.append(hashlib.sha256(f"volume {self._ids} {mount.target}".encode()).hexdigest())
                self._make_volume(made[-1], {})
                mounts.append(replace(mount, source=made[-1]))
            else:
                mounts.append(mount)
        return replace(spec, mounts=tuple(mounts)), frozenset(made)

    def _mount(self, mount: Mount) -> MountFacts:
        named = mount.kind is MountKind.VOLUME
        place = self.vols[mount.source].mountpoint if named and mount.source else mount.source
        return MountFacts(
            kind=mount.kind.value,
            source=place or "",
            target=mount.target,
            writable=not mount.read_only,
            name=mount.source or "" if named else "",
        )

    @recorded
    def request_of(self, container: str) -> Mapping[str, Any]:
        """See `Engine`; the fake's request is the number of a specification that it keeps."""
        box = self._box(container)
        mounts = self._named(box)
        spec = replace(box.spec, image=box.image.id, restart=box.restart, restart_retries=box.retries, mounts=mounts)
        self._requests.append(spec)
        return {"Image": box.image.id, "fake": len(self._requests) - 1}

    def _named(self, box: FakeContainer) -> tuple[Mount, ...]:
        volumes = {mount.target: mount.name for mount in box.mounts if mount.name}
        mounts = [
            replace(mount, source=volumes.pop(mount.target)) if mount.target in volumes else mount
            for mount in box.spec.mounts
        ]
        more = (Mount(kind=MountKind.VOLUME, source=name, target=target) for target, name in volumes.items())
        return (*mounts, *more)

    @recorded
    def create_again(self, name: str, request: Mapping[str, Any]) -> str:
        """See `Engine`."""
        return self._create(replace(self._requests[request["fake"]], name=name))

    @recorded
    def commit(self, container: str, tag: str) -> ImageFacts:
        """See `Engine`."""
        return self.put_image(tag, files=self._box(container).files)

    @recorded
    def rename(self, container: str, name: str) -> None:
        """See `Engine`."""
        box = self._box(container)
        self._claim(name)
        box.name = name

    @recorded
    def remove(self, container: str, *, force: bool = False, volumes: bool = True) -> None:
        """See `Engine`."""
        box = self._find(container)
        if box is None:
            return
        if box.running and not force:
            raise EngineError(f"container {box.name}: a running container cannot be removed without force")
        del self.boxes[box.id]
        for name in box.made - set(self._mounted()) if volumes else ():
            self.vols.pop(name, None)

    @recorded
    def set_restart(self, container: str, policy: str, *, retries: int = 0) -> None:
        """See `Engine`."""
        box = self._box(container)
        box.restart, box.retries = policy, retries

    @recorded
    def connect(self, attachment: Attachment, container: str) -> None:
        """See `Engine`."""
        box = self._box(container)
        box.joined[attachment.network] = attachment
        if box.running:
            box.addresses[attachment.network] = self._address(box, attachment)

    @recorded
    def disconnect(self, network: str, container: str) -> None:
        """See `Engine`."""
        box = self._box(container)
        box.joined.pop(network, None)
        box.addresses.pop(network, None)

    @recorded
    def close(self) -> None:
        """See `Engine`."""

    def _word(self, argument: object) -> str:
        box = self.boxes.get(argument) if isinstance(argument, str) else None
        return box.name if box else super()._word(argument)

    def _claim(self, name: str) -> None:
        if any(box.name == name for box in self.boxes.values()):
            raise ConflictError(f"container {name}: the name is in use")

    def _find(self, ref: str) -> FakeContainer | None:
        return self.boxes.get(ref) or next((box for box in self.boxes.values() if box.name == ref), None)

    def _box(self, ref: str) -> FakeContainer:
        box = self._find(ref)
        if box is None:
            raise ContainerMissingError(f"there is no container {ref}")
        return box

    def _net(self, ref: str) -> NetworkFacts | None:
        found = next((net for net in self.nets.values() if ref in {net.id, net.name}), None)
        if found is None or found.name in SPECIAL:
            return found
        on_it = (box.id for box in self.boxes.values() if box.running and found.name in box.joined)
        return replace(found, containers=tuple(on_it))

    def _is_used(self, image: str) -> bool:
        return any(box.image.id == image for box in self.boxes.values())

    def _mounted(self) -> Iterable[str]:
        return {name for box in self.boxes.values() for name in box.volumes}
