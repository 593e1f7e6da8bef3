"""The encoder inside a collection: one file, pinned by its SHA-256 in the catalogue.

A collection of vectors that were made elsewhere has none, until one is attached.

A rebuild adds a second file, ``encoder.next.onnx``, and takes effect with the transaction that
replaces the embeddings and the SHA-256 together; only then is the file renamed. So the right file
is always the one with the pinned SHA-256, also if the process is killed in between.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from clr_search.contract.model_file import ModelFile, read_model
from clr_search.errors import ClrSearchError, UsageError
from clr_search.files.own import OwnFile, OwnFolder, temporary_of

if TYPE_CHECKING:
    from clr_search.index.catalog.facts import CollectionFacts
    from clr_search.index.catalog.remote.protocol import Remote
    from clr_search.serve.encoder import Encoder

FILE_NAME = "encoder.onnx"
"""Name of the encoder inside a collection."""

NEXT_NAME = "encoder.next.onnx"
"""Name of the encoder of a rebuild, until the rebuild has taken effect."""

_COPY = "Copy it to the disk of the collection, or let that have a copy: without --share-encoder."

_UNFINISHED = temporary_of(r"encoder(\.next)?\.onnx")


class WrongEncoderError(ClrSearchError):
    """The error for a collection that lacks the encoder that made its embeddings."""


class NoEncoderError(UsageError):
    """What was asked for needs an encoder, and the collection has none."""


def require(folder: OwnFolder, facts: CollectionFacts) -> None:
    """Refuses a collection without an encoder.

    Raises
    ------
    NoEncoderError
        Says how to attach an encoder.
    """
    if not facts.encoder_sha256:
        raise NoEncoderError(
            f"{folder} has no encoder, which this needs: its vectors, of length "
            f"{facts.dimension}, were made elsewhere.",
            "Search it by items and by vectors, or attach the encoder that made them: "
            f"clr-search build-index --index {folder} --encoder encoder.onnx",
        )


def refuse_another_disk(source: Path, collection: Path) -> None:
    """Refuses to share a file with a collection, there or not yet, on another disk.

    Raises
    ------
    UsageError
        Says what to do; nothing is made.
    """
    there = next(path for path in (collection, *collection.absolute().parents) if path.exists())
    if source.stat().st_dev != there.stat().st_dev:
        raise UsageError(f"{collection} cannot share {source}, which is on another disk.", _COPY)


def put(file: OwnFile, model: ModelFile, *, share: bool) -> None:
    """Brings an encoder into a collection, as a copy, or by sharing the file that was read.

    Raises
    ------
    UsageError
        If the file cannot be shared, as when it lies on another disk, or changes meanwhile.
    """
    if not share:
        file.write(model.data)
        return
    try:
        file.link_to(model.path)
    except OSError as error:
        what = f"{file.folder} cannot share {model.path}: {error.strerror}."
        raise UsageError(what, _COPY) from error
    if file.sha256() != model.sha256:
        raise UsageError(f"{model.path} was changed while it was read.", "Try again.")


def load(folder: OwnFolder, sha256: str, device: str, remote: Remote | None = None) -> Encoder:
    """Loads the encoder with this SHA-256 from a collection onto a device; see `serve.Encoder`.

    For a collection on a server, `remote`, the error says how to bring the encoder to this machine.

    Raises
    ------
    WrongEncoderError
        If no file in the collection has this SHA-256.
    """
    from clr_search.serve.encoder import Encoder

    for name in (FILE_NAME, NEXT_NAME):
        file = folder / name
        if file.exists() and file.sha256() == sha256:
            model = read_model(file)
            if model.sha256 == sha256:
                return Encoder(model, device=device)
    if remote is not None:
        raise WrongEncoderError(
            f"The encoder of {folder} is not on this machine.", remote.encoder_remedy(sha256)
        )
    file = folder / FILE_NAME
    state = "has been altered" if file.exists() else "is missing"
    raise WrongEncoderError(
        f"{file} {state}: its embeddings are of the encoder with SHA-256 {sha256[:16]}….",
        f"Copy that encoder to {file}, or embed everything again with another one: "
        "clr-search build-index --rebuild",
    )


def finish_change(folder: OwnFolder, sha256: str) -> None:
    """Renames the next encoder if its rebuild has taken effect, and deletes incomplete copies.

    Parameters
    ----------
    folder : OwnFolder
        The collection, of which the caller is the writer.
    sha256 : str
        SHA-256 of the encoder that the catalogue is pinned to.

    Examples
    --------
    >>> from pathlib import Path
    >>> folder = OwnFolder.make(Path("flowers.clr"))
    >>> (folder / NEXT_NAME).write(b"model")
    >>> finish_change(folder, (folder / NEXT_NAME).sha256())
    >>> (folder / FILE_NAME).read_bytes()
    b'model'
    """
    following = folder / NEXT_NAME
    if following.exists() and following.sha256() == sha256:
        following.rename(folder / FILE_NAME)
    folder.delete("", _UNFINISHED)
