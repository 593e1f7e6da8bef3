"""The encoder inside a collection: one file, pinned by its SHA-256 in the catalogue.

A rebuild adds a second file, ``encoder.next.onnx``, and takes effect with the transaction that
replaces the embeddings and the SHA-256 together; only then is the file renamed. So the right file
is always the one with the pinned SHA-256, also if the process is killed in between.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from clr_search.errors import ClrSearchError
from clr_search.files.write import sha256_file

if TYPE_CHECKING:
    from clr_search.serve.encoder import Encoder

FILE_NAME = "encoder.onnx"
"""Name of the encoder inside a collection."""

NEXT_NAME = "encoder.next.onnx"
"""Name of the encoder of a rebuild, until the rebuild has taken effect."""


class WrongEncoderError(ClrSearchError):
    """The error for a collection that lacks the encoder that made its embeddings."""


def load(folder: Path, sha256: str, device: str) -> Encoder:
    """Loads the encoder with this SHA-256 from a collection onto a device; see `serve.Encoder`.

    Raises
    ------
    WrongEncoderError
        If no file in the collection has this SHA-256.
    """
    from clr_search.serve.encoder import Encoder

    for name in (FILE_NAME, NEXT_NAME):
        path = folder / name
        if path.is_file() and sha256_file(path) == sha256:
            encoder = Encoder(path, device=device)
            if encoder.sha256 == sha256:
                return encoder
    state = "has been altered" if (folder / FILE_NAME).is_file() else "is missing"
    raise WrongEncoderError(
        f"{folder / FILE_NAME} {state}: its embeddings are of the encoder with SHA-256 "
        f"{sha256[:16]}….",
        f"Copy that encoder to {folder / FILE_NAME}, or embed everything again with another one: "
        "clr-search build-index --rebuild",
    )


def finish_change(folder: Path, sha256: str) -> None:
    """Renames the next encoder if its rebuild has taken effect, and deletes incomplete copies.

    Parameters
    ----------
    folder : Path
        The collection, of which the caller is the writer.
    sha256 : str
        SHA-256 of the encoder that the catalogue is pinned to.

    Examples
    --------
    >>> _ = Path(NEXT_NAME).write_bytes(b"model")
    >>> finish_change(Path(), sha256_file(Path(NEXT_NAME)))
    >>> Path(FILE_NAME).read_bytes()
    b'model'
    """
    following = folder / NEXT_NAME
    if following.is_file() and sha256_file(following) == sha256:
        following.replace(folder / FILE_NAME)
    for name in (FILE_NAME, NEXT_NAME):
        for leftover in folder.glob(
            f".{name}.*.tmp"
        ):  # the names that `files.write.atomic_path` makes
            leftover.unlink()
