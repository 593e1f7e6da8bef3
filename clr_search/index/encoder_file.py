"""The encoder inside a collection: one file, pinned by its SHA-256 in the catalogue.

A rebuild brings a second file, ``encoder.next.onnx``, and takes effect with the transaction that
replaces the embeddings and the SHA-256 together; only then is the file renamed. So between the two
the right encoder is the next one, and which of the files is right can always be told.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from clr_search.errors import ClrSearchError
from clr_search.files.write import sha256_file

if TYPE_CHECKING:
    from clr_search.serve.encoder import Encoder

FILE_NAME = "encoder.onnx"
NEXT_NAME = "encoder.next.onnx"


class WrongEncoderError(ClrSearchError):
    """No encoder in the collection is the one its embeddings are of."""


def load(folder: Path, sha256: str, device: str) -> Encoder:
    """The encoder of this SHA-256 out of a collection, on a device; see `serve.Encoder`.

    Raises
    ------
    WrongEncoderError
        If it is not there.
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
    """Rename the next encoder if it has taken effect; delete what killed copies have left."""
    following = folder / NEXT_NAME
    if following.is_file() and sha256_file(following) == sha256:
        following.replace(folder / FILE_NAME)
    for name in (FILE_NAME, NEXT_NAME):
        for leftover in folder.glob(f".{name}.*.tmp"):  # of `files.atomic_path`
            leftover.unlink()
