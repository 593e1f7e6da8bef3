"""Every method, from pictures to a run that can be resumed, loaded and exported."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from clr_search.contract.model_file import read_model
from clr_search.export.onnx import describe, export_run
from clr_search.train import TrainConfig, load_run, train
from clr_search.train.settings.names import LossName
from tests.train.test_loop import Interrupting, learned, same_weights

VARIANTS: dict[str, dict[str, object]] = {
    "instdisc": {"method": "instdisc"},
    "nce": {"method": "instdisc", "negatives": 10},
    "supervised": {"method": "supervised"},
    "group": {"norm": "group"},
    "micro-batch": {"micro_batch": 3},
    "average": {"average": 0.9},
    "multi-crop": {"local_views": 2, "local_size": 8},
    "dot": {"normalise": False, "temperature": 10.0},
    **{loss: {"loss": loss} for loss in get_args(LossName)},
}


@pytest.mark.parametrize("name", VARIANTS)
def test_it_trains_and_goes_on_where_it_was_stopped(
    name: str, pictures: Path, tiny: TrainConfig, tmp_path: Path
) -> None:
    config = replace(tiny, **VARIANTS[name], epochs=2)
    whole = train([pictures], tmp_path / "whole", config)
    assert (whole.epochs, whole.steps, whole.interrupted) == (2, 8, False)
    part = train([pictures], tmp_path / "part", config, reporter=Interrupting(6))
    assert part.interrupted
    train([pictures], tmp_path / "part", config, resume=True)
    assert same_weights(tmp_path / "part", tmp_path / "whole")
    assert learned(tmp_path / "part") == learned(tmp_path / "whole")


@pytest.mark.parametrize(
    ("name", "loss", "data"),
    [
        ("nce", "nce with 10 negatives", "36 images, no labels used"),
        ("instdisc", "non-parametric softmax", "36 images, no labels used"),
        ("supervised", "cross-entropy", "36 images, their folders as labels"),
        ("group", "nt-xent", "36 images, no labels used"),
        ("dcl", "dcl", "36 images, no labels used"),
    ],
)
def test_the_encoder_says_how_it_learned(
    name: str, loss: str, data: str, pictures: Path, tiny: TrainConfig, tmp_path: Path
) -> None:
    config = replace(tiny, **VARIANTS[name], epochs=1)
    train([pictures], tmp_path / "run", config)
    card = describe(load_run(tmp_path / "run"), "one", "")
    assert (card.method, card.loss, card.training_data) == (config.method, loss, data)


@pytest.mark.parametrize("name", ["instdisc", "group"])  # another head, and another norm
def test_the_exported_encoder_says_so_too(
    name: str, pictures: Path, tiny: TrainConfig, tmp_path: Path
) -> None:
    train([pictures], tmp_path / "run", replace(tiny, **VARIANTS[name], epochs=1))
    export_run(tmp_path / "run", tmp_path / "encoder.onnx")
    card, run = read_model(tmp_path / "encoder.onnx").card, load_run(tmp_path / "run")
    told = describe(run, card.name, "")
    assert (card.method, card.loss, card.training_data) == (
        told.method,
        told.loss,
        told.training_data,
    )
    assert card.embedding_dim == run.encoder.dimension
