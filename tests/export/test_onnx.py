"""A run becomes a file that computes what torch computes, and says what it is."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch

from clr_search import __version__
from clr_search.contract.golden import check_golden, golden_picture, golden_size_for
from clr_search.contract.model_file import EMBEDDING, IMAGES, TOLERANCE, read_model
from clr_search.errors import ClrSearchError, UsageError
from clr_search.export import onnx as export
from clr_search.export.reference import embed
from clr_search.train.run import load_run, write_initial_run, write_weights
from clr_search.train.settings.config import TrainConfig
from tests.export.test_node import check_same, node

__all__ = ["node"]  # a fixture

CONFIG = TrainConfig(image_size=40, width=0.25, seed=5)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that is untrained, but with statistics and γ as if it had been trained."""
    folder = write_initial_run(CONFIG, tmp_path_factory.mktemp("export") / "flowers")
    trained = load_run(folder)
    generator = torch.Generator().manual_seed(0)
    for module in trained.encoder.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            count = module.num_features
            module.running_mean = torch.randn(count, generator=generator) * 0.1
            module.running_var = torch.rand(count, generator=generator) + 0.5
            module.weight.data = torch.rand(count, generator=generator) + 0.5
    networks = torch.nn.ModuleDict({"encoder": trained.encoder, "head": trained.head})
    write_weights(folder, trained.config, networks)
    return folder


@pytest.fixture(scope="module")
def encoder(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("encoder") / "encoder.onnx"
    export.export_run(run, out, licence="photos by the owner")
    return out


def pictures(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height * width).integers(0, 256, (3, height, width, 3), np.uint8)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (40, 40), (41, 97), (210, 33), (300, 400)])
def test_onnx_runtime_gives_what_torch_gives(
    run: Path, encoder: Path, height: int, width: int
) -> None:
    images = pictures(height, width)
    expected = embed(load_run(run).encoder, torch.from_numpy(images), CONFIG.image_size).numpy()
    session = ort.InferenceSession(encoder, providers=["CPUExecutionProvider"])
    found = session.run([EMBEDDING], {IMAGES: images})[0]
    assert np.abs(expected - found).max() <= TOLERANCE
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    one = session.run([EMBEDDING], {IMAGES: images[:1]})[0]
    assert np.abs(one - found[:1]).max() <= TOLERANCE, "N is dynamic"


@pytest.mark.node
def test_node_gives_what_torch_gives(node: str, encoder: Path, tmp_path: Path) -> None:
    check_same(node, encoder, tmp_path)


def test_the_card_says_what_it_is(run: Path, encoder: Path) -> None:
    card = read_model(encoder).card
    assert (card.name, card.image_size, card.embedding_dim) == ("flowers", 40, 128)
    assert card.architecture == "resnet18 width 0.25, cifar stem"
    assert card.method == "none: an untrained network"
    assert (card.package_version, card.licence) == (__version__, "photos by the owner")
    assert card.weights_sha256 == load_run(run).weights_sha256
    trained = replace(
        load_run(run), metrics=[{"epoch": 7, "knn_accuracy": 0.5, "images": 1200}, {"epoch": 8}]
    )
    card = export.describe(trained, "flowers", "")
    assert (card.method, card.epochs, card.loss, card.knn_accuracy) == ("simclr", 8, "nt-xent", 0.5)


def test_the_golden_vector_is_torchs_and_lies_beside_it(run: Path, encoder: Path) -> None:
    model = read_model(encoder)
    assert model.card.golden_size == golden_size_for(CONFIG.image_size)
    picture = torch.from_numpy(golden_picture(model.card.golden_size))
    expected = embed(load_run(run).encoder, picture[None], CONFIG.image_size)
    assert check_golden(model, expected[0].numpy()) == 0
    beside = json.loads(encoder.with_name("golden.json").read_text())
    assert np.allclose(beside["embedding"], expected[0], atol=1e-7)


def test_nothing_of_this_machine_is_in_the_file(encoder: Path) -> None:
    """The exporter annotates nodes with stack traces, which hold paths."""
    model = onnx.load(encoder)
    assert not any(node.doc_string or node.metadata_props for node in model.graph.node)
    assert not model.graph.metadata_props
    text = encoder.read_bytes()
    assert not re.search(rb"site-packages|[/\\]home[/\\]|\.py\b", text)
    assert str(Path(torch.__file__).parent).encode() not in text


def test_a_file_that_exists_is_kept(run: Path, encoder: Path) -> None:
    before = encoder.read_bytes()
    with pytest.raises(UsageError, match="exists already"):
        export.export_run(run, encoder)
    assert encoder.read_bytes() == before
    with pytest.raises(UsageError, match=r"golden\.json exists already"):
        export.export_run(run, encoder.with_name("other.onnx"))
    report = export.export_run(run, encoder, licence="photos by the owner", force=True)
    assert report.sha256 == read_model(encoder).sha256
    assert encoder.read_bytes() == before, "the same run gives the same file"


def test_a_graph_that_differs_is_not_written(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(*arguments: object) -> torch.Tensor:
        return embed(*arguments) * 0.99  # type: ignore[arg-type]

    monkeypatch.setattr(export, "embed", wrong)
    with pytest.raises(ClrSearchError, match="differs from torch by"):
        export.export_run(run, tmp_path / "encoder.onnx")
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a run"):
        export.export_run(tmp_path, tmp_path / "encoder.onnx")
