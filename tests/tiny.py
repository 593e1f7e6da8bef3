"""Small real artefacts for tests: a random encoder under the contract, and a few pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from clr_search.contract.golden import golden_picture, golden_size_for
from clr_search.contract.model_file import EMBEDDING, IMAGES, Card
from clr_search.export.graph import FEATURES, PIXELS, assemble, with_card

COLOURS = {"red": (200, 40, 40), "green": (40, 180, 60), "blue": (40, 60, 200)}


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


def write_pictures(folder: Path, *, each: int = 12, seed: int = 0) -> Path:
    """`each` noisy pictures of each of three colours, in three folders, of differing sizes."""
    generator = np.random.default_rng(seed)
    for label, colour in COLOURS.items():
        (folder / label).mkdir(parents=True, exist_ok=True)
        for number in range(each):
            height, width = generator.integers(30, 90, 2)
            noise = generator.normal(0, 30, (height, width, 3))
            pixels = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
            suffix = "png" if number % 2 else "jpg"
            Image.fromarray(pixels).save(folder / label / f"{label}{number:02d}.{suffix}")
    return folder
