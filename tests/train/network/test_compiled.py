"""`compile`: the same training, by code that torch has made of the network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.fx import GraphModule

from clr_search.errors import ClrSearchError
from clr_search.train import TrainConfig, load_run, train

CONFIG = TrainConfig(
    width=0.25, image_size=16, batch_size=8, epochs=2, seed=1, device="cpu", compile=True
)


@pytest.fixture
def pictures(pictures: Path) -> Path:
    return pictures / "red"


def by(backend: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have networks compiled by this, since the usual way takes a compiler and a minute."""
    real = nn.Module.compile

    def compile_by(self: nn.Module, *, dynamic: bool) -> None:
        real(self, backend=backend, dynamic=dynamic)

    monkeypatch.setattr(nn.Module, "compile", compile_by)
    torch._dynamo.reset()


def test_compiled_it_learns_the_same(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes: list[tuple[int, ...]] = []

    def backend(graph: GraphModule, inputs: list[torch.Tensor]) -> Any:
        shapes.extend(tuple(one.shape) for one in inputs if one.ndim == 4 and one.shape[1] == 3)
        return graph.forward

    by(backend, monkeypatch)
    one = train([pictures], tmp_path / "compiled", CONFIG).run
    other = train([pictures], tmp_path / "plain", replace(CONFIG, compile=False)).run
    pictures_seen = {shape for shape in shapes if shape[2:] == (16, 16)}
    assert pictures_seen == {(16, 3, 16, 16)}, "training alone is compiled, and once"
    first, second = load_file(one / "weights.safetensors"), load_file(other / "weights.safetensors")
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        torch.testing.assert_close(tensor, second[name], rtol=1e-3, atol=1e-4)
    assert load_run(one).config.compile


def test_where_torch_cannot_compile_it_says_what_to_do(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def backend(graph: GraphModule, inputs: list[torch.Tensor]) -> Any:
        raise RuntimeError("no C++ compiler found")

    by(backend, monkeypatch)
    with pytest.raises(ClrSearchError, match="torch cannot compile the network here") as refused:
        train([pictures], tmp_path / "run", CONFIG)
    assert "Leave out --compile" in refused.value.remedy
