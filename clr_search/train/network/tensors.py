"""Writing safetensors so that equal tensors give equal files.

The library sorts the tensors, but writes the metadata in the order of a hash table, which differs
from one process to the next. The SHA-256 of the weights stands in the card of an exported encoder,
so the encoders of two equal runs would differ.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from safetensors.torch import save
from torch import Tensor

_METADATA = "__metadata__"
_LENGTH = 8  # bytes of the length of the header, little-endian, at the start of a file


def to_bytes(tensors: dict[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """Returns a safetensors file whose bytes depend on the tensors and the metadata alone.

    Parameters
    ----------
    tensors : dict of str to Tensor
        Contiguous tensors on the processor, by name.
    metadata : mapping of str to str
        Facts on the file.
    """
    data = save(tensors, metadata=dict(metadata))
    length = int.from_bytes(data[:_LENGTH], "little")
    header = json.loads(data[_LENGTH : _LENGTH + length])
    header[_METADATA] = dict(sorted(header[_METADATA].items()))
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    assert len(text) <= length, "another order of the same entries is no longer"
    return b"".join((data[:_LENGTH], text.ljust(length), memoryview(data)[_LENGTH + length :]))
