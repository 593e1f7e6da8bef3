"""What benches are made of: a random encoder, pictures of noise, vectors in clusters.

A bench runs from a clone by itself, so it takes nothing from the tests; the tests, which check the
benches too, take these from here.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from clr_search.contract.card import Card
from clr_search.contract.golden import golden_picture, golden_size_for
from clr_search.contract.model_file import EMBEDDING, IMAGES
from clr_search.export.graph import FEATURES, PIXELS, assemble, with_card
from clr_search.index import Index

Vectors = NDArray[np.float32]


def write_tiny_encoder(path: Path, *, seed: int = 0, size: int = 32, dimension: int = 16) -> Path:
    """Two random convolutions and a global mean, with golden vector and card."""
    generator = np.random.default_rng(seed)
    weights = {
        "w1": generator.normal(0, 0.5, (8, 3, 5, 5)),
        "w2": generator.normal(0, 0.5, (dimension, 8, 3, 3)),
    }
    nodes = [
        helper.make_node("Conv", [PIXELS, "w1"], ["c1"], strides=[2, 2]),
        helper.make_node("LeakyRelu", ["c1"], ["a1"], alpha=0.1),
        helper.make_node("Conv", ["a1", "w2"], ["c2"], strides=[2, 2]),
        helper.make_node("LeakyRelu", ["c2"], ["a2"], alpha=0.1),
        helper.make_node("GlobalAveragePool", ["a2"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], [FEATURES]),
    ]
    backbone = helper.make_graph(
        nodes,
        "backbone",
        [helper.make_tensor_value_info(PIXELS, TensorProto.FLOAT, ["N", 3, size, size])],
        [helper.make_tensor_value_info(FEATURES, TensorProto.FLOAT, ["N", dimension])],
        [numpy_helper.from_array(v.astype(np.float32), k) for k, v in weights.items()],
    )
    model = assemble(backbone, size, dimension)
    card = Card(
        name="tiny",
        image_size=size,
        embedding_dim=dimension,
        architecture="two convolutions",
        golden_size=golden_size_for(size),
    )
    session = ort.InferenceSession(with_card(model, card), providers=["CPUExecutionProvider"])
    picture = golden_picture(card.golden_size)
    golden = session.run([EMBEDDING], {IMAGES: picture[None]})[0][0]
    path.write_bytes(with_card(model, replace(card, golden=tuple(golden.tolist()))))
    return path


def write_noise(folder: Path, count: int, *, seed: int = 0, first: int = 0) -> Path:
    """Many small pictures, all different, in folders of ten."""
    generator = np.random.default_rng(seed)
    for number in range(first, first + count):
        path = folder / f"{number // 10:03d}" / f"{number:05d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        colour = generator.integers(0, 256, 3)
        pixels = np.clip(colour + generator.normal(0, 40, (24, 24, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(path, compress_level=1)
    return folder


def clustered(count: int, dimension: int, seed: int = 0, *, clusters: int = 40) -> Vectors:
    """Unit vectors around random centres, as embeddings of pictures lie."""
    generator = np.random.default_rng(seed)
    centres = generator.normal(size=(clusters, dimension))
    rows = centres[generator.integers(clusters, size=count)]
    rows = rows + 0.7 * generator.normal(size=(count, dimension))
    unit: Vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


def write_vectors(folder: Path, rows: Vectors, encoder: Path, paths: list[str]) -> Path:
    """A collection of vectors by an encoder, whose pictures are not there; search is exact."""
    with Index.create(folder, encoder) as index:
        index.add_vectors(rows, paths, root="/pictures", settle=False)
    return folder
