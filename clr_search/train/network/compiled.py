"""Compiling the network for training, with `torch.compile`.

On a GPU, compiling fuses normalisation, activation and addition, each of which otherwise reads and
writes every feature map. On a processor it brought nothing. Only training calls the compiled code:
measurements use other sizes and another mode, and each of these would be compiled again, for
minutes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from clr_search.errors import ClrSearchError


def compile_networks(networks: nn.ModuleDict) -> None:
    """Let torch compile encoder and head when they are first called; weights keep their names."""
    for name in ("encoder", "head"):
        networks[name].compile(dynamic=False)


@contextmanager
def uncompiled() -> Iterator[None]:
    """Run compiled networks without their compiled code, within this context."""
    with torch.compiler.set_stance("force_eager"):
        yield


@contextmanager
def explain_compile_errors() -> Iterator[None]:
    """Turn errors of the compiler into a message that says what to do, within this context.

    Raises
    ------
    ClrSearchError
        If torch cannot compile a network.
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
