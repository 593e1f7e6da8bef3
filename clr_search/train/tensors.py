"""Writing safetensors so that equal tensors give equal files.

The library sorts the tensors, but writes the metadata in the order of a hash table, which differs
from one process to the next. The SHA-256 of the weights stands in the card of an exported encoder,
so the encoders of two equal runs would differ.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

_METADATA = "__metadata__"
_LENGTH = 8  # bytes of the length of the header, little-endian, at the start of a file


def write_tensors(path: Path, tensors: dict[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Writes a safetensors file whose bytes depend on the tensors and the metadata alone.

    Parameters
    ----------
    path : Path
        The file; the caller renames it when it is whole.
    tensors : dict of str to Tensor
        Contiguous tensors on the processor, by name.
    metadata : mapping of str to str
        Facts on the file.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    save_file(tensors, path, metadata=dict(metadata))
    with path.open("r+b") as file:
        length = int.from_bytes(file.read(_LENGTH), "little")
        header = json.loads(file.read(length))
        header[_METADATA] = dict(sorted(header[_METADATA].items()))
        text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
        assert len(text) <= length, "another order of the same entries is no longer"
        file.seek(_LENGTH)
        file.write(text.ljust(length))
