"""What of a collection on Milvus lies on this machine: its replica, and its encoder.

Both are in the user's cache, below ``milvus/`` and ``encoders/``. The replica can be deleted at any
time, and is then read from the server again. An encoder is found by its SHA-256, whichever
collection brought it here.
"""

from __future__ import annotations

from pathlib import Path

from clr_search.contract.model_file import ModelFile
from clr_search.contract.shipped import shipped_encoder
from clr_search.files.cache import cache_folder
from clr_search.files.own import OwnFolder
from clr_search.files.write import sha256_bytes
from clr_search.index.catalog.milvus.address import Address, AddressPath

ENCODER = "encoder.onnx"


class ReplicaFolder(OwnFolder):
    """The folder of a replica, which messages name by the address of the collection."""

    def __init__(self, path: Path, address: Address) -> None:
        super().__init__(path)
        self._place = AddressPath(str(address))

    @property
    def place(self) -> Path:
        """The address of the collection."""
        return self._place


def replica_folder(address: Address) -> ReplicaFolder:
    """Makes the folder of the replica, and returns it."""
    path = OwnFolder.make(cache_folder() / "milvus" / address.key).real
    path.chmod(0o700)  # paths and labels are the user's own
    return ReplicaFolder(path, address)


def keep_encoder(folder: OwnFolder, model: ModelFile) -> None:
    """Puts an encoder where the replica, and other collections of it, find it."""
    (folder / ENCODER).write(model.data)
    (OwnFolder.make(_encoders()) / f"{model.sha256}.onnx").write(model.data)


def bring_encoder(folder: OwnFolder, sha256: str) -> None:
    """Puts the encoder with this SHA-256 beside the replica, where it is on this machine.

    It is that of the package, or one that another collection has brought. Where there is none, the
    error comes when something is to be embedded: searches by items and vectors need none.
    """
    file = folder / ENCODER
    if not sha256 or (file.exists() and file.sha256() == sha256):
        return
    for source in (_encoders() / f"{sha256}.onnx", shipped_encoder()):
        try:
            data = source.read_bytes()
        except OSError:
            continue
        if sha256_bytes(data) == sha256:
            file.write(data)
            return


def remedy(address: Address, sha256: str) -> str:
    """Returns what to do where the encoder is not on this machine."""
    return (
        f"Give it once: clr-search build-index --index {address} --encoder encoder.onnx. Or copy "
        f"it to {_encoders() / f'{sha256}.onnx'}. Its SHA-256 is {sha256}."
    )


def _encoders() -> Path:
    """Returns the folder of the encoders of all collections."""
    return cache_folder() / "encoders"
