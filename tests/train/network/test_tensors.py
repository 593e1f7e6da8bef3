"""Equal tensors give equal files, in whatever order their metadata comes."""

from __future__ import annotations

import itertools
from pathlib import Path

import torch
from safetensors import safe_open

from clr_search.train.network.tensors import to_bytes

METADATA = {"format": "pt", "network": '{"width": 1, "café": "x"}', "a": '\\ " \n', "z": ""}


def test_the_order_of_the_metadata_changes_nothing(tmp_path: Path) -> None:
    tensors = {"b": torch.arange(6.0).reshape(2, 3), "a": torch.ones(3, dtype=torch.int64)}
    path, found = tmp_path / "x.safetensors", set()
    for order in itertools.permutations(METADATA):
        path.write_bytes(to_bytes(tensors, {name: METADATA[name] for name in order}))
        found.add(path.read_bytes())
    assert len(found) == 1
    with safe_open(path, framework="pt") as file:
        assert file.metadata() == METADATA
        for name, tensor in tensors.items():
            assert torch.equal(file.get_tensor(name), tensor)
