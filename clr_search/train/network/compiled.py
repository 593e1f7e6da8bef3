"""Compiling the network for training, with `torch.compile`.

On a GPU it fuses normalisation, activation and addition, which otherwise each read and write every
map; on a processor it did not pay. Only training calls the compiled code: measurements come in
other sizes and another mode, each of which would be compiled anew, for minutes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from clr_search.errors import ClrSearchError


def compile_networks(networks: nn.ModuleDict) -> None:
    """Have encoder and head compiled when they are first called; their weights keep their names."""
    for name in ("encoder", "head"):
        networks[name].compile(dynamic=False)


@contextmanager
def as_they_are() -> Iterator[None]:
    """Call networks without what was compiled, within this context."""
    with torch.compiler.set_stance("force_eager"):
        yield


@contextmanager
def explained() -> Iterator[None]:
    """Tell what to do where torch cannot compile.

    Raises
    ------
    ClrSearchError
        In place of what torch raises.
    """
    from torch._dynamo.exc import TorchDynamoException

    try:
        yield
    except TorchDynamoException as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ClrSearchError(
            f"torch cannot compile the network here: {reason}",
            "Leave out --compile; what was trained so far is kept. A compiler for C++ (on a GPU "
            "also Triton) must be installed.",
        ) from error
