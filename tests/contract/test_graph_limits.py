"""Graphs that ask for more memory than any picture needs are refused, or stopped as they run."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from clr_search.contract.model_file import read_model
from clr_search.contract.shipped import shipped_encoder
from clr_search.errors import ClrSearchError, UsageError

HUGE = 600_000_000


def with_nodes(
    source: Path, target: Path, nodes: Sequence[tuple[str, list[str], dict[str, int]]]
) -> Path:
    """An encoder to whose embedding the largest number of a costly tensor is added."""
    model = onnx.load(source)
    graph = model.graph
    for name, values in {
        "huge": np.array([HUGE]), "huge 3": np.array([1, 1, HUGE]), "pads": np.array([0, HUGE]),
        "from": np.array(0), "to": np.array(HUGE), "step": np.array(1),
        "one": np.ones(1, np.float32), "cube": np.ones((1, 1, 1), np.float32),
        "column": np.ones((24_000, 1), np.float32), "row": np.ones((1, 24_000), np.float32),
    }.items():  # fmt: skip
        graph.initializer.append(numpy_helper.from_array(values, name))
    for node in graph.node:
        for number, output in enumerate(node.output):
            if output == "embedding":
                node.output[number] = "honest"
    for number, (operator, inputs, attributes) in enumerate(nodes):
        output = "costly" if number == len(nodes) - 1 else f"step {number}"
        graph.node.append(helper.make_node(operator, inputs, [output], **attributes))
    graph.node.append(helper.make_node("ReduceMax", ["costly"], ["most"], keepdims=0))
    graph.node.append(helper.make_node("Cast", ["most"], ["number"], to=TensorProto.FLOAT))
    graph.node.append(helper.make_node("Add", ["honest", "number"], ["embedding"]))
    target.write_bytes(model.SerializeToString())
    return target


@pytest.mark.parametrize(
    ("operator", "inputs"),
    [
        ("ConstantOfShape", ["huge"]),
        ("Expand", ["one", "huge"]),
        ("Tile", ["one", "huge"]),
        ("Pad", ["one", "pads"]),
        ("Range", ["from", "to", "step"]),
        ("Resize", ["cube", "", "", "huge 3"]),
        ("MatMul", ["column", "row"]),
    ],
)
def test_shapes_that_stand_in_the_file(
    tiny_encoder: Path, tmp_path: Path, operator: str, inputs: list[str]
) -> None:
    path = with_nodes(tiny_encoder, tmp_path / "x.onnx", [(operator, inputs, {})])
    with pytest.raises(UsageError, match=r"x\.onnx asks for a tensor of .* more than 1 GB"):
        read_model(path)


RUN = """
import sys
from pathlib import Path
import numpy as np
from clr_search.contract import runtime
from clr_search.errors import ClrSearchError
from clr_search.serve.encoder import Encoder
runtime.MOST_MEMORY = 500_000_000
encoder = Encoder(sys.argv[1], device="cpu")
try:
    encoder.encode(np.zeros((40, 40, 3), np.uint8))
except ClrSearchError as error:
    print(error.what)
status = Path("/proc/self/status").read_text()
print(status.partition("VmHWM:")[2].split()[0])
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is told by Linux")
def test_shapes_that_are_computed_as_it_runs(tiny_encoder: Path, tmp_path: Path) -> None:
    """A sum over zeros gives the size, which no inference knows."""
    nodes = [
        ("Identity", ["huge"], {}),
        ("Shape", ["images"], {"start": 3, "end": 4}),
        ("Mul", ["step 0", "step 1"], {}),
        ("ConstantOfShape", ["step 2"], {}),
    ]
    path = with_nodes(tiny_encoder, tmp_path / "x.onnx", nodes)
    read_model(path)  # nothing in the file tells
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(path)], capture_output=True, text=True, check=True
    )
    said, most = done.stdout.splitlines()
    assert "x.onnx needs more memory for these pictures than a session may take" in said
    assert int(most) < 1_000_000  # kB; it asks for seven times as much


def test_what_ships_is_within_the_limits() -> None:
    assert read_model(shipped_encoder()).card.embedding_dim > 0


def test_sizes_that_no_tensor_has(tiny_encoder: Path, tmp_path: Path) -> None:
    model = onnx.load(tiny_encoder)
    model.graph.initializer[0].dims[:] = [-1, 2**62]
    path = tmp_path / "x.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ClrSearchError, match=r"x\.onnx asks for a tensor"):
        read_model(path)
